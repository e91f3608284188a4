//! Moving nodes out of packs that are mostly garbage.
//!
//! **Invariant:** the tree keeps its shape and its facts: a node that lies in one of the packs is
//! stored again, long values too (each once for all trees), and so is every node that says where it
//! is; all others are shared. All branch nodes are read, and of the leaves only those that move or
//! refer to long values; what is new goes out as packs fill. Cost: nothing where no pack is named.

use super::branch::{Branch, Child};
use super::build::{Top, Tree};
use super::merge::Forest;
use super::node::Node;
use super::{NodeRef, NodesError, PackId, Root, TreeError, blob};
use crate::datom::Facts;
use crate::hash::NodeHash;
use crate::store::BoxFuture;
use crate::value::{Blob, ValRef};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Nodes read in one round.
const WINDOW: usize = 64;
/// Stored bytes of long values that are read in one round, but for one of them.
const WINDOW_BYTES: u64 = 8 << 20;

impl Forest<'_, '_> {
    /// The same tree without nodes in these packs.
    pub async fn repack(
        &mut self,
        tree: Tree,
        packs: &BTreeSet<PackId>,
    ) -> Result<Tree, TreeError> {
        if packs.is_empty() {
            return Ok(tree);
        }
        let (root, node) = match &tree.0 {
            Top::Empty => return Ok(tree),
            Top::Kept(root) => (root.clone(), self.read(&[root.node])?.pop()),
            Top::New { node, height, count, span } => {
                let fresh = Node::decode_unverified(&node.bytes)?;
                // It has no place yet; it is not read through its reference.
                let nowhere =
                    NodeRef { hash: NodeHash::of(&node.bytes), pack: PackId(0), offset: 0, len: 0 };
                let root = Root { node: nowhere, height: *height, count: *count, span: *span };
                (root, Some(Arc::new(fresh)))
            }
        };
        let Some(node) = node else { return Ok(tree) };
        let moved = match self.without(&root.node, &node, root.height, packs).await? {
            Some(moved) => moved.encode()?,
            None if packs.contains(&root.node.pack) => node.encode()?,
            None => return Ok(tree),
        };
        let Root { height, count, span, .. } = root;
        Ok(Tree(Top::New { node: moved, height, count, span }))
    }

    /// The same tree with a root that is to be placed anew, beside the other roots: one request
    /// reads them all.
    pub fn lift(&mut self, tree: Tree) -> Result<Tree, TreeError> {
        let Top::Kept(root) = &tree.0 else { return Ok(tree) };
        let Some(node) = self.read(&[root.node])?.pop() else { return Ok(tree) };
        let Root { height, count, span, .. } = *root;
        Ok(Tree(Top::New { node: node.encode()?, height, count, span }))
    }

