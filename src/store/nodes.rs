//! Nodes out of a store: the blocking end of the seam that operators read through.
//!
//! **Invariant:** all nodes of one call that are cached neither in memory nor on disk are fetched
//! in one round, each is verified before anybody sees it, and one node that several threads want at
//! once is fetched once. Threads that call wait; the requests run on the runtime, so calling from a
//! thread that drives a future is safe.

use crate::cache::{Class, DiskCache, Erasures, Loaded, NodeCache};
use bytes::Bytes;
use factfs_core::hash::NodeHash;
use factfs_core::index::{Node, NodeRef, Nodes, NodesError};
use factfs_core::store::{Fetch, Store, StoreError, StoreErrorKind};
use factfs_core::value::Uuid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::runtime::Handle;

/// The node source of one store: a cache over range reads of its packs.
#[derive(Debug)]
pub struct StoreNodes {
    store: Arc<dyn Store>,
    cache: NodeCache<Node, NodesError>,
    disk: Option<Arc<DiskCache>>,
    runtime: Handle,
    /// How often facts had been erased when a head was read last; `None` before the first.
    purges: Mutex<Option<Erasures>>,
}

impl StoreNodes {
    /// A source with a cache of at most so many bytes.
    pub fn new(store: Arc<dyn Store>, cache_bytes: usize, runtime: Handle) -> Self {
        let (cache, purges) = (NodeCache::new(cache_bytes), Mutex::default());
        Self { store, cache, disk: None, runtime, purges }
    }

    /// The same over a cache on disk.
    #[must_use]
    pub fn with_disk(mut self, disk: Option<Arc<DiskCache>>) -> Self {
        self.disk = disk;
        self
    }

    /// The cache on disk, if there is one.
    pub fn disk(&self) -> Option<&Arc<DiskCache>> {
        self.disk.as_ref()
    }

    /// What the cache did so far.
    pub fn stats(&self) -> crate::CacheStats {
        self.cache.stats()
    }

    /// From the disk what is there, the rest in one round.
    fn load(&self, nodes: &[NodeRef]) -> Result<Vec<Loaded<Node>>, NodesError> {
        let Some(disk) = &self.disk else {
            let bytes = self.fetch(nodes)?;
            return nodes.iter().zip(&bytes).map(|(node, bytes)| loaded(node, bytes)).collect();
        };
        let known = *self.purges.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = nodes.iter().map(|node| disk.get(&node.hash)).collect();
        let is_missing = |(_, bytes): &(&NodeRef, &Option<Bytes>)| bytes.is_none();
        let missing: Vec<NodeRef> =
            nodes.iter().zip(&all).filter(is_missing).map(|(node, _)| *node).collect();
        let fetched = match missing.is_empty() {
            true => Vec::new(),
            false => self.fetch(&missing).map_err(|error| offline(error, &missing, nodes.len()))?,
        };
        let mut fetched = fetched.into_iter();
        let mut out = Vec::with_capacity(nodes.len());
        for (node, bytes) in nodes.iter().zip(&mut all) {
            match bytes {
                Some(bytes) => out.push(loaded(node, bytes)?),
                None => {
                    let bytes = fetched.next().unwrap_or_default();
                    // Verified by this, and so before it is kept.
                    out.push(loaded(node, &bytes)?);
                    // Before the first head nobody knows what was erased.
                    if let Some(known) = known {
                        disk.put(&node.hash, &bytes, known);
                    }
                }
            }
        }
        Ok(out)
    }

    fn fetch(&self, nodes: &[NodeRef]) -> Result<Vec<Bytes>, NodesError> {
        let fetches = nodes.iter().map(fetch).collect::<Vec<_>>();
        let (store, (send, receive)) = (self.store.clone(), mpsc::sync_channel(1));
        self.runtime.spawn(async move {
            // A receiver that is gone has given up: nobody is left to tell.
            let _ = send.send(store.get_many(&fetches).await);
        });
        Ok(receive.recv().map_err(|_| self.stopped())??)
    }

    fn stopped(&self) -> StoreError {
        let reason = "the request was dropped: the process is ending";
        StoreError::new(StoreErrorKind::Unavailable, self.store.url(), "pack", reason)
    }
}

/// The error of a store that is out of reach, for who sees that some of the data is here.
fn offline(error: NodesError, missing: &[NodeRef], wanted: usize) -> NodesError {
    match error {
        NodesError::Store(mut error) if error.kind == StoreErrorKind::Unavailable => {
            let missing = missing.len();
            error.reason +=
                &format!(" ({missing} of {wanted} nodes that are needed are not in the cache)");
            error.into()
        }
        other => other,
    }
}

/// The range of a pack that holds a node.
pub(crate) fn fetch(node: &NodeRef) -> Fetch {
    let key = format!("pack/{:032x}", node.pack.0);
    Fetch { key, range: Some(node.offset..node.offset.saturating_add(u64::from(node.len))) }
}

