//! Starting what serves a mount.
//!
//! **Invariant:** a command returns when the mount answers, or with its failure, whichever process
//! serves it.

use factfs_mount::child::{self, Started};
use factfs_mount::fuse::Signals;
use factfs_mount::tree::pins;
use factfs_mount::{Setup, serve};
use std::process::ExitCode;

/// Mounts, by a process that stays: this one, if it is to be.
pub fn stay(setup: &Setup, foreground: bool) -> anyhow::Result<ExitCode> {
    if !foreground && !child::is_serving() {
        let started = child::start_serving()?;
        if matches!(started, Started::Ready) {
            say_pins(setup)?;
        }
        return Ok(ended(started));
    }
    child::begin_serving();
    let signals = Signals::take()?;
    let mut said = Ok(());
    let is_over = serve(setup, &signals, |_| {
        // The command that started this one says it.
        if !child::is_serving() {
            said = say_pins(setup);
        }
    })?;
    said?;
    if !is_over {
        eprintln!("factfs: files were still open when the mount was left");
    }
    Ok(ExitCode::SUCCESS)
}

/// Where what was pinned is.
fn say_pins(setup: &Setup) -> anyhow::Result<()> {
    for text in &setup.pins {
        println!("{}", setup.point.join(pins::path_of(text)?).display());
    }
    Ok(())
}

/// How starting it ended, as an exit code.
pub fn ended(started: Started) -> ExitCode {
    match started {
        Started::Ready => ExitCode::SUCCESS,
        Started::Ended(code) => ExitCode::from(code),
    }
}
