//! Answers being made and answers made: equal work is done once, on threads of its own, and kept
//! while there is room.
//!
//! **Invariant:** an answer is made once however many wait for it; it goes on while one of them
//! does, and is asked to stop when the last one left. Nobody who waits holds a thread, and nobody
//! waits longer than his patience, whether or not the work looks at a clock. A failure is not kept.

mod kept;
mod queue;

#[cfg(test)]
mod tests;

use crate::error::{Failure, Kind, Result};
use crate::pool::Pool;
use crate::spool::Cancel;
use crate::tree::{Key, Rendered};
use kept::Kept;
use queue::{Begun, Expired, Queue, Ticket};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread that looks at the clock stays without anything to look at.
const LINGER: Duration = Duration::from_secs(10);

/// The work: makes an answer, and gives up when its flag is set.
pub type Make = Box<dyn FnOnce(&Cancel) -> Result<Rendered> + Send>;
/// What is done with the answer. Must not take long.
pub type Then = Box<dyn FnOnce(Result<Rendered>) + Send>;

/// An answer to be made.
pub struct Job {
    /// What its bytes depend on.
    pub key: Key,
    /// Beside which others it runs.
    pub lane: Lane,
    /// Whether it may end without an answer because that would cost too much; who waits for such a
    /// one does not share it with those who want the answer in any case.
    pub is_early: bool,
    /// The work.
    pub make: Make,
}

/// Evaluations of one lane never wait for those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Queries, which may take whatever they like.
    Queries,
    /// Facts as they are stored: tables, entities, datoms.
    Facts,
}

/// How long somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the work begins.
    pub begin: Duration,
    /// Until it ends; none is as long as it takes.
    pub end: Option<Duration>,
}

/// Answers of a mount.
pub struct Evaluations(Arc<Shared>);

struct Shared {
    bound: usize,
    /// Its limit is the queue's: what begins finds a thread.
    threads: Pool,
    state: Mutex<State>,
    /// Told that somebody's time is over sooner than was known.
    clock: Condvar,
    /// Taken after `state`, never before it.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    has_clock: bool,
    /// When the clock is looked at next, if it waits for that.
    looks_at: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Evaluations {
    /// Keeps answers of so many bytes, and makes at most so many of a lane at once.
    pub fn new(capacity_bytes: usize, at_once: usize) -> Self {
        Self(Arc::new(Shared {
            bound: at_once.max(1),
            threads: Pool::new("evaluation", usize::MAX),
            state: Mutex::default(),
            clock: Condvar::new(),
            kept: Mutex::new(Kept::new(capacity_bytes)),
        }))
    }

    /// An answer that is there.
    pub fn kept(&self, key: Key) -> Option<Rendered> {
        lock(&self.0.kept).get(key)
    }

    /// How many answers are kept, their memory in bytes, and what that stays within.
    pub fn kept_bytes(&self) -> (usize, usize, usize) {
        lock(&self.0.kept).bytes()
    }

    /// How many answers are wanted whose making has not begun.
    pub fn waiting(&self) -> usize {
        lock(&self.0.state).queue.waiting()
    }

    /// Keeps an answer, if it is not too large for that.
    pub fn keep(&self, key: Key, rendered: &Rendered) {
        lock(&self.0.kept).keep(key, rendered);
    }

    /// Passes the answer on: at once if it is kept, else when who is making it has done so, or the
    /// failure of waiting for it. Returns at once.
    pub fn ask(
        &self,
        job: Job,
        patience: Patience,
        cancel: &Cancel,
        then: impl FnOnce(Result<Rendered>) + Send + 'static,
    ) {
        let mut state = lock(&self.0.state);
        if let Some(rendered) = self.kept(job.key) {
            drop(state);
            return then(Ok(rendered));
        }
        let ticket = state.queue.join(job, patience, Box::new(then));
        let begun = state.queue.begin(self.0.bound);
        self.0.start_clock(&mut state, ticket);
        drop(state);
        self.0.start(begun);
        let shared = Arc::downgrade(&self.0);
        cancel.on_cancel(move || {
            if let Some(shared) = shared.upgrade() {
                shared.leave(ticket, Failure::new(Kind::Interrupted, "interrupted"));
            }
        });
    }

    /// As [`ask`](Self::ask), and waits here.
    pub fn get(&self, job: Job, patience: Patience, cancel: &Cancel) -> Result<Rendered> {
        let (send, receive) = mpsc::channel();
        self.ask(job, patience, cancel, move |made| {
            // Nobody but this call receives it.
            let _ = send.send(made);
        });
        receive.recv().unwrap_or_else(|_| Err(broken()))
    }
}

impl Shared {
    fn start(self: &Arc<Self>, begun: Vec<Begun>) {
        let mut begun = VecDeque::from(begun);
        while let Some(one) = begun.pop_front() {
            let (shared, number) = (self.clone(), one.number);
            if let Err(error) = self.threads.run_there(move || shared.run(one)) {
                let failure = Failure::new(Kind::Memory, format!("no thread can be had: {error}"));
                begun.extend(self.end(number, Err(failure)));
            }
        }
    }

