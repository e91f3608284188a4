//! Transactions as they are written to `transact`: a stream of forms, each committed within the
//! write that completes it.
//!
//! **Invariant:** what a write answers is exactly what was done with its bytes: all of them; or
//! those up to the last form that committed, and the next write gets the failure; or none and the
//! failure. A failure sticks. A flush is not the end of the file: it only tells the process that
//! opened it that a form is still incomplete. What is held of an incomplete form is bounded, and
//! bytes that nothing could complete are refused by the write that brings them.

use super::forms::{Forms, Said};
use crate::error::{Failure, Kind, Result};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Commits one form and gives its report.
pub type Commit = Box<dyn FnMut(Said) -> Result<String> + Send>;

/// The most that one form may have.
pub const MAX_FORM_BYTES: usize = 64 << 20;

/// A stream of transactions.
pub struct Stream {
    reader: Forms,
    utf8: Utf8,
    /// Bytes pushed into the reader.
    pushed: usize,
    failed: Option<Failure>,
    reports: VecDeque<u8>,
    commit: Commit,
    keeps_reports: bool,
    /// The process that opened it.
    opener: Option<u32>,
}

impl Stream {
    /// A stream that commits by `commit`; one that is opened for reading, too, keeps the reports.
    pub fn new(forms: Forms, commit: Commit, keeps_reports: bool, opener: Option<u32>) -> Self {
        Self {
            reader: forms,
            utf8: Utf8::default(),
            pushed: 0,
            failed: None,
            reports: VecDeque::new(),
            commit,
            keeps_reports,
            opener,
        }
    }

