//! The keys that a batch looks for in a pattern: names resolved, types aligned, sorted and
//! distinct.
//!
//! **Invariant:** a row of the batch is under a key exactly if a fact with that key matches its
//! bound positions; a value of a typed attribute has one key, one of an attribute without a type
//! has a second where a number may name an entity.

use super::Run;
use super::batch::{Batch, MultiTable};
use super::cell::Cell;
use crate::datom::{KeyRange, Order, Probe, Side};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::query::align::range as value_bounds;
use crate::query::error::QueryError;
use crate::query::plan::{AttrSlot, Match, Slot};
use crate::schema::{Attribute, ValueType};
use crate::value::{Tag, Value};
use std::collections::BTreeMap;

/// Keys and where to look for them.
pub struct Probes {
    /// For each key (the bound ones of entity, attribute and value) the rows that look for it.
    pub table: MultiTable,
    pub order: Order,
    pub ranges: Vec<KeyRange>,
    /// Whether a fact of range `i` matches key `i`, without looking it up.
    pub exact: bool,
}

/// Which positions are part of the key.
#[derive(Clone, Copy)]
pub struct Bound {
    pub e: bool,
    pub a: bool,
    pub v: bool,
}

impl Bound {
    pub fn of(m: &Match) -> Self {
        let a = matches!(m.a, AttrSlot::Known(_) | AttrSlot::Col(_));
        Self { e: m.e.is_bound(), a, v: m.v.is_bound() }
    }

    pub fn width(self) -> usize {
        usize::from(self.e) + usize::from(self.a) + usize::from(self.v)
    }
}

/// One key before it is made cells.
struct Key {
    e: Option<EntityId>,
    a: Option<AttrId>,
    v: Option<Cell>,
}

impl Probes {
    /// The keys of a batch.
    pub fn new(run: &mut Run<'_>, db: &Db, m: &Match, batch: &Batch) -> Result<Self, QueryError> {
        let bound = Bound::of(m);
        let mut table = MultiTable::new(bound.width());
        let mut keys = Vec::new();
        let resolver = Resolver::new(run, db, m, batch)?;
        let constant = [&m.e, &m.v].iter().all(|slot| !matches!(slot, Slot::Col(_)))
            && !matches!(m.a, AttrSlot::Col(_));
        let rows = if constant { batch.rows.min(1) } else { batch.rows };
        for row in 0..rows {
            for key in resolver.keys(run, m, batch, row) {
                let cells = [
                    key.e.map(|e| Cell::entity(e, run.databases[m.source])),
                    key.a.map(|a| Cell::long(a.0 as i64)),
                    key.v,
                ];
                let cells: Vec<Cell> = cells.into_iter().flatten().collect();
                let known = table.keys.len();
                if table.insert(&cells, row) == known {
                    keys.push(key);
                }
            }
        }
        if constant && !keys.is_empty() {
            // Every row looks for the same.
            let key: Vec<Cell> = table.keys.rows.row(0).collect();
            (1..batch.rows).for_each(|row| {
                table.insert(&key, row);
            });
        }
        let (order, ranges, exact) = ranges(run, db, m, bound, keys)?;
        Ok(Self { table, order, ranges, exact })
    }
}

/// What a batch's names and attributes mean in this database.
struct Resolver<'d> {
    db: &'d Db,
    database: u16,
    names: BTreeMap<Cell, Option<EntityId>>,
    attribute: Option<&'d Attribute>,
}

impl<'d> Resolver<'d> {
    fn new(run: &Run<'_>, db: &'d Db, m: &Match, batch: &Batch) -> Result<Self, QueryError> {
        let attribute = match m.a {
            AttrSlot::Known(id) => db.schema().get(id).map(AsRef::as_ref),
            _ => None,
        };
        let database = run.databases[m.source];
        let mut resolver = Self { db, database, names: BTreeMap::new(), attribute };
        let is_ref = attribute.is_some_and(|attr| attr.is_ref());
        for (slot, is_entity) in [(&m.e, true), (&m.v, is_ref)] {
            if let (Slot::Col(column), true) = (slot, is_entity) {
                resolver.learn(run, &batch.cols[*column])?;
            }
        }
        Ok(resolver)
    }

    /// Resolves the idents and lookup refs of a column together.
    fn learn(&mut self, run: &Run<'_>, column: &[Cell]) -> Result<(), QueryError> {
        let (mut cells, mut refs) = (Vec::new(), Vec::new());
        for cell in column {
            if matches!(cell.tag(), Tag::Keyword | Tag::Vector | Tag::List)
                && !self.names.contains_key(cell)
            {
                self.names.insert(*cell, None);
                if let Some(reference) = self.db.reference(&run.pool.value(*cell))? {
                    cells.push(*cell);
                    refs.push(reference);
                }
            }
        }
        for (cell, entity) in cells.into_iter().zip(self.db.entids(&refs)?) {
            self.names.insert(cell, entity);
        }
        Ok(())
    }

    /// The entity of this database that a cell names.
    fn entity(&self, cell: Cell) -> Option<EntityId> {
        match cell.as_entity() {
            Some((e, database)) => (database == self.database).then_some(e),
            None => match cell.as_long() {
                Some(e) => u64::try_from(e).ok().map(EntityId),
                None => self.names.get(&cell).copied().flatten(),
            },
        }
    }

    fn attr_id(&self, run: &Run<'_>, cell: Cell) -> Option<AttrId> {
        let schema = self.db.schema();
        match run.pool.value(cell) {
            Value::Keyword(ident) => schema.attr(ident.as_str()).map(|attr| attr.id),
            _ => schema.described_by(self.entity(cell)?).map(|attr| attr.id),
        }
    }

