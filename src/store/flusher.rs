//! Flushing beside transactions, on a thread of its own.
//!
//! **Invariant:** a flush is begun when a commit found it due, and one at a time. The process does
//! not end in the middle of one that it can wait for; if it is killed, the next commit that finds a
//! flush due begins it anew. What goes wrong is kept by the connection, which warns of it.

use crate::opening::wait;
use factfs_core::conn::Conn;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// The flush of a branch that may be under way.
#[derive(Debug, Default)]
pub(crate) struct Flusher(Mutex<Option<JoinHandle<()>>>);

impl Flusher {
    /// Begins a flush if one is due and none is under way.
    pub(crate) fn begin(&self, conn: &Conn) {
        if !conn.needs_flush() {
            return;
        }
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let conn = conn.clone();
        let flush = move || {
            if let Err(error) = wait(conn.flush_due()) {
                tracing::warn!(%error, "novelty was not flushed");
            }
        };
        // Without a thread it stays due: transactions do it when it is late.
        *running = Builder::new().name("flush".to_owned()).spawn(flush).ok();
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        let running = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = running.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
