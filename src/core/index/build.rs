//! Building a tree from what comes in order, and the roots of new trees.
//!
//! **Invariant:** nodes are full but for the last two of each level, and no node is smaller than
//! merging would leave it. A builder holds little more than one node of each level.

use super::content::{Content, Entry, Fresh, row_weight};
use super::node::Stored;
use super::pack::PackWriter;
use super::rows::Rows;
use super::shape::{CHILD, Fill, ROW, Shape};
use super::{Root, TreeError};
use crate::datom::{Facts, FactsBuilder, Order, Slice};
use crate::id::T;
use std::cmp::Ordering;
use std::sync::Arc;

/// A new tree whose root has no place yet: roots lie together at the end of a flush's last pack.
#[derive(Clone, Debug)]
pub struct Tree(pub(super) Top);

#[derive(Clone, Debug)]
pub(super) enum Top {
    Empty,
    Kept(Root),
    New { node: Stored, height: u8, count: u64, span: (T, T) },
}

impl Tree {
    pub(super) fn empty() -> Self {
        Self(Top::Empty)
    }

    /// The tree below a node that is saved.
    pub(super) fn kept(entry: &Entry, height: u8) -> Self {
        let (node, count, span) = (entry.child.node, entry.child.count, entry.child.span);
        Self(Top::Kept(Root { node, height, count, span }))
    }

    pub(super) fn new(top: Fresh) -> Result<Self, TreeError> {
        let height = top.height;
        let (node, count, span) = top.node();
        Ok(Self(Top::New { node: node.encode()?, height, count, span }))
    }

    /// The stored bytes of the root, if it is a new one.
    pub fn root_bytes(&self) -> Option<&[u8]> {
        if let Top::New { node, .. } = &self.0 { Some(&node.bytes) } else { None }
    }

    /// Gives the root its place, beside the node pushed before; `None` if the tree is empty.
    pub fn place(self, packs: &mut PackWriter<'_>) -> Option<Root> {
        match self.0 {
            Top::Empty => None,
            Top::Kept(root) => Some(root),
            Top::New { node, height, count, span } => {
                Some(Root { node: packs.push_last(&node), height, count, span })
            }
        }
    }
}

/// Builds a tree of facts, or of rows, from the left to the right.
#[derive(Debug)]
pub struct TreeBuilder {
    order: Order,
    shape: Shape,
    leaf: Pending,
    weight: usize,
    /// Where the pending leaf begins.
    separator: Vec<u8>,
    /// The key of the last row.
    last: Vec<u8>,
    levels: Levels,
}

#[derive(Debug)]
enum Pending {
    Facts(FactsBuilder),
    Rows(Rows),
}

impl TreeBuilder {
    /// For facts in an order.
    pub fn facts(order: Order, shape: Shape) -> Self {
        Self::new(order, shape, Pending::Facts(FactsBuilder::default()))
    }

    /// For rows.
    pub fn rows(shape: Shape) -> Self {
        Self::new(Order::Eavt, shape, Pending::Rows(Rows::default()))
    }

    fn new(order: Order, shape: Shape, leaf: Pending) -> Self {
        let (separator, last, levels) = (Vec::new(), Vec::new(), Levels { shape, up: Vec::new() });
        Self { order, shape, leaf, weight: 0, separator, last, levels }
    }

    /// Appends facts, in order, all after those before.
    pub fn push(&mut self, facts: &Facts, packs: &mut PackWriter<'_>) -> Result<(), TreeError> {
        let facts = &*super::blob::detach(facts, packs)?;
        let mut key = Vec::new();
        for row in 0..facts.len() {
            let sorted = if row > 0 {
                facts.key(row - 1).cmp_in(self.order, &facts.key(row)) == Ordering::Less
            } else {
                facts.key(0).encode(self.order, &mut key);
                self.last.is_empty() || self.last < key
            };
            if !sorted {
                return Err(TreeError::Unsorted(format!("{:?}", facts.datom(row))));
            }
            let Pending::Facts(leaf) = &mut self.leaf else { continue };
            leaf.push_row(facts, row);
            self.weight += row_weight(facts, row);
            self.cut_if_full(packs)?;
        }
        if let Some(last) = facts.len().checked_sub(1) {
            self.last.clear();
            facts.key(last).encode(self.order, &mut self.last);
        }
        Ok(())
    }

