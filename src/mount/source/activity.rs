//! What a database did for its mount, and how new what is known of it is.
//!
//! **Invariant:** all of it is known without asking the store, so it can be shown while that is
//! out of reach.

use super::Moment;
use factfs_store::{CacheStats, Counts, DiskStats};
use std::path::PathBuf;
use std::time::Duration;

/// What a database did so far, and where it stands as far as is known.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The head as it was seen last.
    pub seen: Moment,
    /// How long ago the head was looked at; none of a branch that is not open.
    pub looked: Option<Duration>,
    /// How often the head is looked at while it is in use.
    pub interval: Duration,
    /// What was asked of the store.
    pub counts: Counts,
    /// Looks at heads that found nothing new.
    pub unchanged: u64,
    /// Looks that nobody waited for.
    pub polls: u64,
    /// Nodes in memory.
    pub nodes: CacheStats,
    /// Nodes on disk: where, how many bytes at most, and what it did.
    pub disk: Option<(PathBuf, u64, DiskStats)>,
}