    /// The keys a row looks for: none if a position holds what cannot match.
    fn keys(&self, run: &mut Run<'_>, m: &Match, batch: &Batch, row: usize) -> Vec<Key> {
        let e = match &m.e {
            Slot::Col(column) => match self.entity(batch.cols[*column][row]) {
                Some(e) => Some(e),
                None => return Vec::new(),
            },
            Slot::Entity(None) => return Vec::new(),
            Slot::Entity(e) => *e,
            _ => None,
        };
        let a = match &m.a {
            AttrSlot::Known(id) => Some(*id),
            AttrSlot::Col(column) => match self.attr_id(run, batch.cols[*column][row]) {
                Some(id) => Some(id),
                None => return Vec::new(),
            },
            AttrSlot::Unknown => return Vec::new(),
            _ => None,
        };
        let attribute = self.attribute.or_else(|| Some(self.db.schema().get(a?)?.as_ref()));
        let cell = match &m.v {
            Slot::Col(column) => batch.cols[*column][row],
            Slot::Value(value) => run.pool.free(value),
            Slot::Entity(Some(e)) => Cell::entity(*e, self.database),
            Slot::Entity(None) => return Vec::new(),
            _ => return vec![Key { e, a, v: None }],
        };
        self.aligned(cell, attribute)
            .into_iter()
            .flatten()
            .map(|v| Key { e, a, v: Some(v) })
            .collect()
    }

    /// A cell as facts of the attribute show it: an entity for refs, a number elsewhere, both where
    /// the type is open.
    fn aligned(&self, cell: Cell, attribute: Option<&Attribute>) -> [Option<Cell>; 2] {
        let number = || cell.as_entity().map(|(e, _)| Cell::long(e.0 as i64));
        match attribute.and_then(|attr| attr.value_type) {
            Some(ValueType::Ref) => {
                [self.entity(cell).map(|e| Cell::entity(e, self.database)), None]
            }
            Some(_) => [Some(number().unwrap_or(cell)), None],
            None => {
                let other = match cell.as_long() {
                    Some(e) => {
                        u64::try_from(e).ok().map(|e| Cell::entity(EntityId(e), self.database))
                    }
                    None => number(),
                };
                [Some(cell), other]
            }
        }
    }
}

/// The order to read in, the sorted distinct ranges, and whether ranges and keys are the same
/// thing.
fn ranges(
    run: &Run<'_>,
    db: &Db,
    m: &Match,
    bound: Bound,
    mut keys: Vec<Key>,
) -> Result<(Order, Vec<KeyRange>, bool), QueryError> {
    let attr = |a: Option<AttrId>| a.and_then(|a| db.schema().get(a)).map(AsRef::as_ref);
    let in_avet = |key: &Key| attr(key.a).is_some_and(Attribute::in_avet);
    if bound.e {
        let order = if bound.a && keys.len() > 1 { Order::Aevt } else { Order::Eavt };
        keys.sort_by_key(|key| match order {
            Order::Aevt => (key.a.map(|a| a.0), key.e),
            _ => (key.e.map(|e| e.0), key.a.map(|a| EntityId(a.0))),
        });
        let exact = keys.len() == 1 && !bound.v;
        keys.dedup_by(|x, y| x.e == y.e && x.a == y.a);
        let range = |key: &Key| KeyRange::prefix(key.e, key.a, None);
        return Ok((order, keys.iter().map(range).collect(), exact));
    }
    if bound.a && bound.v && keys.iter().all(in_avet) {
        let mut wanted: Vec<_> = keys
            .iter()
            .map(|key| (key.a, seek_value(run, db, attr(key.a), key.v.unwrap_or(Cell::NIL))))
            .collect();
        wanted.sort();
        wanted.dedup();
        let exact = keys.len() == 1;
        let range = |(a, v): (Option<AttrId>, Value)| value_range(attr(a), a, v);
        return Ok((Order::Avet, wanted.into_iter().map(range).collect(), exact));
    }
    if bound.a {
        let exact = keys.len() == 1 && !bound.v;
        keys.sort_by_key(|key| key.a);
        keys.dedup_by_key(|key| key.a);
        if let ([key], false) = (keys.as_slice(), bound.v)
            && let Some(attr) = attr(key.a)
            && let Some(range) = value_bounds(attr, &m.bounds)
        {
            return Ok((Order::Avet, vec![range], exact));
        }
        let range = |key: &Key| KeyRange::prefix(None, key.a, None);
        return Ok((Order::Aevt, keys.iter().map(range).collect(), exact));
    }
    let ranges = if keys.is_empty() { Vec::new() } else { vec![KeyRange::all()] };
    Ok((Order::Eavt, ranges, !bound.v))
}

/// A cell's value as the index of the attribute holds it.
fn seek_value(run: &Run<'_>, db: &Db, attr: Option<&Attribute>, cell: Cell) -> Value {
    let value = cell.as_long().map_or_else(|| run.pool.value(cell), Value::Long);
    match attr {
        Some(attr) => db.schema().typed(attr, value),
        None => value,
    }
}

/// The range of one value; where the type is open, an integer stands at two places that are
/// neighbours.
fn value_range(attr: Option<&Attribute>, a: Option<AttrId>, v: Value) -> KeyRange {
    let open = attr.is_none_or(|attr| matches!(attr.value_type, None | Some(ValueType::Number)));
    match (&v, open) {
        (Value::Long(x), true) => {
            let to = Some(Value::from(crate::value::BigInt::from(*x)));
            let from = Probe { e: None, a, v: Some(v), side: Side::Before };
            KeyRange { from, to: Probe { e: None, a, v: to, side: Side::After } }
        }
        _ => KeyRange::prefix(None, a, Some(v)),
    }
}
