//! What is mounted on this machine, as it says of itself.
//!
//! **Invariant:** a mount that does not answer is waited for no longer than [`PATIENCE`]; none is
//! changed.

use factfs_core::value::Value;
use factfs_mount::point::{self, Mount};
use rustix::io::Errno;
use serde_json::Value as Json;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a mount may take to say how it is.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How a mount is.
#[derive(Clone, Debug)]
pub enum State {
    /// It answers, with this `status.json`.
    Answers(Json),
    /// Its process is gone.
    Dead,
    /// It is another user's.
    Closed,
    /// It does not answer, or with this error.
    Silent(String),
}

impl State {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answers(_) => "ok",
            Self::Dead => "dead",
            Self::Closed => "closed",
            Self::Silent(_) => "silent",
        }
    }

    /// What it says of itself; nothing, if it does not.
    pub fn status(&self) -> Json {
        match self {
            Self::Answers(status) => status.clone(),
            _ => Json::Null,
        }
    }
}

/// What factfs mounted exactly there.
pub fn at(path: &Path) -> Option<Mount> {
    let path = point::absolute(path).ok()?;
    let topmost = point::mounted_at(&path).pop()?;
    (topmost.file_system == point::FILE_SYSTEM).then_some(topmost)
}

/// How a mount is.
pub fn look(mount: &Mount) -> State {
    let file = mount.point.join(".factfs/status.json");
    let (send, receive) = mpsc::channel();
    let read = move || {
        // Who asked may have gone.
        let _ = send.send(std::fs::read_to_string(file));
    };
    if let Err(error) = thread::Builder::new().spawn(read) {
        return State::Silent(error.to_string());
    }
    match receive.recv_timeout(PATIENCE) {
        Ok(Ok(text)) => match serde_json::from_str(&text) {
            Ok(status) => State::Answers(status),
            Err(error) => State::Silent(format!("status.json: {error}")),
        },
        Ok(Err(error)) => failed(&error),
        Err(_) => State::Silent(format!("it does not answer within {PATIENCE:?}")),
    }
}

fn failed(error: &io::Error) -> State {
    match Errno::from_io_error(error) {
        Some(Errno::NOTCONN | Errno::CONNABORTED) => State::Dead,
        Some(Errno::ACCESS | Errno::PERM) => State::Closed,
        _ => State::Silent(error.to_string()),
    }
}

/// JSON as a value that can be printed in any format.
pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(is_so) => Value::Bool(*is_so),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(long), _) => Value::Long(long),
            (None, Some(double)) => Value::Double(double),
            (None, None) => Value::str(&number.to_string()),
        },
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::Vector(items.iter().map(value).collect()),
        Json::Object(fields) => {
            Value::map(fields.iter().map(|(name, json)| (Value::str(name), value(json))).collect())
        }
    }
}

/// A field of `status.json` for each store, `NAME=FIELD` with spaces between them.
pub fn of_stores(status: &Json, field: &str) -> String {
    let stores = status.get("stores").and_then(Json::as_object);
    let shown = stores.into_iter().flatten().map(|(name, store)| {
        let text = match store.get(field) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Null) | None => "?".to_owned(),
            Some(other) => other.to_string(),
        };
        format!("{name}={text}")
    });
    shown.collect::<Vec<_>>().join(" ")
}
