//! Names that are written to a file, a line each, something being done with each of them: what is
//! written to `merge`.
//!
//! **Invariant:** a write is whole: what it ends with is a name, too, with or without a line end.
//! What a write answers is what was done with its bytes, as of a stream of transactions: those up
//! to the last name that succeeded, and the next write gets the failure. A failure sticks.

use crate::error::{Failure, Kind, Result};
use std::collections::VecDeque;

/// Does what is to be done with one name, and gives its report.
pub type Act = Box<dyn FnMut(&str) -> Result<String> + Send>;

/// The most that one write may have.
const MOST_BYTES: usize = 64 << 10;

/// Names as they are written.
pub struct Names {
    act: Act,
    keeps_reports: bool,
    reports: VecDeque<u8>,
    failed: Option<Failure>,
}

impl Names {
    /// What `act` does with each; one that is opened for reading, too, keeps the reports.
    pub fn new(act: Act, keeps_reports: bool) -> Self {
        Self { act, keeps_reports, reports: VecDeque::new(), failed: None }
    }

    /// Takes names, and says how many bytes are done with.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let mut done = 0;
        match self.each(bytes, &mut done) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                self.failed = Some(failure.clone());
                if done > 0 { Ok(done) } else { Err(failure) }
            }
        }
    }

    fn each(&mut self, bytes: &[u8], done: &mut usize) -> Result<()> {
        if bytes.len() > MOST_BYTES {
            return Err(Failure::new(Kind::TooLarge, "more than names of branches can have"));
        }
        let not_utf8 = |_| Failure::new(Kind::Invalid, "a name that is not UTF-8");
        let text = std::str::from_utf8(bytes).map_err(not_utf8)?;
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            let name = line.trim();
            if name.is_empty() {
                continue;
            }
            let report = (self.act)(name)?;
            *done = end;
            if self.keeps_reports {
                self.reports.extend(report.into_bytes());
            }
        }
        Ok(())
    }

    /// What failed, if something did.
    pub fn failed(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }

    /// Reports that were not read yet.
    pub fn read(&mut self, size: usize) -> Vec<u8> {
        let size = size.min(self.reports.len());
        self.reports.drain(..size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let act = |name: &str| match name {
            "bad" => Err(Failure::new(Kind::Conflict, "bad")),
            name => Ok(format!("{name}!")),
        };
        Names::new(Box::new(act), true)
    }

    #[test]
    fn each_line_is_a_name_and_so_is_the_end() {
        let mut names = names();
        assert_eq!(names.write(b"a\n\n b \nc").unwrap(), 8);
        assert_eq!(names.write(b"\n").unwrap(), 1);
        assert_eq!(names.read(3), b"a!b");
        assert_eq!(names.read(99), b"!c!");
    }

    #[test]
    fn what_succeeded_is_accepted_and_the_failure_sticks() {
        let mut names = names();
        assert_eq!(names.write(b"a\nbad\nb\n").unwrap(), 2);
        assert_eq!(names.write(b"bad\nb\n").unwrap_err().kind, Kind::Conflict);
        assert_eq!(names.write(b"c\n").unwrap_err().kind, Kind::Conflict);
        assert_eq!(names.read(99), b"a!");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(names().write(b"\xff").unwrap_err().kind, Kind::Invalid);
        assert_eq!(names().write(&[b'a'; 70_000]).unwrap_err().kind, Kind::TooLarge);
    }
}
