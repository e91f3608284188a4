//! Patterns over a database: seeks for a sorted batch of keys, one range where keys lie densely, a
//! hash of the whole attribute where most of it is wanted.
//!
//! **Invariant:** all three give the same rows; which is taken depends on counts alone. One call of
//! `scan` a batch.

use super::aside::Base;
use super::batch::{Batch, MultiTable};
use super::cell::Cell;
use super::probe::{Bound, Probes};
use super::{Output, Run, Sink, same};
use crate::datom::{Facts, KeyRange, Order, Slice};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::index;
use crate::query::bind::Source;
use crate::query::error::QueryError;
use crate::query::functions::Comparison;
use crate::query::plan::{AttrSlot, Match, Position, Slot, Step};
use crate::value::{Tag, ValRef, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A range is read whole if it has at most this many facts for each key that is looked for in it.
const DENSE: u64 = 8;
/// Fewer keys than these are always sought one by one.
const FEW: usize = 64;

/// All facts of a pattern's attribute by their key, for patterns of which most is wanted.
pub struct Hashed {
    table: MultiTable,
    facts: Vec<Slice>,
    /// The slice and the row in it, by number.
    places: Vec<(u32, u32)>,
}

/// Runs a pattern over a batch.
pub fn run<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    m: &'q Match,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let Source::Db(db) = &run.sources[m.source] else { return Ok(true) };
    let probes = Probes::new(run, db, m, &batch)?;
    if probes.ranges.is_empty() {
        return Ok(true);
    }
    let mut matcher = Matcher::new(run, db, step, m, &batch);
    if let Some(hashed) = hashed(run, db, step, m, &probes, batch.rows)? {
        return matcher.probe_hashed(run, &hashed, &probes, next);
    }
    matcher.out.base = Base::of(run, step, &batch);
    if let [range] = probes.ranges.as_slice() {
        let chunks = db.chunks(probes.order, range.clone());
        let chunks = if matcher.reads_values() { chunks } else { chunks.references() };
        for slice in chunks {
            if !matcher.slice(run, &slice?, &probes, next)? {
                return Ok(false);
            }
        }
        return matcher.out.flush(run, next);
    }
    let whole = dense(db, &probes)?;
    let ranges = whole.as_ref().map_or(probes.ranges.as_slice(), std::slice::from_ref);
    let found = db.scan_references(probes.order, ranges)?.into_iter().flatten();
    if !matcher.reads_values() {
        for slice in found {
            if !matcher.slice(run, &slice, &probes, next)? {
                return Ok(false);
            }
        }
        return matcher.out.flush(run, next);
    }
    for piece in db.pieces(found) {
        for slice in piece? {
            if !matcher.slice(run, &slice, &probes, next)? {
                return Ok(false);
            }
        }
    }
    matcher.out.flush(run, next)
}

/// One range from the first key to the last, if little else lies between.
fn dense(db: &Db, probes: &Probes) -> Result<Option<KeyRange>, QueryError> {
    let (Some(first), Some(last)) = (probes.ranges.first(), probes.ranges.last()) else {
        return Ok(None);
    };
    if probes.ranges.len() < FEW {
        return Ok(None);
    }
    let whole = KeyRange { from: first.from.clone(), to: last.to.clone() };
    let facts = db.estimate(probes.order, &whole)?;
    Ok((facts <= DENSE * probes.ranges.len() as u64).then_some(whole))
}

/// The facts of a known attribute by value, if the whole input is expected to want most of them:
/// made once a run.
fn hashed(
    run: &mut Run<'_>,
    db: &Db,
    step: &Step,
    m: &Match,
    probes: &Probes,
    rows: usize,
) -> Result<Option<Arc<Hashed>>, QueryError> {
    let bound = Bound::of(m);
    let (AttrSlot::Known(a), true, false) = (&m.a, bound.v, bound.e) else { return Ok(None) };
    if let Some(hashed) = run.hashed.get(&step.id) {
        return Ok(hashed.clone());
    }
    let (expected, many) = (m.expected_input.max(rows as f64), probes.table.keys.len() >= FEW);
    let range = KeyRange::prefix(None, Some(*a), None);
    if !many || db.estimate(Order::Aevt, &range)? as f64 > expected * DENSE as f64 {
        return Ok(None);
    }
    let mut facts: Vec<Slice> = Vec::new();
    for slice in db.chunks(Order::Aevt, range).references() {
        run.check(&step.place)?;
        let slice = slice?;
        if index::has_blobs(&slice) {
            // All of its long values at once may be more than memory holds; equal ones are found
            // by their hashes, a chunk at a time.
            run.hashed.insert(step.id, None);
            return Ok(None);
        }
        facts.push(slice);
    }
    let mut hashed = Hashed { table: MultiTable::new(2), facts, places: Vec::new() };
    let database = run.databases[m.source];
    for (number, slice) in hashed.facts.iter().enumerate() {
        run.check_with(hashed.table.size_bytes(), &step.place)?;
        for row in slice.rows.clone() {
            let v = run.pool.cell(slice.facts.v(row), database);
            hashed.table.insert(&[Cell::long(a.0 as i64), v], hashed.places.len());
            hashed.places.push((number as u32, row as u32));
        }
    }
    run.held_bytes += hashed.table.size_bytes() + hashed.places.capacity() * 8;
    let hashed = Arc::new(hashed);
    run.hashed.insert(step.id, Some(hashed.clone()));
    Ok(Some(hashed))
}

