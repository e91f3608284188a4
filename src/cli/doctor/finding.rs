//! What was found by one look.

use factfs_store::Kind;

/// How well it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Well,
    /// Something may be missed, or be slow.
    Warning,
    /// Something does not work, of this kind.
    Failure(Kind),
}

impl Grade {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Warning => "warn",
            Self::Failure(_) => "fail",
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How well it is.
    pub grade: Grade,
    /// What it is like.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn well(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), grade: Grade::Well, found: found.into(), hint: None }
    }

    /// Something to think of.
    pub fn warning(check: impl Into<String>, found: impl Into<String>, hint: &str) -> Self {
        Self { grade: Grade::Warning, hint: Some(hint.to_owned()), ..Self::well(check, found) }
    }

    /// Something that does not work.
    pub fn failure(
        check: impl Into<String>,
        kind: Kind,
        found: impl Into<String>,
        hint: &str,
    ) -> Self {
        let hint = Some(hint.to_owned());
        Self { grade: Grade::Failure(kind), hint, ..Self::well(check, found) }
    }

    /// From an error, whose hint is a line of its own.
    pub fn error(check: impl Into<String>, kind: Kind, message: &str) -> Self {
        let (found, hint) = message.split_once("\nhint: ").unwrap_or((message, ""));
        let grade = Grade::Failure(kind);
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { grade, hint, ..Self::well(check, found.trim()) }
    }
}
