//! Trees out of the summaries of their nodes: heights, separators, counts, and what they hold.
//!
//! **Invariant:** each node is looked at once for each kind of tree that it is reached in, however
//! many heads share it. What a branch node says of a child is what the child is.

use super::Findings;
use super::packs::{Leaf, Packs, Summary};
use super::sums::{ByAttribute, Sum};
use crate::datom::Order;
use crate::hash::NodeHash;
use crate::id::T;
use crate::index::{NodeRef, Root};
use hashbrown::HashMap;
use std::sync::Arc;

/// Of a node that a fact refers to.
const LOST: &str = "it is not in the pack, or not the long value that a fact refers to";

/// What a tree is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Facts that hold, or that have ended, in an order.
    Facts { order: Order, ended: bool },
    /// The places of commits.
    Commits,
}

/// What is in a tree.
#[derive(Debug, Default)]
pub(super) struct Total {
    count: u64,
    long: u64,
    span: (T, T),
    ends: Option<(Vec<u8>, Vec<u8>)>,
    /// Of facts.
    pub(super) sums: ByAttribute,
    /// Of rows.
    pub(super) rows: Sum,
}

type Checked = HashMap<(NodeRef, u8, Kind), Option<Arc<Total>>>;

/// Looks at trees.
#[derive(Debug)]
pub(super) struct Trees<'a> {
    packs: &'a Packs,
    checked: Checked,
}

impl<'a> Trees<'a> {
    /// Of these nodes.
    pub(super) fn new(packs: &'a Packs) -> Self {
        Self { packs, checked: Checked::new() }
    }

    /// What is in a tree of `object`; `None`, and a finding, if something is wrong with it.
    pub(super) fn total(
        &mut self,
        object: &str,
        root: Option<&Root>,
        kind: Kind,
        found: &mut Findings<'_>,
    ) -> Option<Arc<Total>> {
        let Some(root) = root else { return Some(Arc::default()) };
        let total = self.node(&root.node, root.height, kind, found);
        let Some(total) = total else {
            found.add(object, format!("{kind}: the tree is damaged"));
            return None;
        };
        if total.count != root.count || total.span != root.span {
            let (count, there) = (root.count, total.count);
            found.add(object, format!("{kind}: the root says {count} rows, and there are {there}"));
            return None;
        }
        Some(total)
    }

    fn node(
        &mut self,
        node: &NodeRef,
        height: u8,
        kind: Kind,
        found: &mut Findings<'_>,
    ) -> Option<Arc<Total>> {
        let name = (*node, height, kind);
        if let Some(known) = self.checked.get(&name) {
            return known.clone();
        }
        let total = self.look(node, height, kind, found).map(Arc::new);
        self.checked.insert(name, total.clone());
        total
    }

    fn look(
        &mut self,
        node: &NodeRef,
        height: u8,
        kind: Kind,
        found: &mut Findings<'_>,
    ) -> Option<Total> {
        let packs = self.packs;
        let wrong = |found: &mut Findings<'_>, what: &str| {
            let key = crate::conn::pack_name(node.pack);
            found.add(&key, format!("node {} at {}: {what}", node.hash, node.offset));
        };
        let Some(summary) = packs.get(node) else {
            wrong(found, "it is not in the pack");
            return None;
        };
        match (summary, kind) {
            (Summary::Branch { height: own, children }, _) if *own == height => {
                let mut sum = Total::default();
                for (i, (separator, child)) in children.iter().enumerate() {
                    let total = self.node(&child.node, height - 1, kind, found)?;
                    let seen = (total.count, total.long, total.span);
                    if seen != (child.count, child.long, child.span) {
                        wrong(found, "it has wrong counts of a child");
                        return None;
                    }
                    let next = children.get(i + 1).map(|(separator, _)| separator);
                    let (first, last) = total.ends.as_ref()?;
                    if first < separator || next.is_some_and(|next| last >= next) {
                        wrong(found, "a child has keys that its separators do not allow");
                        return None;
                    }
                    sum.add(&total);
                }
                Some(sum)
            }
            (Summary::Leaf(leaf), Kind::Facts { order, ended }) if height == 0 => {
                let keys = leaf.keys[order as usize].clone();
                let all_as_told = leaf.ended == if ended { leaf.count } else { 0 };
                if let Some(value) = self.lost(leaf) {
                    let key = crate::conn::pack_name(value.pack);
                    found.add(&key, format!("node {} at {}: {LOST}", value.hash, value.offset));
                    return None;
                }
                let what = match (&keys, leaf.wrong) {
                    (_, Some(what)) => what,
                    (None, _) => "rows that are not in order",
                    (Some(_), _) if !all_as_told => "current and superseded facts mixed",
                    (Some(_), None) => "",
                };
                if !what.is_empty() {
                    wrong(found, what);
                    return None;
                }
                let (count, long, span) = (leaf.count, leaf.long, leaf.span);
                let (sums, rows) = (leaf.sums.clone(), Sum::default());
                Some(Total { count, long, span, ends: keys, sums, rows })
            }
            (Summary::Rows { count, ends, sum }, Kind::Commits) if height == 0 => {
                let (count, ends, rows) = (*count, ends.clone(), *sum);
                Some(Total { count, ends, rows, ..Total::default() })
            }
            _ => {
                wrong(found, "it is not what is meant to be at its place of the tree");
                None
            }
        }
    }
}

impl Trees<'_> {
    /// A node that a leaf refers to and that is not there, or holds another value.
    fn lost<'l>(&self, leaf: &'l Leaf) -> Option<&'l NodeRef> {
        let is_there = |(node, said): &&(NodeRef, NodeHash)| match self.packs.get(node) {
            Some(Summary::Blob { said: known }) => known == said,
            _ => false,
        };
        leaf.blobs.iter().find(|value| !is_there(value)).map(|(value, _)| value)
    }
}

impl Total {
    fn add(&mut self, child: &Total) {
        let first = self.ends.is_none();
        self.span = match first {
            true => child.span,
            false => (self.span.0.min(child.span.0), self.span.1.max(child.span.1)),
        };
        self.ends = match (self.ends.take(), &child.ends) {
            (Some((first, _)), Some((_, last))) => Some((first, last.clone())),
            (own, other) => own.or_else(|| other.clone()),
        };
        self.count += child.count;
        self.long += child.long;
        self.sums.add(&child.sums);
        self.rows += child.rows;
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Commits => f.write_str("COMMITS"),
            Self::Facts { order, ended } => {
                let name = format!("{order:?}").to_uppercase();
                write!(f, "{name} of {} facts", if *ended { "superseded" } else { "current" })
            }
        }
    }
}
