//! Starting what serves a mount.
//!
//! **Invariant:** a command returns when the mount answers, or with its failure, whichever process
//! serves it.

use factfs_mount::child::{self, Started};
use factfs_mount::fuse::Signals;
use factfs_mount::{Setup, serve};
use std::process::ExitCode;

/// Mounts, by a process that stays: this one, if it is to be.
pub fn stay(setup: &Setup, foreground: bool) -> anyhow::Result<ExitCode> {
    if !foreground && !child::is_serving() {
        return Ok(ended(child::start_serving()?));
    }
    child::begin_serving();
    let signals = Signals::take()?;
    let is_over = serve(setup, &signals, |_| {})?;
    if !is_over {
        eprintln!("factfs: files were still open when the mount was left");
    }
    Ok(ExitCode::SUCCESS)
}

/// How starting it ended, as an exit code.
pub fn ended(started: Started) -> ExitCode {
    match started {
        Started::Ready => ExitCode::SUCCESS,
        Started::Ended(code) => ExitCode::from(code),
    }
}
