//! Trees and layers as one sorted run, seen through a view.
//!
//! **Invariant:** for each `(e a v)` the intervals come out as they were said: the trees' first,
//! then each layer's, where a row that began below ends what was open. Rows that no layer touches
//! are shared, not copied, when the view is now.

use super::View;
use super::layer::hides;
use crate::datom::{Facts, FactsBuilder, Order, RowKey, Slice};
use crate::id::{AttrId, T, Tx};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// A sorted run of slices that is walked once.
struct Cursor<'a> {
    slices: &'a [Slice],
    row: usize,
}

impl<'a> Cursor<'a> {
    fn new(slices: &'a [Slice]) -> Self {
        let mut cursor = Self { slices, row: slices.first().map_or(0, |s| s.rows.start) };
        cursor.settle();
        cursor
    }

    fn settle(&mut self) {
        while let Some(slice) = self.slices.first() {
            if self.row < slice.rows.end {
                return;
            }
            self.slices = &self.slices[1..];
            self.row = self.slices.first().map_or(0, |s| s.rows.start);
        }
    }

    fn key(&self) -> Option<RowKey<'a>> {
        self.slices.first().map(|s| s.facts.key(self.row))
    }

    fn next(&mut self) -> Option<(Tx, Option<Tx>)> {
        let slice = self.slices.first()?;
        let interval = (slice.facts.tx(self.row), slice.facts.end(self.row));
        self.row += 1;
        self.settle();
        Some(interval)
    }

    /// Hands out everything before `key` as shared slices. Cost: a binary search in each slice
    /// passed.
    fn share_until(&mut self, order: Order, key: &RowKey<'_>, out: &mut Vec<Piece>) {
        while let Some(slice) = self.slices.first() {
            let facts = &slice.facts;
            let before = |row: usize| facts.key(row).cmp_fact(order, key) == Ordering::Less;
            let stop = self.row + partition(slice.rows.end - self.row, |i| before(self.row + i));
            if stop > self.row {
                out.push(Piece::Shared(Slice { facts: facts.clone(), rows: self.row..stop }));
            }
            self.row = stop;
            if stop < slice.rows.end {
                return;
            }
            self.settle();
        }
    }

    fn share_rest(&mut self, out: &mut Vec<Piece>) {
        while let Some(slice) = self.slices.first() {
            let rows = self.row..slice.rows.end;
            out.push(Piece::Shared(Slice { facts: slice.facts.clone(), rows }));
            self.row = slice.rows.end;
            self.settle();
        }
    }
}

fn partition(len: usize, mut before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

enum Piece {
    Shared(Slice),
    Made(Range<usize>),
}

/// A view, and the attributes whose ended facts it does not show.
#[derive(Clone, Copy)]
pub(super) struct Seeing<'a> {
    pub view: View,
    /// Up to which transaction an attribute's ends are forgotten; sorted.
    pub forgotten: &'a [(AttrId, T)],
}

impl Seeing<'_> {
    fn forgets(&self, a: AttrId, end: Tx) -> bool {
        let found = self.forgotten.binary_search_by_key(&a, |(a, _)| *a);
        found.is_ok_and(|i| end.t() <= self.forgotten[i].1)
    }
}

/// Merges what the trees gave (`current`, `ended`) with what the layers gave, oldest layer first,
/// seen through a view.
pub(super) fn merge(
    order: Order,
    seeing: Seeing<'_>,
    current: Vec<Slice>,
    ended: &[Slice],
    layers: &[Vec<Slice>],
) -> Vec<Slice> {
    if seeing.view.is_now() {
        if layers.iter().all(Vec::is_empty) {
            return current;
        }
        return merge_now(order, &current, layers);
    }
    let mut out = FactsBuilder::default();
    let mut sources: Vec<Cursor<'_>> = vec![Cursor::new(ended), Cursor::new(&current)];
    sources.extend(layers.iter().map(|slices| Cursor::new(slices)));
    let mut group = Vec::new();
    while let Some(key) = least(order, &sources) {
        take_group(order, &key, None, &mut sources, &mut group);
        emit(seeing, &key, &group, &mut out);
    }
    whole(out)
}

