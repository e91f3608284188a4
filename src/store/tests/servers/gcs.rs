//! A small Google Cloud Storage for the time of one test, in this process: as much of its XML API
//! as a store speaks.
//!
//! **Invariant:** a condition is looked at and the object written under one lock; generations only
//! rise. It is asked by everybody, whatever they sign. Where it has a pace it takes one write to
//! one name in that time and answers 429 to more, as the service does at about one a second.

use super::proxy::request;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A running server with the bucket `team-a`; its threads end with the test.
pub struct Gcs {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    bucket: Arc<Bucket>,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<State>,
    pace: Duration,
    refused: AtomicUsize,
    heads: AtomicUsize,
}

#[derive(Default)]
struct State {
    generation: u64,
    objects: BTreeMap<String, Object>,
    written: BTreeMap<String, Instant>,
}

#[derive(Clone)]
struct Object {
    generation: u64,
    modified: u64,
    bytes: Vec<u8>,
}

/// What is answered.
struct Answer(&'static str, Vec<(&'static str, String)>, Vec<u8>);

impl Gcs {
    /// Starts one that takes a write to one name in each `pace`.
    pub fn start(pace: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bucket = Arc::new(Bucket { pace, ..Bucket::default() });
        let shared = bucket.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bucket = shared.clone();
                // A client that goes away is none of its business.
                std::thread::spawn(move || serve(&bucket, stream).ok());
            }
        });
        Self { port, bucket }
    }

    /// How many writes came too soon.
    pub fn refused(&self) -> usize {
        self.bucket.refused.load(Relaxed)
    }

    /// How many swaps of heads were applied.
    pub fn heads(&self) -> usize {
        self.bucket.heads.load(Relaxed)
    }
}

/// What is set for a client of the server on `port`.
pub fn variables(port: u16) -> [(&'static str, String); 2] {
    [
        ("GOOGLE_BASE_URL", format!("http://127.0.0.1:{port}")),
        ("GOOGLE_BEARER_TOKEN", "testing".to_owned()),
    ]
}

fn serve(bucket: &Bucket, mut client: TcpStream) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut client)? else { return Ok(()) };
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = percent(path.trim_start_matches('/'));
    let (name, key) = path.split_once('/').unwrap_or((&path, ""));
    let Answer(status, headers, body) = match (name, method) {
        ("team-a", "GET") if key.is_empty() => bucket.list(query),
        ("team-a", "GET" | "HEAD") => bucket.get(key, &headers),
        ("team-a", "PUT") => bucket.put(key, &headers, body),
        ("team-a", "DELETE") => bucket.delete(key),
        _ => error("404 Not Found", "NoSuchBucket", "The specified bucket does not exist."),
    };
    write!(client, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(client, "{name}: {value}\r\n")?;
    }
    if status.starts_with("304") || status.starts_with("204") {
        return write!(client, "\r\n");
    }
    write!(client, "Content-Length: {}\r\n\r\n", body.len())?;
    if method == "HEAD" { Ok(()) } else { client.write_all(&body) }
}

fn error(status: &'static str, code: &str, message: &str) -> Answer {
    let text = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Answer(status, Vec::new(), text.into())
}

impl Object {
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ETag", format!("\"{:x}\"", self.generation)),
            ("x-goog-generation", self.generation.to_string()),
            ("Last-Modified", rfc2822(self.modified)),
        ]
    }
}

impl Bucket {
    fn get(&self, key: &str, headers: &BTreeMap<String, String>) -> Answer {
        let Some(object) = self.objects.lock().unwrap().objects.get(key).cloned() else {
            return error("404 Not Found", "NoSuchKey", "The specified key does not exist.");
        };
        let mut said = object.headers();
        if headers.get("if-none-match") == Some(&said[0].1) {
            return Answer("304 Not Modified", said, Vec::new());
        }
        let range = headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
            return Answer("200 OK", said, object.bytes);
        };
        let (from, length): (usize, _) = (from.parse().unwrap(), object.bytes.len());
        let to = to.parse::<usize>().map_or(length, |to| length.min(to + 1));
        if from >= to {
            return error("416 Range Not Satisfiable", "InvalidRange", "not that long");
        }
        said.push(("Content-Range", format!("bytes {from}-{}/{length}", to - 1)));
        Answer("206 Partial Content", said, object.bytes[from..to].to_vec())
    }

    fn put(&self, key: &str, headers: &BTreeMap<String, String>, bytes: Vec<u8>) -> Answer {
        let mut state = self.objects.lock().unwrap();
        let soon = |at: &Instant| at.elapsed() < self.pace;
        if state.written.get(key).is_some_and(soon) {
            self.refused.fetch_add(1, Relaxed);
            let message = "The object exceeded the rate limit for object mutation operations.";
            return error("429 Too Many Requests", "SlowDown", message);
        }
        let there = state.objects.get(key).map_or(0, |object| object.generation);
        let wanted = headers.get("x-goog-if-generation-match");
        if wanted.is_some_and(|wanted| wanted.parse() != Ok(there)) {
            let message = "At least one of the pre-conditions you specified did not hold.";
            return error("412 Precondition Failed", "PreconditionFailed", message);
        }
        if key.ends_with("head") && wanted.is_some() {
            self.heads.fetch_add(1, Relaxed);
        }
        state.generation += 1;
        let modified = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let object = Object { generation: state.generation, modified, bytes };
        let said = object.headers();
        state.objects.insert(key.to_owned(), object);
        state.written.insert(key.to_owned(), Instant::now());
        Answer("200 OK", said, Vec::new())
    }

    fn delete(&self, key: &str) -> Answer {
        match self.objects.lock().unwrap().objects.remove(key) {
            Some(_) => Answer("204 No Content", Vec::new(), Vec::new()),
            None => error("404 Not Found", "NoSuchKey", "The specified key does not exist."),
        }
    }

    fn list(&self, query: &str) -> Answer {
        const PAGE: usize = 100;
        let parameter = |name: &str| {
            let value =
                query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            percent(value.unwrap_or_default())
        };
        let (prefix, after) = (parameter("prefix"), parameter("continuation-token"));
        let state = self.objects.lock().unwrap();
        let mut found: Vec<_> = state
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && (after.is_empty() || **key > after))
            .take(PAGE + 1)
            .collect();
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let mut text = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>");
        for (key, object) in &found {
            let (size, at) = (object.bytes.len(), rfc3339(object.modified));
            text += &format!("<Contents><Key>{key}</Key><Size>{size}</Size>");
            text += &format!("<LastModified>{at}</LastModified>");
            text += &format!("<ETag>\"{:x}\"</ETag></Contents>", object.generation);
        }
        if let Some((last, _)) = found.last().filter(|_| more) {
            text += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        Answer("200 OK", Vec::new(), (text + "</ListBucketResult>").into())
    }
}

fn percent(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let two = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = two.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}

/// Year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of the year 0, in whole eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    (era * 400 + year + u64::from(month <= 2), month, day)
}

fn rfc3339(at: u64) -> String {
    let ((year, month, day), s) = (date(at / 86_400), at % 86_400);
    let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

fn rfc2822(at: u64) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const DAYS: &str = "ThuFriSatSunMonTueWed";
    let ((year, month, day), s) = (date(at / 86_400), at % 86_400);
    let part = |names: &'static str, n: u64| &names[n as usize * 3..n as usize * 3 + 3];
    let (name, month) = (part(DAYS, at / 86_400 % 7), part(MONTHS, month - 1));
    let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
    format!("{name}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
