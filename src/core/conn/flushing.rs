//! Who flushes, and who waits for it.
//!
//! **Invariant:** one task of a connection flushes at a time. While it swaps the trees in, the
//! transactions of the connection stand back: a swap that has to read the head first would lose to
//! those that need not, again and again. Nobody waits for a flush while holding what it needs.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The state of flushing.
#[derive(Debug, Default)]
pub(super) struct Flushing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    swapping: bool,
    wakers: Vec<Waker>,
}

impl Flushing {
    /// The right to flush, if nobody has it.
    pub(super) fn begin(&self) -> Option<Running<'_>> {
        let mut state = self.locked();
        let free = !state.running;
        state.running = true;
        free.then(|| Running(self))
    }

    /// Waits until nobody flushes.
    pub(super) async fn ended(&self) {
        self.until(|state| !state.running).await;
    }

    /// Waits until no trees are being swapped in.
    pub(super) async fn swapped(&self) {
        self.until(|state| !state.swapping).await;
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = self.locked();
            if is_so(&state) {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = self.locked();
            change(&mut state);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // No code that holds it can panic between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to flush. Ends when dropped.
pub(super) struct Running<'a>(&'a Flushing);

impl Running<'_> {
    /// From here on transactions stand back, until what is given is dropped.
    pub(super) fn swap(&self) -> Swapping<'_> {
        self.0.change(|state| state.swapping = true);
        Swapping(self.0)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.running = false);
    }
}

/// While trees are swapped in. Ends when dropped.
pub(super) struct Swapping<'a>(&'a Flushing);

impl Drop for Swapping<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.swapping = false);
    }
}
