//! A server of moto, S3 in Python, for the time of one test.
//!
//! **Invariant:** it keeps its objects in memory: each server begins empty. What S3 promises it
//! does not quite keep: it compares and then writes, with threads in between, so that a contested
//! swap may have two winners. So writes come to it one by one, through a proxy.

use super::Process;
use super::proxy::{Manner, Proxy};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A running server.
pub struct Moto {
    _process: Process,
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
        let port = free_port();
        let mut command = super::program("FACTFS_TEST_MOTO", "moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = Process::start("moto_server", command, port)?;
        Some(Self { _process: process, port: Proxy::start(port, Manner::OneByOne).port })
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
