//! Changes of a tree: what is added and removed, routed to leaves and applied to one.
//!
//! **Invariant:** a removal of what is not there and an addition of what is there are errors;
//! nothing is papered over.

use super::NodeRef;
use super::TreeError;
use super::content::Content;
use super::node::Node;
use super::rows::Rows;
use crate::datom::{Facts, FactsBuilder, Order, RowKey, Slice};
use crate::id::Tx;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Facts to add to a tree and facts to remove from it, each strictly ascending in the order of the
/// tree. A fact may be removed and added again by a later transaction.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// Facts to add. None may be there; facts that have not ended are told apart by `(e a v)`
    /// alone.
    pub add: &'a Facts,
    /// Facts to remove: each must be there. `Tx(0)` means whichever transaction added it.
    pub remove: &'a Facts,
}

/// Who is told of every fact that is removed: its key as it was in the tree, and which row of
/// [`Changes::remove`] removed it.
pub(super) type Removed<'a> = dyn FnMut(RowKey<'_>, usize) + Send + 'a;

/// A sorted batch of changes that leaves can be given their part of.
pub(super) trait Edits: Copy + Send {
    /// Whether nothing is to be done.
    fn is_empty(&self) -> bool;
    /// The key of the first change.
    fn first_key(&self) -> Vec<u8>;
    /// Takes the changes before a separator, all if there is none; the others stay.
    fn take_before(&mut self, separator: Option<&[u8]>) -> Self;
    /// What a leaf (none: an empty tree) becomes.
    fn apply(
        self,
        leaf: Option<(&NodeRef, &Node)>,
        removed: &mut Removed<'_>,
    ) -> Result<Content, TreeError>;
}

/// Part of [`Changes`].
#[derive(Clone, Copy, Debug)]
pub(super) struct FactEdits<'a> {
    order: Order,
    changes: Changes<'a>,
    add: (usize, usize),
    remove: (usize, usize),
}

impl<'a> FactEdits<'a> {
    /// All of them, after checking their order.
    pub fn new(order: Order, changes: Changes<'a>) -> Result<Self, TreeError> {
        for facts in [changes.add, changes.remove] {
            for row in 1..facts.len() {
                if facts.cmp_in(order, row - 1, facts, row) != Ordering::Less {
                    return Err(TreeError::Unsorted(format!("{:?}", facts.datom(row))));
                }
            }
        }
        let (add, remove) = ((0, changes.add.len()), (0, changes.remove.len()));
        Ok(Self { order, changes, add, remove })
    }

    fn key(&self, row: RowKey<'_>) -> Vec<u8> {
        let mut key = Vec::new();
        row.encode(self.order, &mut key);
        key
    }

    /// The first row of a range whose key is not before a separator.
    fn position(&self, facts: &Facts, (low, high): (usize, usize), separator: &[u8]) -> usize {
        first(low, high, |row| *self.key(facts.key(row)) < *separator)
    }
}

impl Edits for FactEdits<'_> {
    fn is_empty(&self) -> bool {
        self.add.0 == self.add.1 && self.remove.0 == self.remove.1
    }

    fn first_key(&self) -> Vec<u8> {
        let key =
            |facts: &Facts, (at, end): (usize, usize)| (at < end).then(|| self.key(facts.key(at)));
        let (add, remove) =
            (key(self.changes.add, self.add), key(self.changes.remove, self.remove));
        add.into_iter().chain(remove).min().unwrap_or_default()
    }

    fn take_before(&mut self, separator: Option<&[u8]>) -> Self {
        let place = |facts: &Facts, rows: (usize, usize)| {
            separator.map_or(rows.1, |separator| self.position(facts, rows, separator))
        };
        let add = place(self.changes.add, self.add);
        let remove = place(self.changes.remove, self.remove);
        let taken = Self { add: (self.add.0, add), remove: (self.remove.0, remove), ..*self };
        (self.add.0, self.remove.0) = (add, remove);
        taken
    }

    fn apply(
        self,
        leaf: Option<(&NodeRef, &Node)>,
        removed: &mut Removed<'_>,
    ) -> Result<Content, TreeError> {
        let empty = Facts::default();
        let leaf = match leaf {
            Some((name, node)) => node.leaf(name)?,
            None => &empty,
        };
        let facts = self.merge(leaf, removed)?;
        Ok(Content::Leaf(Slice::all(Arc::new(facts))))
    }
}

