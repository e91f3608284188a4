//! Transactions that wait for a swap, and who makes it.
//!
//! **Invariant:** one task leads at a time. It takes all that wait, and when it ends (also by being
//! dropped) all waiters are woken: each finds its verdict, or one of them leads. A job that is
//! dropped without a verdict gets `Interrupted`. Jobs of one sequence are committed in its order,
//! and none after one that was not.

use super::{ConnError, TransactError};
use crate::db::{Db, Prepared, TxReport};
use crate::id::CommitId;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

/// What became of a transaction that was not committed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Failed(ConnError),
    Busy { waited_ms: u64 },
    Unknown { commit: CommitId, id: Option<String>, why: String },
}

/// A transaction, whatever its errors are.
pub(super) trait Job: Send {
    /// How many came before it.
    fn number(&self) -> u64;
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// It is to be prepared anew, and all of its group after it.
    fn begin_anew(&self);
    /// Prepares it; `None` if it is refused: it keeps the reason.
    fn prepare(&mut self, db: &Db, now_ms: i64) -> Option<Prepared>;
    /// Answers with the reason of the last refusal.
    fn refuse(self: Box<Self>);
    /// Answers that it was not committed, or may not have been.
    fn fail(self: Box<Self>, failure: Failure);
    /// Answers that it was committed.
    fn done(self: Box<Self>, report: TxReport);
}

/// Where a verdict is left.
pub(super) struct Slot<E>(Mutex<Option<Verdict<E>>>);

type Verdict<E> = Result<TxReport, TransactError<E>>;

impl<E> Slot<E> {
    pub(super) fn take(&self) -> Option<Verdict<E>> {
        locked(&self.0).take()
    }

    pub(super) fn is_ready(&self) -> bool {
        locked(&self.0).is_some()
    }
}

struct Waiting<F, E> {
    number: u64,
    make: F,
    place: InSequence,
    refused: Option<E>,
    slot: Weak<Slot<E>>,
    answered: bool,
}

/// Where in a sequence a transaction is.
struct InSequence {
    index: usize,
    /// Which of the sequence may be prepared next.
    next: Arc<AtomicUsize>,
}

impl InSequence {
    /// Whether all before it are prepared, or committed.
    fn is_next(&self) -> bool {
        self.next.load(Ordering::Relaxed) == self.index
    }

    /// What was prepared from here on is to be prepared anew.
    fn begin_anew(&self) {
        if self.next.load(Ordering::Relaxed) != ENDED {
            self.next.store(self.index, Ordering::Relaxed);
        }
    }

    fn prepared(&self, is_prepared: bool) {
        self.next.store(self.index + usize::from(is_prepared), Ordering::Relaxed);
    }

    fn end(&self) {
        self.next.store(ENDED, Ordering::Relaxed);
    }
}

/// No other of the sequence may be prepared.
const ENDED: usize = usize::MAX;

impl<F, E> Waiting<F, E> {
    fn answer(&mut self, verdict: Verdict<E>) {
        self.answered = true;
        if let Some(slot) = self.slot.upgrade() {
            *locked(&slot.0) = Some(verdict);
        }
    }
}

impl<F, E> Drop for Waiting<F, E> {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(Err(TransactError::Interrupted));
        }
    }
}

impl<F, E> Job for Waiting<F, E>
where
    F: FnMut(&Db, i64) -> Result<Prepared, E> + Send,
    E: Send,
{
    fn is_wanted(&self) -> bool {
        self.slot.strong_count() > 0
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn begin_anew(&self) {
        self.place.begin_anew();
    }

    fn prepare(&mut self, db: &Db, now_ms: i64) -> Option<Prepared> {
        self.refused = None;
        if !self.place.is_next() {
            return None;
        }
        let made = (self.make)(db, now_ms);
        self.place.prepared(made.is_ok());
        match made {
            Ok(prepared) => Some(prepared),
            Err(reason) => {
                self.refused = Some(reason);
                None
            }
        }
    }

    fn refuse(mut self: Box<Self>) {
        self.place.end();
        let reason = self.refused.take();
        self.answer(Err(reason.map_or(TransactError::Skipped, TransactError::Refused)));
    }

    fn fail(mut self: Box<Self>, failure: Failure) {
        self.place.end();
        self.answer(Err(match failure {
            Failure::Failed(error) => TransactError::Failed(error),
            Failure::Busy { waited_ms } => TransactError::Busy { waited_ms },
            Failure::Unknown { commit, id, why } => TransactError::Unknown { commit, id, why },
        }));
    }

    fn done(mut self: Box<Self>, report: TxReport) {
        self.answer(Ok(report));
    }
}

/// What waits.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    jobs: Vec<Box<dyn Job>>,
    pushed: u64,
    led: bool,
    wakers: Vec<Waker>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = locked(&self.0);
        write!(f, "Queue({} waiting, led: {})", state.jobs.len(), state.led)
    }
}

impl Queue {
    /// Adds a sequence of transactions; their verdicts will be in the slots.
    pub(super) fn push<F, E>(&self, makes: impl IntoIterator<Item = F>) -> Vec<Arc<Slot<E>>>
    where
        F: FnMut(&Db, i64) -> Result<Prepared, E> + Send + 'static,
        E: Send + 'static,
    {
        let (next, mut state) = (Arc::new(AtomicUsize::new(0)), locked(&self.0));
        let push = |(index, make)| {
            let slot = Arc::new(Slot(Mutex::new(None)));
            let (number, place) = (state.pushed, InSequence { index, next: next.clone() });
            state.pushed += 1;
            let job = Arc::downgrade(&slot);
            let job = Waiting { number, make, place, refused: None, slot: job, answered: false };
            state.jobs.push(Box::new(job));
            slot
        };
        makes.into_iter().enumerate().map(push).collect()
    }

    /// Leads, if nobody does.
    pub(super) fn lead(&self) -> Option<Lead<'_>> {
        let mut state = locked(&self.0);
        let free = !state.led;
        state.led = true;
        free.then(|| Lead(self))
    }

    /// Waits until nobody leads, or until `ready`.
    pub(super) async fn wait(&self, ready: impl Fn() -> bool) {
        poll_fn(|cx| {
            let mut state = locked(&self.0);
            if !state.led || ready() {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// The right to commit. Ends when dropped.
pub(super) struct Lead<'a>(&'a Queue);

impl Lead<'_> {
    /// All that wait and are still wanted.
    pub(super) fn jobs(&self) -> Vec<Box<dyn Job>> {
        let mut jobs = std::mem::take(&mut locked(&self.0.0).jobs);
        jobs.retain(|job| job.is_wanted());
        jobs
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let wakers = {
            let mut state = locked(&self.0.0);
            state.led = false;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code below can panic between two changes that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