    /// The node with all that is below it, long values too, not in the packs; `None` if that is so
    /// already.
    fn without<'s>(
        &'s mut self,
        name: &'s NodeRef,
        node: &'s Node,
        height: u8,
        packs: &'s BTreeSet<PackId>,
    ) -> BoxFuture<'s, Result<Option<Node>, TreeError>> {
        Box::pin(async move {
            if height == 0 {
                return match node {
                    Node::Leaf(facts) => self.leaf_without(facts, packs).await,
                    _ => Ok(None),
                };
            }
            let branch = node.branch(name, height)?;
            let mut children: Vec<Child> = branch.children().to_vec();
            let mut changed = false;
            for window in children.chunks_mut(WINDOW) {
                // Of leaves only those that move, or may refer to what moves, are read; of branch
                // nodes all.
                let wanted = |child: &&mut Child| {
                    height > 1 || child.long > 0 || packs.contains(&child.node.pack)
                };
                let mut wanted: Vec<&mut Child> = window.iter_mut().filter(wanted).collect();
                let names: Vec<NodeRef> = wanted.iter().map(|child| child.node).collect();
                for (child, node) in wanted.iter_mut().zip(self.read(&names)?) {
                    let below = self.without(&child.node, &node, height - 1, packs).await?;
                    let stored = match below {
                        Some(below) => below.encode()?,
                        None if packs.contains(&child.node.pack) => node.encode()?,
                        None => continue,
                    };
                    child.node = self.packs.push(&stored);
                    changed = true;
                    self.packs.relieve().await?;
                }
            }
            let separators = (0..children.len()).map(|i| branch.separator(i));
            let entries = separators.zip(children);
            Ok(changed.then(|| Node::Branch(Branch::new(height, entries))))
        })
    }

    /// A leaf whose long values are not in the packs; `None` if that is so already.
    pub(super) async fn leaf_without(
        &mut self,
        facts: &Facts,
        packs: &BTreeSet<PackId>,
    ) -> Result<Option<Node>, TreeError> {
        let of_pack = |blob: &Blob<'_>| packs.contains(&PackId(blob.place().pack));
        let moving = || blob::blobs(facts, 0..facts.len()).map(|(_, x)| x).filter(of_pack);
        if moving().next().is_none() {
            return Ok(None);
        }
        let mut wanted: Vec<(NodeHash, NodeRef)> = Vec::new();
        for blob in moving().filter(|blob| self.packs.blob(&blob.digest()).is_none()) {
            wanted.push((blob.digest(), blob.place().into()));
        }
        wanted.sort_by_key(|(digest, _)| *digest);
        wanted.dedup_by_key(|(digest, _)| *digest);
        for window in windows(&wanted) {
            let names: Vec<NodeRef> = window.iter().map(|(_, name)| *name).collect();
            for ((digest, name), node) in window.iter().zip(self.read(&names)?) {
                node.blob(name)?;
                self.packs.push_blob(*digest, &node.encode()?);
            }
            self.packs.relieve().await?;
        }
        let facts = blob::replace(facts, |v| match v {
            ValRef::Blob(blob) if of_pack(&blob) => {
                let node = self.packs.blob(&blob.digest());
                Ok(node.map(|node| blob::to_place(blob, node)))
            }
            _ => Ok::<_, TreeError>(None),
        })?;
        Ok(Some(Node::Leaf(Arc::new(facts))))
    }

    /// Nodes, some of which may have been saved just now.
    pub(super) fn read(&self, names: &[NodeRef]) -> Result<Vec<Arc<Node>>, TreeError> {
        let saved = |name: &NodeRef| self.packs.read(name).map(|bytes| Node::decode(name, bytes));
        let mut saved = names.iter().map(saved).collect::<Vec<_>>();
        let missing = names.iter().zip(&saved).filter(|(_, saved)| saved.is_none());
        let missing: Vec<NodeRef> = missing.map(|(name, _)| *name).collect();
        let mut fetched = match missing.is_empty() {
            true => Vec::new(),
            false => self.nodes.get(&missing)?,
        }
        .into_iter();
        let node = |(name, saved): (&NodeRef, &mut Option<Result<Node, NodesError>>)| {
            let fetched = || fetched.next().ok_or_else(|| NodesError::corrupt(name, "not given"));
            saved.take().map_or_else(fetched, |node| node.map(Arc::new))
        };
        Ok(names.iter().zip(&mut saved).map(node).collect::<Result<_, _>>()?)
    }
}

/// Long values in groups that are read together.
fn windows(mut nodes: &[(NodeHash, NodeRef)]) -> impl Iterator<Item = &[(NodeHash, NodeRef)]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(_, node): &&(NodeHash, NodeRef)| {
            let first = bytes == 0;
            bytes += u64::from(node.len);
            first || bytes <= WINDOW_BYTES
        };
        let count = nodes.iter().take(WINDOW).take_while(fits).count();
        let (window, rest) = nodes.split_at(count);
        nodes = rest;
        (!window.is_empty()).then_some(window)
    })
}
