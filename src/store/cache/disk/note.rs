//! The notes of erasures in a cache on disk, and the lock under which they are compared.
//!
//! **Invariant:** a file is kept under a shared lock, by who knows of as many erasures as are
//! noted; and one is noted under the lock alone, with no file left. So what was read before an
//! erasure is never kept after it was noted, also by a process that was slow, or is killed: the
//! lock ends with it. Who reads waits for nobody: what is not kept is fetched again. Who notes waits
//! for [`PATIENCE`] at most, also for a process that is stopped while it holds the lock.

use factfs_core::value::Uuid;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOCK: &str = ".lock";
/// How long the lock is waited for by who notes an erasure.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many erasures of a database somebody knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasures {
    /// The database.
    pub database: Uuid,
    /// The number of the last one.
    pub generation: u64,
}

impl Erasures {
    fn path(&self, root: &Path) -> PathBuf {
        root.join(format!("purged-{}", self.database))
    }

    /// The number of the last erasure of the database that is noted here.
    pub(super) fn noted(&self, root: &Path) -> u64 {
        let noted = fs::read_to_string(self.path(root)).ok();
        noted.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Notes it. Under the lock, when all files are gone.
    pub(super) fn note(&self, root: &Path) {
        // What is not noted is done again.
        let _ = fs::write(self.path(root), self.generation.to_string());
    }
}

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Held(#[allow(dead_code, reason = "the lock lives with the open file")] File);

/// The lock of those that keep files, many at once; an error of the kind `WouldBlock` while an
/// erasure is noted.
pub(super) fn to_keep(root: &Path) -> io::Result<Held> {
    let file = lock_file(root)?;
    file.try_lock_shared()?;
    Ok(Held(file))
}

/// The lock of who notes an erasure.
pub(super) fn to_note(root: &Path) -> io::Result<Held> {
    let file = lock_file(root)?;
    let (until, mut pause) = (Instant::now() + PATIENCE, Duration::from_micros(50));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(pause),
            Err(error) => return Err(error.into()),
        }
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}

fn lock_file(root: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(root.join(LOCK))
}
