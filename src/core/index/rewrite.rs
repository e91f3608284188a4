//! Changing leaves all over trees, such as erasing facts, where several trees share nodes.
//!
//! **Invariant:** what becomes of a node depends on the node alone, and is remembered; so trees
//! that shared a node share what it becomes. No node of the new tree lies in a pack that is to be
//! left, and no separator that tells of something erased stays unless it is the beginning of a key
//! that is still there. Nodes are not joined: a leaf may become small, and the next merge that
//! touches it joins it with a neighbour. Branch nodes are all read, of leaves only those that may
//! change or have to move.

use super::branch::{Branch, Child};
use super::build::{Top, Tree};
use super::content::{Content, Entry, Fresh};
use super::keys::separator;
use super::merge::Forest;
use super::node::Node;
use super::{NodeRef, PackId, Root, TreeError};
use crate::datom::{Order, Slice};
use crate::store::BoxFuture;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Nodes read in one round.
const WINDOW: usize = 64;

/// What is to be changed in trees of one order.
pub trait Rewrite: Send + Sync {
    /// Whether a leaf may change whose keys are at or after `from` and before `to` (`None`: to the
    /// end).
    fn touches(&self, from: &[u8], to: Option<&[u8]>) -> bool;

    /// Whether a separator may tell of what must not be told.
    fn tells(&self, separator: &[u8]) -> bool;

    /// The leaf as it is to be; `None` if it stays as it is. Leaves without rows vanish.
    fn leaf(&self, leaf: &Node) -> Result<Option<Node>, TreeError>;
}

/// What became of nodes, in all trees of one order.
#[derive(Debug, Default)]
pub struct Rewritten(HashMap<NodeRef, Became>);

#[derive(Clone, Copy, Debug)]
enum Became {
    Same,
    Gone,
    Other(Child),
}

/// What is being done.
struct Job<'a> {
    order: Order,
    rewrite: &'a dyn Rewrite,
    leave: &'a BTreeSet<PackId>,
    done: &'a mut Rewritten,
}

/// A branch node and what it is among.
struct Place<'a> {
    name: NodeRef,
    height: u8,
    from: &'a [u8],
    to: Option<&'a [u8]>,
}

impl Forest<'_, '_> {
    /// The tree with leaves rewritten and without nodes, long values too, in some packs.
    pub async fn rewrite(
        &mut self,
        root: &Root,
        order: Order,
        rewrite: &dyn Rewrite,
        leave: &BTreeSet<PackId>,
        done: &mut Rewritten,
    ) -> Result<Tree, TreeError> {
        let mut job = Job { order, rewrite, leave, done };
        let Some(node) = self.read(&[root.node])?.pop() else { return Ok(Tree::empty()) };
        let is_left = job.leave.contains(&root.node.pack);
        if root.height == 0 {
            return match self.leaf_rewritten(&node, &job).await? {
                Some(leaf) => whole(&leaf),
                None if is_left => whole(&node),
                None => Ok(Tree(Top::Kept(root.clone()))),
            };
        }
        let place = Place { name: root.node, height: root.height, from: &[], to: None };
        match self.entries(&place, &node, &mut job).await? {
            Some(entries) => self.above(entries, root.height),
            None if is_left => {
                let (height, count, span) = (root.height, root.count, root.span);
                Ok(Tree(Top::New { node: node.encode()?, height, count, span }))
            }
            None => Ok(Tree(Top::Kept(root.clone()))),
        }
    }

    /// A leaf as it is to be, with its long values not in packs that are left; `None` if it is so.
    async fn leaf_rewritten(
        &mut self,
        leaf: &Node,
        job: &Job<'_>,
    ) -> Result<Option<Node>, TreeError> {
        let new = job.rewrite.leaf(leaf)?;
        let moved = match new.as_ref().unwrap_or(leaf) {
            Node::Leaf(facts) => self.leaf_without(facts, job.leave).await?,
            _ => None,
        };
        Ok(moved.or(new))
    }

    /// The tree of these children: no higher than needed.
    fn above(&self, mut entries: Vec<Entry>, mut height: u8) -> Result<Tree, TreeError> {
        loop {
            match &entries[..] {
                [] => return Ok(Tree::empty()),
                [only] if height > 1 => {
                    let Some(node) = self.read(&[only.child.node])?.pop() else {
                        return Ok(Tree::kept(only, height - 1));
                    };
                    let branch = node.branch(&only.child.node, height - 1)?;
                    if branch.children().len() > 1 {
                        return Ok(Tree::kept(only, height - 1));
                    }
                    (entries, height) = (super::content::entries(only, branch), height - 1);
                }
                [only] => return Ok(Tree::kept(only, 0)),
                _ => {
                    let content = Content::Branch(entries);
                    return Tree::new(Fresh { separator: Vec::new(), height, content });
                }
            }
        }
    }

