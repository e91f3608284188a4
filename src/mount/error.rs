//! Why the tree refuses: what kind of failure, in words, and what to do about it.
//!
//! **Invariant:** a failure's errno follows from its kind, by the one table of kinds, and every
//! failure that reaches a caller can be read as text, in `X.err` and in `.factfs/last-error`.
//! Nothing here knows of FUSE.

use factfs_core::catalogue::Code;
use factfs_core::db::DbError;
use factfs_core::edn::{EdnError, is_unsafe};
use factfs_core::import::{ImportError, ImportProblem};
use factfs_core::query::QueryError;
use factfs_core::transact::TxError;
use factfs_store::Error;
pub use factfs_store::Kind;
use rustix::io::Errno;
use std::borrow::Cow;
use std::fmt;

/// The number a system call answers with.
fn errno(kind: Kind) -> Errno {
    match kind {
        Kind::Invalid => Errno::INVAL,
        Kind::NotFound => Errno::NOENT,
        Kind::Exists => Errno::EXIST,
        Kind::Conflict => Errno::CANCELED,
        Kind::Busy => Errno::BUSY,
        Kind::Timeout => Errno::TIMEDOUT,
        Kind::TooLarge => Errno::FBIG,
        Kind::Memory => Errno::NOMEM,
        Kind::Interrupted => Errno::INTR,
        Kind::Unavailable => Errno::IO,
        Kind::Denied => Errno::ACCESS,
        Kind::Corrupt => Errno::BADMSG,
        Kind::ReadOnly => Errno::ROFS,
        Kind::Stale => Errno::STALE,
        Kind::Full => Errno::NOSPC,
        Kind::Unsupported => Errno::OPNOTSUPP,
        Kind::NotPermitted => Errno::PERM,
        Kind::NotDirectory => Errno::NOTDIR,
        Kind::IsDirectory => Errno::ISDIR,
        Kind::CrossDevice => Errno::XDEV,
        Kind::BadHandle => Errno::BADF,
        Kind::NameTooLong => Errno::NAMETOOLONG,
    }
}

/// A failure of the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What the caller can do.
    pub kind: Kind,
    /// What is wrong and where, one to a few lines.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Its row in the catalogue of errors, if it is one of the dialect.
    pub code: Option<Code>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(self.message.trim_end()))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", visible(hint)),
            None => Ok(()),
        }
    }
}

/// Text of many hands as a terminal may show it: lines stay lines, all else that changes how the
/// text around it is shown is escaped.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| !matches!(c, '\n' | '\t') && is_unsafe(c);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match is_escaped(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(show).collect())
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, code: None }
    }

    /// No such name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// All that is known of it, as `X.err` and `last-error` show it: also its code.
    pub fn text(&self) -> String {
        let code = self.code.map(|code| format!("\ncode: {code}")).unwrap_or_default();
        format!("{self}{code}\n")
    }

    /// The number a system call answers with.
    pub fn errno(&self) -> Errno {
        errno(self.kind)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: error.code, ..Self::new(error.kind, error.message) }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Error::from(error).into()
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Error::from(error).into()
    }
}

impl From<TxError> for Failure {
    fn from(error: TxError) -> Self {
        Error::from(error).into()
    }
}

impl From<EdnError> for Failure {
    fn from(error: EdnError) -> Self {
        Error::from(error).into()
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let hint = match &error.problem {
            ImportProblem::Db(error) => return error.clone().into(),
            ImportProblem::NoNamespace { column } => {
                Some(format!("columns are named as attributes are: NAMESPACE/{column}"))
            }
            ImportProblem::UnknownAttribute { nearest: None, .. } => {
                Some("schema.edn has those that are known".to_owned())
            }
            problem => problem.hint(),
        };
        Self { hint, ..Self::new(Kind::Invalid, error.to_string()) }
    }
}

/// What the tree answers with.
pub type Result<T> = std::result::Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_is_that_of_the_one_table() {
        for (kind, name, ..) in factfs_store::TABLE {
            let errno = Failure::new(kind, "").errno();
            let shown = format!("{:?}", nix::errno::Errno::from_raw(errno.raw_os_error()));
            assert_eq!(shown, name);
        }
    }

    #[test]
    fn nothing_is_sent_to_a_terminal() {
        let failure = Failure::not_found("`\u{1b}[2J\u{9b}`\nis\tno name").hint("\u{202e}");
        assert_eq!(failure.to_string(), "`\\u001b[2J\\u009b`\nis\tno name\nhint: \\u202e");
    }

    #[test]
    fn a_hint_is_a_line_of_its_own() {
        let failure = Failure::not_found("no store is called `x`\n").hint("ls shows them");
        assert_eq!(failure.to_string(), "no store is called `x`\nhint: ls shows them");
        assert_eq!(failure.errno(), Errno::NOENT);
    }
}