impl FactEdits<'_> {
    fn merge(self, leaf: &Facts, removed: &mut Removed<'_>) -> Result<Facts, TreeError> {
        let (add, remove) = (self.changes.add, self.changes.remove);
        let (mut row, (mut i, i_end), (mut k, k_end)) = (0, self.add, self.remove);
        let mut out = FactsBuilder::with_capacity(leaf.len() + i_end - i);
        // The row that was removed last.
        let mut gone = None;
        // Where the next removal and the next addition are; `None` after the last.
        let removal_at = |k: usize, row: usize| {
            let before = |at: usize| self.seen(remove.key(k), leaf.key(at)).is_gt();
            (k < k_end).then(|| leaf.seek_near(row..leaf.len(), before))
        };
        let addition_at = |i: usize, row: usize| {
            let before = |at: usize| leaf.cmp_in(self.order, at, add, i).is_lt();
            (i < i_end).then(|| leaf.seek_near(row..leaf.len(), before))
        };
        let (mut removal, mut addition) = (removal_at(k, row), addition_at(i, row));
        loop {
            let next = removal.into_iter().chain(addition).min().unwrap_or(leaf.len());
            out.push_rows(leaf, row..next);
            row = next;
            if removal == Some(row) {
                if row == leaf.len() || self.seen(remove.key(k), leaf.key(row)).is_ne() {
                    return Err(TreeError::NotThere(Box::new(remove.datom(k))));
                }
                removed(leaf.key(row), k);
                gone = Some(row);
                (row, k) = (row + 1, k + 1);
                removal = removal_at(k, row);
                addition = addition.map(|at| at.max(row));
            } else if addition == Some(row) {
                let before = row.checked_sub(1).filter(|before| gone != Some(*before));
                // All additions that go between the same two rows.
                let here =
                    |at: usize| row == leaf.len() || add.cmp_in(self.order, at, leaf, row).is_lt();
                let until = add.seek_near(i + 1..i_end, here);
                let twice = |at: usize| {
                    before.is_some_and(|before| same(add, at, leaf, before))
                        || row < leaf.len() && same(add, at, leaf, row)
                        || at > self.add.0 && same(add, at, add, at - 1)
                };
                if let Some(at) = (i..until).find(|at| twice(*at)) {
                    return Err(TreeError::AlreadyThere(Box::new(add.datom(at))));
                }
                out.push_rows(add, i..until);
                i = until;
                addition = addition_at(i, row);
            } else {
                return Ok(out.finish());
            }
        }
    }

    /// Where a removal is, seen from a row: `Greater` if it is for a later row.
    fn seen(&self, removal: RowKey<'_>, row: RowKey<'_>) -> Ordering {
        let fact = removal.cmp_fact(self.order, &row);
        if removal.tx == Tx(0) { fact } else { fact.then(removal.tx.cmp(&row.tx)) }
    }
}

/// The first number of a range for which `before` does not hold; it holds for a prefix of them.
fn first(mut low: usize, mut high: usize, before: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Whether two rows may not be in one tree.
fn same(x: &Facts, i: usize, y: &Facts, j: usize) -> bool {
    let holds = || x.end(i).is_none() && y.end(j).is_none();
    let ids = x.e(i) == y.e(j) && x.a(i) == y.a(j);
    ids && x.v(i) == y.v(j) && (holds() || x.tx(i) == y.tx(j))
}

/// Rows to put (`Some`) and to remove (`None`), by ascending key.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowEdits<'a>(pub &'a [(Vec<u8>, Option<Vec<u8>>)]);

impl Edits for RowEdits<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first_key(&self) -> Vec<u8> {
        self.0.first().map(|(key, _)| key.clone()).unwrap_or_default()
    }

    fn take_before(&mut self, separator: Option<&[u8]>) -> Self {
        let before = |x: &[u8]| separator.is_none_or(|separator| *x < *separator);
        let (taken, rest) = self.0.split_at(self.0.partition_point(|(key, _)| before(key)));
        self.0 = rest;
        Self(taken)
    }

    fn apply(
        self,
        leaf: Option<(&NodeRef, &Node)>,
        _removed: &mut Removed<'_>,
    ) -> Result<Content, TreeError> {
        let empty = Rows::default();
        let leaf = match leaf {
            Some((name, node)) => node.rows(name)?,
            None => &empty,
        };
        let (mut out, mut row) = (Rows::default(), 0);
        let keep = |out: &mut Rows, rows: Range<usize>| {
            rows.for_each(|row| out.push(leaf.key(row), leaf.value(row)));
        };
        for (key, value) in self.0 {
            let at = leaf.position(key);
            keep(&mut out, row..at);
            let there = at < leaf.len() && leaf.key(at) == &key[..];
            row = at + usize::from(there);
            if let Some(value) = value {
                out.push(key, value);
            }
        }
        keep(&mut out, row..leaf.len());
        Ok(Content::Rows(out))
    }
}