    /// The children that a branch node is to have; `None` if they stay as they are.
    fn entries<'s>(
        &'s mut self,
        place: &'s Place<'s>,
        node: &'s Node,
        job: &'s mut Job<'_>,
    ) -> BoxFuture<'s, Result<Option<Vec<Entry>>, TreeError>> {
        Box::pin(async move {
            let branch = node.branch(&place.name, place.height)?;
            let mut became = vec![Became::Same; branch.children().len()];
            let all: Vec<usize> = (0..branch.children().len()).collect();
            for window in all.chunks(WINDOW) {
                let mut wanted = Vec::new();
                for i in window {
                    let child = &branch.children()[*i].node;
                    match job.done.0.get(child) {
                        Some(known) => became[*i] = *known,
                        None if place.height > 1 || job.concerns(place, branch, *i) => {
                            wanted.push(*i);
                        }
                        None => {}
                    }
                }
                let names: Vec<NodeRef> =
                    wanted.iter().map(|i| branch.children()[*i].node).collect();
                for (i, node) in wanted.into_iter().zip(self.read(&names)?) {
                    became[i] = self.child(place, branch, i, &node, job).await?;
                    job.done.0.insert(branch.children()[i].node, became[i]);
                    self.packs.relieve().await?;
                }
            }
            self.children(branch, &became, job)
        })
    }

    /// What becomes of one child.
    async fn child(
        &mut self,
        place: &Place<'_>,
        branch: &Branch,
        i: usize,
        node: &Arc<Node>,
        job: &mut Job<'_>,
    ) -> Result<Became, TreeError> {
        let old = branch.children()[i];
        let height = place.height - 1;
        let new = if height == 0 {
            self.leaf_rewritten(node, job).await?.map(|leaf| fresh(&leaf))
        } else {
            let (from, to) = ends(place, branch, i);
            let below = Place { name: old.node, height, from, to };
            let entries = self.entries(&below, node, job).await?;
            let content = entries.map(Content::Branch);
            content.map(|content| Fresh { separator: Vec::new(), height, content })
        };
        Ok(match new {
            Some(fresh) if fresh.is_empty() => Became::Gone,
            Some(fresh) => Became::Other(fresh.save(self.packs)?.child),
            None if job.leave.contains(&old.node.pack) => {
                Became::Other(Child { node: self.packs.push(&node.encode()?), ..old })
            }
            None => Became::Same,
        })
    }

    /// The new children, and what separates them; `None` if all is as it was.
    fn children(
        &self,
        branch: &Branch,
        became: &[Became],
        job: &Job<'_>,
    ) -> Result<Option<Vec<Entry>>, TreeError> {
        let (mut entries, mut changed): (Vec<Entry>, bool) = (Vec::new(), false);
        for (i, (old, became)) in branch.children().iter().zip(became).enumerate() {
            let child = match became {
                Became::Same => *old,
                Became::Other(child) => *child,
                Became::Gone => {
                    changed = true;
                    continue;
                }
            };
            changed |= matches!(became, Became::Other(_));
            let mut between = branch.separator(i).to_vec();
            if let Some(before) = entries.last().filter(|_| job.rewrite.tells(&between)) {
                let height = branch.height() - 1;
                let first = self.end_key(&child.node, height, job.order, false)?;
                if !first.starts_with(&between) {
                    let last = self.end_key(&before.child.node, height, job.order, true)?;
                    between = separator(&last, &first);
                    changed = true;
                }
            }
            entries.push(Entry { separator: between, child });
        }
        Ok(changed.then_some(entries))
    }

    /// The first key below a node, or the last.
    fn end_key(
        &self,
        node: &NodeRef,
        height: u8,
        order: Order,
        last: bool,
    ) -> Result<Vec<u8>, TreeError> {
        let (mut name, mut key) = (*node, Vec::new());
        for height in (1..=height).rev() {
            let Some(node) = self.read(&[name])?.pop() else { return Ok(key) };
            let children = node.branch(&name, height)?.children();
            let child = if last { children.last() } else { children.first() };
            let Some(child) = child else { return Ok(key) };
            name = child.node;
        }
        match self.read(&[name])?.pop().as_deref() {
            Some(Node::Leaf(facts)) if !facts.is_empty() => {
                facts.key(if last { facts.len() - 1 } else { 0 }).encode(order, &mut key);
            }
            Some(Node::Rows(rows)) if !rows.is_empty() => {
                key.extend(rows.key(if last { rows.len() - 1 } else { 0 }));
            }
            _ => {}
        }
        Ok(key)
    }
}

impl Job<'_> {
    /// Whether a leaf has to be read.
    fn concerns(&self, place: &Place<'_>, branch: &Branch, i: usize) -> bool {
        let ((from, to), child) = (ends(place, branch, i), &branch.children()[i]);
        let may_move = child.long > 0 && !self.leave.is_empty();
        may_move || self.leave.contains(&child.node.pack) || self.rewrite.touches(from, to)
    }
}

/// Where the keys of a child begin and end.
fn ends<'a>(place: &Place<'a>, branch: &'a Branch, i: usize) -> (&'a [u8], Option<&'a [u8]>) {
    let from = if i == 0 { place.from } else { branch.separator(i) };
    let next = (i + 1 < branch.children().len()).then(|| branch.separator(i + 1));
    (from, next.or(place.to))
}

fn fresh(leaf: &Node) -> Fresh {
    let content = match leaf {
        Node::Leaf(facts) => Content::Leaf(Slice::all(facts.clone())),
        Node::Rows(rows) => Content::Rows(rows.clone()),
        Node::Branch(_) | Node::Blob(_) => Content::Branch(Vec::new()),
    };
    Fresh { separator: Vec::new(), height: 0, content }
}

/// A tree of one leaf.
fn whole(leaf: &Node) -> Result<Tree, TreeError> {
    let fresh = fresh(leaf);
    if fresh.is_empty() { Ok(Tree::empty()) } else { Tree::new(fresh) }
}
