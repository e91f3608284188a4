//! The lock of a directory: one file, locked by the kernel, gone with the process that held it.
//!
//! **Invariant:** the file is made once and never removed or renamed. Waiting is bounded: a process
//! that was stopped while it held the lock must not hang every other one without a word.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The name in the root of the store. No object can have it.
pub(super) const NAME: &str = ".lock";

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Held(
    #[allow(dead_code, reason = "the lock lives as long as the open file")] File,
);

/// Takes the lock of `root`, waiting up to `patience`.
pub(super) fn take(root: &Path, patience: Duration) -> io::Result<Held> {
    let file = open(&root.join(NAME))?;
    let until = Instant::now() + patience;
    let mut pause = Duration::from_micros(50);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let why = format!("another process has held {NAME} for {patience:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Network file systems want a file open for writing. Where a colleague's umask made it ours to
    // read only, that does.
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match made {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => File::open(path).map_err(|_| e),
        other => other,
    }
}
