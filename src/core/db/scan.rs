//! Reading ranges of an index through the view.
//!
//! **Invariant:** all ranges of one call descend the trees together: one round a level, however
//! many there are. A large range is read in chunks with doubling read-ahead and is never held
//! whole.

use super::merge::{Seeing, merge, slice_of};
use super::renew::TIMES;
use super::{Db, DbError};
use crate::datom::{Datom, KeyRange, Order, Probe, Side, Slice};
use crate::id::{AttrId, EntityId};
use crate::index::{self, Direction, Root, Scan};
use crate::value::Value;

impl Db {
    /// The facts of each range, in the order of the index. AVET knows only indexed, unique and ref
    /// attributes.
    pub fn scan(&self, order: Order, ranges: &[KeyRange]) -> Result<Vec<Vec<Slice>>, DbError> {
        self.reading(|db| db.scan_here(order, ranges))
    }

    fn scan_here(&self, order: Order, ranges: &[KeyRange]) -> Result<Vec<Vec<Slice>>, DbError> {
        let trees = &self.snapshot().trees;
        let current = self.seek(trees.current[order as usize].as_ref(), order, ranges)?;
        let ended = if self.needs_ended() {
            self.seek(trees.superseded[order as usize].as_ref(), order, ranges)?
        } else {
            vec![Vec::new(); ranges.len()]
        };
        let merged = ranges.iter().zip(current).zip(ended).map(|((range, current), ended)| {
            merge(order, self.seeing(), current, &ended, &self.layered(order, range))
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

    fn layered(&self, order: Order, range: &KeyRange) -> Vec<Vec<Slice>> {
        let layers = self.snapshot().layers.iter().map(|layer| layer.facts(order));
        layers.map(|facts| slice_of(facts, range.rows(order, facts))).collect()
    }

    /// The facts of one range in chunks, for ranges that may be large.
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
        let (db, from) = (self.clone(), range.from.clone());
        Chunks { db, order, from, to: range.to, current, ended, ready: Vec::new().into_iter() }
    }

    /// About how many facts a range has, from branch nodes and what is in memory: no leaf is
    /// fetched.
    pub fn estimate(&self, order: Order, range: &KeyRange) -> Result<u64, DbError> {
        self.reading(|db| db.estimate_here(order, range))
    }

    fn estimate_here(&self, order: Order, range: &KeyRange) -> Result<u64, DbError> {
        let layers = self.snapshot().layers.iter();
        let layered: u64 =
            layers.map(|layer| range.rows(order, layer.facts(order)).len() as u64).sum();
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

/// One tree's part of a large range: the slice that is being used, and what follows.
#[derive(Debug)]
struct Source {
    scan: Scan,
    slice: Option<Slice>,
}

impl Source {
    fn new(scan: Scan) -> Self {
        Self { scan, slice: None }
    }

    /// Makes sure that the next slice is there, unless the tree has no more.
    fn fill(&mut self, db: &Db) -> Result<(), DbError> {
        if self.slice.as_ref().is_none_or(Slice::is_empty) {
            self.slice = self.scan.next(db.snapshot().nodes.as_ref())?;
        }
        Ok(())
    }

    /// The place after the last row at hand, all transactions of its fact included.
    fn horizon(&self) -> Option<Probe> {
        let slice = self.slice.as_ref()?;
        let key = slice.facts.key(slice.rows.end.checked_sub(1)?);
        Some(Probe { e: Some(key.e), a: Some(key.a), v: Some(key.v.to_value()), side: Side::After })
    }

    /// Takes the rows before a place.
    fn take(&mut self, order: Order, until: &Probe) -> Vec<Slice> {
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
    from: Probe,
    to: Probe,
    current: Source,
    ended: Source,
    ready: std::vec::IntoIter<Slice>,
}

impl Chunks {
    /// Has the next slice of both trees at hand; of a newer head from here on, where something of
    /// this one is gone.
    fn fill(&mut self) -> Result<(), DbError> {
        for _ in 0..=TIMES {
            let filled = self.current.fill(&self.db).and_then(|()| self.ended.fill(&self.db));
            let Err(error) = filled else { return Ok(()) };
            let Some(newer) = self.db.renewed(&error) else { return Err(error) };
            // Nothing from here on was handed out yet.
            let rest = KeyRange { from: self.from.clone(), to: self.to.clone() };
            *self = newer.chunks_here(self.order, rest);
        }
        self.current.fill(&self.db)
    }

    /// Merges up to the nearest end of what is at hand; `false` when the range is used up.
    fn advance(&mut self) -> Result<bool, DbError> {
        self.fill()?;
        let horizons = [self.current.horizon(), self.ended.horizon()].into_iter().flatten();
        let nearest = horizons.min_by(|x, y| x.encode(self.order).cmp(&y.encode(self.order)));
        let last = nearest.is_none();
        if last && self.from == self.to {
            return Ok(false);
        }
        let until = nearest.unwrap_or_else(|| self.to.clone());
        let current = self.current.take(self.order, &until);
        let ended = self.ended.take(self.order, &until);
        let range = KeyRange { from: self.from.clone(), to: until.clone() };
        let layers = self.db.layered(self.order, &range);
        let merged = merge(self.order, self.db.seeing(), current, &ended, &layers);
        self.ready = merged.into_iter();
        self.from = until;
        Ok(true)
    }
}

impl Iterator for Chunks {
    type Item = Result<Slice, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(slice) = self.ready.next() {
                return Some(Ok(slice));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
