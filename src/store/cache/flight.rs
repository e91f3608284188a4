//! One load of one node, and those who wait for it.
//!
//! **Invariant:** a flight ends exactly once, by landing, by failing, or by being dropped; and
//! nobody waits for one that ended.

use super::{Loaded, NodeCache, lock};
use factfs_core::hash::NodeHash;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The duty to load one node. Dropping it gives the duty up: who waits may try by himself.
#[derive(Debug)]
pub struct Flight<'a, V, E> {
    cache: Option<&'a NodeCache<V, E>>,
    drop_ends: fn(&NodeCache<V, E>, &NodeHash, &Landing<V, E>),
    key: NodeHash,
    landing: Arc<Landing<V, E>>,
}

/// Someone else's load.
#[derive(Debug)]
pub struct Wait<V, E>(Arc<Landing<V, E>>);

/// Why waiting brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError<E> {
    /// The load failed with this.
    #[error("{0}")]
    Failed(E),
    /// The load was given up: ask the cache again.
    #[error("the load was given up")]
    Abandoned,
}

#[derive(Debug)]
pub(super) struct Landing<V, E> {
    outcome: Mutex<Option<Result<Arc<V>, WaitError<E>>>>,
    ended: Condvar,
}

impl<V, E: Clone> Landing<V, E> {
    pub(super) fn new() -> Self {
        Self { outcome: Mutex::new(None), ended: Condvar::new() }
    }

    fn end(&self, outcome: Result<Arc<V>, WaitError<E>>) {
        *lock(&self.outcome) = Some(outcome);
        self.ended.notify_all();
    }
}

impl<V, E: Clone> Wait<V, E> {
    pub(super) fn new(landing: Arc<Landing<V, E>>) -> Self {
        Self(landing)
    }

    /// Sleeps until the load is over.
    pub fn wait(self) -> Result<Arc<V>, WaitError<E>> {
        let mut outcome = lock(&self.0.outcome);
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => {
                    outcome = self.0.ended.wait(outcome).unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }
}

impl<'a, V, E: Clone> Flight<'a, V, E> {
    pub(super) fn new(
        cache: &'a NodeCache<V, E>,
        key: NodeHash,
        landing: Arc<Landing<V, E>>,
    ) -> Self {
        let drop_ends = |cache: &NodeCache<V, E>, key: &NodeHash, landing: &Landing<V, E>| {
            cache.shard(key).end(key, None);
            landing.end(Err(WaitError::Abandoned));
        };
        Self { cache: Some(cache), drop_ends, key, landing }
    }

    /// What is to be loaded.
    pub fn key(&self) -> NodeHash {
        self.key
    }

    /// It is loaded: kept, and given to all who wait.
    pub fn land(mut self, loaded: Loaded<V>) {
        let value = loaded.value.clone();
        if let Some(cache) = self.cache.take() {
            cache.shard(&self.key).end(&self.key, Some(loaded));
        }
        self.landing.end(Ok(value));
    }

    /// It could not be loaded: all who wait get the error. It is not remembered.
    pub fn fail(mut self, error: E) {
        if let Some(cache) = self.cache.take() {
            cache.shard(&self.key).end(&self.key, None);
        }
        self.landing.end(Err(WaitError::Failed(error)));
    }
}

impl<V, E> Drop for Flight<'_, V, E> {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.take() {
            (self.drop_ends)(cache, &self.key, &self.landing);
        }
    }
}
