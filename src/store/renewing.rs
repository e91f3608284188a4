//! Newer heads for readers whose trees were collected: the blocking end of that seam.
//!
//! **Invariant:** threads that call wait; the requests run on the runtime, so calling from a thread
//! that drives a future is safe. That no newer head can be had is no error of its own: the reader
//! reports what it missed.

use factfs_core::conn::Conn;
use factfs_core::db::{Renew, Snapshot};
use factfs_core::id::CommitId;
use std::sync::mpsc;
use tokio::runtime::Handle;

/// The heads of a branch.
#[derive(Debug)]
pub(crate) struct Renewing {
    conn: Conn,
    runtime: Handle,
}

impl Renewing {
    pub(crate) fn new(conn: Conn, runtime: Handle) -> Self {
        Self { conn, runtime }
    }
}

impl Renew for Renewing {
    fn newest(&self, commit: CommitId) -> Option<Snapshot> {
        let (conn, (send, receive)) = (self.conn.clone(), mpsc::sync_channel(1));
        self.runtime.spawn(async move {
            // A receiver that is gone has given up: nobody is left to tell.
            let _ = send.send(conn.newest_with(commit).await);
        });
        match receive.recv().ok()? {
            Ok(newest) => {
                tracing::debug!(%commit, "its trees were collected: it is read as of the head");
                Some(newest)
            }
            Err(error) => {
                tracing::warn!(%commit, %error, "its trees were collected, and no head has it");
                None
            }
        }
    }
}
