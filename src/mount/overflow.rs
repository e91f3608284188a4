//! Where the rows of a query lie that memory is not to hold: a temporary file that has no name.
//!
//! **Invariant:** what is read is what was appended; the file goes with the answer. What it may
//! take is bounded, and nothing is made before there is something to write.

use crate::error::{Failure, Kind};
use crate::spool;
use factfs_core::query::{Overflow, OverflowError};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// How much memory the rows of one query may take before they go to the file.
const HELD: u64 = 8 << 20;
/// A row takes at most so many times the bytes outside that it takes as text.
const LARGER: u64 = 16;

/// Rows outside.
pub struct RowFile {
    file: Option<File>,
    written: u64,
    limit: u64,
    after_bytes: usize,
    failed: Failed,
}

/// What went wrong with the file: the query only knows that something did.
#[derive(Clone, Default)]
pub struct Failed(Arc<Mutex<Option<Failure>>>);

impl Failed {
    /// The failure, if that is what ended the query.
    pub fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, failure: Failure) -> OverflowError {
        let said = OverflowError(failure.message.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        said
    }
}

impl RowFile {
    /// For an answer of at most so many bytes, made with at most so much memory.
    pub fn new(bytes: u64, memory_bytes: u64) -> Self {
        let after_bytes = HELD.min(memory_bytes / 4) as usize;
        let (limit, failed) = (bytes.saturating_mul(LARGER), Failed::default());
        Self { file: None, written: 0, limit, after_bytes, failed }
    }

    /// Where a failure of the file is told.
    pub fn failed(&self) -> Failed {
        self.failed.clone()
    }
}

impl Overflow for RowFile {
    fn after_bytes(&self) -> usize {
        self.after_bytes
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), OverflowError> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            let message = format!("the rows of the query take more than {} bytes", self.limit);
            let failure = Failure::new(Kind::TooLarge, message);
            return Err(self.failed.note(failure.hint("narrow it with a condition or :limit")));
        }
        let failed = |error| self.failed.note(spool::disk(error));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(failed)?),
        };
        file.write_all(bytes).map_err(failed)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), OverflowError> {
        let failed = |error| self.failed.note(spool::disk(error));
        self.file.iter().try_for_each(|file| file.read_exact_at(into, at)).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_was_appended() {
        let mut file = RowFile::new(1, 1 << 30);
        file.append(b"some rows").unwrap();
        let mut read = [0; 4];
        file.read(5, &mut read).unwrap();
        assert_eq!(&read, b"rows");
        let said = file.append(b"and more than that").unwrap_err();
        assert!(said.to_string().contains("more than 16 bytes"), "{said}");
        assert_eq!(file.failed().take().unwrap().kind, Kind::TooLarge);
    }
}
