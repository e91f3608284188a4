//! Layers: facts that are in no tree yet, sorted in memory.
//!
//! **Invariant:** a row with a transaction is a fact that began in this layer; a row with `Tx(0)`
//! ends a fact that began below it. For each `(e a v)` at most one row is without an end, and it is
//! the last one.

use crate::datom::{Datom, Facts, FactsBuilder, Order, RowKey};
use crate::id::Tx;
use crate::schema::Schema;
use std::cmp::Ordering;
use std::sync::Arc;

/// Facts of some transactions in all three orders.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    orders: [Arc<Facts>; 3],
}

impl Layer {
    /// A layer of facts that are sorted by EAVT, as storage keeps them; the other orders are made
    /// here. AVET holds only what the schema says is there.
    pub fn new(eavt: Facts, schema: &Schema) -> Self {
        let aevt = eavt.sorted(Order::Aevt);
        let mut indexed = FactsBuilder::default();
        for row in 0..eavt.len() {
            if schema.get(eavt.a(row)).is_some_and(|a| a.in_avet()) {
                indexed.push_row(&eavt, row);
            }
        }
        let avet = indexed.finish().sorted(Order::Avet);
        Self { orders: [Arc::new(eavt), Arc::new(aevt), Arc::new(avet)] }
    }

    /// The facts in an order.
    pub fn facts(&self, order: Order) -> &Arc<Facts> {
        &self.orders[order as usize]
    }

    /// Rows, by EAVT.
    pub fn len(&self) -> usize {
        self.orders[0].len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.orders.iter().map(|facts| facts.size_bytes()).sum()
    }

    /// The layer after more datoms, in the order they were said. `schema` is the one after them; an
    /// attribute that it has in AVET and `before` had not makes the layer's AVET anew. Cost: linear
    /// in the layer.
    #[must_use]
    pub fn apply(&self, datoms: &[Datom], schema: &Schema, before: &Schema) -> Self {
        let sorted = |order: Order, datoms: Vec<&Datom>| {
            let mut datoms = datoms;
            datoms.sort_by(|x, y| x.key().cmp_fact(order, &y.key()));
            Arc::new(join(order, self.facts(order), &datoms))
        };
        let eavt = sorted(Order::Eavt, datoms.iter().collect());
        let in_avet = |s: &Schema, d: &Datom| s.get(d.a).is_some_and(|a| a.in_avet());
        if comes_into_avet(schema, before) {
            return Self::new(eavt.as_ref().clone(), schema);
        }
        let aevt = sorted(Order::Aevt, datoms.iter().collect());
        let avet = sorted(Order::Avet, datoms.iter().filter(|d| in_avet(schema, d)).collect());
        Self { orders: [eavt, aevt, avet] }
    }

    /// The same facts under a schema that has other attributes in AVET. Cost: linear in the layer.
    #[must_use]
    pub fn indexed(&self, schema: &Schema) -> Self {
        Self::new(self.facts(Order::Eavt).as_ref().clone(), schema)
    }

    /// This layer with a newer one on top, as one. Cost: linear in both.
    #[must_use]
    pub fn stack(&self, newer: &Layer) -> Self {
        let over = |order: Order| Arc::new(stack(order, self.facts(order), newer.facts(order)));
        Self { orders: [over(Order::Eavt), over(Order::Aevt), over(Order::Avet)] }
    }
}

/// Whether a schema has an attribute in AVET that the one before had not there.
pub(super) fn comes_into_avet(schema: &Schema, before: &Schema) -> bool {
    let was = |id| before.get(id).is_some_and(|attribute| attribute.in_avet());
    schema.attributes().any(|attribute| attribute.in_avet() && !was(attribute.id))
}

/// One `(e a v)` over time: `Tx(0)` begins below.
type Interval = (Tx, Option<Tx>);

fn push_group(out: &mut FactsBuilder, key: RowKey<'_>, group: &mut Vec<Interval>) {
    group.sort_by_key(|(tx, _)| *tx);
    for (tx, end) in group.drain(..) {
        out.push(RowKey { tx, ..key }, end);
    }
}

fn end_open(group: &mut Vec<Interval>, end: Tx) {
    match group.iter_mut().find(|(_, e)| e.is_none()) {
        Some(open) => open.1 = Some(end),
        None => group.push((Tx(0), Some(end))),
    }
}

/// Facts with datoms applied; both sorted by fact, the datoms of one fact in the order they were
/// said.
fn join(order: Order, base: &Facts, datoms: &[&Datom]) -> Facts {
    let mut out = FactsBuilder::with_capacity(base.len() + datoms.len());
    let (mut row, mut group) = (0, Vec::new());
    let mut rest = datoms;
    while let Some(first) = rest.first() {
        let key = first.key();
        let before = |row: usize| base.key(row).cmp_fact(order, &key) == Ordering::Less;
        let untouched = row..base.seek_near(row..base.len(), before);
        row = untouched.end;
        out.push_rows(base, untouched);
        while row < base.len() && base.key(row).cmp_fact(order, &key) == Ordering::Equal {
            group.push((base.tx(row), base.end(row)));
            row += 1;
        }
        while let Some((datom, after)) = rest.split_first() {
            if datom.key().cmp_fact(order, &key) != Ordering::Equal {
                break;
            }
            if datom.added {
                group.push((datom.tx, None))
            } else {
                end_open(&mut group, datom.tx)
            }
            rest = after;
        }
        push_group(&mut out, key, &mut group);
    }
    out.push_rows(base, row..base.len());
    out.finish()
}

fn stack(order: Order, base: &Facts, newer: &Facts) -> Facts {
    let mut out = FactsBuilder::with_capacity(base.len() + newer.len());
    let (mut row, mut top, mut group) = (0, 0, Vec::new());
    while top < newer.len() {
        let key = newer.key(top);
        let before = |row: usize| base.key(row).cmp_fact(order, &key) == Ordering::Less;
        let untouched = row..base.seek_near(row..base.len(), before);
        row = untouched.end;
        out.push_rows(base, untouched);
        while row < base.len() && base.key(row).cmp_fact(order, &key) == Ordering::Equal {
            group.push((base.tx(row), base.end(row)));
            row += 1;
        }
        while top < newer.len() && newer.key(top).cmp_fact(order, &key) == Ordering::Equal {
            match (newer.tx(top), newer.end(top)) {
                (Tx(0), Some(end)) => end_open(&mut group, end),
                fact => group.push(fact),
            }
            top += 1;
        }
        push_group(&mut out, key, &mut group);
    }
    out.push_rows(base, row..base.len());
    out.finish()
}
