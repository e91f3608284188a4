//! Opening a branch, and looking for a newer head.
//!
//! **Invariant:** opening writes nothing. A head older than one seen before is refused.

use super::flushing::Flushing;
use super::queue::Queue;
use super::{Conn, ConnError, Inner, Options, Place, Seen};
use crate::commit::{HEAD, Head};
use crate::db::Db;
use crate::store::RefRead;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

impl Conn {
    /// Opens a branch; `None` is the default one. Two rounds: the head, then novelty and roots
    /// together; a named branch takes one more, for `refs`.
    pub async fn open(
        place: Place,
        branch: Option<&str>,
        options: Options,
    ) -> Result<Self, ConnError> {
        let head = match branch {
            None => HEAD.to_owned(),
            Some(name) => match place.refs().await?.branches.get(name) {
                Some(branch) if !branch.closed => branch.head.clone(),
                _ => return Err(ConnError::NoBranch(name.to_owned())),
            },
        };
        let seen = Mutex::new(place.open_newest(&head, None).await?);
        let (branch, queue) = (branch.map(str::to_owned), Queue::default());
        let (flushing, flush_error) = (Flushing::default(), Mutex::default());
        let (past, claim, swapped_ms) = (Mutex::default(), Mutex::default(), AtomicI64::new(0));
        let inner = Inner {
            place,
            options,
            head,
            branch,
            seen,
            queue,
            flushing,
            flush_error,
            swapped_ms,
            past,
            claim,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The newest database. An unchanged head costs one request without a body.
    pub async fn refresh(&self) -> Result<Db, ConnError> {
        let seen = self.newest().await?;
        Ok(Db::new(seen.opened.snapshot))
    }

    /// The same database once more, for a reader whose objects a collection deleted: seen from the
    /// newest head as of then.
    pub async fn again(&self, db: &Db) -> Result<Db, ConnError> {
        Ok(self.refresh().await?.as_of(db.basis_t()))
    }

    /// The newest head.
    pub(super) async fn newest(&self) -> Result<Seen, ConnError> {
        let (place, name) = (&self.inner.place, &self.inner.head);
        let known = self.seen();
        let read = place.store.read_ref(name, Some(&known.version)).await?;
        let seen = match read {
            RefRead::Unchanged => return Ok(known),
            RefRead::Found { bytes, version } => {
                let head = Head::decode(&bytes).map_err(|e| place.damaged(name, e))?;
                match place.open_read(name, head, Some(&known.opened)).await {
                    Ok(opened) => Seen { opened, version },
                    // Something it names was deleted since, or another task here saw a newer one.
                    Err(ConnError::Store(_)) => {
                        place.open_newest(name, Some(&known.opened)).await?
                    }
                    Err(error) => return Err(error),
                }
            }
            RefRead::Absent if name == HEAD => {
                return Err(ConnError::NoDatabase { url: place.store.url() });
            }
            // It was deleted, and collected.
            RefRead::Absent => return Err(ConnError::Closed),
        };
        self.remember(&seen);
        Ok(seen)
    }
}
