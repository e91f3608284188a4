//! Facts in columns: the one container of trees' leaves, overlays and the batches that scans give.
//!
//! **Invariant:** rows are sorted in the order they were built for, all columns have one length,
//! and `end` and `retractions` are either empty or of that length too. It does not know which order
//! it is in: who holds it does.

use super::{Datom, Order, RowKey};
use crate::id::{AttrId, EntityId, Tx};
use crate::value::{Column, ColumnBuilder, ValRef};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Columns of facts. Memory: 33 bytes a row, 8 more where facts end, and the heap of the values.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    e: Vec<u64>,
    a: Vec<u64>,
    v: Column,
    tx: Vec<u64>,
    end: Vec<u64>,
    retractions: Vec<bool>,
}

impl Facts {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.e.len()
    }

    /// The transactions that ended the facts, 0 where a fact has not ended; empty if none has.
    pub fn ends(&self) -> &[u64] {
        &self.end
    }

    /// Which rows are retractions; empty if none is.
    pub fn retractions(&self) -> &[bool] {
        &self.retractions
    }

    /// The same rows, some of them retractions; `None` if the lengths differ.
    pub fn with_retractions(mut self, retractions: Vec<bool>) -> Option<Self> {
        (retractions.len() == self.len()).then(|| {
            self.retractions = retractions;
            self
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.e.is_empty()
    }

    /// The entity ids, for loops over a column.
    pub fn entities(&self) -> &[u64] {
        &self.e
    }

    /// The attribute ids.
    pub fn attributes(&self) -> &[u64] {
        &self.a
    }

    /// The values.
    pub fn values(&self) -> &Column {
        &self.v
    }

    /// The transactions that added the facts (for a retraction in a history: the one that
    /// retracted).
    pub fn transactions(&self) -> &[u64] {
        &self.tx
    }

    /// The entity of a row.
    pub fn e(&self, row: usize) -> EntityId {
        EntityId(self.e[row])
    }

    /// The attribute of a row.
    pub fn a(&self, row: usize) -> AttrId {
        AttrId(self.a[row])
    }

    /// The value of a row.
    pub fn v(&self, row: usize) -> ValRef<'_> {
        self.v.get(row)
    }

    /// The transaction of a row. `Tx(0)` in an overlay: the fact was added below, in the tree.
    pub fn tx(&self, row: usize) -> Tx {
        Tx(self.tx[row])
    }

    /// The transaction that ended the fact, if it did.
    pub fn end(&self, row: usize) -> Option<Tx> {
        self.end.get(row).filter(|end| **end != 0).map(|end| Tx(*end))
    }

    /// Whether any fact of these has ended.
    pub fn has_ends(&self) -> bool {
        !self.end.is_empty()
    }

    /// Whether the row, read as a datom, is an assertion: always, but in a history.
    pub fn added(&self, row: usize) -> bool {
        self.retractions.get(row).is_none_or(|retraction| !retraction)
    }

    /// The key of a row.
    pub fn key(&self, row: usize) -> RowKey<'_> {
        RowKey { e: self.e(row), a: self.a(row), v: self.v(row), tx: self.tx(row) }
    }

    /// Compares `(e a v)` of a row with that of a row of other facts; looks at a value only where
    /// it decides.
    #[inline]
    pub fn cmp_fact(&self, order: Order, row: usize, other: &Facts, at: usize) -> Ordering {
        let e = || self.e[row].cmp(&other.e[at]);
        let a = || self.a[row].cmp(&other.a[at]);
        let v = || self.v(row).cmp_in_index(other.v(at));
        match order {
            Order::Eavt => e().then_with(a).then_with(v),
            Order::Aevt => a().then_with(e).then_with(v),
            Order::Avet => a().then_with(v).then_with(e),
        }
    }

    /// The same, and then the transaction.
    #[inline]
    pub fn cmp_in(&self, order: Order, row: usize, other: &Facts, at: usize) -> Ordering {
        self.cmp_fact(order, row, other, at).then_with(|| self.tx[row].cmp(&other.tx[at]))
    }

    /// The row as a datom. Cost: an allocation for a value that is not inline.
    pub fn datom(&self, row: usize) -> Datom {
        let (e, a, v) = (self.e(row), self.a(row), self.v(row).to_value());
        Datom { e, a, v, tx: self.tx(row), added: self.added(row) }
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        let words =
            self.e.capacity() + self.a.capacity() + self.tx.capacity() + self.end.capacity();
        words * 8 + self.v.size_bytes() + self.retractions.capacity()
    }

    /// The same rows sorted in an order.
    pub fn sorted(&self, order: Order) -> Facts {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.sort_by(|x, y| self.cmp_in(order, *x, self, *y));
        let mut out = FactsBuilder::with_capacity(self.len());
        rows.into_iter().for_each(|row| out.push_row(self, row));
        out.finish()
    }

    /// The rows of a partition point, as `slice::partition_point`: `before` is true for a prefix of
    /// the rows.
    pub fn partition_point(&self, before: impl FnMut(usize) -> bool) -> usize {
        self.seek(0..self.len(), before)
    }

    /// The first of some rows for which `before` does not hold; it holds for a prefix of them.
    pub fn seek(&self, rows: Range<usize>, mut before: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// As [`Facts::seek`], where it is expected near the start. Cost: the logarithm of how far.
    pub fn seek_near(&self, rows: Range<usize>, mut before: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut step) = (rows.start, 1);
        while low + step <= rows.end {
            if !before(low + step - 1) {
                return self.seek(low..low + step - 1, before);
            }
            low += step;
            step *= 2;
        }
        self.seek(low..rows.end, before)
    }
}

