//! How a command ends: exit codes, and errors as people read them.
//!
//! **Invariant:** each exit code follows from the one table of kinds; 0 is success and 2 is a
//! mistake on the command line. An error says what is wrong, where, and what to do, in a few lines
//! on standard error; there is never a backtrace. A reader who leaves early (`| head`) is no error.

use factfs_core::catalogue::Code;
use factfs_core::edn::EdnError;
use factfs_core::import::{ImportError, ImportProblem};
use factfs_core::text::{CellError, RecordError};
use factfs_mount::error::{Failure, visible};
use factfs_store::{Error, Kind};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Something that this command found wrong by itself.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// Of this kind, in these words.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// A text or a request that is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// With where it is, before what it is.
    pub fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for Problem {}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        let map = |column: &str| {
            format!("--map '{column}=some/attribute' names it, --map '{column}=' skips it")
        };
        let hint = match &error.problem {
            ImportProblem::Unnamed => Some("skip it: --map =''".to_owned()),
            ImportProblem::Character { column, .. } => Some(map(column)),
            ImportProblem::NoNamespace { column } => {
                Some(format!("--namespace NS makes it NS/{column}; or {}", map(column)))
            }
            ImportProblem::UnknownAttribute { nearest: None, .. } => {
                Some("--infer proposes a schema, --schema FILE states one".to_owned())
            }
            problem => problem.hint(),
        };
        let kind = match &error.problem {
            ImportProblem::Db(error) => Error::from(error.clone()).kind,
            _ => Kind::Invalid,
        };
        Self { kind, message: error.to_string(), hint }
    }
}

impl From<ImportProblem> for Problem {
    fn from(problem: ImportProblem) -> Self {
        ImportError::from(problem).into()
    }
}

/// The end of `--help`: what the exit codes mean.
pub fn table() -> String {
    let mut out = String::from("Exit codes:\n   0  success\n   2  a mistake on the command line\n");
    for row in factfs_store::TABLE {
        out.push_str(&format!("  {:>2}  {} ({})\n", row.2, row.4, row.1));
    }
    out
}

/// Says what went wrong, if anything did, and gives the exit code.
pub fn end(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    let red =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (on, off) = if red { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{on}factfs:{off} {}", text(&error));
    ExitCode::from(kind(&error).exit_code())
}

/// The messages of an error and its sources, from the outside in; what repeats the one before is
/// left out, and hints come last but for the code by which the manual has it.
fn text(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut hints = Vec::new();
    for message in error.chain().map(ToString::to_string) {
        let (message, hint) = match message.split_once("\nhint: ") {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (message, None),
        };
        if !parts.iter().any(|part| part.contains(message.trim())) {
            // What only says where, when the next says it, too.
            parts.pop_if(|part| message.starts_with(&format!("{part}: ")));
            parts.push(message.trim_end().to_owned());
        }
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
    }
    let hints: String = hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
    let code = error.chain().find_map(code_of).map(|code| format!("\ncode: {code}"));
    // Messages quote servers, files and arguments.
    visible(&(parts.join(": ") + &hints + &code.unwrap_or_default())).into_owned()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|e| e.downcast_ref::<io::Error>());
    io.into_iter().any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// The kind of an error: that of the outermost part which has one.
pub fn kind(error: &anyhow::Error) -> Kind {
    error.chain().find_map(kind_of).unwrap_or(Kind::Unavailable)
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    let is_text = error.is::<EdnError>() || error.is::<CellError>() || error.is::<RecordError>();
    if is_text || error.is::<serde_json::Error>() {
        return Some(Kind::Invalid);
    }
    let problem = error.downcast_ref::<Problem>().map(|e| e.kind);
    let problem = problem.or_else(|| error.downcast_ref::<Error>().map(|e| e.kind));
    let failure = error.downcast_ref::<Failure>().map(|e| e.kind);
    let problem = problem.or(failure);
    problem.or_else(|| error.downcast_ref::<io::Error>().map(io_kind))
}

/// The row of the catalogue, of errors of the dialect.
fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    let text = error.downcast_ref::<EdnError>().map(EdnError::code);
    let text = text.or_else(|| error.downcast_ref::<Error>().and_then(|e| e.code));
    text.or_else(|| error.downcast_ref::<Failure>().and_then(|e| e.code))
}

fn io_kind(error: &io::Error) -> Kind {
    use io::ErrorKind as E;
    match error.kind() {
        E::NotFound | E::NotADirectory => Kind::NotFound,
        E::AlreadyExists => Kind::Exists,
        E::PermissionDenied => Kind::Denied,
        E::ReadOnlyFilesystem => Kind::ReadOnly,
        E::StorageFull | E::QuotaExceeded => Kind::Full,
        E::InvalidData | E::InvalidInput | E::IsADirectory => Kind::Invalid,
        E::TimedOut => Kind::Timeout,
        E::Interrupted => Kind::Interrupted,
        E::ResourceBusy => Kind::Busy,
        E::OutOfMemory => Kind::Memory,
        E::StaleNetworkFileHandle => Kind::Stale,
        E::FileTooLarge => Kind::TooLarge,
        E::Unsupported => Kind::Unsupported,
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn sources_are_told_once_and_hints_last() {
        let problem = Problem::invalid("no attribute `a`").hint("name it");
        let error = Err::<(), _>(problem).context("line 3").unwrap_err();
        assert_eq!(text(&error), "line 3: no attribute `a`\nhint: name it");
        assert_eq!(kind(&error), Kind::Invalid);
        let error = Err::<(), _>(Problem::invalid("x: y")).context("x: y!").unwrap_err();
        assert_eq!(text(&error), "x: y!");
    }

    #[test]
    fn a_message_does_nothing_to_a_terminal() {
        let error = anyhow::anyhow!("the server said \x1b]0;owned\x07 \u{202e}txt\nand\tmore");
        let shown = "the server said \\u001b]0;owned\\u0007 \\u202etxt\nand\tmore";
        assert_eq!(text(&error), shown);
    }

    #[test]
    fn files_have_kinds() {
        let error = std::fs::read("/nonexistent").context("reading").unwrap_err();
        assert_eq!(kind(&error), Kind::NotFound);
    }
}