    /// Takes bytes, commits the forms that they complete, and says how many bytes are done with.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let before = self.pushed;
        let text = self.utf8.text_of(bytes);
        self.reader.push(&bytes[..text]);
        self.pushed += text;
        let mut committed = None;
        let failure = loop {
            let done = match self.reader.next_form() {
                Ok(None) if text < bytes.len() => Err(not_utf8(bytes[text], self.pushed)),
                Ok(None) => match self.check_open(before, bytes) {
                    Ok(()) => return Ok(bytes.len()),
                    Err(failure) => Err(failure),
                },
                Ok(Some(said)) => self.commit(said),
                Err(failure) => Err(failure),
            };
            match done {
                Ok(()) => committed = Some(self.reader.consumed()),
                Err(failure) => break failure,
            }
        };
        self.failed = Some(failure.clone());
        // Nothing is read any more.
        self.reader = self.reader.anew();
        // A form that was begun in an earlier write ends in this one, so this is never negative.
        match committed.map(|end| end.saturating_sub(before)) {
            Some(accepted) if accepted > 0 => Ok(accepted),
            _ => Err(failure),
        }
    }

    fn commit(&mut self, said: Said) -> Result<()> {
        let report = (self.commit)(said)?;
        if self.keeps_reports {
            self.reports.extend(report.into_bytes());
        }
        Ok(())
    }

    /// Whether the form that is open can still become a transaction: `bytes` were written last, and
    /// begin at the offset `before`.
    fn check_open(&self, before: usize, bytes: &[u8]) -> Result<()> {
        let Some(span) = self.reader.open_since() else { return Ok(()) };
        if self.pushed.saturating_sub(span.start) > MAX_FORM_BYTES {
            let mebibytes = MAX_FORM_BYTES >> 20;
            let message = format!("{span}: the form that starts here is over {mebibytes} MiB");
            let hint = "write several transactions, each a vector of its own";
            return Err(Failure::new(Kind::TooLarge, message).hint(hint));
        }
        let first = span.start.checked_sub(before).and_then(|at| bytes.get(at));
        match first {
            Some(byte) if !self.reader.may_begin(*byte) => Err(self.reader.no_transaction(span)),
            _ => Ok(()),
        }
    }

    /// What a close is told: what failed, or that a form is incomplete. A child that inherited the
    /// file closes it, too, and what it left open is for its parent to go on with.
    pub fn flush(&self, process: Option<u32>) -> Result<()> {
        match &self.failed {
            Some(failure) => Err(failure.clone()),
            None if process == self.opener => self.end(),
            None => Ok(()),
        }
    }

    /// The failure of ending here: a form is incomplete.
    pub fn end(&self) -> Result<()> {
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

fn not_utf8(byte: u8, offset: usize) -> Failure {
    let message = format!("byte {byte:#04x} at offset {offset} is no UTF-8");
    Failure::new(Kind::Invalid, message).hint("transactions are text in UTF-8: iconv -t UTF-8")
}

/// Whether bytes that arrive in pieces are UTF-8.
#[derive(Default)]
struct Utf8 {
    /// The beginning of a character whose other bytes have not come.
    begun: Vec<u8>,
}

impl Utf8 {
    /// How many of these bytes are text, or may yet become it.
    fn text_of(&mut self, bytes: &[u8]) -> usize {
        let held = self.begun.len();
        let joined = match held {
            0 => Cow::Borrowed(bytes),
            _ => Cow::Owned([&self.begun, bytes].concat()),
        };
        let Err(error) = std::str::from_utf8(&joined) else {
            self.begun.clear();
            return bytes.len();
        };
        let valid = error.valid_up_to();
        let is_begun = error.error_len().is_none();
        self.begun = if is_begun { joined[valid..].to_vec() } else { Vec::new() };
        if is_begun { bytes.len() } else { valid.saturating_sub(held) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const OPENER: u32 = 7;
    const CHILD: u32 = 8;

    /// A stream that commits everything but forms with `:bad` in them.
    fn stream() -> (Stream, Arc<Mutex<Vec<String>>>) {
        stream_of(Forms::edn())
    }

    fn stream_of(forms: Forms) -> (Stream, Arc<Mutex<Vec<String>>>) {
        let done = Arc::new(Mutex::new(Vec::new()));
        let committed = done.clone();
        let commit = move |said: Said| {
            let text = match said {
                Said::Edn(form) => form.to_string(),
                Said::Json(json) => json.to_string(),
            };
            if text.contains("bad") {
                return Err(Failure::new(Kind::Conflict, text));
            }
            committed.lock().unwrap().push(text);
            Ok("ok\n".to_owned())
        };
        (Stream::new(forms, Box::new(commit), true, Some(OPENER)), done)
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
        assert_eq!(stream.flush(Some(OPENER)).unwrap_err().kind, Kind::Invalid);
        assert_eq!(stream.write(b"1}\n").unwrap(), 3);
        committed(&done, &["[[:a]]", "{:b 1}"]);
        assert!(stream.flush(Some(OPENER)).is_ok());
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
        assert_eq!(stream.flush(Some(OPENER)).unwrap_err().kind, Kind::Conflict);
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
        assert!(stream.write(b"  ; nothing\n\n").is_ok() && stream.flush(Some(OPENER)).is_ok());
        assert_eq!(stream.write(b"hello\n").unwrap_err().kind, Kind::Invalid);
        let (mut other, _) = self::stream();
        assert_eq!(other.write(b"]").unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn an_incomplete_form_is_told_to_the_opener_only() {
        let (mut stream, done) = stream();
        assert_eq!(stream.write(b"[").unwrap(), 1);
        assert!(stream.flush(Some(CHILD)).is_ok() && stream.flush(None).is_ok());
        assert_eq!(stream.flush(Some(OPENER)).unwrap_err().kind, Kind::Invalid);
        assert_eq!(stream.end().unwrap_err().kind, Kind::Invalid);
        assert_eq!(stream.write(b"[:a]]").unwrap(), 5);
        committed(&done, &["[[:a]]"]);
        assert!(stream.flush(Some(OPENER)).is_ok());
        // What failed is told to everybody.
        assert!(stream.write(b"[:bad]").is_err() && stream.flush(Some(CHILD)).is_err());
    }

    #[test]
    fn a_form_is_bounded() {
        let (mut stream, done) = stream();
        stream.write(b"[1] [\"").unwrap();
        let piece = vec![b'x'; 1 << 20];
        let failed = (0..65).find_map(|_| stream.write(&piece).err());
        assert_eq!(failed.unwrap().kind, Kind::TooLarge);
        assert_eq!(stream.write(b"\"]").unwrap_err().kind, Kind::TooLarge);
        committed(&done, &["[1]"]);
    }

    #[test]
    fn many_forms_may_be_longer_than_one() {
        let (mut stream, _) = stream();
        let piece = format!("[\"{}\"]\n", "x".repeat(1 << 20));
        assert!((0..66).all(|_| stream.write(piece.as_bytes()).is_ok()));
    }

    #[test]
    fn what_nothing_can_complete_is_refused_by_the_write() {
        for bytes in [&b"\xff\xfe"[..], b"[\"\xff", b"; \xc3(", b"hello", b"7", b"\"x", b"("] {
            let (mut stream, _) = stream();
            let failure = stream.write(bytes).unwrap_err();
            assert_eq!(failure.kind, Kind::Invalid, "{bytes:?}");
        }
        let (mut stream, done) = stream();
        assert_eq!(stream.write(b"[1] \xff").unwrap(), 3);
        assert_eq!(stream.write(b" \xff").unwrap_err().kind, Kind::Invalid);
        committed(&done, &["[1]"]);
    }

    #[test]
    fn a_character_may_be_cut_by_writes() {
        let (mut stream, done) = stream();
        for byte in "[\"é€𝄞\"] ; ü\n".as_bytes() {
            assert_eq!(stream.write(&[*byte]).unwrap(), 1);
        }
        committed(&done, &["[\"é€𝄞\"]"]);
    }

    #[test]
    fn json_is_a_stream_like_any() {
        let (mut stream, done) = stream_of(Forms::json());
        assert_eq!(stream.write(b"[1]\n{\"a\": 2}[\"bad\"] [3]").unwrap(), 12);
        committed(&done, &["[1]", "{\"a\":2}"]);
        assert_eq!(stream.write(b"[\"bad\"] [3]").unwrap_err().kind, Kind::Conflict);
        for bytes in [&b"7"[..], b"\"x\"", b"]", b"[1] nul", b"[}", b"[\"\xff"] {
            let (mut stream, _) = stream_of(Forms::json());
            let written = stream.write(bytes);
            let failure = written.and_then(|_| stream.write(b" ")).unwrap_err();
            assert_eq!(failure.kind, Kind::Invalid, "{bytes:?}");
        }
        let (mut stream, _) = stream_of(Forms::json());
        stream.write(b"[{\"a\":").unwrap();
        assert_eq!(stream.flush(Some(OPENER)).unwrap_err().kind, Kind::Invalid);
    }
}
