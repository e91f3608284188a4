//! The index: immutable B-trees of facts in storage, read a frontier at a time.
//!
//! **Invariant:** a node is named by the blake3 of its stored bytes; a branch node knows of each
//! child the shortest separator, the name, the place, the number of facts and their first and last
//! transaction; so the size of any range is known without reading a leaf. Reading never blocks on
//! one node: what is missing is asked for together.

mod blob;
mod branch;
mod build;
mod content;
mod count;
mod descend;
mod diff;
mod edit;
mod keys;
mod memory;
mod merge;
mod node;
mod pack;
mod repack;
mod rewrite;
mod rows;
mod scan;
mod shape;
mod table;
mod walk;

#[cfg(test)]
mod tests;

pub use blob::{PIECE_BYTES, blobs, has_blobs, learn, long_bytes, piece, relocated, whole};
pub use branch::{Branch, Child};
pub use build::{Tree, TreeBuilder};
pub use count::{Estimate, count, estimate};
pub use descend::seek;
pub use diff::{OnlyIn, TreeDiff};
pub use edit::Changes;
pub use memory::MemoryNodes;
pub use merge::Forest;
pub use node::{Node, Stored};
pub use pack::{Footed, Outlet, PackFooter, PackWriter};
pub use rewrite::{Rewrite, Rewritten};
pub use rows::Rows;
pub use scan::Scan;
pub use shape::Shape;
pub use table::{Row, RowScan, rows_get};
pub use walk::Direction;

use crate::codec::CodecError;
use crate::datom::Datom;
use crate::hash::NodeHash;
use crate::id::T;
use crate::store::StoreError;
use crate::value::Uuid;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;

/// A pack object: `pack/<32 hex digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub u128);

/// Where a node is, and the hash its stored bytes must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeRef {
    /// blake3 of the stored (compressed) bytes.
    pub hash: NodeHash,
    /// The pack that holds it.
    pub pack: PackId,
    /// Where in the pack.
    pub offset: u64,
    /// Stored length in bytes.
    pub len: u32,
}

/// The root of a tree that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root node.
    pub node: NodeRef,
    /// 0 for a leaf.
    pub height: u8,
    /// Facts in the tree.
    pub count: u64,
    /// The first and the last transaction that added one of its facts.
    pub span: (T, T),
}

/// Why nodes could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NodesError {
    /// They are not in memory: fetch these together and ask again. Only a source without storage at
    /// hand says so.
    #[error("{} nodes are not in memory", .0.len())]
    Missing(Vec<NodeRef>),
    /// The store could not give them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Bytes came back that are not the node's.
    #[error("pack/{:032x}: node {} at {}: {reason}", .node.pack.0, .node.hash, .node.offset)]
    Corrupt {
        /// Which node.
        node: NodeRef,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller's cancellation token was set.
    #[error("cancelled")]
    Cancelled,
}

impl NodesError {
    fn corrupt(node: &NodeRef, reason: impl Into<String>) -> Self {
        Self::Corrupt { node: *node, reason: reason.into() }
    }
}

/// Why a tree could not be made. What was written on the way is of no use.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TreeError {
    /// A node of the old tree could not be had.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// A pack could not be written on the way.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A node would be too large to be stored.
    #[error("a node cannot be stored: {0}")]
    Codec(#[from] CodecError),
    /// What is to be stored does not come in ascending order, or comes twice.
    #[error("{0} is not after what comes before it")]
    Unsorted(String),
    /// A fact to be removed is not in the tree.
    #[error("to be removed, but not in the index: {0:?}")]
    NotThere(Box<Datom>),
    /// A fact to be added is in the tree.
    #[error("to be added, but in the index already: {0:?}")]
    AlreadyThere(Box<Datom>),
}

/// The one seam through which operators read: give me these nodes.
pub trait Nodes: Debug + Send + Sync {
    /// The nodes in the order asked. Natively all that are missing are fetched in one parallel
    /// round while the calling thread waits; a source that cannot wait answers `Missing` with the
    /// whole frontier.
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError>;

    /// Whether the node is in memory: the planner prefers what costs no fetch.
    fn is_resident(&self, node: &NodeRef) -> bool;

    /// Stored bytes of nodes that came with something else: kept where that saves a fetch, else
    /// ignored. They are verified like all others.
    fn offer(&self, nodes: &[(NodeRef, Bytes)]) {
        let _ = nodes;
    }

    /// Facts of this database were erased so many times, as a head says that is about to be read:
    /// what was kept of before an erasure is dropped.
    fn purged(&self, database: Uuid, generation: u64) {
        let _ = (database, generation);
    }
}
