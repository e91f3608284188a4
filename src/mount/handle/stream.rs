//! Transactions as they are written to `transact`: a stream of forms, each committed within the
//! write that completes it.
//!
//! **Invariant:** what a write answers is exactly what was done with its bytes: all of them; or
//! those up to the last form that committed, and the next write gets the failure; or none and the
//! failure. A failure sticks. A flush is not the end of the file: it only tells that a form is
//! still incomplete.

use crate::error::{Failure, Kind, Result};
use factfs_core::edn::{Form, Reader};
use std::collections::VecDeque;

/// Commits one form and gives its report.
pub type Commit = Box<dyn FnMut(&Form) -> Result<String> + Send>;

/// A stream of transactions.
pub struct Stream {
    reader: Reader,
    /// Bytes pushed into the reader.
    pushed: usize,
    failed: Option<Failure>,
    reports: VecDeque<u8>,
    commit: Commit,
    keeps_reports: bool,
}

impl Stream {
    /// A stream that commits by `commit`; one that is opened for reading, too, keeps the reports.
    pub fn new(commit: Commit, keeps_reports: bool) -> Self {
        Self {
            reader: Reader::new(),
            pushed: 0,
            failed: None,
            reports: VecDeque::new(),
            commit,
            keeps_reports,
        }
    }

    /// Takes bytes, commits the forms that they complete, and says how many bytes are done with.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let before = self.pushed;
        self.reader.push(bytes);
        self.pushed += bytes.len();
        let mut committed = None;
        let failure = loop {
            let done = match self.reader.next_form() {
                Ok(None) => return Ok(bytes.len()),
                Ok(Some(form)) => self.commit(&form),
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(()) => committed = Some(self.reader.consumed()),
                Err(failure) => break failure,
            }
        };
        self.failed = Some(failure.clone());
        // A form that was begun in an earlier write ends in this one, so this is never negative.
        match committed.map(|end| end.saturating_sub(before)) {
            Some(accepted) if accepted > 0 => Ok(accepted),
            _ => Err(failure),
        }
    }

    fn commit(&mut self, form: &Form) -> Result<()> {
        if form.as_vector().is_none() && form.as_map().is_none() {
            let message = format!("{}: a transaction is a vector of forms or a map", form.span);
            return Err(Failure::new(Kind::Invalid, message));
        }
        let report = (self.commit)(form)?;
        if self.keeps_reports {
            self.reports.extend(report.into_bytes());
        }
        Ok(())
    }

    /// What a close is told: what failed, or that a form is incomplete.
    pub fn flush(&self) -> Result<()> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        match self.reader.open_since() {
            None => Ok(()),
            Some(span) => {
                let message = format!("{span}: the form that starts here is not complete");
                let hint = "nothing of it was committed";
                Err(Failure::new(Kind::Invalid, message).hint(hint))
            }
        }
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
    use std::sync::{Arc, Mutex};

    /// A stream that commits everything but forms with `:bad` in them.
    fn stream() -> (Stream, Arc<Mutex<Vec<String>>>) {
        let done = Arc::new(Mutex::new(Vec::new()));
        let committed = done.clone();
        let commit = move |form: &Form| {
            let text = form.to_string();
            if text.contains(":bad") {
                return Err(Failure::new(Kind::Conflict, text));
            }
            committed.lock().unwrap().push(text);
            Ok("ok\n".to_owned())
        };
        (Stream::new(Box::new(commit), true), done)
    }

    #[track_caller]
    fn committed(done: &Arc<Mutex<Vec<String>>>, expected: &[&str]) {
        assert_eq!(*done.lock().unwrap(), expected);
    }

    #[test]
    fn forms_are_committed_as_they_are_completed() {
        let (mut stream, done) = stream();
        assert_eq!(stream.write(b"[[:a]] ; said\n{:b ").unwrap(), 18);
        committed(&done, &["[[:a]]"]);
        assert_eq!(stream.flush().unwrap_err().kind, Kind::Invalid);
        assert_eq!(stream.write(b"1}\n").unwrap(), 3);
        committed(&done, &["[[:a]]", "{:b 1}"]);
        assert!(stream.flush().is_ok());
        assert_eq!(stream.read(4), b"ok\no");
        assert_eq!(stream.read(99), b"k\n");
    }

    #[test]
    fn of_several_forms_exactly_what_committed_is_accepted() {
        let (mut stream, done) = stream();
        assert_eq!(stream.write(b"[1] [2] [:bad] [3]").unwrap(), 7);
        committed(&done, &["[1]", "[2]"]);
        assert_eq!(stream.write(b" [:bad] [3]").unwrap_err().kind, Kind::Conflict);
        assert_eq!(stream.write(b"[4]").unwrap_err().kind, Kind::Conflict);
        assert_eq!(stream.flush().unwrap_err().kind, Kind::Conflict);
        committed(&done, &["[1]", "[2]"]);
    }

    #[test]
    fn a_form_of_two_writes_fails_in_the_second() {
        let (mut stream, done) = stream();
        assert_eq!(stream.write(b"[1] [:b").unwrap(), 7);
        assert_eq!(stream.write(b"ad]").unwrap_err().kind, Kind::Conflict);
        committed(&done, &["[1]"]);
    }

    #[test]
    fn what_is_no_transaction_is_refused() {
        let (mut stream, _) = stream();
        assert!(stream.write(b"  ; nothing\n\n").is_ok() && stream.flush().is_ok());
        assert_eq!(stream.write(b"hello\n").unwrap_err().kind, Kind::Invalid);
        let (mut other, _) = self::stream();
        assert_eq!(other.write(b"]").unwrap_err().kind, Kind::Invalid);
    }
}
