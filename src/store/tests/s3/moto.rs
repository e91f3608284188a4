//! A server of moto for the time of one test.
//!
//! **Invariant:** the process that was started is the one that is ended, by its id.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub struct Moto {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

/// A signature in form; moto does not check it.
pub const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
     Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Moto {
    /// Starts one, if `moto_server` is on the PATH (or where `FACTFS_TEST_MOTO` says).
    pub fn start() -> Option<Self> {
        let program = std::env::var("FACTFS_TEST_MOTO").unwrap_or_else(|_| "moto_server".into());
        let port = free_port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: moto_server not found");
            return None;
        };
        let mut moto = Self { child, port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = moto.child.try_wait().unwrap() {
                // A launcher that finds nothing to launch.
                eprintln!("skipped: moto_server not found (it ended: {status})");
                return None;
            }
            assert!(Instant::now() < until, "moto_server did not start within a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\n\
             Authorization: {AUTHORIZATION}\r\nConnection: close\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
