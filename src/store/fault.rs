//! Injected faults around a store, as networks and services really fail: for tests.
//!
//! **Invariant:** the faults follow from the seed and the order of the calls alone. A fault never
//! changes bytes: it only delays, keeps a request from arriving, or loses or falsifies the answer.

use bytes::Bytes;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap,
    Version,
};
use std::sync::{Arc, Mutex, PoisonError};

/// A store that fails as planned.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    host: Arc<dyn Host>,
    plan: FaultPlan,
    state: Mutex<State>,
}

/// How often what goes wrong: of a thousand calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The request does not arrive; the caller sees `Unavailable` (a swap: `Unknown`).
    pub fail_before: u64,
    /// The request is carried out, and its answer lost.
    pub fail_after: u64,
    /// A swap is carried out, and answered with `Lost`: what a client that repeats its requests
    /// makes of it.
    pub lost_own: u64,
    /// The request waits before it is carried out.
    pub delay: u64,
    /// For at most this long.
    pub delay_max_ms: u64,
}

/// One fault, for [`Faulty::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// See [`FaultPlan::fail_before`].
    FailBefore,
    /// See [`FaultPlan::fail_after`].
    FailAfter,
    /// See [`FaultPlan::lost_own`]; for what is no swap, like `FailAfter`.
    LostOwn,
}

/// The calls of the trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `get` and `get_many`.
    Get,
    /// `put`.
    Put,
    /// `delete`.
    Delete,
    /// `list`.
    List,
    /// `read_ref`.
    ReadRef,
    /// `cas_ref`.
    Cas,
}

#[derive(Debug)]
struct State {
    random: u64,
    script: Vec<(Operation, Fault)>,
}

impl<S: Store> Faulty<S> {
    /// Fails by `plan`, as `seed` has it.
    pub fn new(inner: S, host: Arc<dyn Host>, plan: FaultPlan, seed: u64) -> Self {
        let state = State { random: seed, script: Vec::new() };
        Self { inner, host, plan, state: Mutex::new(state) }
    }

    /// The store within.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The next `operation` fails like this, whatever the plan says. Several wait for their turn.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).script.push((operation, fault));
    }

    fn draw(&self, operation: Operation) -> (u64, Option<Fault>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = &self.plan;
        // Always the same number of draws, so that one fault does not shift all that follow.
        let (wait, how_long, fault) = (state.draw(), state.draw(), state.draw());
        let delay = if wait % 1000 < plan.delay { how_long % (plan.delay_max_ms + 1) } else { 0 };
        if let Some(turn) = state.script.iter().position(|(at, _)| *at == operation) {
            return (delay, Some(state.script.remove(turn).1));
        }
        let mut left = fault % 1000;
        let faults = [
            (plan.fail_before, Fault::FailBefore),
            (plan.fail_after, Fault::FailAfter),
            (if operation == Operation::Cas { plan.lost_own } else { 0 }, Fault::LostOwn),
        ];
        for (often, fault) in faults {
            if left < often {
                return (delay, Some(fault));
            }
            left -= often;
        }
        (delay, None)
    }

    async fn meet(&self, operation: Operation) -> Option<Fault> {
        let (delay_ms, fault) = self.draw(operation);
        if delay_ms > 0 {
            self.host.sleep(delay_ms).await;
        }
        fault
    }

    fn error(&self, object: &str, reason: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, self.inner.url(), object, reason)
    }

    async fn call<T>(
        &self,
        operation: Operation,
        object: &str,
        call: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.meet(operation).await {
            None => call.await,
            Some(Fault::FailBefore) => Err(self.error(object, "injected: not sent")),
            Some(Fault::FailAfter | Fault::LostOwn) => {
                call.await?;
                Err(self.error(object, "injected: the answer was lost"))
            }
        }
    }

    async fn swap(&self, name: &str, expect: Expect, bytes: Bytes) -> Result<Swap, StoreError> {
        let fault = self.meet(Operation::Cas).await;
        if fault == Some(Fault::FailBefore) {
            return Ok(Swap::Unknown(self.error(name, "injected: not sent")));
        }
        let swap = self.inner.cas_ref(name, expect, bytes).await?;
        Ok(match (fault, swap) {
            (Some(Fault::FailAfter), _) => {
                Swap::Unknown(self.error(name, "injected: the answer was lost"))
            }
            (Some(Fault::LostOwn), Swap::Swapped(_)) => Swap::Lost,
            (_, swap) => swap,
        })
    }
}

impl State {
    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl<S: Store> Store for Faulty<S> {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn pace_ms(&self) -> u64 {
        self.inner.pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.call(Operation::Get, &what.key, self.inner.get(what)))
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(self.call(Operation::Get, "get_many", self.inner.get_many(what)))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(Operation::Put, key, self.inner.put(key, bytes)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(Operation::Delete, key, self.inner.delete(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(self.call(Operation::List, prefix, self.inner.list(prefix)))
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(self.call(Operation::ReadRef, name, self.inner.read_ref(name, from)))
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(self.swap(name, expect, bytes))
    }
}

#[cfg(test)]
mod tests;
