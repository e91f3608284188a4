//! Merging changes into a tree: a new tree that shares every node the changes do not touch.
//!
//! **Invariant:** the cost follows the change: only leaves that a change falls into are rewritten,
//! and the branch nodes above them (a leaf that becomes too small takes a neighbour with it). Trees
//! stay balanced and no higher than needed. Branch nodes are read in one round a level, leaves in
//! rounds of 64. Memory: the branch nodes and one round of leaves, since a leaf is saved as soon as
//! its neighbour is settled, and packs go out as they fill. An error leaves nodes that nothing
//! refers to: in the pack writer, and in packs that are out already.

use super::build::Tree;
use super::content::{Content, Entry, Fresh, entries};
use super::edit::{Changes, Edits, FactEdits, Removed};
use super::node::Node;
use super::pack::PackWriter;
use super::shape::{Fill, Shape};
use super::{NodeRef, Nodes, NodesError, Root, TreeError};
use crate::datom::Order;
use std::collections::VecDeque;
use std::sync::Arc;

/// Leaves read in one round.
const WINDOW: usize = 64;

/// Where trees are read from and written to, and how their nodes are cut.
#[derive(Debug)]
pub struct Forest<'a, 'p> {
    /// The nodes of the old trees.
    pub nodes: &'a dyn Nodes,
    /// Where new nodes go.
    pub packs: &'a mut PackWriter<'p>,
    /// How large nodes become.
    pub shape: Shape,
}

impl Forest<'_, '_> {
    /// The tree with facts added and removed; long values that are added are written once. For
    /// every removed fact `removed` is given its key as it was in the tree and which row of
    /// [`Changes::remove`] removed it. It reads on the calling thread, and waits for nothing but
    /// the outlet of the packs.
    pub async fn merge(
        &mut self,
        root: Option<&Root>,
        order: Order,
        changes: Changes<'_>,
        removed: &mut Removed<'_>,
    ) -> Result<Tree, TreeError> {
        let add = super::blob::detach(changes.add, self.packs)?;
        self.packs.relieve().await?;
        let edits = FactEdits::new(order, Changes { add: &add, ..changes })?;
        self.apply(root, order, edits, removed).await
    }

    pub(super) async fn apply<E: Edits>(
        &mut self,
        root: Option<&Root>,
        order: Order,
        edits: E,
        removed: &mut Removed<'_>,
    ) -> Result<Tree, TreeError> {
        let Some(root) = root else {
            let content = edits.apply(None, removed)?;
            let all = Fresh { separator: Vec::new(), height: 0, content };
            let parts =
                if all.is_empty() { vec![] } else { all.cut(order, self.shape, Fill::Full) };
            return self.top(order, 0, parts.into_iter().map(Piece::Fresh).collect());
        };
        // A root is no child: how many long values it has is asked of its children.
        let Root { node, count, span, .. } = *root;
        let child = super::Child { node, count, long: 0, span };
        let entry = Entry { separator: Vec::new(), child };
        if edits.is_empty() {
            return Ok(Tree::kept(&entry, root.height));
        }
        let touched = Touched { entry, edits, last: true };
        let (levels, leaves) = self.descend(root.height, touched)?;
        let mut leaves = Leaves::new(leaves);
        let mut below: VecDeque<Vec<Piece>> = VecDeque::new();
        for (level, height) in levels.into_iter().rev().zip(1..) {
            let mut done = VecDeque::with_capacity(level.len());
            for Slots { slots, last } in level {
                let (mut settled, count) = (Vec::with_capacity(slots.len()), slots.len());
                for (i, slot) in slots.into_iter().enumerate() {
                    let pieces = match slot {
                        Slot::Kept(entry) => vec![Piece::Kept(entry)],
                        Slot::Touched if height == 1 => self.leaf(order, &mut leaves, removed)?,
                        Slot::Touched => below.pop_front().unwrap_or_default(),
                    };
                    self.settle(order, height - 1, &mut settled, pieces, last && i + 1 == count)?;
                    self.packs.relieve().await?;
                }
                let place = Place { last, is_root: height == root.height };
                done.push_back(self.branch(order, height, settled, place)?);
            }
            below = done;
        }
        let pieces = match below.pop_front() {
            Some(pieces) => pieces,
            None => self.leaf(order, &mut leaves, removed)?,
        };
        self.top(order, root.height, pieces)
    }

