//! Reading ranges of an index through the view.
//!
//! **Invariant:** all ranges of one call descend the trees together: one round a level, however
//! many there are. A large range is read in chunks with doubling read-ahead and is never held
//! whole.

use super::merge::{Seeing, merge, slice_of};
use super::renew::TIMES;
use super::whole::take_piece;
use super::{Db, DbError, Layer};
use crate::datom::{Datom, Facts, KeyRange, Order, Probe, Side, Slice};
use crate::id::{AttrId, EntityId};
use crate::index::{self, Direction, Root, Scan};
use crate::value::Value;
use std::collections::VecDeque;
use std::sync::Arc;

impl Db {
    /// The facts of each range, in the order of the index. AVET knows only indexed, unique and ref
    /// attributes. All long values among them are fetched, in one round.
    pub fn scan(&self, order: Order, ranges: &[KeyRange]) -> Result<Vec<Vec<Slice>>, DbError> {
        self.reading(|db| db.whole(db.scan_here(order, ranges)?))
    }

    /// The same, where the long values of trees are still references: for who does not look at
    /// values, or at few of them.
    pub fn scan_references(
        &self,
        order: Order,
        ranges: &[KeyRange],
    ) -> Result<Vec<Vec<Slice>>, DbError> {
        self.reading(|db| db.scan_here(order, ranges))
    }

    pub(super) fn scan_here(
        &self,
        order: Order,
        ranges: &[KeyRange],
    ) -> Result<Vec<Vec<Slice>>, DbError> {
        let trees = &self.snapshot().trees;
        let current = self.seek(trees.current[order as usize].as_ref(), order, ranges)?;
        let ended = if self.needs_ended() {
            self.seek(trees.superseded[order as usize].as_ref(), order, ranges)?
        } else {
            vec![Vec::new(); ranges.len()]
        };
        let layered = self.layered(order, ranges);
        let merged =
            current.into_iter().zip(ended).zip(layered).map(|((current, ended), layers)| {
                merge(order, self.seeing(), current, &ended, &layers)
            });
        Ok(merged.collect())
    }

    fn seeing(&self) -> Seeing<'_> {
        Seeing { view: self.sight(), forgotten: self.forgotten.as_deref().unwrap_or_default() }
    }

    fn seek(
        &self,
        root: Option<&Root>,
        order: Order,
        ranges: &[KeyRange],
    ) -> Result<Vec<Vec<Slice>>, DbError> {
        Ok(index::seek(self.snapshot().nodes.as_ref(), root, order, ranges)?)
    }

    /// What layers have in each range, those that have something, the oldest first. A layer is
    /// looked into for all ranges before the next one is.
    fn layered(&self, order: Order, ranges: &[KeyRange]) -> Vec<Vec<Vec<Slice>>> {
        let mut all = vec![Vec::new(); ranges.len()];
        for layer in self.snapshot().layers.iter().filter(|layer| !layer.is_empty()) {
            let mut last = None;
            for (range, found) in ranges.iter().zip(&mut all) {
                // Most calls ask for values of one attribute, or of entities.
                let about = (range.from.a, range.to.a);
                let facts = match last {
                    Some((of, facts)) if of == about => facts,
                    _ => layer.around(order, range),
                };
                last = Some((about, facts));
                let rows = range.rows(order, facts);
                if !rows.is_empty() {
                    found.push(slice_of(facts, rows));
                }
            }
        }
        all
    }

    /// The facts of one range in chunks, for ranges that may be large. Long values are fetched a
    /// bounded piece at a time.
    pub fn chunks(&self, order: Order, range: KeyRange) -> Chunks {
        match self.found() {
            Some(newer) => newer.chunks_here(order, range),
            None => self.chunks_here(order, range),
        }
    }

    fn chunks_here(&self, order: Order, range: KeyRange) -> Chunks {
        let trees = &self.snapshot().trees;
        let scan = |root: &Option<Root>| {
            Scan::new(root.as_ref(), order, range.clone(), Direction::Forward)
        };
        let current = Source::new(scan(&trees.current[order as usize]));
        let ended = self.needs_ended().then(|| scan(&trees.superseded[order as usize]));
        let ended = Source::new(ended.unwrap_or_else(|| scan(&None)));
        let (db, from) = (self.clone(), Edge::Probe(range.from.clone()));
        let (ready, made, whole) = (VecDeque::new(), VecDeque::new(), true);
        Chunks { db, order, from: Some(from), to: range.to, current, ended, ready, made, whole }
    }

    /// About how many facts a range has, from branch nodes and what is in memory: no leaf is
    /// fetched.
    pub fn estimate(&self, order: Order, range: &KeyRange) -> Result<u64, DbError> {
        self.reading(|db| db.estimate_here(order, range))
    }

    fn estimate_here(&self, order: Order, range: &KeyRange) -> Result<u64, DbError> {
        let layers = self.snapshot().layers.iter();
        let layered: u64 =
            layers.map(|layer| range.rows(order, layer.around(order, range)).len() as u64).sum();
        let root = self.snapshot().trees.current[order as usize].as_ref();
        let nodes = self.snapshot().nodes.as_ref();
        let tree = index::estimate(nodes, root, order, std::slice::from_ref(range))?;
        Ok(layered + tree.iter().map(index::Estimate::likely).sum::<u64>())
    }

    /// The datoms that begin with these components, in the order of the index.
    pub fn datoms(
        &self,
        order: Order,
        e: Option<EntityId>,
        a: Option<AttrId>,
        v: Option<Value>,
    ) -> Result<Vec<Datom>, DbError> {
        let slices = self.scan(order, &[KeyRange::prefix(e, a, v)])?;
        Ok(slices.iter().flatten().flat_map(Slice::datoms).collect())
    }

    pub(super) fn seek_one(&self, e: EntityId, a: AttrId) -> Result<Vec<Slice>, DbError> {
        let slices = self.scan(Order::Eavt, &[KeyRange::prefix(Some(e), Some(a), None)])?;
        Ok(slices.into_iter().flatten().collect())
    }
}