/// Appends rows to columns.
#[derive(Debug, Default)]
pub struct FactsBuilder {
    e: Vec<u64>,
    a: Vec<u64>,
    v: ColumnBuilder,
    tx: Vec<u64>,
    end: Vec<u64>,
    retractions: Vec<bool>,
}

impl FactsBuilder {
    /// An empty one with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        let column = || Vec::with_capacity(rows);
        let (v, end, retractions) = (ColumnBuilder::with_capacity(rows), Vec::new(), Vec::new());
        Self { e: column(), a: column(), v, tx: column(), end, retractions }
    }

    /// How many rows so far.
    pub fn len(&self) -> usize {
        self.e.len()
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.e.is_empty()
    }

    /// Appends a fact; `end` is the transaction that ended it.
    pub fn push(&mut self, key: RowKey<'_>, end: Option<Tx>) {
        if end.is_some() && self.end.is_empty() {
            self.end = vec![0; self.e.len()];
        }
        self.e.push(key.e.0);
        self.a.push(key.a.0);
        self.v.push(key.v);
        self.tx.push(key.tx.0);
        if end.is_some() || !self.end.is_empty() {
            self.end.push(end.map_or(0, |tx| tx.0));
        }
        if !self.retractions.is_empty() {
            self.retractions.push(false);
        }
    }

    /// Appends a retraction, as a history shows it: the key's transaction is the one that
    /// retracted.
    pub fn push_retraction(&mut self, key: RowKey<'_>) {
        self.push(key, None);
        self.retractions.resize(self.e.len(), false);
        if let Some(last) = self.retractions.last_mut() {
            *last = true;
        }
    }

    /// Appends a row of other facts as it is.
    pub fn push_row(&mut self, from: &Facts, row: usize) {
        if from.added(row) {
            self.push(from.key(row), from.end(row))
        } else {
            self.push_retraction(from.key(row))
        }
    }

    /// Appends rows of other facts as they are.
    pub fn push_rows(&mut self, from: &Facts, rows: Range<usize>) {
        let (before, after) = (self.e.len(), self.e.len() + rows.len());
        self.e.extend_from_slice(&from.e[rows.clone()]);
        self.a.extend_from_slice(&from.a[rows.clone()]);
        self.v.push_rows(&from.v, rows.clone());
        self.tx.extend_from_slice(&from.tx[rows.clone()]);
        extend_sparse(&mut self.end, &from.end, rows.clone(), before, after);
        extend_sparse(&mut self.retractions, &from.retractions, rows, before, after);
    }

    /// Appends rows of other facts as they are, in this order.
    pub fn push_each(&mut self, from: &Facts, rows: &[u32]) {
        if !from.end.is_empty() || !from.retractions.is_empty() {
            return rows.iter().for_each(|row| self.push_row(from, *row as usize));
        }
        let after = self.e.len() + rows.len();
        let each = |column: &[u64], to: &mut Vec<u64>| {
            to.extend(rows.iter().map(|row| column[*row as usize]));
        };
        each(&from.e, &mut self.e);
        each(&from.a, &mut self.a);
        each(&from.tx, &mut self.tx);
        self.v.push_each(&from.v, rows);
        if !self.end.is_empty() {
            self.end.resize(after, 0);
        }
        if !self.retractions.is_empty() {
            self.retractions.resize(after, false);
        }
    }

    /// From columns that a decoder made; `None` if their lengths differ. The caller answers for the
    /// order of the rows.
    pub fn from_columns(
        e: Vec<u64>,
        a: Vec<u64>,
        v: ColumnBuilder,
        tx: Vec<u64>,
        end: Vec<u64>,
    ) -> Option<Facts> {
        let rows = e.len();
        let same = a.len() == rows && v.len() == rows && tx.len() == rows;
        let ends = end.is_empty() || end.len() == rows;
        (same && ends).then(|| Facts { e, a, v: v.finish(), tx, end, retractions: Vec::new() })
    }

    /// The facts.
    pub fn finish(self) -> Facts {
        let Self { e, a, v, tx, end, retractions } = self;
        Facts { e, a, v: v.finish(), tx, end, retractions }
    }
}

/// Extends a column that is empty as long as all its rows are the default.
fn extend_sparse<X: Copy + Default>(
    to: &mut Vec<X>,
    from: &[X],
    rows: Range<usize>,
    before: usize,
    after: usize,
) {
    if !from.is_empty() {
        to.resize(before, X::default());
        to.extend_from_slice(&from[rows]);
    } else if !to.is_empty() {
        to.resize(after, X::default());
    }
}

/// Some consecutive rows of shared facts: what scans give, without copying.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The columns.
    pub facts: Arc<Facts>,
    /// Which rows of them.
    pub rows: Range<usize>,
}

impl Slice {
    /// All rows of these facts.
    pub fn all(facts: Arc<Facts>) -> Self {
        let rows = 0..facts.len();
        Self { facts, rows }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as datoms.
    pub fn datoms(&self) -> impl Iterator<Item = Datom> + '_ {
        self.rows.clone().map(|row| self.facts.datom(row))
    }
}