    /// Reads the branch nodes that changes fall into, a level a round, the root first; and says
    /// which leaves they fall into.
    fn descend<E: Edits>(&self, height: u8, root: Touched<E>) -> Result<Plan<E>, TreeError> {
        let (mut levels, mut touched) = (Vec::new(), vec![root]);
        for height in (1..=height).rev() {
            let names: Vec<NodeRef> = touched.iter().map(|x| x.entry.child.node).collect();
            let read = self.nodes.get(&names)?;
            let (mut level, mut next) = (Vec::with_capacity(read.len()), Vec::new());
            for (node, parent) in read.iter().zip(touched) {
                let branch = node.branch(&parent.entry.child.node, height)?;
                let mut slots = Vec::with_capacity(branch.children().len());
                let (mut rest, count) = (parent.edits, branch.children().len());
                let mut wanted = branch.child_of(&rest.first_key());
                for (i, entry) in entries(&parent.entry, branch).into_iter().enumerate() {
                    if rest.is_empty() || i < wanted {
                        slots.push(Slot::Kept(entry));
                        continue;
                    }
                    let last = i + 1 == count;
                    let next_separator = (!last).then(|| branch.separator(i + 1));
                    let edits = rest.take_before(next_separator);
                    if !rest.is_empty() {
                        wanted = branch.child_of(&rest.first_key());
                    }
                    slots.push(Slot::Touched);
                    next.push(Touched { entry, edits, last: parent.last && last });
                }
                level.push(Slots { slots, last: parent.last });
            }
            levels.push(level);
            touched = next;
        }
        Ok((levels, touched))
    }

    /// What the next touched leaf becomes.
    fn leaf<E: Edits>(
        &self,
        order: Order,
        leaves: &mut Leaves<E>,
        removed: &mut Removed<'_>,
    ) -> Result<Vec<Piece>, TreeError> {
        let Some((touched, node)) = leaves.next(self.nodes)? else { return Ok(Vec::new()) };
        let content = touched.edits.apply(Some((&touched.entry.child.node, &node)), removed)?;
        let leaf = Fresh { separator: touched.entry.separator, height: 0, content };
        Ok(self.cut(order, leaf, touched.last))
    }

    /// What a branch node becomes whose children are these, settled. An only child that is small is
    /// passed up as it is, to be joined where it has neighbours.
    fn branch(
        &mut self,
        order: Order,
        height: u8,
        mut children: Vec<Piece>,
        place: Place,
    ) -> Result<Vec<Piece>, TreeError> {
        if let [Piece::Fresh(only)] = &children[..]
            && (only.height < height - 1 || only.is_small(self.shape, false))
        {
            return Ok(children);
        }
        let saved = children.drain(..).map(|piece| self.save(piece));
        let entries = saved.collect::<Result<Vec<Entry>, TreeError>>()?;
        let separator = entries.first().map(|x| x.separator.clone()).unwrap_or_default();
        let branch = Fresh { separator, height, content: Content::Branch(entries) };
        if place.is_root && branch.weight() <= self.shape.root_bytes() && !branch.is_empty() {
            return Ok(vec![Piece::Fresh(branch)]);
        }
        Ok(self.cut(order, branch, place.last))
    }

    fn save(&mut self, piece: Piece) -> Result<Entry, TreeError> {
        match piece {
            Piece::Kept(entry) => Ok(entry),
            Piece::Fresh(fresh) => fresh.save(self.packs),
        }
    }

    /// Cuts content that may have grown; the last of its level is where a tree grows that is
    /// appended to.
    fn cut(&self, order: Order, content: Fresh, last: bool) -> Vec<Piece> {
        if content.is_empty() {
            return Vec::new();
        }
        let fill = if last { Fill::Full } else { Fill::Even };
        content.cut(order, self.shape, fill).into_iter().map(Piece::Fresh).collect()
    }

    /// Puts pieces after their settled siblings: what became too small is joined with a neighbour,
    /// and all but the last, which may yet be joined, are saved. `last`: the last piece is the last
    /// of its level.
    fn settle(
        &mut self,
        order: Order,
        height: u8,
        settled: &mut Vec<Piece>,
        pieces: Vec<Piece>,
        last: bool,
    ) -> Result<(), TreeError> {
        let count = pieces.len();
        for (i, piece) in pieces.into_iter().enumerate() {
            let last = last && i + 1 == count;
            match settled.pop() {
                Some(before)
                    if self.is_small(&before, height, false)
                        || self.is_small(&piece, height, last) =>
                {
                    settled.extend(self.join(order, height, [before, piece], last)?);
                }
                before => settled.extend(before.into_iter().chain([piece])),
            }
            let newest = settled.pop();
            let kept = settled.iter().rposition(|x| matches!(x, Piece::Kept(_)));
            for piece in settled.split_off(kept.map_or(0, |at| at + 1)) {
                settled.push(Piece::Kept(self.save(piece)?));
            }
            settled.extend(newest);
        }
        Ok(())
    }

