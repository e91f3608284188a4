//! Reading ranges of an index through the view.
//!
//! **Invariant:** all ranges of one call descend the trees together: one round a level, however
//! many there are. A large range is read in chunks with doubling read-ahead and is never held
//! whole.

use super::merge::{Seeing, merge, slice_of};
use super::{Db, DbError, Layer};
use crate::datom::{Datom, Facts, KeyRange, Order, Probe, Slice};
use crate::id::{AttrId, EntityId};
use crate::index::{self, Direction, Root, Scan};
use crate::value::Value;
use std::collections::VecDeque;
use std::sync::Arc;

impl Db {
    /// The facts of each range, in the order of the index. AVET knows only indexed, unique and ref
    /// attributes. All long values among them are fetched, in one round.
    pub fn scan(&self, order: Order, ranges: &[KeyRange]) -> Result<Vec<Vec<Slice>>, DbError> {
        self.whole(self.scan_references(order, ranges)?)
    }

    /// The same, where the long values of trees are still references: for who does not look at
    /// values, or at few of them.
    pub fn scan_references(
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
        let merged = ranges.iter().zip(current).zip(ended).map(|((range, current), ended)| {
            merge(order, self.seeing(), current, &ended, &self.layered(order, range))
        });
        Ok(merged.collect())
    }

    /// The same facts with their long values, fetched in one round.
    pub fn whole(&self, slices: Vec<Vec<Slice>>) -> Result<Vec<Vec<Slice>>, DbError> {
        Ok(index::whole(self.snapshot().nodes.as_ref(), slices)?)
    }

    /// The same, some of the groups after the other, as many as have long values of a bounded size.
    pub fn whole_parts(
        &self,
        slices: Vec<Vec<Slice>>,
    ) -> impl Iterator<Item = Result<Vec<Vec<Slice>>, DbError>> {
        let mut rest = slices.into_iter().peekable();
        std::iter::from_fn(move || {
            let (mut part, mut bytes) = (Vec::new(), 0);
            while let Some(group) = rest.next_if(|group| {
                bytes += group.iter().map(index::long_bytes).sum::<u64>();
                part.is_empty() || bytes <= index::PIECE_BYTES
            }) {
                part.push(group);
            }
            (!part.is_empty()).then(|| self.whole(part))
        })
    }

    /// The facts of slices with their long values, of a bounded size at a time; each in one round.
    pub fn pieces(&self, slices: impl IntoIterator<Item = Slice>) -> Pieces<'_> {
        let rest = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        Pieces { db: self, rest }
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

    /// The facts of one range in chunks, for ranges that may be large. Long values are fetched a
    /// bounded piece at a time.
    pub fn chunks(&self, order: Order, range: KeyRange) -> Chunks {
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
    /// Merges up to the nearest end of what is at hand; `false` when the range is used up.
    fn advance(&mut self) -> Result<bool, DbError> {
        self.current.fill(&self.db)?;
        self.ended.fill(&self.db)?;
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

/// What [`Db::pieces`] gives. After an error the same comes again.
#[derive(Debug)]
pub struct Pieces<'d> {
    db: &'d Db,
    rest: VecDeque<Slice>,
}

impl Iterator for Pieces<'_> {
    type Item = Result<Vec<Slice>, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| first_piece(self.db, &mut self.rest))
    }
}

/// Takes the first rows of slices that are not empty, as many as have long values of a bounded
/// size.
fn first_piece(db: &Db, rest: &mut VecDeque<Slice>) -> Result<Vec<Slice>, DbError> {
    let (mut taken, mut bytes): (Vec<Slice>, u64) = (Vec::new(), 0);
    for slice in rest.iter() {
        let piece = Slice { facts: slice.facts.clone(), rows: index::piece(slice, bytes) };
        bytes += index::long_bytes(&piece);
        let is_all = piece.rows.end == slice.rows.end;
        if !piece.is_empty() {
            taken.push(piece);
        }
        if !is_all {
            break;
        }
    }
    let ends: Vec<usize> = taken.iter().map(|slice| slice.rows.end).collect();
    let whole = db.whole(vec![taken])?.pop().unwrap_or_default();
    for end in ends {
        match rest.front_mut() {
            Some(slice) if slice.rows.end > end => slice.rows.start = end,
            _ => drop(rest.pop_front()),
        }
    }
    Ok(whole)
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
                match first_piece(&self.db, &mut self.ready) {
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
