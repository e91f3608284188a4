//! Commits of the log that were read lately: who lists `log/` then looks at each of them.
//!
//! **Invariant:** bounded in facts; what was read before facts were erased, or before a branch was
//! let go of, is not there any more.

use crate::source::LogEntry;
use factfs_core::id::T;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Commits that are kept: twice as many as a listing has.
const COMMITS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1999);
/// Facts of them.
const FACTS: usize = 200_000;

/// Commits that were read lately, by branch.
pub(super) struct Entries(Mutex<Kept>);

struct Kept {
    entries: LruCache<(String, T), LogEntry>,
    facts: usize,
    purges: u64,
}

impl Default for Entries {
    fn default() -> Self {
        Self(Mutex::new(Kept { entries: LruCache::new(COMMITS), facts: 0, purges: 0 }))
    }
}

impl Entries {
    /// What is kept as of so many erasures.
    fn lock(&self, purges: u64) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.purges < purges {
            kept.clear();
            kept.purges = purges;
        }
        kept
    }

    /// A commit, if it was read lately.
    pub(super) fn get(&self, branch: &str, t: T, purges: u64) -> Option<LogEntry> {
        self.lock(purges).entries.get(&(branch.to_owned(), t)).cloned()
    }

    /// Keeps commits that were read when facts had been erased so often.
    pub(super) fn keep(&self, branch: &str, entries: &[LogEntry], purges: u64) {
        let mut kept = self.lock(purges);
        if kept.purges > purges {
            return;
        }
        // The newest last, so that it stays longest.
        for entry in entries.iter().rev().filter(|entry| entry.datoms.len() < FACTS / 100) {
            kept.facts += entry.datoms.len();
            let key = (branch.to_owned(), entry.commit.t);
            if let Some((_, old)) = kept.entries.push(key, entry.clone()) {
                kept.facts -= old.datoms.len();
            }
            while kept.facts > FACTS {
                let Some((_, old)) = kept.entries.pop_lru() else { break };
                kept.facts -= old.datoms.len();
            }
        }
    }

    /// Forgets all: a name may mean another branch.
    pub(super) fn clear(&self) {
        self.lock(0).clear();
    }
}

impl Kept {
    fn clear(&mut self) {
        self.entries.clear();
        self.facts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use factfs_core::id::{CommitId, Tx};

    fn entry(t: u64) -> LogEntry {
        let commit = CommitId { t: T(t), hash: [0; 32] };
        let (parents, datoms) = (Vec::new(), Vec::new());
        LogEntry { commit, parents, instant_ms: 0, tx: Tx(t), datoms, purged: 0 }
    }

    #[test]
    fn what_was_erased_since_is_not_kept() {
        let entries = Entries::default();
        entries.keep("main", &[entry(2), entry(1)], 1);
        assert!(entries.get("main", T(2), 1).is_some() && entries.get("b", T(2), 1).is_none());
        assert!(entries.get("main", T(2), 2).is_none());
        entries.keep("main", &[entry(2)], 1);
        assert!(entries.get("main", T(2), 2).is_none());
        entries.keep("main", &[entry(2)], 2);
        entries.clear();
        assert!(entries.get("main", T(2), 2).is_none());
    }
}
