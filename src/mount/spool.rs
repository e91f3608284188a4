//! The bytes of a file: small ones in memory, large ones in a temporary file that has no name.
//!
//! **Invariant:** [`Content`] never changes; its length and hash are of exactly the bytes that were
//! written. Writing stops with a failure at the byte limit, or as soon as the caller gave up:
//! nothing is cut.

use crate::error::{Failure, Kind, Result};
use factfs_core::hash::{Hasher, NodeHash};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than this goes to a temporary file.
const IN_MEMORY: usize = 4 << 20;
/// Of text that goes there, how much is passed on at once.
const PASSED_ON: usize = 256 << 10;

/// A flag that the one who waits can set; cheap to clone.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Flag>);

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Flag {
    is_set: AtomicBool,
    hooks: Mutex<Vec<Hook>>,
}

impl Cancel {
    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        let hooks = std::mem::take(&mut *self.hooks());
        hooks.into_iter().for_each(|hook| hook());
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Does this when it is asked to, or now if it was: for work that looks at a flag of its own.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks().push(Box::new(hook));
        if self.is_cancelled() {
            self.cancel();
        }
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure if it was.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Failure::new(Kind::Interrupted, "interrupted"));
        }
        Ok(())
    }
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub struct Content {
    place: Place,
    len: u64,
    hash: [u8; 32],
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Arc<[u8]>),
    File(Arc<File>),
}

impl Content {
    /// Bytes that are there.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Hasher::new().update(bytes).finish();
        Self { place: Place::Memory(bytes.into()), len: bytes.len() as u64, hash }
    }

    /// How many bytes.
    pub fn size_bytes(&self) -> u64 {
        self.len
    }

    /// What they cost in memory.
    pub fn resident_bytes(&self) -> usize {
        if let Place::Memory(bytes) = &self.place { bytes.len() } else { 0 }
    }

    /// The blake3 of the bytes, in hexadecimal.
    pub fn hash_hex(&self) -> String {
        NodeHash(self.hash).to_string()
    }

    /// Up to `size` bytes from `offset`.
    pub fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>> {
        let from = offset.min(self.len);
        let to = from.saturating_add(size as u64).min(self.len);
        match &self.place {
            Place::Memory(bytes) => Ok(bytes[from as usize..to as usize].to_vec()),
            Place::File(file) => {
                let mut out = vec![0; (to - from) as usize];
                file.read_exact_at(&mut out, from).map_err(disk)?;
                Ok(out)
            }
        }
    }
}

/// Content being written.
pub struct Spool {
    pending: String,
    file: Option<File>,
    written: u64,
    limit: u64,
    hasher: Hasher,
    cancel: Cancel,
}

impl Spool {
    /// Nothing yet, and at most so many bytes.
    pub fn new(limit: u64, cancel: Cancel) -> Self {
        let hasher = Hasher::new();
        Self { pending: String::new(), file: None, written: 0, limit, hasher, cancel }
    }

    /// Where text is appended; call [`check`](Self::check) now and then.
    pub fn text(&mut self) -> &mut String {
        &mut self.pending
    }

    /// Keeps the limits: passes large text on, stops at the byte limit or when nobody waits any
    /// more.
    pub fn check(&mut self) -> Result<()> {
        self.cancel.check()?;
        let size = self.written + self.pending.len() as u64;
        if size > self.limit {
            let message = format!("the result is larger than {} bytes", self.limit);
            let hint = "narrow it with a condition or :limit";
            return Err(Failure::new(Kind::TooLarge, message).hint(hint));
        }
        let held = if self.file.is_some() { PASSED_ON } else { IN_MEMORY };
        if self.pending.len() > held { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(disk)?),
        };
        file.write_all(self.pending.as_bytes()).map_err(disk)?;
        self.hasher.update(self.pending.as_bytes());
        self.written += self.pending.len() as u64;
        self.pending.clear();
        // It grew while nobody knew how large the text would be.
        self.pending.shrink_to(2 * PASSED_ON);
        Ok(())
    }

    /// The content, complete.
    pub fn finish(mut self) -> Result<Content> {
        self.check()?;
        if self.file.is_none() {
            return Ok(Content::of(self.pending.as_bytes()));
        }
        self.pass_on()?;
        let file = self.file.take().map(Arc::new);
        let place = file.map_or_else(|| Place::Memory([].as_slice().into()), Place::File);
        Ok(Content { place, len: self.written, hash: self.hasher.finish() })
    }
}

/// A failure of the local temporary file.
pub(crate) fn disk(error: std::io::Error) -> Failure {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => Kind::Full,
        _ => Kind::Unavailable,
    };
    Failure::new(kind, format!("the temporary file of a large result: {error}"))
        .hint("TMPDIR says where temporary files go")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_text_is_spooled_and_read_back() {
        let mut spool = Spool::new(u64::MAX, Cancel::default());
        let line = "0123456789abcdef".repeat(64);
        for _ in 0..10_000 {
            spool.text().push_str(&line);
            spool.check().unwrap();
        }
        let content = spool.finish().unwrap();
        assert_eq!(content.size_bytes(), 10_240_000);
        assert_eq!(content.resident_bytes(), 0);
        assert_eq!(content.read(5_000_000, 4).unwrap(), b"0123");
        assert_eq!(content.read(10_239_998, 99).unwrap(), b"ef");
        let whole = line.repeat(10_000);
        assert_eq!(content.hash_hex(), Content::of(whole.as_bytes()).hash_hex());
    }

    #[test]
    fn the_limit_and_the_caller_stop_it() {
        let mut spool = Spool::new(3, Cancel::default());
        spool.text().push_str("abcd");
        assert_eq!(spool.finish().unwrap_err().kind, Kind::TooLarge);
        let cancel = Cancel::default();
        let mut spool = Spool::new(3, cancel.clone());
        cancel.cancel();
        assert_eq!(spool.check().unwrap_err().kind, Kind::Interrupted);
    }
}
