//! Servers that tests start on 127.0.0.1, and end.
//!
//! **Invariant:** a server is ended by the id of the process that was started, at the end of its
//! test. Where its program is missing the test says `skipped:` in one line, and passes.

pub mod azurite;
pub mod gcs;
pub mod moto;
pub mod once;
pub mod postgres;
pub mod proxy;
pub mod s3rver;
pub mod wire;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that listens on a port.
pub struct Process {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Process {
    /// Starts it and waits until it listens; `None`, and a line that says so, where it cannot be
    /// started.
    pub fn start(name: &str, mut command: Command, port: u16) -> Option<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = child.spawn() else {
            eprintln!("skipped: {name} not found");
            return None;
        };
        let mut process = Self { child, port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.child.try_wait().unwrap() {
                // A launcher that finds nothing to launch.
                eprintln!("skipped: {name} not found (it ended: {status})");
                return None;
            }
            assert!(Instant::now() < until, "{name} did not start within a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(process)
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that a variable names, or the one of this name on the PATH.
pub fn program(variable: &str, usual: &str) -> Command {
    Command::new(std::env::var(variable).unwrap_or_else(|_| usual.into()))
}

/// A directory that is gone at the end of a test.
pub struct Scratch(PathBuf);

impl Scratch {
    /// In memory if that can be had.
    pub fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = root.join(format!("factfs-{name}-{}-{}", std::process::id(), moto::free_port()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
