//! One shard of the cache: two lists by last use, and what is being loaded.
//!
//! **Invariant:** `bytes` is the sum of the weights in both lists and at most `limit_bytes` after
//! every call.

use super::flight::Landing;
use super::{CacheStats, Class, Loaded};
use factfs_core::hash::NodeHash;
use lru::LruCache;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Shard<V, E> {
    branches: LruCache<NodeHash, Entry<V>>,
    leaves: LruCache<NodeHash, Entry<V>>,
    flying: HashMap<NodeHash, Arc<Landing<V, E>>>,
    bytes: usize,
    limit_bytes: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    weight_bytes: usize,
}

impl<V, E> Shard<V, E> {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            branches: LruCache::unbounded(),
            leaves: LruCache::unbounded(),
            flying: HashMap::new(),
            bytes: 0,
            limit_bytes,
            evicted: 0,
        }
    }

    pub(super) fn get(&mut self, key: &NodeHash) -> Option<Arc<V>> {
        let entry = match self.branches.get(key) {
            Some(entry) => Some(entry),
            None => self.leaves.get(key),
        };
        entry.map(|entry| entry.value.clone())
    }

    pub(super) fn contains(&self, key: &NodeHash) -> bool {
        self.branches.contains(key) || self.leaves.contains(key)
    }

    pub(super) fn insert(&mut self, key: NodeHash, loaded: Loaded<V>) {
        let Loaded { value, weight_bytes, class } = loaded;
        if weight_bytes > self.limit_bytes || self.get(&key).is_some() {
            return;
        }
        self.bytes += weight_bytes;
        let list = match class {
            Class::Branch => &mut self.branches,
            Class::Leaf => &mut self.leaves,
        };
        list.put(key, Entry { value, weight_bytes });
        while self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.leaves.pop_lru().or_else(|| self.branches.pop_lru())
            else {
                break;
            };
            self.bytes -= oldest.weight_bytes;
            self.evicted += 1;
        }
    }

    /// Drops all that is here.
    pub(super) fn clear(&mut self) {
        self.branches.clear();
        self.leaves.clear();
        self.bytes = 0;
    }

    pub(super) fn flying(&self, key: &NodeHash) -> Option<Arc<Landing<V, E>>> {
        self.flying.get(key).cloned()
    }

    pub(super) fn start(&mut self, key: NodeHash, landing: Arc<Landing<V, E>>) {
        self.flying.insert(key, landing);
    }

    /// The load of `key` is over; from now on the next one who asks starts another.
    pub(super) fn end(&mut self, key: &NodeHash, loaded: Option<Loaded<V>>) {
        self.flying.remove(key);
        if let Some(loaded) = loaded {
            self.insert(*key, loaded);
        }
    }

    pub(super) fn add_to(&self, stats: &mut CacheStats) {
        stats.entries += (self.branches.len() + self.leaves.len()) as u64;
        stats.bytes += self.bytes as u64;
        stats.evicted += self.evicted;
    }
}
