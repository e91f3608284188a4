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
const LARGER: u64 = 32;

/// Answers by what their bytes depend on.
pub(super) struct Kept {
    answers: LruCache<Key, Rendered>,
    cost: Cost,
    capacity: Cost,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    memory: usize,
    files: u64,
}

impl Cost {
    fn of(rendered: &Rendered) -> Self {
        let content = &rendered.content;
        match content.resident_bytes() {
            0 if content.size_bytes() > 0 => Self { memory: FILE, files: content.size_bytes() },
            resident => Self { memory: resident + OVERHEAD, files: 0 },
        }
    }

    fn add(&mut self, other: Self) {
        (self.memory, self.files) = (self.memory + other.memory, self.files + other.files);
    }

    fn subtract(&mut self, other: Self) {
        (self.memory, self.files) = (self.memory - other.memory, self.files - other.files);
    }

    fn is_above(self, capacity: Self) -> bool {
        self.memory > capacity.memory || self.files > capacity.files
    }
}

impl Kept {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        let files = (capacity_bytes as u64).saturating_mul(LARGER);
        let capacity = Cost { memory: capacity_bytes, files };
        Self { answers: LruCache::unbounded(), cost: Cost::default(), capacity }
    }

    pub(super) fn get(&mut self, key: Key) -> Option<Rendered> {
        self.answers.get(&key).cloned()
    }

    /// Keeps an answer, if it is not too large for that.
    pub(super) fn keep(&mut self, key: Key, rendered: &Rendered) {
        let half = Cost { memory: self.capacity.memory / 2, files: self.capacity.files / 2 };
        if Cost::of(rendered).is_above(half) {
            return;
        }
        self.cost.add(Cost::of(rendered));
        if let Some(replaced) = self.answers.put(key, rendered.clone()) {
            self.cost.subtract(Cost::of(&replaced));
        }
        while self.cost.is_above(self.capacity) {
            let Some((_, oldest)) = self.answers.pop_lru() else { break };
            self.cost.subtract(Cost::of(&oldest));
        }
    }
}