    /// Makes one answer after the other while there are some to be made.
    fn run(self: &Arc<Self>, first: Begun) {
        let mut next = Some(first);
        while let Some(Begun { number, make, cancel }) = next {
            let made = catch_unwind(AssertUnwindSafe(|| make(&cancel)));
            let mut begun = self.end(number, made.unwrap_or_else(|_| Err(broken()))).into_iter();
            next = begun.next();
            self.start(begun.collect());
        }
    }

    /// Tells all who wait; which ones may begin now.
    fn end(&self, number: u64, made: Result<Rendered>) -> Vec<Begun> {
        let mut state = lock(&self.state);
        let ended = state.queue.end(number);
        let begun = state.queue.begin(self.bound);
        // Before the lock is let go: who asks now finds it kept.
        if let (Ok(made), Some((key, _))) = (&made, &ended) {
            lock(&self.kept).keep(*key, made);
        }
        drop(state);
        let waiting = ended.into_iter().flat_map(|(_, waiting)| waiting);
        waiting.for_each(|then| then(made.clone()));
        begun
    }

    fn leave(self: &Arc<Self>, ticket: Ticket, failure: Failure) {
        let mut state = lock(&self.state);
        let Some((then, given_up)) = state.queue.leave(ticket) else { return };
        let begun = state.queue.begin(self.bound);
        drop(state);
        given_up.into_iter().for_each(|cancel| cancel.cancel());
        then(Err(failure));
        self.start(begun);
    }

    fn start_clock(self: &Arc<Self>, state: &mut State, ticket: Ticket) {
        if state.has_clock {
            // Most have the same patience, so that who comes later waits longer.
            let expires = state.queue.expires(ticket);
            if state.looks_at.is_some_and(|at| expires.is_some_and(|expires| expires < at)) {
                self.clock.notify_one();
            }
            return;
        }
        let shared = self.clone();
        let thread = thread::Builder::new().name("deadlines".into());
        state.has_clock = thread.spawn(move || shared.watch_clock()).is_ok();
    }

    /// Tells those who waited long enough.
    fn watch_clock(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            let (expired, next) = state.queue.expired(now);
            if !expired.is_empty() {
                drop(state);
                expired.into_iter().for_each(|(ticket, why)| self.leave(ticket, self.why(why)));
                state = lock(&self.state);
                continue;
            }
            let pause = next.map_or(LINGER, |next| next.saturating_duration_since(now));
            state.looks_at = Some(now + pause);
            let woken = self.clock.wait_timeout(state, pause);
            let (held, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = held;
            state.looks_at = None;
            if waited.timed_out() && state.queue.is_empty() {
                state.has_clock = false;
                return;
            }
        }
    }

    fn why(&self, expired: Expired) -> Failure {
        match expired {
            Expired::NotBegun(limit) => {
                let message = format!(
                    "{} evaluations are under way, and none ended within {limit:?}",
                    self.bound
                );
                let hint = "wait for them, or end the programs that read their results";
                Failure::new(Kind::Busy, message).hint(hint)
            }
            Expired::NotEnded(limit) => {
                let message = format!("there was no answer within {limit:?}");
                let hint = "narrow the query, or mount with a longer --time";
                Failure::new(Kind::Timeout, message).hint(hint)
            }
        }
    }
}

/// A panic of the work is the end of that work alone.
fn broken() -> Failure {
    Failure::new(Kind::Unavailable, "the evaluation broke off: this is an error of factfs")
}
