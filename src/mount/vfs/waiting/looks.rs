//! Who waits for something to change, and looking whether it did.
//!
//! **Invariant:** a subject is looked at once for all who wait for it, and by one thread at a time;
//! nobody who waits holds a thread, nor does a subject that cannot be reached hold up the others.
//! Who waits is told only of what was looked at after he came. Nobody waits after the end.

use crate::error::{Failure, Kind, Result};
use crate::pool::Pool;
use crate::spool::Cancel;
use crate::tree::node::Node;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a subject is looked at. A source passes on what it knows where it was asked lately.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a subject may be out of reach before those who wait for it are told.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the thread that looks at the clock stays without anything to look at.
const LINGER: Duration = Duration::from_secs(10);
/// Subjects that are looked at beside each other.
const AT_ONCE: usize = 16;

/// A version of a subject, and what it is.
pub(super) type Seen<S> = (String, S);
type Look<S> = Box<dyn Fn(&Node) -> Result<Seen<S>> + Send + Sync>;
type Then<S> = Box<dyn FnOnce(Result<Seen<S>>) + Send>;

/// All who wait in a mount.
pub(in crate::vfs) struct Looks<S>(Arc<Shared<S>>);

struct Shared<S> {
    look: Look<S>,
    pool: Pool,
    state: Mutex<State<S>>,
    /// Told that something is to be looked at sooner.
    clock: Condvar,
}

struct State<S> {
    watched: HashMap<Node, Watched<S>>,
    last: u64,
    has_clock: bool,
    is_over: bool,
}

struct Watched<S> {
    waiters: BTreeMap<u64, Waiter<S>>,
    due: Instant,
    is_looked_at: bool,
    /// Since when it has been out of reach.
    failing: Option<Instant>,
}

struct Waiter<S> {
    /// The version he knows.
    version: String,
    then: Then<S>,
}

impl<S: Clone + Send + 'static> Looks<S> {
    pub(super) fn new(look: impl Fn(&Node) -> Result<Seen<S>> + Send + Sync + 'static) -> Self {
        let watched = HashMap::new();
        let state = State { watched, last: 0, has_clock: false, is_over: false };
        Self(Arc::new(Shared {
            look: Box::new(look),
            pool: Pool::new("looks", AT_ONCE),
            state: Mutex::new(state),
            clock: Condvar::new(),
        }))
    }

    /// Passes on the first version of a subject that is another one than this. Returns at once.
    pub(super) fn wait(
        &self,
        subject: &Node,
        version: String,
        cancel: &Cancel,
        then: impl FnOnce(Result<Seen<S>>) + Send + 'static,
    ) {
        let mut state = self.0.lock();
        if state.is_over {
            drop(state);
            return then(Err(over()));
        }
        state.last += 1;
        let number = state.last;
        let fresh = || Watched {
            waiters: BTreeMap::new(),
            due: Instant::now(),
            is_looked_at: false,
            failing: None,
        };
        let watched = state.watched.entry(subject.clone()).or_insert_with(fresh);
        watched.waiters.insert(number, Waiter { version, then: Box::new(then) });
        self.0.start_clock(&mut state);
        drop(state);
        let (shared, subject) = (Arc::downgrade(&self.0), subject.clone());
        cancel.on_cancel(move || {
            let waiter = shared.upgrade().and_then(|shared| shared.leave(&subject, number));
            let interrupted = Failure::new(Kind::Interrupted, "interrupted");
            waiter.into_iter().for_each(|waiter| (waiter.then)(Err(interrupted.clone())));
        });
    }

    /// Something was committed here: looks at everything now.
    pub(super) fn hurry(&self) {
        let mut state = self.0.lock();
        let now = Instant::now();
        state.watched.values_mut().for_each(|watched| watched.due = now);
        drop(state);
        self.0.clock.notify_one();
    }

    /// Tells all who wait that there is nothing to wait for any more, and everybody who comes.
    pub(super) fn end(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let watched = std::mem::take(&mut state.watched);
        drop(state);
        let waiters = watched.into_values().flat_map(|watched| watched.waiters.into_values());
        waiters.for_each(|waiter| (waiter.then)(Err(over())));
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.lock().watched.values().map(|watched| watched.waiters.len()).sum()
    }
}

fn over() -> Failure {
    Failure::new(Kind::Stale, "it was unmounted")
}

/// Whether it may be otherwise when it is looked at again.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Unavailable | Kind::Timeout | Kind::Busy | Kind::Memory)
}

impl<S> State<S> {
    /// Takes what is to be looked at now, and says when something is the next time.
    fn due(&mut self, now: Instant) -> (Vec<Node>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None);
        for (subject, watched) in self.watched.iter_mut().filter(|(_, w)| !w.is_looked_at) {
            if watched.due > now {
                next = Some(next.map_or(watched.due, |next: Instant| next.min(watched.due)));
                continue;
            }
            watched.is_looked_at = true;
            watched.due = now + INTERVAL;
            due.push(subject.clone());
        }
        (due, next)
    }
}

