//! Answers being made and answers made: equal work is done once, and kept while there is room.
//!
//! **Invariant:** an answer is made once however many wait for it; it goes on while one of them
//! does, and is given up when the last one left. What is kept is bounded in bytes of memory. A
//! failure is not kept.

use crate::error::{Failure, Kind, Result};
use crate::spool::Cancel;
use crate::tree::{Key, Rendered};
use lru::LruCache;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Answers of a mount.
pub struct Evaluations {
    state: Mutex<State>,
    capacity_bytes: usize,
}

struct State {
    running: HashMap<Key, Arc<Running>>,
    kept: LruCache<Key, Rendered>,
    kept_bytes: usize,
}

/// An answer being made.
#[derive(Default)]
struct Running {
    waiters: Mutex<usize>,
    ended: Mutex<Option<Result<Rendered>>>,
    wake: Condvar,
    cancel: Cancel,
}

/// What an answer costs beside its bytes: those spooled to files, too, hold a handle.
const OVERHEAD: usize = 4096;

fn cost(rendered: &Rendered) -> usize {
    rendered.content.resident_bytes() + OVERHEAD
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Evaluations {
    /// Keeps answers of so many bytes.
    pub fn new(capacity_bytes: usize) -> Self {
        let kept = LruCache::unbounded();
        let state = State { running: HashMap::new(), kept, kept_bytes: 0 };
        Self { state: Mutex::new(state), capacity_bytes }
    }

    /// An answer that is there.
    pub fn kept(&self, key: Key) -> Option<Rendered> {
        lock(&self.state).kept.get(&key).cloned()
    }

    /// The answer: kept, or of who is making it, or made here by `make`.
    pub fn get(
        &self,
        key: Key,
        cancel: &Cancel,
        make: impl FnOnce(&Cancel) -> Result<Rendered>,
    ) -> Result<Rendered> {
        cancel.check()?;
        let (running, is_mine) = {
            let mut state = lock(&self.state);
            if let Some(rendered) = state.kept.get(&key) {
                return Ok(rendered.clone());
            }
            // One that was given up is still ending: it is nobody's any more.
            match state.running.get(&key).filter(|running| running.join()) {
                Some(running) => (running.clone(), false),
                None => {
                    let running = Arc::new(Running::default());
                    running.join();
                    state.running.insert(key, running.clone());
                    (running, true)
                }
            }
        };
        let waited_for = running.clone();
        cancel.on_cancel(move || waited_for.leave());
        if !is_mine {
            return running.wait(cancel);
        }
        let ended = make(&running.cancel);
        self.ended(key, &running, &ended);
        running.end(ended.clone());
        cancel.check()?;
        ended
    }

    fn ended(&self, key: Key, running: &Arc<Running>, ended: &Result<Rendered>) {
        let mut state = lock(&self.state);
        if state.running.get(&key).is_some_and(|known| Arc::ptr_eq(known, running)) {
            state.running.remove(&key);
        }
        drop(state);
        if let Ok(rendered) = ended {
            self.keep(key, rendered);
        }
    }

    /// Keeps an answer, if it is not too large for that.
    pub fn keep(&self, key: Key, rendered: &Rendered) {
        if cost(rendered) > self.capacity_bytes / 2 {
            return;
        }
        let mut state = lock(&self.state);
        state.kept_bytes += cost(rendered);
        if let Some(replaced) = state.kept.put(key, rendered.clone()) {
            state.kept_bytes -= cost(&replaced);
        }
        while state.kept_bytes > self.capacity_bytes {
            let Some((_, oldest)) = state.kept.pop_lru() else { break };
            state.kept_bytes -= cost(&oldest);
        }
    }
}

impl Running {
    /// One more waits; not for one that was given up.
    fn join(&self) -> bool {
        let mut waiters = lock(&self.waiters);
        if self.cancel.is_cancelled() {
            return false;
        }
        *waiters += 1;
        true
    }

    /// One waits no more.
    fn leave(&self) {
        let mut waiters = lock(&self.waiters);
        *waiters = waiters.saturating_sub(1);
        if *waiters == 0 {
            self.cancel.cancel();
        }
        drop(waiters);
        self.wake.notify_all();
    }

    fn end(&self, ended: Result<Rendered>) {
        *lock(&self.ended) = Some(ended);
        self.wake.notify_all();
    }

    fn wait(&self, cancel: &Cancel) -> Result<Rendered> {
        let mut ended = lock(&self.ended);
        loop {
            if let Some(ended) = ended.as_ref() {
                return ended.clone();
            }
            if cancel.is_cancelled() {
                return Err(Failure::new(Kind::Interrupted, "interrupted"));
            }
            // A leave may be told between the look above and the wait.
            let pause = Duration::from_millis(100);
            let woken = self.wake.wait_timeout(ended, pause);
            ended = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Content;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn rendered(text: &str) -> Rendered {
        let content = Content::of(text.as_bytes());
        Rendered { content, rows: None, warnings: Vec::new(), took: Duration::ZERO }
    }

    #[test]
    fn equal_work_is_done_once() {
        let evaluations = Evaluations::new(1 << 20);
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = evaluations.get(Key(1), &Cancel::default(), |_| {
                        made.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(50));
                        Ok(rendered("x"))
                    });
                    assert_eq!(answer.unwrap().content.size_bytes(), 1);
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn work_ends_when_the_last_waiter_left() {
        let evaluations = Evaluations::new(1 << 20);
        let (first, second) = (Cancel::default(), Cancel::default());
        let busy = |shared: &Cancel| {
            while !shared.is_cancelled() {
                thread::sleep(Duration::from_millis(1));
            }
            Err(Failure::new(Kind::Interrupted, "given up"))
        };
        thread::scope(|scope| {
            let maker = scope.spawn(|| evaluations.get(Key(1), &first, busy));
            thread::sleep(Duration::from_millis(20));
            let waiter = scope.spawn(|| evaluations.get(Key(1), &second, busy));
            thread::sleep(Duration::from_millis(20));
            first.cancel();
            thread::sleep(Duration::from_millis(20));
            assert!(!maker.is_finished() && !waiter.is_finished());
            second.cancel();
            assert!(maker.join().unwrap().is_err() && waiter.join().unwrap().is_err());
        });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let evaluations = Evaluations::new(3 * (OVERHEAD + 10));
        for i in 0..10 {
            evaluations.get(Key(i), &Cancel::default(), |_| Ok(rendered("0123456789"))).unwrap();
        }
        assert_eq!((0..10).filter(|i| evaluations.kept(Key(*i)).is_some()).count(), 3);
        assert!(evaluations.kept(Key(9)).is_some());
    }
}
