//! Waiting for several futures at once, with no executor.
//!
//! **Invariant:** answers come in the order of the futures; none is polled again after it answered.
//! It is for the handful of requests of one round: every wake polls all that are not done yet.

use super::BoxFuture;
use std::future::{Future, poll_fn};
use std::task::Poll;

enum Slot<'a, T> {
    Running(BoxFuture<'a, T>),
    Done(T),
}

/// Runs all `futures` at once and answers when the last is done.
pub async fn join_all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut slots: Vec<_> = futures.into_iter().map(Slot::Running).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in &mut slots {
            let Slot::Running(future) = slot else { continue };
            match Future::poll(future.as_mut(), cx) {
                Poll::Ready(answer) => *slot = Slot::Done(answer),
                Poll::Pending => waiting = true,
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let answer = |slot| match slot {
        Slot::Done(answer) => Some(answer),
        Slot::Running(_) => None,
    };
    slots.into_iter().filter_map(answer).collect()
}