    fn is_small(&self, piece: &Piece, height: u8, last: bool) -> bool {
        match piece {
            Piece::Kept(_) => false,
            Piece::Fresh(fresh) => fresh.height < height || fresh.is_small(self.shape, last),
        }
    }

    /// Two neighbours as one, or as two of about one size.
    fn join(
        &mut self,
        order: Order,
        height: u8,
        pieces: [Piece; 2],
        last: bool,
    ) -> Result<Vec<Piece>, TreeError> {
        let [before, after] = pieces;
        let (before, after) = (self.load(before, height)?, self.load(after, height)?);
        if before.height == height && after.height == height {
            return Ok(self.cut(order, before.join(after), false));
        }
        // One of them is what remained of a branch node: its only child goes to the children of the
        // other.
        let children = |fresh: Fresh| match fresh.content {
            Content::Branch(entries) if fresh.height == height => {
                entries.into_iter().map(Piece::Kept).collect()
            }
            _ => vec![Piece::Fresh(fresh)],
        };
        let (mut settled, mut all) = (Vec::new(), children(before));
        all.extend(children(after));
        self.settle(order, height - 1, &mut settled, all, last)?;
        self.branch(order, height, settled, Place { last, is_root: false })
    }

    fn load(&self, piece: Piece, height: u8) -> Result<Fresh, TreeError> {
        match piece {
            Piece::Fresh(fresh) => Ok(fresh),
            Piece::Kept(entry) => {
                // What was saved on the way is not among the old nodes yet.
                let name = &entry.child.node;
                if let Some(bytes) = self.packs.read(name) {
                    return Ok(Fresh::load(&entry, height, &Node::decode(name, bytes)?)?);
                }
                let read = self.nodes.get(&[*name])?;
                let node = read.first().ok_or_else(|| NodesError::corrupt(name, "not given"))?;
                Ok(Fresh::load(&entry, height, node)?)
            }
        }
    }

    /// The tree above the pieces of one height.
    fn top(
        &mut self,
        order: Order,
        mut height: u8,
        mut pieces: Vec<Piece>,
    ) -> Result<Tree, TreeError> {
        loop {
            match (pieces.len(), pieces.pop()) {
                (0, _) | (_, None) => return Ok(Tree::empty()),
                (1, Some(Piece::Kept(entry))) => return Ok(Tree::kept(&entry, height)),
                (1, Some(Piece::Fresh(fresh))) => match &fresh.content {
                    Content::Branch(entries) if entries.len() == 1 => {
                        return Ok(Tree::kept(&entries[0], fresh.height - 1));
                    }
                    _ => return Tree::new(fresh),
                },
                (_, Some(last)) => pieces.push(last),
            }
            let mut settled = Vec::new();
            self.settle(order, height, &mut settled, pieces, true)?;
            height += 1;
            pieces = self.branch(order, height, settled, Place { last: true, is_root: true })?;
        }
    }
}

/// Where in its tree a branch node is.
#[derive(Clone, Copy)]
struct Place {
    /// The last of its level.
    last: bool,
    /// The only one of its level, if it may be.
    is_root: bool,
}

/// Branch nodes level by level, the root first, and the leaves that changes fall into.
type Plan<E> = (Vec<Vec<Slots>>, Vec<Touched<E>>);

/// A node that changes fall into.
struct Touched<E> {
    entry: Entry,
    edits: E,
    /// Whether it is the last of its level.
    last: bool,
}

/// The children of a branch node that changes fall into.
struct Slots {
    slots: Vec<Slot>,
    last: bool,
}

enum Slot {
    Kept(Entry),
    /// The next node of the level below.
    Touched,
}

/// A child-to-be.
#[derive(Debug)]
enum Piece {
    Kept(Entry),
    Fresh(Fresh),
}

/// A leaf that changes fall into, and its node.
type Read<E> = (Touched<E>, Arc<Node>);

/// The touched leaves, read a window at a time.
struct Leaves<E> {
    left: VecDeque<Touched<E>>,
    read: VecDeque<Arc<Node>>,
}

impl<E: Edits> Leaves<E> {
    fn new(leaves: Vec<Touched<E>>) -> Self {
        Self { left: leaves.into(), read: VecDeque::new() }
    }

    fn next(&mut self, nodes: &dyn Nodes) -> Result<Option<Read<E>>, TreeError> {
        if self.read.is_empty() && !self.left.is_empty() {
            let window = self.left.iter().take(WINDOW);
            let names: Vec<NodeRef> = window.map(|x| x.entry.child.node).collect();
            self.read = nodes.get(&names)?.into();
        }
        Ok(self.left.pop_front().zip(self.read.pop_front()))
    }
}
