//! How time is looked at.
//!
//! **Invariant:** a view decides on a fact by its interval `[tx, end)` alone, so every way to reach
//! a fact gives the same answer. Facts of attributes that keep no history are visible as long as
//! they hold, and in no view of the past once they ended: whether they were flushed before that
//! cannot be told.

use crate::id::{T, Tx};

/// As-of, since and history, which combine. The default is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct View {
    /// Nothing said after this transaction is visible.
    pub as_of: Option<T>,
    /// Nothing said up to this transaction is visible.
    pub since: Option<T>,
    /// Assertions and retractions themselves, instead of what holds.
    pub history: bool,
}

impl View {
    /// Whether it is the snapshot as it is.
    pub fn is_now(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what the transaction said is inside the window.
    pub fn sees(&self, tx: Tx) -> bool {
        self.as_of.is_none_or(|t| tx.t() <= t) && self.since.is_none_or(|t| tx.t() > t)
    }

    /// Whether the fact holds, seen so (not for histories).
    pub fn holds(&self, tx: Tx, end: Option<Tx>) -> bool {
        let ended = end.is_some_and(|end| self.as_of.is_none_or(|t| end.t() <= t));
        self.sees(tx) && !ended
    }
}
