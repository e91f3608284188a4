//! A connection to a branch: reads its head, commits transactions, moves branches and tags.
//!
//! **Invariant:** the compare-and-swap of the head is the only arbiter. A transaction is
//! acknowledged only after its swap was seen to have happened, and called failed only after it can
//! never happen any more; what is neither is [`TransactError::Unknown`]. Any number of connections,
//! in any number of processes, may write.
//!
//! Everything here is async over [`Store`] with no executor of its own and no clock but [`Host`]:
//! the simulation polls the same code. A connection is shared by threads; transactions that arrive
//! while a swap is under way share the next one.

mod access;
mod asof;
mod backfill;
mod branch;
mod build;
mod claim;
mod commit;
mod commits;
mod create;
mod difference;
mod error;
mod flush;
mod flushing;
mod gc;
mod join;
mod log;
mod merge;
mod open;
mod past;
mod purge;
mod queue;
mod refs;
mod replay;
mod resolve;
mod retire;
mod rules;
mod settle;
mod turns;
mod walk;

#[cfg(test)]
mod sim;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use asof::AsOf;
pub use create::{CreateOptions, create};
pub use error::{ConnError, TransactError};
pub use gc::{Collected, Collection, Retention, RetentionError, Total, span_ms};
pub use log::{CommitEntry, LogReader};
pub use merge::{Conflict, MergeError, MergeOptions, MergePlan, Merged, Side};
pub use purge::{Erase, Erased, ErasedHead, Purge, PurgeError};
pub use resolve::{Found, Moment};
pub use retire::Keeper;

pub(crate) use commits::LogPlace;
pub(crate) use commits::{key as commit_key, read as commit_of_row, value as commit_row};
pub(crate) use flush::{Inlined, PACK_BYTES, merge_order, pack_name};

use crate::commit::{Opened, TAIL_BYTES, Writer};
use crate::db::{Db, Prepared, Snapshot, TxReport};
use crate::index::Nodes;
use crate::store::{Host, Store, Version};
use flushing::Flushing;
use queue::Queue;
use rules::rules;
use std::sync::{Arc, Mutex, PoisonError};
use turns::Turns;

/// Where a database is, and what is needed to read it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The objects.
    pub store: Arc<dyn Store>,
    /// Clock and randomness.
    pub host: Arc<dyn Host>,
    /// Nodes of the trees in the store.
    pub nodes: Arc<dyn Nodes>,
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a transaction tries before it is `Busy`, and how long an unclear answer is looked
    /// into. Where the store has a pace, others must have been faster as often as swaps have their
    /// time in that, however long it takes; a head that moved before it was tried counts, too.
    pub limit_ms: u64,
    /// How many bytes of frames a head holds before they are spilled; at most, and by default,
    /// [`TAIL_BYTES`].
    pub tail_bytes: usize,
    /// Rows of novelty from which a flush is due; it is due, too, where few rows are many bytes. At
    /// twice as many, transactions wait for it.
    pub novelty_rows: u64,
    /// Who flushes.
    pub flush: Flush,
}

/// Who moves novelty into the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The transaction that finds it due, after all of its group were answered.
    Inline,
    /// The owner, by [`Conn::flush_due`], beside the transactions. Where novelty is twice as much
    /// as it should be, they wait.
    Owner,
    /// Whoever calls [`Conn::flush`], and nobody waits.
    Asked,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limit_ms: 30_000,
            tail_bytes: TAIL_BYTES,
            novelty_rows: 64 << 10,
            flush: Flush::Inline,
        }
    }
}

/// A head that was read, and the version to swap against.
#[derive(Clone, Debug)]
struct Seen {
    opened: Opened,
    version: Version,
}

/// A connection to one branch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Conn {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    options: Options,
    /// The name of the head object.
    head: String,
    /// The branch as it was asked for; `None` is the default one.
    branch: Option<String>,
    seen: Mutex<Seen>,
    queue: Queue,
    flushing: Flushing,
    flush_error: Mutex<Option<ConnError>>,
    turns: Turns,
    /// Databases of the past that were opened last.
    past: Mutex<Vec<(u64, Snapshot)>>,
    /// By which a transactor took the branch over.
    claim: Mutex<Option<Writer>>,
}

impl Conn {
    /// The database as last seen here. No request is made; [`Conn::refresh`] looks for a newer one.
    pub fn db(&self) -> Db {
        Db::new(self.seen().opened.snapshot)
    }

    /// The head as last seen here, opened.
    pub fn opened(&self) -> Opened {
        self.seen().opened
    }

    /// Where the database is.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// The name of the head object.
    pub fn head_name(&self) -> &str {
        &self.inner.head
    }

    /// The branch it was opened for; `None` is the default one.
    pub fn branch(&self) -> Option<&str> {
        self.inner.branch.as_deref()
    }

    /// Commits a transaction: `make` prepares it on the database it is given, at the time it is
    /// given, and is called again on the newer database when another writer came first. The report
    /// says what was committed; an error says whether it may still be.
    ///
    /// Dropping the future does not undo anything: the transaction may be committed or not.
    pub async fn transact<F, E>(&self, make: F) -> Result<TxReport, TransactError<E>>
    where
        F: FnMut(&Db, i64) -> Result<Prepared, E> + Send + 'static,
        E: Send + 'static,
    {
        self.transact_all([make]).await.pop().unwrap_or(Err(TransactError::Interrupted))
    }

    /// Commits transactions in this order, one prepared on another, and each only if all before it
    /// are committed: after one that is not, those that follow are [`TransactError::Skipped`]. As
    /// many as fit share a swap. A verdict for each, in order.
    pub async fn transact_all<F, E>(
        &self,
        makes: impl IntoIterator<Item = F>,
    ) -> Vec<Result<TxReport, TransactError<E>>>
    where
        F: FnMut(&Db, i64) -> Result<Prepared, E> + Send + 'static,
        E: Send + 'static,
    {
        let slots = self.inner.queue.push(makes);
        let are_ready = || slots.iter().all(|slot| slot.is_ready());
        while !are_ready() {
            self.hold_back().await;
            match self.inner.queue.lead() {
                Some(lead) => {
                    self.inner.flushing.swapped().await;
                    // What arrives meanwhile is of the group.
                    let losses = self.take_turn(0).await;
                    self.commit_group(lead.jobs(), losses).await;
                    drop(lead);
                    if self.inner.options.flush == Flush::Inline {
                        self.flush_due().await;
                    }
                }
                None => self.inner.queue.wait(are_ready).await,
            }
        }
        slots.iter().map(|slot| slot.take().unwrap_or(Err(TransactError::Interrupted))).collect()
    }

    fn seen(&self) -> Seen {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a head, unless a newer one is known.
    fn remember(&self, seen: &Seen) {
        let mut known = self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, before) = (&seen.opened.head, &known.opened.head);
        if head.revision < before.revision {
            return;
        }
        if head.purge_generation > before.purge_generation {
            self.inner.place.nodes.purged(head.database, head.purge_generation);
            self.inner.past.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        *known = seen.clone();
    }

    fn nonce(&self) -> u128 {
        if rules().nonce { self.inner.place.host.random() } else { 0 }
    }

    fn now_ms(&self) -> i64 {
        self.inner.place.host.now_ms()
    }
}
