//! What is in use, for who reads about the mount.
//!
//! **Invariant:** looking changes nothing.

use super::Vfs;
use crate::metrics::{self, Usage};

impl Vfs {
    /// Notes what is in use now, for the files of `.factfs/`.
    pub(super) fn note_usage(&self) {
        let (inodes, handles) = self.in_use();
        let (results, results_bytes, results_limit) = self.evaluations.kept_bytes();
        let waiting = self.evaluations.waiting();
        let usage = Usage { handles, inodes, waiting, results, results_bytes, results_limit };
        metrics::in_use(usage);
    }
}
