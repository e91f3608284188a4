//! A small proxy in front of a server, with manners of its own.
//!
//! **Invariant:** one thread a connection, one request a connection; what it does not touch passes
//! as it came.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What it does to requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    /// Nothing but counting.
    Honest,
    /// Lets one PUT pass at a time.
    OneByOne,
    /// Answers 403 to every PUT.
    RefusePut,
    /// Takes the conditions off every PUT.
    DropConditions,
    /// Passes a PUT on, and closes the connection instead of answering.
    DropAnswer,
    /// Passes every third swap on, and then answers 503, as an overloaded service may.
    Fail503,
    /// Passes every third swap on, and closes the connection instead of answering.
    Cut,
    /// Passes every third swap on, and then says nothing for longer than clients are patient.
    Hang,
    /// Answers 403 to whoever comes with keys that last, but for a POST: that asks for a role.
    RolesOnly,
    /// Holds reads of packs while its gate is shut.
    Gate,
    /// Signs for whoever comes, whatever they bring: a public web server.
    Authorize,
}

/// A running proxy; its threads end with the test.
pub struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    requests: Arc<AtomicUsize>,
    swaps: Arc<AtomicUsize>,
    gate: Arc<Gate>,
}

/// How many more reads of packs may pass, and how many wait.
struct Gate(Mutex<(usize, usize)>, Condvar);

impl Gate {
    fn pass(&self) {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        while state.0 == 0 {
            state = self.1.wait(state).unwrap();
        }
        *state = (state.0 - 1, state.1 - 1);
    }
}

impl Proxy {
    /// Starts one before the server on `upstream`.
    pub fn start(upstream: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let swaps = Arc::new(AtomicUsize::new(0));
        let one_by_one = Arc::new(Mutex::new(()));
        let gate = Arc::new(Gate(Mutex::new((usize::MAX, 0)), Condvar::new()));
        let shared_gate = gate.clone();
        let (counter, swap_counter) = (requests.clone(), swaps.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), counter) = (stream, counter.clone()) else { continue };
                let (swaps, turn) = (swap_counter.clone(), one_by_one.clone());
                let gate = shared_gate.clone();
                // What breaks on the way is what the client under test has to cope with.
                std::thread::spawn(move || {
                    let counters = (&*counter, &*swaps);
                    serve(stream, upstream, manner, counters, &turn, &gate).ok()
                });
            }
        });
        Self { port, requests, swaps, gate }
    }

    /// Lets so many more reads of packs pass, and no others.
    pub fn shut_after(&self, reads: usize) {
        self.gate.0.lock().unwrap().0 = reads;
    }

    /// Waits until somebody stands before the gate.
    pub fn wait_for_one(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.gate.0.lock().unwrap().1 == 0 {
            assert!(Instant::now() < until, "nobody reads a pack");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets everybody pass.
    pub fn open(&self) {
        self.gate.0.lock().unwrap().0 = usize::MAX;
        self.gate.1.notify_all();
    }

    /// How many swaps of refs came.
    pub fn swaps(&self) -> usize {
        self.swaps.load(Relaxed)
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

/// How long a proxy that hangs says nothing: longer than clients that are told to give up soon.
const HANG: std::time::Duration = std::time::Duration::from_secs(2);

const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const REFUSAL: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

fn serve(
    mut client: TcpStream,
    upstream: u16,
    manner: Manner,
    (counter, swaps): (&AtomicUsize, &AtomicUsize),
    turn: &Mutex<()>,
    gate: &Gate,
) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut client)? else { return Ok(()) };
    counter.fetch_add(1, Relaxed);
    let put = head.starts_with("PUT ");
    let path = head.split(' ').nth(1).unwrap_or_default();
    if manner == Manner::Gate && head.starts_with("GET ") && path.contains("/pack/") {
        gate.pass();
    }
    let lasting = !head.to_ascii_lowercase().contains("\r\nx-amz-security-token:");
    let no_role = manner == Manner::RolesOnly && lasting && !head.starts_with("POST ");
    if no_role || put && manner == Manner::RefusePut {
        let length = REFUSAL.len();
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close";
        return write!(client, "{head}\r\nContent-Length: {length}\r\n\r\n{REFUSAL}");
    }
    let is_condition = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "if-match" | "if-none-match" | "x-goog-if-generation-match")
    };
    let swap = put && head.split("\r\n").any(is_condition);
    // One that is sent again is another one here: it is the third of them that is disturbed.
    let disturbed = swap && swaps.fetch_add(1, Relaxed) % 3 == 2;
    let kept = head.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let condition = is_condition(line);
        let signed = name == "authorization" && manner == Manner::Authorize;
        name != "connection" && !signed && !(put && condition && manner == Manner::DropConditions)
    });
    let mut head = kept.collect::<Vec<_>>().join("\r\n");
    if manner == Manner::Authorize {
        head += &format!("\r\nAuthorization: {}", super::moto::AUTHORIZATION);
    }
    let alone = (put && manner == Manner::OneByOne).then(|| turn.lock());
    let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
    write!(server, "{head}\r\nConnection: close\r\n\r\n")?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    drop(alone);
    match manner {
        Manner::DropAnswer if put => return client.shutdown(Shutdown::Both),
        Manner::Cut if disturbed => return client.shutdown(Shutdown::Both),
        Manner::Hang if disturbed => {
            std::thread::sleep(HANG);
            return client.shutdown(Shutdown::Both);
        }
        Manner::Fail503 if disturbed => answer = BUSY.into(),
        _ => {}
    }
    client.write_all(&answer)
}

/// The head without its last empty line, and the body.
pub(super) fn request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let got = client.read(&mut chunk)?;
        if got == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk[..got]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        let got = client.read(&mut chunk)?;
        if got == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&chunk[..got]);
    }
    Ok(Some((head, body)))
}
