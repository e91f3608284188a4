//! Answers that were made, kept while there is room.
//!
//! **Invariant:** what is kept is bounded in bytes of memory; the one used longest ago goes first.

use crate::tree::{Key, Rendered};
use lru::LruCache;

/// What an answer costs beside its bytes: those spooled to files, too, hold a handle.
pub(super) const OVERHEAD: usize = 4096;

/// Answers by what their bytes depend on.
pub(super) struct Kept {
    answers: LruCache<Key, Rendered>,
    bytes: usize,
    capacity_bytes: usize,
}

fn cost(rendered: &Rendered) -> usize {
    rendered.content.resident_bytes() + OVERHEAD
}

impl Kept {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self { answers: LruCache::unbounded(), bytes: 0, capacity_bytes }
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
        if cost(rendered) > self.capacity_bytes / 2 {
            return;
        }
        self.bytes += cost(rendered);
        if let Some(replaced) = self.answers.put(key, rendered.clone()) {
            self.bytes -= cost(&replaced);
        }
        while self.bytes > self.capacity_bytes {
            let Some((_, oldest)) = self.answers.pop_lru() else { break };
            self.bytes -= cost(&oldest);
        }
    }
}