impl<S: Clone + Send + 'static> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, subject: &Node, number: u64) -> Option<Waiter<S>> {
        let mut state = self.lock();
        let watched = state.watched.get_mut(subject)?;
        let waiter = watched.waiters.remove(&number);
        if watched.waiters.is_empty() {
            state.watched.remove(subject);
        }
        waiter
    }

    fn start_clock(self: &Arc<Self>, state: &mut State<S>) {
        if state.has_clock {
            self.clock.notify_one();
            return;
        }
        let shared = self.clone();
        let thread = thread::Builder::new().name("waits".into());
        state.has_clock = thread.spawn(move || shared.watch_clock()).is_ok();
    }

    /// Has looked at what is due.
    fn watch_clock(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let (now, last) = (Instant::now(), state.last);
            let (due, next) = state.due(now);
            if !due.is_empty() {
                drop(state);
                for subject in due {
                    let shared = self.clone();
                    self.pool.run(move || shared.look_at(&subject, last));
                }
                state = self.lock();
                continue;
            }
            let pause = next.map_or(LINGER, |next| next.saturating_duration_since(now));
            let woken = self.clock.wait_timeout(state, pause);
            let (held, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = held;
            if waited.timed_out() && state.watched.is_empty() {
                state.has_clock = false;
                return;
            }
        }
    }

    /// Looks, and tells those who came before and know another version.
    fn look_at(&self, subject: &Node, last: u64) {
        let seen = (self.look)(subject);
        let mut state = self.lock();
        let Some(watched) = state.watched.get_mut(subject) else { return };
        watched.is_looked_at = false;
        let failing = match &seen {
            Err(failure) if may_pass(failure) => watched.failing.or(Some(Instant::now())),
            _ => None,
        };
        watched.failing = failing;
        let is_told = |waiter: &Waiter<S>| match &seen {
            Ok((version, _)) => waiter.version != *version,
            Err(_) => failing.is_none_or(|since| since.elapsed() > PATIENCE),
        };
        let came = watched.waiters.range(..=last);
        let told: Vec<u64> =
            came.filter(|(_, waiter)| is_told(waiter)).map(|(number, _)| *number).collect();
        let told: Vec<Waiter<S>> =
            told.iter().filter_map(|number| watched.waiters.remove(number)).collect();
        if watched.waiters.is_empty() {
            state.watched.remove(subject);
        }
        drop(state);
        self.clock.notify_one();
        told.into_iter().for_each(|waiter| (waiter.then)(seen.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(20);

    /// Looks at a number; how often it was looked at.
    fn looks() -> (Looks<u64>, Arc<AtomicU64>, Arc<AtomicUsize>) {
        let (number, times) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicUsize::new(0)));
        let (known, counted) = (number.clone(), times.clone());
        let looks = Looks::new(move |_: &Node| {
            counted.fetch_add(1, Ordering::SeqCst);
            match known.load(Ordering::SeqCst) {
                0 => Err(Failure::not_found("it is gone")),
                number => Ok((number.to_string(), number)),
            }
        });
        (looks, number, times)
    }

    fn told(looks: &Looks<u64>, cancel: &Cancel) -> mpsc::Receiver<Result<Seen<u64>>> {
        let (send, receive) = mpsc::channel();
        looks.wait(&Node::Root, "1".into(), cancel, move |seen| drop(send.send(seen)));
        receive
    }

    #[test]
    fn many_wait_for_one_look() {
        let (looks, number, times) = looks();
        let all: Vec<_> = (0..1000).map(|_| told(&looks, &Cancel::default())).collect();
        assert_eq!(looks.len(), 1000);
        number.store(2, Ordering::SeqCst);
        looks.hurry();
        for receive in all {
            assert_eq!(receive.recv_timeout(LONG).unwrap().unwrap().1, 2);
        }
        assert_eq!(looks.len(), 0);
        assert!(times.load(Ordering::SeqCst) < 500);
    }

    #[test]
    fn who_leaves_is_told_at_once_and_so_are_all_at_the_end() {
        let (looks, ..) = looks();
        let cancel = Cancel::default();
        let (one, other) = (told(&looks, &cancel), told(&looks, &Cancel::default()));
        cancel.cancel();
        assert_eq!(one.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::Interrupted);
        assert!(other.try_recv().is_err());
        looks.end();
        assert_eq!(other.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::Stale);
        let late = told(&looks, &Cancel::default());
        assert_eq!(late.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::Stale);
    }

    #[test]
    fn what_is_gone_is_told() {
        let (looks, number, _) = looks();
        let receive = told(&looks, &Cancel::default());
        number.store(0, Ordering::SeqCst);
        assert_eq!(receive.recv_timeout(LONG).unwrap().unwrap_err().kind, Kind::NotFound);
    }
}
