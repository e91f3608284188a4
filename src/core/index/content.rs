//! What is to become nodes: unsaved content that can be weighed, cut and joined.
//!
//! **Invariant:** an [`Entry`] carries the true lower bound of its subtree, also where the branch
//! node that holds it stores none; so entries can move between branch nodes.

use super::branch::{Branch, Child};
use super::keys::separator;
use super::node::Node;
use super::pack::PackWriter;
use super::rows::Rows;
use super::shape::{CHILD, Fill, Limit, ROW, Shape};
use super::{NodesError, TreeError};
use crate::datom::{Facts, FactsBuilder, Order, Slice};
use crate::id::{T, Tx};
use std::ops::Range;
use std::sync::Arc;

/// A saved node and where its keys begin.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub separator: Vec<u8>,
    pub child: Child,
}

/// The content of a node that is not saved yet.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Leaf(Slice),
    Rows(Rows),
    Branch(Vec<Entry>),
}

/// Content and where its keys begin.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub separator: Vec<u8>,
    pub height: u8,
    pub content: Content,
}

impl Fresh {
    /// The content of a saved node.
    pub fn load(entry: &Entry, height: u8, node: &Node) -> Result<Self, NodesError> {
        let content = match (node, height) {
            (Node::Leaf(facts), 0) => Content::Leaf(Slice::all(facts.clone())),
            (Node::Rows(rows), 0) => Content::Rows(rows.clone()),
            _ => Content::Branch(entries(entry, node.branch(&entry.child.node, height)?)),
        };
        Ok(Self { separator: entry.separator.clone(), height, content })
    }

    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    fn items(&self) -> usize {
        match &self.content {
            Content::Leaf(facts) => facts.len(),
            Content::Rows(rows) => rows.len(),
            Content::Branch(entries) => entries.len(),
        }
    }

    pub fn weight(&self) -> usize {
        match &self.content {
            Content::Leaf(Slice { facts, rows }) => {
                rows.len() * ROW + facts.values().heap_bytes(rows.clone())
            }
            _ => self.weights().iter().sum(),
        }
    }

    fn weights(&self) -> Vec<usize> {
        let weight = |i| match &self.content {
            Content::Leaf(slice) => row_weight(&slice.facts, slice.rows.start + i),
            Content::Rows(rows) => ROW + rows.key(i).len() + rows.value(i).len(),
            Content::Branch(entries) => CHILD + entries[i].separator.len(),
        };
        (0..self.items()).map(weight).collect()
    }

    /// Whether it should be joined with a neighbour. The last of its level may be small, since it
    /// is where a tree grows that is appended to; but no branch node may have one child.
    pub fn is_small(&self, shape: Shape, last: bool) -> bool {
        let limit = shape.limit(self.height);
        self.items() < limit.items || !last && self.weight() < limit.least()
    }

    /// Cuts it into parts that fit.
    pub fn cut(self, order: Order, shape: Shape, fill: Fill) -> Vec<Fresh> {
        let limit: Limit = shape.limit(self.height);
        // What is known of one entity is read as one leaf.
        let first = |row: usize| match &self.content {
            Content::Leaf(Slice { facts, rows }) if order == Order::Eavt => {
                let entities = &facts.entities()[rows.clone()];
                let e = entities[row];
                entities[..row].iter().rposition(|x| *x != e).map_or(0, |at| at + 1)
            }
            _ => row,
        };
        let parts = limit.cut(&self.weights(), fill, first);
        if parts.len() < 2 {
            return vec![self];
        }
        parts.into_iter().map(|rows| self.part(order, rows)).collect()
    }

    /// Some of its items.
    pub fn part(&self, order: Order, items: Range<usize>) -> Fresh {
        let start = items.start;
        let content = match &self.content {
            Content::Leaf(Slice { facts, rows }) => {
                let rows = rows.start + items.start..rows.start + items.end;
                Content::Leaf(Slice { facts: facts.clone(), rows })
            }
            Content::Rows(rows) => {
                let mut part = Rows::default();
                items.for_each(|i| part.push(rows.key(i), rows.value(i)));
                Content::Rows(part)
            }
            Content::Branch(entries) => Content::Branch(entries[items].to_vec()),
        };
        let separator = match &self.content {
            _ if start == 0 => self.separator.clone(),
            Content::Leaf(Slice { facts, rows }) => separate(order, facts, rows.start + start),
            Content::Rows(rows) => separator(rows.key(start - 1), rows.key(start)),
            Content::Branch(entries) => entries[start].separator.clone(),
        };
        Fresh { separator, height: self.height, content }
    }

