//! The log of a mount: lines of what happened, the last thousand in memory, all of them in a file
//! where one is named.
//!
//! It collects the events of this program (crate `tracing`) from the level INFO on: mounting,
//! unmounting, commits, failures with their path and errno, stores that are tried again.
//!
//! **Invariant:** an event is one line, whatever is in it: what a terminal would obey is escaped.
//! Logging never fails what is logged. The file is opened for each line, so it may be moved away
//! by whoever rotates logs.

use crate::error::{Failure, Kind, Result, visible};
use factfs_core::instant;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How many lines are kept in memory.
pub const KEPT: usize = 1000;
/// The longest line, in bytes; what is beyond is said to be left out.
const LONGEST: usize = 8 * 1024;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Where lines go beside the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Nowhere.
    #[default]
    Memory,
    /// To a file, at its end.
    File(PathBuf),
    /// To standard error.
    Stderr,
}

/// Collects what happens in this process from now on. The first call of a process counts.
pub fn collect(target: &Target) -> Result<()> {
    static TARGET: OnceLock<Target> = OnceLock::new();
    if let Target::File(path) = target {
        let failed = |error: io::Error| {
            let message = format!("the log {} cannot be written: {error}", path.display());
            Failure::new(Kind::Denied, message).hint("it is the option log: take another file")
        };
        append(path).map_err(failed)?;
    }
    let target = TARGET.get_or_init(|| target.clone());
    // Who collects already goes on.
    let _ = tracing::subscriber::set_global_default(Lines { target });
    Ok(())
}

/// The lines in memory, oldest first.
pub fn text() -> String {
    lines().iter().map(|line| format!("{line}\n")).collect()
}

fn lines() -> MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// What takes events as lines. Spans are of no matter here.
struct Lines {
    target: &'static Target,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("factfs")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let mut text = Text::default();
        event.record(&mut text);
        self.add(line(now_ms, *event.metadata().level(), &text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Lines {
    fn add(&self, line: String) {
        let mut kept = lines();
        // Under the lock, so that lines stand in the file as they do in memory.
        match self.target {
            Target::Memory => {}
            Target::Stderr => drop(writeln!(io::stderr(), "{line}")),
            Target::File(path) => {
                drop(
                    append(path)
                        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())),
                );
            }
        }
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// `2026-06-30T09:30:00Z WARN what happened path=/x errno=EINVAL`
fn line(now_ms: i64, level: Level, text: &Text) -> String {
    let said = format!("{}{}", text.message.trim_end(), text.fields);
    let said = visible(&said).replace('\n', "; ").replace('\t', "\\t");
    let mut line = format!("{} {level} {said}", instant::format(now_ms));
    if line.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        let left_out = line.len() - end;
        line.truncate(end);
        let _ = write!(line, "... ({left_out} bytes left out)");
    }
    line
}

/// An event as text: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, fields: &str, expected: &str) {
        let text = Text { message: message.into(), fields: fields.into() };
        assert_eq!(line(1_767_398_400_000, Level::WARN, &text), expected);
    }

    #[test]
    fn an_event_is_one_line() {
        check("mounted", " at=/m", "2026-01-03T00:00:00Z WARN mounted at=/m");
        check("no\nhint: x\n", "", "2026-01-03T00:00:00Z WARN no; hint: x");
        check("\u{1b}[2J\u{202e}", "", "2026-01-03T00:00:00Z WARN \\u001b[2J\\u202e");
        check("a\tb\r", "", "2026-01-03T00:00:00Z WARN a\\tb");
    }

    #[test]
    fn what_is_left_out_of_a_long_line_is_said() {
        let text = Text { message: "é".repeat(LONGEST), fields: String::new() };
        let line = line(0, Level::INFO, &text);
        assert!(line.len() < LONGEST + 64 && line.ends_with("bytes left out)"), "{}", line.len());
    }
}