fn whole(out: FactsBuilder) -> Vec<Slice> {
    if out.is_empty() { Vec::new() } else { vec![Slice::all(Arc::new(out.finish()))] }
}

fn least<'a>(order: Order, sources: &[Cursor<'a>]) -> Option<RowKey<'a>> {
    sources.iter().filter_map(Cursor::key).min_by(|x, y| x.cmp_fact(order, y))
}

/// Takes all rows of one fact from every source, after what is open already, and gives its
/// intervals in time order.
fn take_group(
    order: Order,
    key: &RowKey<'_>,
    open: Option<Tx>,
    sources: &mut [Cursor<'_>],
    group: &mut Vec<(Tx, Option<Tx>)>,
) {
    group.clear();
    group.extend(open.map(|tx| (tx, None)));
    for source in sources {
        while source.key().is_some_and(|k| k.cmp_fact(order, key) == Ordering::Equal) {
            match source.next() {
                Some(row) if hides(row) => group.clear(),
                Some((Tx(0), Some(end))) => {
                    if let Some(open) = group.iter_mut().find(|(_, e)| e.is_none()) {
                        open.1 = Some(end);
                    }
                }
                Some(interval) => group.push(interval),
                None => {}
            }
        }
    }
}

fn emit(seeing: Seeing<'_>, key: &RowKey<'_>, group: &[(Tx, Option<Tx>)], out: &mut FactsBuilder) {
    let view = seeing.view;
    for &(tx, end) in group {
        if end.is_some_and(|end| seeing.forgets(key.a, end)) {
            continue;
        }
        let key = RowKey { tx, ..*key };
        if !view.history {
            if view.holds(tx, end) {
                out.push(key, None);
            }
            continue;
        }
        if view.sees(tx) {
            out.push(key, None);
        }
        if let Some(end) = end.filter(|end| view.sees(*end)) {
            out.push_retraction(RowKey { tx: end, ..key });
        }
    }
}

fn merge_now(order: Order, current: &[Slice], layers: &[Vec<Slice>]) -> Vec<Slice> {
    let mut tree = Cursor::new(current);
    let mut sources: Vec<Cursor<'_>> = layers.iter().map(|slices| Cursor::new(slices)).collect();
    let (mut pieces, mut made, mut group) = (Vec::new(), FactsBuilder::default(), Vec::new());
    while let Some(key) = least(order, &sources) {
        tree.share_until(order, &key, &mut pieces);
        let base = tree.key().filter(|k| k.cmp_fact(order, &key) == Ordering::Equal);
        let open = if base.is_some() { tree.next().map(|(tx, _)| tx) } else { None };
        take_group(order, &key, open, &mut sources, &mut group);
        for &(tx, end) in &group {
            if end.is_none() {
                made.push(RowKey { tx, ..key }, None);
                extend_made(&mut pieces, made.len());
            }
        }
    }
    tree.share_rest(&mut pieces);
    let made = Arc::new(made.finish());
    let slice = |piece| match piece {
        Piece::Shared(slice) => slice,
        Piece::Made(rows) => Slice { facts: made.clone(), rows },
    };
    pieces.into_iter().map(slice).collect()
}

fn extend_made(pieces: &mut Vec<Piece>, len: usize) {
    match pieces.last_mut() {
        Some(Piece::Made(rows)) if rows.end == len - 1 => rows.end = len,
        _ => pieces.push(Piece::Made(len - 1..len)),
    }
}

/// The rows of sorted facts in a range, as slices (none where empty).
pub(super) fn slice_of(facts: &Arc<Facts>, rows: Range<usize>) -> Vec<Slice> {
    if rows.is_empty() { Vec::new() } else { vec![Slice { facts: facts.clone(), rows }] }
}
