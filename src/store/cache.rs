//! Decoded tree nodes in memory: sharded, bounded in bytes, each loaded once however many threads
//! want it.
//!
//! **Invariant:** the weights of a shard's entries never sum to more than its share of the limit,
//! and a branch node is evicted only when no leaf is left in its shard: every lookup goes through
//! branches. A key's value never changes (the key is the hash of the bytes), so an entry is right
//! as long as it is there.
//!
//! For synchronous threads: a thread that waits sleeps on a condition variable. A thread must load
//! or drop all flights it was given before it waits for those of others ([`NodeCache::fetch`]
//! does); else two threads could wait for each other. It does not load anything by itself.

mod disk;
mod flight;
mod shard;

pub use disk::{DiskCache, DiskStats, Erasures};
use factfs_core::hash::NodeHash;
use flight::Landing;
pub use flight::{Flight, Wait, WaitError};
use shard::Shard;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// What is evicted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A node above the leaves.
    Branch,
    /// A node that holds datoms, or a value on its own.
    Leaf,
}

/// A value to keep, and what it costs.
#[derive(Debug)]
pub struct Loaded<V> {
    /// The decoded node.
    pub value: Arc<V>,
    /// Its size in memory.
    pub weight_bytes: usize,
    /// How long it is kept.
    pub class: Class,
}

/// Where the value of one key is.
#[derive(Debug)]
pub enum Found<'a, V, E> {
    /// Here.
    Hit(Arc<V>),
    /// Nowhere: the caller loads it, and everybody else waits for that.
    Mine(Flight<'a, V, E>),
    /// Another thread loads it (or the caller does, for an earlier key of the same list).
    Theirs(Wait<V, E>),
}

/// Counters of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Keys that were there.
    pub hits: u64,
    /// Keys that their asker had to load.
    pub misses: u64,
    /// Keys that another thread was loading.
    pub joined: u64,
    /// Entries thrown out.
    pub evicted: u64,
    /// Entries there now.
    pub entries: u64,
    /// Their weight now.
    pub bytes: u64,
    /// What the weight stays within.
    pub limit_bytes: u64,
}

/// A cache of values by the hash of their bytes. `E` is what a failed load tells those who wait for
/// it.
#[derive(Debug)]
pub struct NodeCache<V, E> {
    shards: Vec<Mutex<Shard<V, E>>>,
    limit_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
    joined: AtomicU64,
}

impl<V, E: Clone> NodeCache<V, E> {
    /// A cache of at most `limit_bytes`. A value heavier than a sixteenth of that is passed on and
    /// not kept.
    pub fn new(limit_bytes: usize) -> Self {
        Self::with_shards(limit_bytes, SHARDS)
    }

    fn with_shards(limit_bytes: usize, count: usize) -> Self {
        let shards = (0..count).map(|_| Mutex::new(Shard::new(limit_bytes / count))).collect();
        let zero = || AtomicU64::new(0);
        Self { shards, limit_bytes, hits: zero(), misses: zero(), joined: zero() }
    }

    /// The value of `key`, if it is here.
    pub fn get(&self, key: &NodeHash) -> Option<Arc<V>> {
        let hit = self.shard(key).get(key);
        if hit.is_some() { &self.hits } else { &self.misses }.fetch_add(1, Relaxed);
        hit
    }

    /// Whether the value of `key` is here. Counts nothing and keeps nothing alive.
    pub fn contains(&self, key: &NodeHash) -> bool {
        self.shard(key).contains(key)
    }

    /// Keeps a value that the caller has already: what it has just written.
    pub fn insert(&self, key: NodeHash, loaded: Loaded<V>) {
        self.shard(&key).insert(key, loaded);
    }

    /// Drops all values. What is being loaded is kept when it lands.
    pub fn clear(&self) {
        self.shards.iter().for_each(|shard| lock(shard).clear());
    }

    /// For each key its value, or who loads it. Cost: one lock a key, no waiting.
    pub fn get_or_join(&self, keys: &[NodeHash]) -> Vec<Found<'_, V, E>> {
        keys.iter().map(|key| self.look(*key)).collect()
    }

    /// The values of `keys`, in order. `load` is called at most once a round, with those that
    /// nobody has or loads; it answers in the order given. What another thread's load failed with
    /// is the error here, too; what it gave up without a word is tried again.
    pub fn fetch(
        &self,
        keys: &[NodeHash],
        mut load: impl FnMut(&[NodeHash]) -> Result<Vec<Loaded<V>>, E>,
    ) -> Result<Vec<Arc<V>>, E> {
        let mut answers: Vec<Option<Arc<V>>> = vec![None; keys.len()];
        loop {
            let open: Vec<usize> = (0..keys.len()).filter(|n| answers[*n].is_none()).collect();
            if open.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            let wanted: Vec<NodeHash> = open.iter().map(|n| keys[*n]).collect();
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            for (n, found) in open.into_iter().zip(self.get_or_join(&wanted)) {
                match found {
                    Found::Hit(value) => answers[n] = Some(value),
                    Found::Mine(flight) => mine.push((n, flight)),
                    Found::Theirs(wait) => theirs.push((n, wait)),
                }
            }
            if !mine.is_empty() {
                load_mine(mine, &mut answers, &mut load)?;
            }
            for (n, wait) in theirs {
                match wait.wait() {
                    Ok(value) => answers[n] = Some(value),
                    Err(WaitError::Failed(error)) => return Err(error),
                    Err(WaitError::Abandoned) => {}
                }
            }
        }
    }

    /// The counters now.
    pub fn stats(&self) -> CacheStats {
        let read = |cell: &AtomicU64| cell.load(Relaxed);
        let mut stats = CacheStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            joined: read(&self.joined),
            limit_bytes: self.limit_bytes as u64,
            ..CacheStats::default()
        };
        for shard in &self.shards {
            lock(shard).add_to(&mut stats);
        }
        stats
    }

    fn look(&self, key: NodeHash) -> Found<'_, V, E> {
        let mut shard = self.shard(&key);
        if let Some(value) = shard.get(&key) {
            self.hits.fetch_add(1, Relaxed);
            return Found::Hit(value);
        }
        if let Some(landing) = shard.flying(&key) {
            self.joined.fetch_add(1, Relaxed);
            return Found::Theirs(Wait::new(landing));
        }
        self.misses.fetch_add(1, Relaxed);
        let landing = Arc::new(Landing::new());
        shard.start(key, landing.clone());
        Found::Mine(Flight::new(self, key, landing))
    }

    fn shard(&self, key: &NodeHash) -> MutexGuard<'_, Shard<V, E>> {
        // The keys are hashes: any byte of them spreads evenly.
        lock(&self.shards[usize::from(key.0[31]) % self.shards.len()])
    }
}

fn load_mine<V, E: Clone>(
    mine: Vec<(usize, Flight<'_, V, E>)>,
    answers: &mut [Option<Arc<V>>],
    load: &mut impl FnMut(&[NodeHash]) -> Result<Vec<Loaded<V>>, E>,
) -> Result<(), E> {
    let keys: Vec<NodeHash> = mine.iter().map(|(_, flight)| flight.key()).collect();
    match load(&keys) {
        Ok(loaded) => {
            // Should `load` bring too few, the flights left over are given up, and tried again.
            for ((n, flight), loaded) in mine.into_iter().zip(loaded) {
                answers[n] = Some(loaded.value.clone());
                flight.land(loaded);
            }
            Ok(())
        }
        Err(error) => {
            mine.into_iter().for_each(|(_, flight)| flight.fail(error.clone()));
            Err(error)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