fn loaded(node: &NodeRef, bytes: &Bytes) -> Result<Loaded<Node>, NodesError> {
    let value = Node::decode(node, bytes)?;
    let class = if value.is_branch() { Class::Branch } else { Class::Leaf };
    Ok(Loaded { weight_bytes: value.size_bytes(), value: Arc::new(value), class })
}

impl Nodes for StoreNodes {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        let keys: Vec<NodeHash> = nodes.iter().map(|node| node.hash).collect();
        self.cache.fetch(&keys, |missing| {
            let by_hash: HashMap<_, _> = nodes.iter().map(|node| (node.hash, *node)).collect();
            let wanted: Vec<NodeRef> =
                missing.iter().filter_map(|h| by_hash.get(h)).copied().collect();
            self.load(&wanted)
        })
    }

    fn is_resident(&self, node: &NodeRef) -> bool {
        self.cache.contains(&node.hash)
    }

    fn purged(&self, database: Uuid, generation: u64) {
        let before = {
            let mut purges = self.purges.lock().unwrap_or_else(PoisonError::into_inner);
            let before = purges.map(|known| known.generation);
            let generation = before.unwrap_or(0).max(generation);
            *purges = Some(Erasures { database, generation });
            before
        };
        let is_new = before.is_some_and(|before| before < generation);
        if is_new {
            self.cache.clear();
        }
        if let Some(disk) = self.disk.as_ref().filter(|_| is_new || before.is_none()) {
            // What this process read before it knew may be on disk again.
            disk.purged(Erasures { database, generation }, is_new);
        }
    }

    fn offer(&self, nodes: &[(NodeRef, Bytes)]) {
        for (node, bytes) in nodes.iter().filter(|(node, _)| !self.is_resident(node)) {
            // Damaged bytes are not kept: whoever needs the node fetches it and meets the error
            // with its place.
            if let Ok(loaded) = loaded(node, bytes) {
                self.cache.insert(node.hash, loaded);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counted, FaultPlan, Faulty, SystemHost};
    use factfs_core::index::{PackId, PackWriter};
    use factfs_core::store::{BoxFuture, MemoryStore};

    /// A pack of nodes, and where they are.
    fn pack(count: usize) -> (Bytes, Vec<NodeRef>) {
        let mut packs = PackWriter::new(|| PackId(7));
        let node = |n: usize| Node::Blob(vec![n as u8; 100].into()).encode().unwrap();
        let nodes = (0..count).map(|n| packs.push(&node(n))).collect();
        let (_, bytes) = packs.finish().pop().unwrap();
        (bytes, nodes)
    }

    fn source(
        store: Arc<dyn Store>,
        folder: &std::path::Path,
        runtime: &tokio::runtime::Runtime,
    ) -> StoreNodes {
        let disk = Arc::new(DiskCache::new(folder, 1 << 30, Arc::new(SystemHost)));
        let nodes = StoreNodes::new(store, 1 << 20, runtime.handle().clone()).with_disk(Some(disk));
        nodes.purged(Uuid::from_bytes([7; 16]), 0);
        nodes
    }

    #[test]
    fn what_is_on_disk_is_not_fetched_and_is_read_offline() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (folder, memory) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()));
        let (bytes, nodes) = pack(10);
        let put: BoxFuture<'_, _> = memory.put("pack/00000000000000000000000000000007", bytes);
        runtime.block_on(put).unwrap();
        let counted = Arc::new(Counted::new(memory as Arc<dyn Store>));
        let first = source(counted.clone(), folder.path(), &runtime);
        first.get(&nodes[..8]).unwrap();
        assert_eq!((counted.take().gets, first.disk().unwrap().stats().misses), (8, 8));
        // Another process: nothing in memory.
        let second = source(counted.clone(), folder.path(), &runtime);
        second.get(&nodes).unwrap();
        let counts = counted.take();
        assert_eq!((counts.gets, counts.rounds), (2, 1));
        assert_eq!(second.disk().unwrap().stats().hits, 8);
        // Damaged on disk: fetched again.
        let file = folder.path().join(format!("{:02x}", nodes[3].hash.0[0] % 64));
        std::fs::write(file.join(nodes[3].hash.to_string()), "x").unwrap();
        let third = source(counted.clone(), folder.path(), &runtime);
        third.get(&nodes).unwrap();
        assert_eq!(counted.take().gets, 1);
        // Out of reach.
        let plan = FaultPlan { fail_before: 1000, ..FaultPlan::default() };
        let away = Faulty::new(MemoryStore::new(), Arc::new(SystemHost), plan, 1);
        let fourth = source(Arc::new(away), folder.path(), &runtime);
        fourth.get(&nodes).unwrap();
        let (_, more) = pack(12);
        let error = fourth.get(&more).unwrap_err().to_string();
        assert!(error.contains("(2 of 2 nodes that are needed are not in the cache)"), "{error}");
    }
}
