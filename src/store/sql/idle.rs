//! Connections that nobody uses at the moment.
//!
//! **Invariant:** a connection is with one caller or here, never both; one whose last call failed
//! in the middle is not given back, and so is closed.

use std::sync::{Mutex, PoisonError};

/// More than are used at once by one process; further ones are closed after use.
const KEPT: usize = 8;

/// A few open connections.
#[derive(Debug)]
pub(super) struct Idle<C>(Mutex<Vec<C>>);

impl<C> Idle<C> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The one used last.
    pub(super) fn take(&self) -> Option<C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn give(&self, connection: C) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(connection);
        }
    }
}
