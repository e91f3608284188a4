//! Processes beside the command: the one that stays when the command returns, and the one that
//! cleans up after it.
//!
//! **Invariant:** the command returns when the mount answers, or with its failure; when the serving
//! process is gone, whatever ended it, its mount is taken away, and no other. Both are this program
//! again, told by a variable of the environment, so nothing is forked by hand.

use crate::error::{Failure, Kind, Result};
use crate::point::{self, Mount};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const SERVE: &str = "FACTFS_SERVE";
const WATCH: &str = "FACTFS_WATCH";
const READY: &[u8] = b"ready\n";

/// How starting a process that stays ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It is ready and stays.
    Ready,
    /// It ended with this exit code, having said why.
    Ended(u8),
}

/// Whether this is the process that stays.
pub fn is_serving() -> bool {
    std::env::var_os(SERVE).is_some()
}

/// Runs this program again with the same arguments as the process that stays, and waits until it is
/// ready.
pub fn start_serving() -> Result<Started> {
    start_serving_as(std::env::args_os().skip(1).collect())
}

/// The same with these arguments.
pub fn start_serving_as(args: Vec<OsString>) -> Result<Started> {
    let mut command = this_program()?;
    command.args(args).env(SERVE, "1");
    // The name under which it was run says what it does.
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.as_mut() {
        let mut byte = [0];
        while said != READY && matches!(stdout.read(&mut byte), Ok(1)) {
            said.push(byte[0]);
        }
    }
    if said == READY {
        return Ok(Started::Ready);
    }
    let code = child.wait().map_err(failed)?.code();
    Ok(Started::Ended(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The process that stays begins: it leaves the terminal, so that closing it does not unmount.
pub fn begin_serving() {
    if is_serving() {
        // Fails only where it is a leader already.
        let _ = rustix::process::setsid();
    }
}

/// The process that stays is ready: the command returns, and nothing is printed any more.
pub fn ready() -> Result<()> {
    if !is_serving() {
        return Ok(());
    }
    let mut stdout = io::stdout();
    stdout.write_all(READY).and_then(|()| stdout.flush()).map_err(failed)?;
    let null =
        std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed)?;
    let quiet = rustix::stdio::dup2_stdout(&null).and_then(|()| rustix::stdio::dup2_stderr(&null));
    quiet.map_err(|error| failed(error.into()))
}

/// A process that unmounts when this one is gone; ends with it.
#[derive(Debug)]
pub struct Watchdog(#[allow(dead_code, reason = "its pipe is what is watched")] Child);

/// Starts the process that cleans up after this one.
pub fn start_watchdog(mount: &Mount) -> Result<Watchdog> {
    let unique_id = mount.unique_id.unwrap_or(0);
    let mut what = OsString::from(format!("{} {unique_id} {} ", mount.id, mount.device));
    what.push(&mount.point);
    let mut command = this_program()?;
    command.env_remove(SERVE).env_remove("NOTIFY_SOCKET").env(WATCH, what);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Watchdog(command.spawn().map_err(failed)?))
}

/// To be called first by `main`: if this process is a watchdog, watches, and says that there is
/// nothing else to do.
pub fn was_watchdog() -> bool {
    let Some(what) = std::env::var_os(WATCH) else { return false };
    // A signal to the group of the process that is watched must not end the watch.
    let _ = rustix::process::setsid();
    let mut rest = Vec::new();
    // Ends when the other end of the pipe is closed, however that came.
    let _ = io::stdin().read_to_end(&mut rest);
    if let Some(mount) = read_mount(&what) {
        let _ = point::unmount_this(&mount);
    }
    true
}

fn read_mount(what: &OsString) -> Option<Mount> {
    let mut parts = what.as_bytes().splitn(4, |b| *b == b' ');
    let id = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let unique_id = std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    let unique_id = unique_id.filter(|unique_id| *unique_id != 0);
    let device = std::str::from_utf8(parts.next()?).ok()?.to_owned();
    let point = PathBuf::from(OsString::from_vec(parts.next()?.to_vec()));
    let file_system = point::FILE_SYSTEM.to_owned();
    Some(Mount { id, unique_id, device, point, file_system, server: None })
}

fn this_program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe().map_err(failed)?))
}

fn failed(error: io::Error) -> Failure {
    Failure::new(Kind::Unavailable, format!("the serving process: {error}"))
}
