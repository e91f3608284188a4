//! Threads that wait so that event loops need not.
//!
//! **Invariant:** jobs begin in the order they came; there are never more threads than the limit,
//! and none before there is work. A job that panics ends alone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// For queries as deep as text may nest; a thread takes of it what it needs.
const STACK_BYTES: usize = 64 << 20;

/// Some threads and the jobs that wait for them.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    name: &'static str,
    limit: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// At most `limit` threads.
    pub fn new(name: &'static str, limit: usize) -> Self {
        let (state, wake) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { name, limit: limit.max(1), state, wake }))
    }

    /// Does this on one of the threads.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads >= self.0.limit {
            drop(state);
            self.0.wake.notify_one();
            return;
        }
        let shared = self.0.clone();
        let thread = thread::Builder::new().name(self.0.name.into()).stack_size(STACK_BYTES);
        let spawned = thread.spawn(move || shared.work());
        if spawned.is_ok() {
            state.threads += 1;
        } else if state.threads == 0 {
            // No thread can be had: better slow than never.
            let job = state.jobs.pop_front();
            drop(state);
            job.into_iter().for_each(|job| job());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a job of the pool {} panicked", self.name);
                }
                state = self.lock();
                continue;
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn jobs_run_beside_each_other_up_to_the_limit() {
        let pool = Pool::new("test", 4);
        let (send, receive) = mpsc::channel();
        let barrier = Arc::new(std::sync::Barrier::new(4));
        for i in 0..8 {
            let (send, barrier) = (send.clone(), barrier.clone());
            pool.run(move || {
                barrier.wait();
                send.send(i).unwrap();
            });
        }
        let done = (0..8).map(|_| receive.recv_timeout(Duration::from_secs(10)).unwrap());
        assert_eq!(done.sum::<i32>(), 28);
    }

    #[test]
    fn a_panic_ends_one_job() {
        let pool = Pool::new("test", 1);
        let (send, receive) = mpsc::channel();
        pool.run(|| panic!("on purpose"));
        pool.run(move || send.send(1).unwrap());
        assert_eq!(receive.recv_timeout(Duration::from_secs(10)), Ok(1));
    }
}
