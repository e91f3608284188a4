//! Trying again around a store, for places whose client does not do it by itself.
//!
//! **Invariant:** only calls that may be repeated are, and only after `Unavailable`. A
//! compare-and-swap never is: what became of the first attempt is for the commit protocol to find
//! out. A place that never answered is not waited for long: most likely its address is wrong.

use bytes::Bytes;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap,
    Version,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const FIRST_PAUSE_MS: u64 = 20;
const LONGEST_PAUSE_MS: u64 = 1000;

/// How often a place that never answered is asked again.
const UNREACHED: usize = 2;

/// A store that is asked again when it is out of reach.
#[derive(Debug)]
pub struct Retried<S> {
    inner: S,
    host: Arc<dyn Host>,
    retries: usize,
    limit_ms: Option<i64>,
    reached: AtomicBool,
}

impl<S: Store> Retried<S> {
    /// Asks up to `retries` times more, with pauses that double up to a second.
    pub fn new(inner: S, host: Arc<dyn Host>, retries: usize) -> Self {
        Self { inner, host, retries, limit_ms: None, reached: AtomicBool::new(false) }
    }

    /// The same, but after this long nothing is asked again.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit_ms: i64::try_from(limit.as_millis()).ok(), ..self }
    }

    async fn repeat<'a, T>(
        &'a self,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (mut pause_ms, begun) = (FIRST_PAUSE_MS, self.host.now_ms());
        for tries in 0.. {
            let answer = call().await;
            let Some(error) = answer.as_ref().err().filter(|e| is_away(e)) else {
                self.reached.store(true, Ordering::Relaxed);
                return answer;
            };
            let never = !self.reached.load(Ordering::Relaxed);
            let most = if never { self.retries.min(UNREACHED) } else { self.retries };
            let late = self.limit_ms.is_some_and(|limit| self.host.now_ms() - begun > limit);
            if tries >= most || late {
                return answer;
            }
            tracing::debug!(%error, pause_ms, "trying again");
            // Half of it at random, so that many clients do not come back at one moment.
            let half = pause_ms / 2;
            self.host.sleep(half + self.host.random() as u64 % (half + 1)).await;
            pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
        }
        call().await
    }
}

fn is_away(error: &StoreError) -> bool {
    error.kind == StoreErrorKind::Unavailable
}

impl<S: Store> Store for Retried<S> {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn pace_ms(&self) -> u64 {
        self.inner.pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.repeat(|| self.inner.get(what)))
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(self.repeat(|| self.inner.get_many(what)))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.repeat(move || self.inner.put(key, bytes.clone())))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.repeat(|| self.inner.delete(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(self.repeat(|| self.inner.list(prefix)))
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(self.repeat(move || self.inner.read_ref(name, if_changed_from)))
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        self.inner.cas_ref(name, expect, bytes)
    }
}