/// What turns a fact into rows.
struct Matcher<'a> {
    m: &'a Match,
    batch: &'a Batch,
    out: Output<'a>,
    bound: Bound,
    database: u16,
    db: &'a Db,
    idents: Idents,
    /// Nothing new is read from a fact: one match of a row is enough.
    exists: Option<Vec<bool>>,
    key: Vec<Cell>,
}

/// The idents of attributes as cells, made once.
struct Idents {
    by_id: BTreeMap<AttrId, Cell>,
    by_entity: BTreeMap<EntityId, Cell>,
}

impl Idents {
    fn new(run: &mut Run<'_>, db: &Db) -> Self {
        let mut idents = Self { by_id: BTreeMap::new(), by_entity: BTreeMap::new() };
        for attr in db.schema().attributes() {
            let cell = run.pool.cell(ValRef::Keyword(attr.ident.as_str()), 0);
            idents.by_id.insert(attr.id, cell);
            idents.by_entity.extend(attr.entity.map(|e| (e, cell)));
        }
        idents
    }
}

impl<'a> Matcher<'a> {
    fn new(run: &mut Run<'_>, db: &'a Db, step: &'a Step, m: &'a Match, batch: &'a Batch) -> Self {
        let slots = [&m.e, &m.v, &m.tx, &m.added];
        let new_attr = m.a == AttrSlot::New;
        let width = slots.iter().filter(|s| s.is_new()).count() + usize::from(new_attr);
        let show = new_attr || slots.iter().any(|s| **s == Slot::NewIdent) || !m.same.is_empty();
        let idents = if show {
            Idents::new(run, db)
        } else {
            Idents { by_id: BTreeMap::new(), by_entity: BTreeMap::new() }
        };
        Self {
            m,
            batch,
            out: Output::new(batch, step, width),
            bound: Bound::of(m),
            database: run.databases[m.source],
            db,
            idents,
            exists: (width == 0).then(|| vec![false; batch.rows]),
            key: Vec::new(),
        }
    }

    /// Whether the bytes of long values are needed: whether one is equal to a known one is told by
    /// its hash.
    fn reads_values(&self) -> bool {
        let is_v = |position: &Position| matches!(position, Position::V);
        let same = self.m.same.iter().any(|(a, b)| is_v(a) || is_v(b));
        self.m.v.is_new() || !self.m.bounds.is_empty() || same
    }

    fn slice<'q>(
        &mut self,
        run: &mut Run<'q>,
        slice: &Slice,
        probes: &Probes,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        run.check(&"a scan")?;
        let facts = slice.facts.as_ref();
        for row in slice.rows.clone() {
            let key = if probes.exact { Some(0) } else { self.lookup(run, facts, row, probes) };
            let Some(key) = key else { continue };
            if !self.fact(run, facts, row, probes.table.rows_of(key), next)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The key that a fact has, if a row looks for it.
    fn lookup(
        &mut self,
        run: &Run<'_>,
        facts: &Facts,
        row: usize,
        probes: &Probes,
    ) -> Option<usize> {
        self.key.clear();
        if self.bound.e {
            self.key.push(Cell::entity(facts.e(row), self.database));
        }
        if self.bound.a {
            self.key.push(Cell::long(facts.a(row).0 as i64));
        }
        if self.bound.v {
            self.key.push(run.pool.find(facts.v(row), self.database)?);
        }
        probes.table.keys.find(&self.key)
    }

    fn probe_hashed<'q>(
        &mut self,
        run: &mut Run<'q>,
        hashed: &Hashed,
        probes: &Probes,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        for key in 0..probes.table.keys.len() {
            let cells: Vec<Cell> = probes.table.keys.rows.row(key).collect();
            for place in hashed.table.rows_with(&cells) {
                let (slice, row) = hashed.places[place];
                let facts = hashed.facts[slice as usize].facts.as_ref();
                if !self.fact(run, facts, row as usize, probes.table.rows_of(key), next)? {
                    return Ok(false);
                }
            }
        }
        self.out.flush(run, next)
    }