/// A place in an index.
#[derive(Clone, Debug)]
enum Edge {
    Probe(Probe),
    /// After the fact of a row, and all that is equal but for the transaction.
    After(Arc<Facts>, usize),
}

impl Edge {
    /// The first row of facts in this order that lies after the place.
    fn position(&self, order: Order, facts: &Facts) -> usize {
        match self {
            Self::Probe(probe) => probe.position(order, facts),
            Self::After(of, row) => {
                let key = of.key(*row);
                facts.partition_point(|at| facts.key(at).cmp_fact(order, &key).is_le())
            }
        }
    }

    /// A place that is not after it, said by components: a long value is none.
    fn before(&self, order: Order) -> Probe {
        match self {
            Self::Probe(probe) => probe.clone(),
            Self::After(of, row) => {
                let key = of.key(*row);
                let v = (!key.v.tag().is_blob()).then(|| key.v.to_value());
                // By value, an entity without a value says nothing.
                let e = (v.is_some() || order != Order::Avet).then_some(key.e);
                Probe { e, a: Some(key.a), v, side: Side::Before }
            }
        }
    }

    /// The nearer of two places that are after rows.
    fn nearer(self, other: Self, order: Order) -> Self {
        let is_after = match (&self, &other) {
            (Self::After(x, i), Self::After(y, j)) => x.key(*i).cmp_fact(order, &y.key(*j)).is_gt(),
            _ => false,
        };
        if is_after { other } else { self }
    }
}

/// One tree's part of a large range: the slice that is being used, and what follows.
#[derive(Debug)]
struct Source {
    scan: Scan,
    slice: Option<Slice>,
    /// What lies before is passed over.
    from: Option<Edge>,
}

impl Source {
    fn new(scan: Scan) -> Self {
        Self { scan, slice: None, from: None }
    }

    /// Makes sure that the next slice is there, unless the tree has no more.
    fn fill(&mut self, db: &Db, order: Order) -> Result<(), DbError> {
        while self.slice.as_ref().is_none_or(Slice::is_empty) {
            let Some(mut slice) = self.scan.next(db.snapshot().nodes.as_ref())? else {
                self.slice = None;
                break;
            };
            if let Some(from) = &self.from {
                let start = from.position(order, &slice.facts);
                slice.rows.start = start.clamp(slice.rows.start, slice.rows.end);
            }
            self.slice = Some(slice);
        }
        Ok(())
    }

