//! A server with one object, over HTTP, that writes down what it is asked.
//!
//! **Invariant:** it answers a GET under whose `If-None-Match` the object is with 304 and no body,
//! as S3 does, and everything else with the object.

use super::moto::free_port;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running server; its thread ends with the process.
pub struct OneObject {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

const BODY: &str = "the head";
const ETAG: &str = "\"abc\"";

impl OneObject {
    /// Starts it.
    pub fn start() -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let notes = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = notes.clone();
                std::thread::spawn(move || answer_all(stream, &notes));
            }
        });
        Self { port, asked }
    }

    /// Method and path of each request so far, and the status of its answer.
    pub fn asked(&self) -> Vec<(String, u16)> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer_all(stream: TcpStream, notes: &Mutex<Vec<(String, u16)>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let known = lines.iter().filter_map(|line| line.split_once(": "));
        let known = known
            .filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"))
            .any(|(_, value)| value == ETAG);
        let (status, body) = if known { (304, "") } else { (200, BODY) };
        let request = lines[0].rsplit_once(' ').map_or("", |(request, _)| request);
        notes.lock().unwrap().push((request.to_owned(), status));
        let length =
            if known { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!(
            "HTTP/1.1 {status} X\r\nETag: {ETAG}\r\n{length}\
             Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
        );
        if stream.write_all((head + body).as_bytes()).is_err() {
            return;
        }
    }
}
