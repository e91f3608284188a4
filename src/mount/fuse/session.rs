//! A mount: from `mount` to the end of its last request.
//!
//! **Invariant:** unmounting takes the mount out of sight at once and never waits beyond its
//! deadline; a busy mount is left to the kernel, which ends the session with the last open file. No
//! mount but this one is taken away.

use super::Adapter;
use crate::error::{Failure, Kind, Result};
use crate::point::{self, FILE_SYSTEM, Mount};
use crate::vfs::Vfs;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked at whether a session is over, beside what the kernel tells.
const LOOK: Duration = Duration::from_secs(1);
/// The same where the kernel tells nothing.
const LOOK_SOON: Duration = Duration::from_millis(100);

/// How to mount.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether other users may read what is mounted.
    pub allow_other: bool,
    /// Whether nothing may be written.
    pub is_read_only: bool,
    /// Event loops.
    pub threads: usize,
    /// Local folders that hold the data: a mount must not overlap them.
    pub stores: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { allow_other: false, is_read_only: false, threads: 4, stores: Vec::new() }
    }
}

/// Something that is mounted.
pub struct Session {
    mount: Mount,
    vfs: Arc<Vfs>,
    background: Option<BackgroundSession>,
}

impl Session {
    /// Mounts. When this returns, the mount answers.
    pub fn mount(vfs: Arc<Vfs>, point: &Path, options: &Options) -> Result<Self> {
        point::check_device()?;
        let path = point::prepare(point, &options.stores)?;
        let session = fuser::Session::new(Adapter::new(vfs.clone()), &path, &config(options));
        let background =
            session.and_then(fuser::Session::spawn).map_err(|error| explain(&path, &error))?;
        let ours = |mount: &Mount| mount.file_system == FILE_SYSTEM;
        match point::mounted_at(&path).into_iter().rfind(ours) {
            Some(mount) => Ok(Self { mount, vfs, background: Some(background) }),
            None => {
                let message = format!("{} was unmounted at once", path.display());
                Err(Failure::new(Kind::Stale, message))
            }
        }
    }

    /// What the kernel lists.
    pub fn mounted(&self) -> &Mount {
        &self.mount
    }

    /// Whether it was unmounted and every request is answered.
    pub fn is_over(&self) -> bool {
        self.background.as_ref().is_none_or(|background| background.guard.is_finished())
    }

    fn is_in_sight(&self) -> bool {
        point::mounted_at(&self.mount.point).iter().any(|mount| mount.id == self.mount.id)
    }

    /// Waits until it is unmounted from outside, or a signal asks for it; which of them.
    pub fn wait(&self, signals: &Signals) -> &'static str {
        let interval = if signals.tell_mounts() { LOOK } else { LOOK_SOON };
        // Where a file is open the session goes on after the mount is out of sight.
        while !self.is_over() && self.is_in_sight() {
            match signals.events.recv_timeout(interval) {
                Ok(Event::Signal(signal)) => return signal,
                // The mount is in sight still, or it is not.
                Ok(Event::Mounts) | Err(_) => {}
            }
        }
        "unmounted from outside"
    }

    /// Unmounts, and waits for open files until the deadline: whether all were closed.
    pub fn unmount(mut self, patience: Duration) -> Result<bool> {
        point::unmount_this(&self.mount)?;
        // Who waits for a change would wait for ever, and keep the session.
        self.vfs.end_waits();
        let deadline = Instant::now() + patience;
        while !self.is_over() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(self.end())
    }

    /// Lets go of the session: whether it was over.
    fn end(&mut self) -> bool {
        let Some(background) = self.background.take() else { return true };
        if background.guard.is_finished() {
            return background.join().is_ok();
        }
        // Dropping it would unmount by path, and by now that may be another's mount.
        std::mem::forget(background);
        false
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.background.is_some() {
            let _ = point::unmount_this(&self.mount);
            self.vfs.end_waits();
            let deadline = Instant::now() + Duration::from_secs(1);
            while !self.is_over() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
            self.end();
        }
    }
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(point::source_of(std::process::id())),
        // Not `Subtype`: the library passes that one to fusermount3 only.
        MountOption::CUSTOM("subtype=factfs".into()),
        MountOption::DefaultPermissions,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::NoAtime,
    ];
    if options.is_read_only {
        config.mount_options.push(MountOption::RO);
    }
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.threads.max(1));
    config.clone_fd = true;
    config
}

fn explain(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("{} cannot be mounted: {error}", path.display());
    let said = error.to_string();
    let failure = Failure::new(Kind::Denied, message);
    if said.contains("user_allow_other") {
        return failure.hint("--allow-other needs `user_allow_other` in /etc/fuse.conf");
    }
    if said.contains("fusermount") || error.kind() == std::io::ErrorKind::NotFound {
        return failure.hint("install the package fuse3");
    }
    failure.hint("mounting needs /dev/fuse, and fusermount3 of the package fuse3 or root")
}

/// The signals that ask to unmount, and what else ends a mount's wait.
pub struct Signals {
    events: mpsc::Receiver<Event>,
    teller: mpsc::Sender<Event>,
}

enum Event {
    Signal(&'static str),
    /// Something was mounted or unmounted.
    Mounts,
}

impl Signals {
    /// Takes INT, TERM and HUP, to be called before any other thread is started: a thread that does
    /// not have them blocked would be ended by them. The second one ends the process at once.
    pub fn take() -> Result<Self> {
        let mut set = SigSet::empty();
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|s| set.add(s));
        let failed = |what: String| Failure::new(Kind::Unavailable, format!("signals: {what}"));
        set.thread_block().map_err(|error| failed(error.to_string()))?;
        let (teller, events) = mpsc::channel();
        let send = teller.clone();
        let wait = move || {
            let signal = set.wait().map_or("a signal", Signal::as_str);
            let _ = send.send(Event::Signal(signal));
            let _ = set.wait();
            std::process::exit(130);
        };
        let spawned = thread::Builder::new().name("signals".into()).spawn(wait);
        spawned.map_err(|error| failed(error.to_string()))?;
        Ok(Self { events, teller })
    }

    /// Has the kernel tell from now on whenever its list of mounts changed: whether it will.
    fn tell_mounts(&self) -> bool {
        let Ok(list) = File::open("/proc/self/mountinfo") else { return false };
        let teller = self.teller.clone();
        let tell = move || {
            let mut list = [PollFd::new(&list, PollFlags::PRI)];
            while poll(&mut list, None).is_ok() && teller.send(Event::Mounts).is_ok() {}
        };
        thread::Builder::new().name("mounts".into()).spawn(tell).is_ok()
    }
}