    /// Both, the other one after this one. Contents of two kinds never meet: trees are of one kind.
    pub fn join(mut self, other: Fresh) -> Fresh {
        match (&mut self.content, other.content) {
            (Content::Leaf(x), Content::Leaf(y)) => {
                let mut facts = FactsBuilder::with_capacity(x.len() + y.len());
                facts.push_rows(&x.facts, x.rows.clone());
                facts.push_rows(&y.facts, y.rows);
                *x = Slice::all(Arc::new(facts.finish()));
            }
            (Content::Rows(x), Content::Rows(y)) => {
                (0..y.len()).for_each(|row| x.push(y.key(row), y.value(row)));
            }
            (Content::Branch(x), Content::Branch(y)) => x.extend(y),
            _ => debug_assert!(false, "contents of two kinds in one tree"),
        }
        self
    }

    /// How many facts below refer to long values.
    fn long(&self) -> u64 {
        match &self.content {
            Content::Leaf(slice) => super::blob::count(&slice.facts, slice.rows.clone()),
            Content::Rows(_) => 0,
            Content::Branch(entries) => entries.iter().map(|x| x.child.long).sum(),
        }
    }

    /// The node, what a branch node says of it, and what is still missing: its place.
    pub fn node(self) -> (Node, u64, (T, T)) {
        match self.content {
            Content::Leaf(Slice { facts, rows }) => {
                let (count, span) = (rows.len() as u64, span(&facts, rows.clone()));
                let is_all = rows.len() == facts.len();
                let facts = if is_all { facts } else { Arc::new(copy(&facts, rows)) };
                (Node::Leaf(facts), count, span)
            }
            Content::Rows(rows) => {
                let count = rows.len() as u64;
                (Node::Rows(rows), count, (T(0), T(0)))
            }
            Content::Branch(entries) => {
                let count = entries.iter().map(|x| x.child.count).sum();
                let first = entries.iter().map(|x| x.child.span.0).min();
                let last = entries.iter().map(|x| x.child.span.1).max();
                let entries = entries.iter().map(|x| (&x.separator[..], x.child));
                let branch = Branch::new(self.height, entries);
                (Node::Branch(branch), count, (first.unwrap_or_default(), last.unwrap_or_default()))
            }
        }
    }

    /// Saves it.
    pub fn save(self, packs: &mut PackWriter<'_>) -> Result<Entry, TreeError> {
        let (separator, long) = (self.separator.clone(), self.long());
        let (stored, count, span) = match &self.content {
            Content::Leaf(Slice { facts, rows }) => {
                let stored = Node::encode_leaf(facts, rows.clone())?;
                (stored, rows.len() as u64, span(facts, rows.clone()))
            }
            _ => {
                let (node, count, span) = self.node();
                (node.encode()?, count, span)
            }
        };
        let node = packs.push(&stored);
        Ok(Entry { separator, child: Child { node, count, long, span } })
    }
}

/// The children of a branch node as entries.
pub(super) fn entries(of: &Entry, branch: &Branch) -> Vec<Entry> {
    let children = branch.children().iter().enumerate();
    let entry = |(i, child): (usize, &Child)| {
        let separator = if i == 0 { &of.separator } else { branch.separator(i) };
        Entry { separator: separator.to_vec(), child: *child }
    };
    children.map(entry).collect()
}

pub(super) fn row_weight(facts: &Facts, row: usize) -> usize {
    ROW + facts.values().heap_bytes(row..row + 1)
}

pub(super) fn copy(facts: &Facts, rows: Range<usize>) -> Facts {
    let mut part = FactsBuilder::with_capacity(rows.len());
    part.push_rows(facts, rows);
    part.finish()
}

/// What separates a row from the one before.
fn separate(order: Order, facts: &Facts, row: usize) -> Vec<u8> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    facts.key(row - 1).encode(order, &mut left);
    facts.key(row).encode(order, &mut right);
    separator(&left, &right)
}

fn span(facts: &Facts, rows: Range<usize>) -> (T, T) {
    let ts = || facts.transactions()[rows.clone()].iter().map(|tx| Tx(*tx).t());
    (ts().min().unwrap_or_default(), ts().max().unwrap_or_default())
}
