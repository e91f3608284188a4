//! Nodes in memory: packs by their names, for tests and for trees that are not stored yet.
//!
//! **Invariant:** every node is verified when it is decoded, once. It can play a source without
//! storage at hand: then what was not fetched is `Missing`.

use super::node::Node;
use super::pack::PackWriter;
use super::{NodeRef, Nodes, NodesError, PackId};
use crate::hash::NodeHash;
use bytes::Bytes;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Packs in memory, and the nodes decoded from them.
#[derive(Debug, Default)]
pub struct MemoryNodes {
    packs: HashMap<PackId, Bytes>,
    decoded: Mutex<HashMap<NodeHash, Arc<Node>>>,
    waits: bool,
    rounds: AtomicU64,
    asked: AtomicU64,
}

impl MemoryNodes {
    /// One without packs, where everything is at hand.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, but what was not [fetched](Self::fetch) is `Missing`.
    pub fn missing_until_fetched(mut self) -> Self {
        self.waits = true;
        self.lock().clear();
        self
    }

    /// Adds packs.
    pub fn add(&mut self, packs: Vec<(PackId, Bytes)>) {
        self.packs.extend(packs);
    }

    /// Adds all packs of a writer.
    pub fn write(&mut self, packs: PackWriter<'_>) {
        self.add(packs.finish());
    }

    /// Makes these nodes resident.
    pub fn fetch(&self, nodes: &[NodeRef]) -> Result<(), NodesError> {
        nodes.iter().try_for_each(|node| self.decode(node).map(|_| ()))
    }

    /// How often nodes were asked for, and how many in all.
    pub fn counters(&self) -> (u64, u64) {
        (self.rounds.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed))
    }

    /// Counts from zero again.
    pub fn reset_counters(&self) {
        self.rounds.store(0, Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeHash, Arc<Node>>> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode(&self, node: &NodeRef) -> Result<Arc<Node>, NodesError> {
        if let Some(known) = self.lock().get(&node.hash) {
            return Ok(known.clone());
        }
        let pack = self.packs.get(&node.pack);
        let pack = pack.ok_or_else(|| NodesError::corrupt(node, "no such pack"))?;
        let end = node.offset.checked_add(u64::from(node.len)).filter(|x| *x <= pack.len() as u64);
        let end = end.ok_or_else(|| NodesError::corrupt(node, "past the end of its pack"))?;
        let decoded = Arc::new(Node::decode(node, &pack[node.offset as usize..end as usize])?);
        self.lock().insert(node.hash, decoded.clone());
        Ok(decoded)
    }
}

impl Nodes for MemoryNodes {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.asked.fetch_add(nodes.len() as u64, Ordering::Relaxed);
        if self.waits {
            let missing: Vec<NodeRef> =
                nodes.iter().filter(|node| !self.is_resident(node)).copied().collect();
            if !missing.is_empty() {
                return Err(NodesError::Missing(missing));
            }
        }
        nodes.iter().map(|node| self.decode(node)).collect()
    }

    fn is_resident(&self, node: &NodeRef) -> bool {
        self.lock().contains_key(&node.hash)
    }
}
