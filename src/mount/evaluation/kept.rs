//! Answers that were made, kept while there is room.
//!
//! **Invariant:** what is kept is bounded in bytes of memory, in bytes of files and in their
//! number; the one used longest ago goes first.

use crate::tree::{Key, Rendered};
use lru::LruCache;

/// What an answer costs beside its bytes.
pub(super) const OVERHEAD: usize = 4096;
/// What one costs that lies in a file: there are not many of those.
const FILE: usize = 256 << 10;
/// Files may take so many times the bytes that memory may.
const LARGER: u64 = 16;

/// Answers by what their bytes depend on.
pub(super) struct Kept {
    answers: LruCache<Key, Rendered>,
    bytes: usize,
    file_bytes: u64,
    capacity_bytes: usize,
}

/// What an answer costs in memory.
fn cost(rendered: &Rendered) -> usize {
    match rendered.content.resident_bytes() {
        0 if rendered.content.size_bytes() > 0 => FILE,
        resident => resident + OVERHEAD,
    }
}

/// What it takes in files.
fn file_cost(rendered: &Rendered) -> u64 {
    let content = &rendered.content;
    content.size_bytes() - content.resident_bytes() as u64
}

impl Kept {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self { answers: LruCache::unbounded(), bytes: 0, file_bytes: 0, capacity_bytes }
    }

    fn file_capacity(&self) -> u64 {
        (self.capacity_bytes as u64).saturating_mul(LARGER)
    }

    /// How many there are, their memory, and what that stays within.
    pub(super) fn bytes(&self) -> (usize, usize, usize) {
        (self.answers.len(), self.bytes, self.capacity_bytes)
    }

    pub(super) fn get(&mut self, key: Key) -> Option<Rendered> {
        self.answers.get(&key).cloned()
    }

    /// Keeps an answer, if it is not too large for that.
    pub(super) fn keep(&mut self, key: Key, rendered: &Rendered) {
        let is_large = cost(rendered) > self.capacity_bytes / 2;
        if is_large || file_cost(rendered) > self.file_capacity() / 2 {
            return;
        }
        self.bytes += cost(rendered);
        self.file_bytes += file_cost(rendered);
        if let Some(replaced) = self.answers.put(key, rendered.clone()) {
            self.forget(&replaced);
        }
        while self.bytes > self.capacity_bytes || self.file_bytes > self.file_capacity() {
            let Some((_, oldest)) = self.answers.pop_lru() else { break };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, rendered: &Rendered) {
        self.bytes -= cost(rendered);
        self.file_bytes -= file_cost(rendered);
    }
}
