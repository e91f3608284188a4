//! The nodes that all clients read.
//!
//! **Invariant:** a node is given as long as its pack is there, and no longer.

use super::network::Network;
use crate::index::{Node, NodeRef, Nodes, NodesError};
use crate::store::Fetch;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Nodes read past the network; decoded once, as long as their packs are there.
#[derive(Debug)]
pub(super) struct Near(Network, Mutex<BTreeMap<[u8; 32], Arc<Node>>>);

impl Near {
    pub(super) fn new(network: Network) -> Self {
        Self(network, Mutex::default())
    }
}

impl Nodes for Near {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        let mut kept = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = |node: &NodeRef| {
            let key = format!("pack/{:032x}", node.pack.0);
            let range = node.offset..node.offset + u64::from(node.len);
            if let Some(known) = kept.get(&node.hash.0).filter(|_| self.0.has(&key)) {
                return Ok(known.clone());
            }
            let bytes = self.0.read_now(&Fetch { key, range: Some(range) })?;
            let decoded = Arc::new(Node::decode(node, &bytes)?);
            kept.insert(node.hash.0, decoded.clone());
            Ok(decoded)
        };
        nodes.iter().map(&mut read).collect()
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        true
    }
}