    /// Appends a row; its key is after all before.
    pub fn push_row(
        &mut self,
        key: &[u8],
        value: &[u8],
        packs: &mut PackWriter<'_>,
    ) -> Result<(), TreeError> {
        let Pending::Rows(leaf) = &mut self.leaf else { return Ok(()) };
        if !leaf.is_empty() && self.last[..] >= *key {
            return Err(TreeError::Unsorted(format!("{key:02x?}")));
        }
        leaf.push(key, value);
        self.last = key.to_vec();
        self.weight += ROW + key.len() + value.len();
        self.cut_if_full(packs)
    }

    /// A leaf is cut off once what would remain is enough for another.
    fn cut_if_full(&mut self, packs: &mut PackWriter<'_>) -> Result<(), TreeError> {
        let limit = self.shape.limit(0);
        if self.weight >= limit.most + limit.least() { self.cut(packs) } else { Ok(()) }
    }

    fn cut(&mut self, packs: &mut PackWriter<'_>) -> Result<(), TreeError> {
        let mut parts = self.take().cut(self.order, self.shape, Fill::Full);
        // The last part goes on growing; it is the only one if it is one huge row.
        let Some(rest) = parts.pop() else { return Ok(()) };
        self.weight = rest.weight();
        self.separator = rest.separator;
        self.leaf = match rest.content {
            Content::Rows(rows) => Pending::Rows(rows),
            Content::Leaf(Slice { facts, rows }) => {
                let mut leaf = FactsBuilder::default();
                leaf.push_rows(&facts, rows);
                Pending::Facts(leaf)
            }
            Content::Branch(_) => return Ok(()),
        };
        parts.into_iter().try_for_each(|leaf| self.levels.push(leaf, packs))
    }

    fn take(&mut self) -> Fresh {
        let content = match &mut self.leaf {
            Pending::Facts(facts) => {
                Content::Leaf(Slice::all(Arc::new(std::mem::take(facts).finish())))
            }
            Pending::Rows(rows) => Content::Rows(std::mem::take(rows)),
        };
        Fresh { separator: std::mem::take(&mut self.separator), height: 0, content }
    }

    /// The tree.
    pub fn finish(mut self, packs: &mut PackWriter<'_>) -> Result<Tree, TreeError> {
        let rest = self.take();
        if rest.is_empty() && self.levels.up.is_empty() {
            return Ok(Tree::empty());
        }
        let parts = rest.cut(self.order, self.shape, Fill::Even);
        self.levels.finish(parts, packs)
    }
}

/// The entries of nodes whose parents are not saved yet, by height.
#[derive(Debug)]
struct Levels {
    shape: Shape,
    up: Vec<Vec<Entry>>,
}

impl Levels {
    /// Saves a node; it becomes a child of the level above.
    fn push(&mut self, node: Fresh, packs: &mut PackWriter<'_>) -> Result<(), TreeError> {
        let height = usize::from(node.height);
        if self.up.len() == height {
            self.up.push(Vec::new());
        }
        let limit = self.shape.limit(node.height + 1);
        self.up[height].push(node.save(packs)?);
        let pending = &self.up[height];
        let enough = pending.len() >= 2 * limit.items
            && pending.iter().map(entry_weight).sum::<usize>() >= limit.most + limit.least();
        if !enough {
            return Ok(());
        }
        let mut parts = self.take(height).cut(Order::Eavt, self.shape, Fill::Full);
        if let Some(Fresh { content: Content::Branch(rest), .. }) = parts.pop() {
            self.up[height] = rest;
        }
        parts.into_iter().try_for_each(|part| self.push(part, packs))
    }

    /// The pending entries of a height as the content of one branch node.
    fn take(&mut self, height: usize) -> Fresh {
        let entries = std::mem::take(&mut self.up[height]);
        let separator = entries.first().map(|x| x.separator.clone()).unwrap_or_default();
        Fresh { separator, height: height as u8 + 1, content: Content::Branch(entries) }
    }

    /// The tree, once the last nodes of one height are there.
    fn finish(
        mut self,
        mut last: Vec<Fresh>,
        packs: &mut PackWriter<'_>,
    ) -> Result<Tree, TreeError> {
        let mut height = 0;
        loop {
            let above = self.up.iter().skip(height).any(|level| !level.is_empty());
            if last.len() == 1
                && !above
                && let Some(top) = last.pop()
            {
                return Tree::new(top);
            }
            last.into_iter().try_for_each(|node| self.push(node, packs))?;
            last = self.take(height).cut(Order::Eavt, self.shape, Fill::Even);
            height += 1;
        }
    }
}

fn entry_weight(entry: &Entry) -> usize {
    CHILD + entry.separator.len()
}
