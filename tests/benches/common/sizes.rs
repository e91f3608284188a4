//! How many bytes of which nodes a tree takes, from its branch nodes: no leaf is read.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement stops at what it cannot read"
)]

use factfs_core::datom::Order;
use factfs_core::db::Db;
use factfs_core::index::{Node, NodeRef, Nodes, Root};

/// What trees take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Facts in them.
    pub facts: u64,
    /// Leaves.
    pub leaves: u64,
    /// Branch nodes.
    pub branches: u64,
    /// Bytes of both, as they are stored.
    pub bytes: u64,
}

impl Sizes {
    /// Of one tree.
    pub fn of(nodes: &dyn Nodes, root: Option<&Root>) -> Self {
        let Some(root) = root else { return Self::default() };
        let mut sizes = Self { facts: root.count, ..Self::default() };
        let mut level = vec![root.node];
        for height in (0..=root.height).rev() {
            sizes.bytes += level.iter().map(|node| u64::from(node.len)).sum::<u64>();
            if height == 0 {
                sizes.leaves = level.len() as u64;
                break;
            }
            sizes.branches += level.len() as u64;
            let below = |node: &NodeRef| {
                let read = nodes.get(&[*node]).expect("a branch node");
                let Node::Branch(branch) = &*read[0] else { panic!("no branch node at {height}") };
                branch.children().iter().map(|child| child.node).collect::<Vec<_>>()
            };
            level = level.iter().flat_map(below).collect();
        }
        sizes
    }

    /// Of the three trees of the facts that hold, by [`Order`].
    pub fn current(db: &Db) -> [Self; 3] {
        let snapshot = db.snapshot();
        let root = |order: Order| snapshot.trees.current[order as usize].as_ref();
        Order::ALL.map(|order| Self::of(snapshot.nodes.as_ref(), root(order)))
    }

    /// Of the three trees of the facts that have ended.
    pub fn superseded(db: &Db) -> [Self; 3] {
        let snapshot = db.snapshot();
        let root = |order: Order| snapshot.trees.superseded[order as usize].as_ref();
        Order::ALL.map(|order| Self::of(snapshot.nodes.as_ref(), root(order)))
    }
}
