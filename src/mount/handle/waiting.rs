//! An open file whose read waits until something has changed.
//!
//! **Invariant:** a change is told once, and none that came after the file was opened is missed
//! between two reads; what was passed over is not made up. Nothing waits here.

use crate::tree::node::Node;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What somebody waits for, and what he was told.
pub struct Waiting {
    subject: Node,
    /// Whether it ends with the first change.
    is_once: bool,
    state: Mutex<State>,
}

struct State {
    version: String,
    /// The blake3 of the bytes, where bytes are what may change.
    bytes: Option<String>,
    /// Told, and not read yet.
    pending: Vec<u8>,
    is_over: bool,
}

impl Waiting {
    /// Waits for the first change of a subject from this version on, or of bytes with this hash.
    pub fn once(subject: Node, version: String, bytes: Option<String>) -> Self {
        let state = State { version, bytes, pending: Vec::new(), is_over: false };
        Self { subject, is_once: true, state: Mutex::new(state) }
    }

    /// Tells `first`, then each change from this version on, for ever.
    pub fn always(subject: Node, version: String, first: &str) -> Self {
        let pending = first.as_bytes().to_vec();
        let state = State { version, bytes: None, pending, is_over: false };
        Self { subject, is_once: false, state: Mutex::new(state) }
    }

    /// What may change.
    pub fn subject(&self) -> &Node {
        &self.subject
    }

    /// What can be read without waiting: what was told, or nothing at the end.
    pub fn read(&self, size: usize) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if state.pending.is_empty() {
            return state.is_over.then(Vec::new);
        }
        let size = size.min(state.pending.len());
        Some(state.pending.drain(..size).collect())
    }

    /// The version that was seen last.
    pub fn version(&self) -> String {
        self.lock().version.clone()
    }

    /// Whether bytes with this hash are what there was when it was opened.
    pub fn has(&self, bytes: &str) -> bool {
        self.lock().bytes.as_deref() == Some(bytes)
    }

    /// Another version that is no change.
    pub fn pass(&self, version: String) {
        self.lock().version = version;
    }

    /// A change. Another read may have told it already.
    pub fn tell(&self, version: String, line: &str) {
        let mut state = self.lock();
        if state.version != version && !state.is_over {
            state.version = version;
            state.pending.extend_from_slice(line.as_bytes());
            state.is_over = self.is_once;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let once = Waiting::once(Node::Root, "1".into(), None);
        assert_eq!(once.read(9), None);
        once.tell("1".into(), "no change");
        assert_eq!(once.read(9), None);
        once.tell("2".into(), "changed");
        once.tell("3".into(), "again");
        assert_eq!(once.read(4), Some(b"chan".to_vec()));
        assert_eq!(once.read(9), Some(b"ged".to_vec()));
        assert_eq!(once.read(9), Some(Vec::new()));
        let always = Waiting::always(Node::Root, "1".into(), "a\n");
        assert_eq!(always.read(9), Some(b"a\n".to_vec()));
        assert_eq!(always.read(9), None);
        always.tell("2".into(), "b\n");
        always.tell("2".into(), "b\n");
        assert_eq!(always.read(9), Some(b"b\n".to_vec()));
        assert_eq!(always.read(9), None);
    }
}
