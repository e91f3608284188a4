//! A server of s3rver for the time of one test: S3 in JavaScript that ignores every condition.
//!
//! **Invariant:** its objects are in a directory of its own: each server begins empty.

use super::moto::free_port;
use super::{Process, Scratch};

/// A running server with a bucket `bucket`.
pub struct S3rver {
    process: Process,
    _scratch: Scratch,
}

impl S3rver {
    /// Starts one, if `s3rver` is on the PATH (or where `FACTFS_TEST_S3RVER` says).
    pub fn start() -> Option<Self> {
        let (port, scratch) = (free_port(), Scratch::new("s3rver"));
        let mut command = super::program("FACTFS_TEST_S3RVER", "s3rver");
        command.arg("-d").arg(scratch.path()).args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["--silent", "--configure-bucket", "bucket"]);
        let process = Process::start("s3rver", command, port)?;
        Some(Self { process, _scratch: scratch })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.process.port
    }
}
