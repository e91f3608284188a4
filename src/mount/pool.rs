//! Threads that wait so that event loops need not.
//!
//! **Invariant:** jobs begin in the order they came; there are never more threads than the limit,
//! and none before there is work. A thread that has nothing to do stays a while, since making one
//! costs more than most jobs do, and then ends. A job that panics ends alone.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// For queries as deep as text may nest; a thread takes of it what it needs.
const STACK_BYTES: usize = 64 << 20;
/// How long a thread stays without anything to do.
const LINGER: Duration = Duration::from_secs(10);

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

    /// Does this on one of the threads; here, if not one can be had: better slow than never.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err((job, _)) = self.enqueue(Box::new(job)) {
            job();
        }
    }

    /// Does this on one of the threads, and never here: an error if not one can be had.
    pub fn run_there(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.enqueue(Box::new(job)).map_err(|(_, error)| error)
    }

    fn enqueue(&self, job: Job) -> Result<(), (Job, io::Error)> {
        let mut state = self.0.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= self.0.limit {
            drop(state);
            self.0.wake.notify_one();
            return Ok(());
        }
        let shared = self.0.clone();
        let thread = thread::Builder::new().name(self.0.name.into()).stack_size(STACK_BYTES);
        match thread.spawn(move || shared.work()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                return state.jobs.pop_back().map_or(Ok(()), |job| Err((job, error)));
            }
            // Those that there are come to it.
            Err(_) => {}
        }
        Ok(())
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
            let woken = self.wake.wait_timeout(state, LINGER);
            let (held, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = held;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
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