    /// The place after the last row at hand, all transactions of its fact included.
    fn horizon(&self) -> Option<Edge> {
        let slice = self.slice.as_ref()?;
        Some(Edge::After(slice.facts.clone(), slice.rows.end.checked_sub(1)?))
    }

    /// Takes the rows before a place.
    fn take(&mut self, order: Order, until: &Edge) -> Vec<Slice> {
        let Some(slice) = &mut self.slice else { return Vec::new() };
        let end = until.position(order, &slice.facts).clamp(slice.rows.start, slice.rows.end);
        let taken = Slice { facts: slice.facts.clone(), rows: slice.rows.start..end };
        slice.rows.start = end;
        if taken.is_empty() { Vec::new() } else { vec![taken] }
    }
}

/// The chunks of a large range, each a slice in the order of the index.
#[derive(Debug)]
pub struct Chunks {
    db: Db,
    order: Order,
    /// Where what was not merged begins; `None` once all was.
    from: Option<Edge>,
    to: Probe,
    current: Source,
    ended: Source,
    ready: VecDeque<Slice>,
    /// What was in front of that, with its long values.
    made: VecDeque<Slice>,
    whole: bool,
}

impl Chunks {
    /// Has the next slice of both trees at hand; of a newer head from here on, where something of
    /// this one is gone.
    fn fill(&mut self) -> Result<(), DbError> {
        for _ in 0..=TIMES {
            let filled = self.fill_here();
            let Err(error) = filled else { return Ok(()) };
            let Some(newer) = self.db.renewed(&error) else { return Err(error) };
            // Nothing from here on was handed out yet.
            let Some(from) = self.from.take() else { return Ok(()) };
            let rest = KeyRange { from: from.before(self.order), to: self.to.clone() };
            *self = Self { whole: self.whole, ..newer.chunks_here(self.order, rest) };
            (self.current.from, self.ended.from) = (Some(from.clone()), Some(from.clone()));
            self.from = Some(from);
        }
        self.fill_here()
    }

    fn fill_here(&mut self) -> Result<(), DbError> {
        self.current.fill(&self.db, self.order)?;
        self.ended.fill(&self.db, self.order)
    }

    /// Merges up to the nearest end of what is at hand; `false` when the range is used up.
    fn advance(&mut self) -> Result<bool, DbError> {
        self.fill()?;
        let Some(from) = &self.from else { return Ok(false) };
        let horizons = [self.current.horizon(), self.ended.horizon()].into_iter().flatten();
        let nearest = horizons.reduce(|x, y| x.nearer(y, self.order));
        let last = nearest.is_none();
        let until = nearest.unwrap_or_else(|| Edge::Probe(self.to.clone()));
        let current = self.current.take(self.order, &until);
        let ended = self.ended.take(self.order, &until);
        let layered = |layer: &Arc<Layer>| {
            let facts = layer.facts(self.order);
            let start = from.position(self.order, facts);
            slice_of(facts, start..until.position(self.order, facts).max(start))
        };
        let layers: Vec<_> = self.db.snapshot().layers.iter().map(layered).collect();
        let merged = merge(self.order, self.db.seeing(), current, &ended, &layers);
        self.ready = merged.into_iter().filter(|slice| !slice.is_empty()).collect();
        self.from = (!last).then_some(until);
        Ok(true)
    }

    /// The same, where the long values of trees are still references.
    #[must_use]
    pub fn references(mut self) -> Self {
        self.whole = false;
        self
    }
}

impl Iterator for Chunks {
    type Item = Result<Slice, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(slice) = self.made.pop_front() {
                return Some(Ok(slice));
            }
            if let Some(slice) = self.ready.front() {
                if !self.whole || !index::has_blobs(slice) {
                    return self.ready.pop_front().map(Ok);
                }
                match take_piece(&self.db, &mut self.ready) {
                    Ok(slices) => self.made = slices.into(),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