    /// The rows of one fact.
    fn fact<'q>(
        &mut self,
        run: &mut Run<'q>,
        facts: &Facts,
        row: usize,
        rows: impl Iterator<Item = usize>,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        let bounds = &self.m.bounds;
        if !bounds.is_empty() && !within(facts.v(row), bounds) {
            return Ok(true);
        }
        if !self.m.same.is_empty() && !self.is_same(run, facts, row) {
            return Ok(true);
        }
        let mut new: [Cell; 5] = [Cell::NIL; 5];
        let mut width = None;
        for to in rows {
            run.tick(1, &"a scan")?;
            if !self.is_tx(run, facts, row, to) {
                continue;
            }
            if let Some(exists) = &mut self.exists
                && std::mem::replace(&mut exists[to], true)
            {
                continue;
            }
            let width = *width.get_or_insert_with(|| self.cells(run, facts, row, &mut new));
            if let Slot::Col(column) = self.m.v
                && facts.v(row).tag() == Tag::Long
            {
                self.out.meet(to, column, Cell::NIL);
            }
            self.out.new.iter_mut().zip(&new[..width]).for_each(|(col, cell)| col.push(*cell));
            self.out.pick(to);
            if !self.out.flush_full(run, next)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The new cells of a fact; gives how many.
    fn cells(&self, run: &mut Run<'_>, facts: &Facts, row: usize, out: &mut [Cell; 5]) -> usize {
        let mut count = 0;
        let mut push = |cell: Cell| {
            out[count] = cell;
            count += 1;
        };
        if self.m.e.is_new() {
            push(self.entity(&self.m.e, facts.e(row)));
        }
        if self.m.a == AttrSlot::New {
            push(self.ident(facts.a(row)));
        }
        if self.m.v.is_new() {
            push(match facts.v(row) {
                ValRef::Ref(e) => self.entity(&self.m.v, e),
                value => run.pool.cell(value, self.database),
            });
        }
        if self.m.tx.is_new() {
            push(Cell::entity(facts.tx(row).entity(), self.database));
        }
        if self.m.added.is_new() {
            push(Cell::bool(facts.added(row)));
        }
        count
    }

    fn entity(&self, slot: &Slot, e: EntityId) -> Cell {
        let ident = (*slot == Slot::NewIdent).then(|| self.idents.by_entity.get(&e).copied());
        ident.flatten().unwrap_or_else(|| Cell::entity(e, self.database))
    }

    fn ident(&self, a: AttrId) -> Cell {
        self.idents.by_id.get(&a).copied().unwrap_or(Cell::NIL)
    }

    /// Whether the bound transaction and the bound fifth position are the fact's.
    fn is_tx(&self, run: &Run<'_>, facts: &Facts, row: usize, to: usize) -> bool {
        let is = |slot: &Slot, cell: &dyn Fn() -> Cell| match slot {
            Slot::Col(column) => same(self.batch.cols[*column][to], cell()),
            Slot::Entity(e) => *e == Some(facts.tx(row).entity()),
            Slot::Value(value) => value.equals(&run.pool.value(cell())),
            _ => true,
        };
        is(&self.m.tx, &|| Cell::entity(facts.tx(row).entity(), self.database))
            && is(&self.m.added, &|| Cell::bool(facts.added(row)))
    }

    fn is_same(&self, run: &mut Run<'_>, facts: &Facts, row: usize) -> bool {
        let mut cell = |position| match position {
            Position::E => Cell::entity(facts.e(row), self.database),
            Position::A => self.ident(facts.a(row)),
            Position::V => run.pool.cell(facts.v(row), self.database),
            Position::Tx => Cell::entity(facts.tx(row).entity(), self.database),
            Position::Added => Cell::bool(facts.added(row)),
        };
        let attribute = |e: Cell| match e.as_entity() {
            Some((e, _)) => self.db.schema().described_by(e).map(|attr| attr.id),
            None => None,
        };
        self.m.same.iter().all(|(a, b)| {
            let (x, y) = (cell(*a), cell(*b));
            let named = matches!(a, Position::A) && attribute(y) == Some(facts.a(row))
                || matches!(b, Position::A) && attribute(x) == Some(facts.a(row));
            same(x, y) || named
        })
    }
}

/// Whether a value satisfies all comparisons; the common types without making values.
fn within(value: ValRef<'_>, bounds: &[(Comparison, Value)]) -> bool {
    bounds.iter().all(|(comparison, bound)| {
        let ordering: Option<Ordering> = match (value, bound) {
            (ValRef::Long(x), Value::Long(y)) => Some(x.cmp(y)),
            (ValRef::Inst(x), Value::Inst(y)) => Some(x.cmp(y)),
            (ValRef::Double(x), Value::Double(y)) => x.partial_cmp(y),
            (ValRef::Str(x), Value::Str(y)) => Some(x.cmp(y.as_ref())),
            _ => None,
        };
        match ordering {
            Some(ordering) => comparison.accepts(ordering),
            None => comparison.holds(&value.to_value(), bound),
        }
    })
}
