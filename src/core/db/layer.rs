//! Layers: facts that are in no tree yet, sorted in memory.
//!
//! **Invariant:** a row with a transaction is a fact that began in this layer; a row with `Tx(0)`
//! ends a fact that began below it. For each `(e a v)` at most one row is without an end, and it is
//! the last one. A row that [hides] what is below is the first one: of it nothing is seen. Only
//! values that are supposed have such rows, never what is stored.
//!
//! [hides]: hides

use super::sort::sort_by_value;
use crate::datom::{Datom, Facts, FactsBuilder, KeyRange, Order, RowKey};
use crate::id::{AttrId, Tx};
use crate::schema::Schema;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Facts of some transactions in all three orders. Those by attribute are made when they are first
/// read: a reader who looks for an entity needs neither, and who looks for a value only those of
/// its attribute.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    eavt: Arc<Facts>,
    aevt: OnceLock<Arc<Facts>>,
    avet: OnceLock<Arc<Facts>>,
    /// The attributes in AVET, and what it has of each.
    by_value: BTreeMap<AttrId, OnceLock<Arc<Facts>>>,
}

impl Layer {
    /// A layer of facts that are sorted by EAVT, as storage keeps them. AVET holds only what the
    /// schema says is there.
    pub fn new(eavt: Facts, schema: &Schema) -> Self {
        Self::of(Arc::new(eavt), in_avet(schema))
    }

    fn of(eavt: Arc<Facts>, indexed: impl Iterator<Item = AttrId>) -> Self {
        let by_value = indexed.map(|a| (a, OnceLock::new())).collect();
        Self { eavt, aevt: OnceLock::new(), avet: OnceLock::new(), by_value }
    }

    /// The facts in an order. Cost of the first read by attribute: a sort.
    pub fn facts(&self, order: Order) -> &Arc<Facts> {
        match order {
            Order::Eavt => &self.eavt,
            Order::Aevt => self.aevt.get_or_init(|| Arc::new(self.make_aevt())),
            Order::Avet => self.avet.get_or_init(|| Arc::new(self.make_avet())),
        }
    }

    /// Facts in an order, among them all of a range. Cost of the first read of an attribute by
    /// value: a sort of what is said of it.
    pub(super) fn around(&self, order: Order, range: &KeyRange) -> &Arc<Facts> {
        let one = range.from.a.filter(|a| order == Order::Avet && range.to.a == Some(*a));
        let made = one.filter(|_| self.avet.get().is_none()).and_then(|a| self.by_value.get(&a));
        match one.zip(made) {
            Some((a, made)) => made.get_or_init(|| Arc::new(self.make_values(a))),
            None => self.facts(order),
        }
    }

    /// What AVET has of an attribute, or would have if the attribute were in it.
    fn values(&self, a: AttrId) -> Arc<Facts> {
        let make = || Arc::new(self.make_values(a));
        self.by_value.get(&a).map_or_else(make, |made| made.get_or_init(make).clone())
    }

    fn make_values(&self, a: AttrId) -> Facts {
        let said = self.eavt.attributes().iter().zip(0..);
        let mut rows: Vec<u32> = said.filter(|(of, _)| **of == a.0).map(|(_, row)| row).collect();
        sort_by_value(&self.eavt, &mut rows);
        let mut facts = FactsBuilder::with_capacity(rows.len());
        facts.push_each(&self.eavt, &rows);
        facts.finish()
    }

    fn make_aevt(&self) -> Facts {
        let mut aevt = FactsBuilder::with_capacity(self.len());
        by_attribute(&self.eavt).iter().for_each(|(_, rows)| aevt.push_each(&self.eavt, rows));
        aevt.finish()
    }

    fn make_avet(&self) -> Facts {
        let mut said = by_attribute(&self.eavt);
        said.retain(|(a, _)| self.by_value.contains_key(a));
        let mut avet = FactsBuilder::with_capacity(said.iter().map(|(_, rows)| rows.len()).sum());
        for (a, mut rows) in said {
            if let Some(made) = self.by_value.get(&a).and_then(OnceLock::get) {
                avet.push_rows(made, 0..made.len());
            } else {
                sort_by_value(&self.eavt, &mut rows);
                avet.push_each(&self.eavt, &rows);
            }
        }
        avet.finish()
    }

    /// Rows, by EAVT.
    pub fn len(&self) -> usize {
        self.eavt.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        let made = [self.aevt.get(), self.avet.get()].into_iter().flatten();
        let made = made.chain(self.by_value.values().filter_map(OnceLock::get));
        std::iter::once(&self.eavt).chain(made).map(|facts| facts.size_bytes()).sum()
    }

    /// The layer after more datoms, in the order they were said. `schema` is the one after them; an
    /// attribute that it has in AVET and `before` had not makes the layer's AVET anew. Cost: linear
    /// in the layer.
    #[must_use]
    pub fn apply(&self, datoms: &[Datom], schema: &Schema, before: &Schema) -> Self {
        // Stable sorts from here on: the datoms of one fact stay in the order they were said.
        let mut sorted: Vec<&Datom> = datoms.iter().collect();
        sorted.sort_by(|x, y| {
            let ids = (x.e, x.a).cmp(&(y.e, y.a));
            ids.then_with(|| x.v.as_ref().cmp_in_index(y.v.as_ref()))
        });
        let eavt = Arc::new(join(Order::Eavt, &self.eavt, &sorted));
        let mut next = Self::of(eavt, in_avet(schema));
        let made = |a: &AttrId| self.by_value.get(a).and_then(OnceLock::get);
        let avet = self.avet.get().filter(|_| !comes_into_avet(schema, before));
        if self.aevt.get().is_none()
            && avet.is_none()
            && !self.by_value.keys().any(|a| made(a).is_some())
        {
            return next;
        }
        let joined = |order: Order, base: &Facts, datoms: &[&Datom]| {
            OnceLock::from(Arc::new(join(order, base, datoms)))
        };
        sorted.sort_by_key(|datom| datom.a);
        if let Some(aevt) = self.aevt.get() {
            next.aevt = joined(Order::Aevt, aevt, &sorted);
        }
        sorted.retain(|datom| next.by_value.contains_key(&datom.a));
        sorted.sort_by(|x, y| x.a.cmp(&y.a).then_with(|| x.v.as_ref().cmp_in_index(y.v.as_ref())));
        if let Some(avet) = avet {
            next.avet = joined(Order::Avet, avet, &sorted);
        }
        for (a, values) in &mut next.by_value {
            if let Some(made) = made(a) {
                let rest = &sorted[sorted.partition_point(|datom| datom.a < *a)..];
                let said = &rest[..rest.partition_point(|datom| datom.a == *a)];
                *values = joined(Order::Avet, made, said);
            }
        }
        next
    }

    /// The same facts under a schema that has other attributes in AVET. Cost: linear in the layer.
    #[must_use]
    pub fn indexed(&self, schema: &Schema) -> Self {
        Self::of(self.eavt.clone(), in_avet(schema))
    }

    /// Layers, the oldest first, as one. Cost: each row is compared a few times and copied once,
    /// however many layers there are.
    #[must_use]
    pub fn stack_all(mut layers: Vec<Arc<Self>>) -> Arc<Self> {
        layers.retain(|layer| !layer.is_empty() || !layer.by_value.is_empty());
        match &layers[..] {
            [] => return Arc::default(),
            [only] => return only.clone(),
            [base, newer] => return Arc::new(base.stack(newer)),
            _ => {}
        }
        let all: Vec<&Facts> = layers.iter().map(|layer| &*layer.eavt).collect();
        let indexed = layers.iter().flat_map(|layer| layer.by_value.keys().copied());
        // What is by attribute is sorted again, when it is first read: that costs less than to
        // merge values.
        Arc::new(Self::of(Arc::new(stack_many(&all)), indexed))
    }

    /// This layer with a newer one on top, as one. Cost: linear in both.
    #[must_use]
    pub fn stack(&self, newer: &Layer) -> Self {
        if newer.is_empty() && newer.by_value.keys().all(|a| self.by_value.contains_key(a)) {
            return self.clone();
        }
        let over = |order: Order| Arc::new(stack(order, self.facts(order), newer.facts(order)));
        let indexed = self.by_value.keys().chain(newer.by_value.keys()).copied();
        let next = Self::of(over(Order::Eavt), indexed);
        // What is by attribute is merged where it was made of the larger part.
        let made = |made: bool, order: Order| match made {
            true => OnceLock::from(over(order)),
            false => OnceLock::new(),
        };
        let aevt = made(self.aevt.get().is_some(), Order::Aevt);
        let mut next = Self { aevt, avet: made(self.avet.get().is_some(), Order::Avet), ..next };
        for (a, values) in &mut next.by_value {
            if let Some(made) = self.by_value.get(a).and_then(OnceLock::get) {
                let newer = newer.values(*a);
                *values = OnceLock::from(Arc::new(stack(Order::Avet, made, &newer)));
            }
        }
        next
    }
}

fn in_avet(schema: &Schema) -> impl Iterator<Item = AttrId> {
    schema.attributes().filter(|attribute| attribute.in_avet()).map(|a| a.id)
}

/// The rows of each attribute, of facts that are sorted by EAVT; by attribute.
fn by_attribute(eavt: &Facts) -> Vec<(AttrId, Vec<u32>)> {
    let (mut all, mut at): (Vec<(AttrId, Vec<u32>)>, usize) = (Vec::new(), 0);
    for (a, row) in eavt.attributes().iter().map(|a| AttrId(*a)).zip(0..) {
        // Of an entity they ascend, and the next one mostly has the same.
        let is_here = |at: usize| all.get(at).is_some_and(|(of, _)| *of == a);
        if !is_here(at) {
            at = if is_here(at + 1) { at + 1 } else { all.partition_point(|(of, _)| *of < a) };
        }
        if all.get(at).is_none_or(|(of, _)| *of != a) {
            all.insert(at, (a, Vec::new()));
        }
        all[at].1.push(row);
    }
    all
}

/// Whether a schema has an attribute in AVET that the one before had not there.
pub(crate) fn comes_into_avet(schema: &Schema, before: &Schema) -> bool {
    let was = |id| before.get(id).is_some_and(|attribute| attribute.in_avet());
    schema.attributes().any(|attribute| attribute.in_avet() && !was(attribute.id))
}

/// One `(e a v)` over time: `Tx(0)` begins below.
pub(super) type Interval = (Tx, Option<Tx>);

fn push_group(out: &mut FactsBuilder, key: RowKey<'_>, group: &mut Vec<Interval>) {
    if let [(tx, end)] = group[..] {
        out.push(RowKey { tx, ..key }, end);
        return group.clear();
    }
    group.sort_by_key(|(tx, _)| *tx);
    for (tx, end) in group.drain(..) {
        out.push(RowKey { tx, ..key }, end);
    }
}

/// What hides all that was said of a fact in trees and older layers.
pub(super) const HIDING: Interval = (Tx(0), Some(Tx(u64::MAX)));

/// Whether a row hides what is below it.
pub(super) fn hides(row: Interval) -> bool {
    row == HIDING
}

/// A row of a newer layer, on top of what older ones have.
fn over(group: &mut Vec<Interval>, row: Interval) {
    match row {
        row if hides(row) => {
            group.clear();
            group.push(row);
        }
        (Tx(0), Some(end)) => end_open(group, end),
        fact => group.push(fact),
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
        let is_same = |datom: &Datom| datom.key().cmp_fact(order, &key) == Ordering::Equal;
        if group.is_empty() && first.added && !rest.get(1).is_some_and(|datom| is_same(datom)) {
            // What most datoms are: new, and said once.
            out.push(key, None);
            rest = &rest[1..];
            continue;
        }
        while let Some((datom, after)) = rest.split_first() {
            match datom.added {
                true => group.push((datom.tx, None)),
                false => end_open(&mut group, datom.tx),
            }
            rest = after;
            if !rest.first().is_some_and(|datom| is_same(datom)) {
                break;
            }
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
        let same = |facts: &Facts, row: usize| {
            row < facts.len() && facts.key(row).cmp_fact(order, &key) == Ordering::Equal
        };
        if !same(base, row) && !same(newer, top + 1) {
            // What most facts are: said once.
            out.push_row(newer, top);
            top += 1;
            continue;
        }
        while same(base, row) {
            group.push((base.tx(row), base.end(row)));
            row += 1;
        }
        while same(newer, top) {
            over(&mut group, (newer.tx(top), newer.end(top)));
            top += 1;
        }
        push_group(&mut out, key, &mut group);
    }
    out.push_rows(base, row..base.len());
    out.finish()
}

/// Facts of several layers as one, the oldest first, by EAVT. What only one of them has up to the
/// next fact of another is copied at once.
fn stack_many(layers: &[&Facts]) -> Facts {
    let order = Order::Eavt;
    let mut out = FactsBuilder::with_capacity(layers.iter().map(|facts| facts.len()).sum());
    let later = |(i, x): (usize, usize), (k, y): (usize, usize)| {
        layers[i].cmp_fact(order, x, layers[k], y).then(i.cmp(&k)).is_gt()
    };
    // The next row of each, the first of them last; of one fact that of the oldest layer first.
    let mut next: Vec<(usize, usize)> = Vec::with_capacity(layers.len());
    let put = |next: &mut Vec<(usize, usize)>, (layer, row): (usize, usize)| {
        if row < layers[layer].len() {
            let at = next.partition_point(|other| later(*other, (layer, row)));
            next.insert(at, (layer, row));
        }
    };
    (0..layers.len()).for_each(|layer| put(&mut next, (layer, 0)));
    let mut group = Vec::new();
    while let Some((layer, row)) = next.pop() {
        let facts = layers[layer];
        let Some(&(other, at)) = next.last() else {
            out.push_rows(facts, row..facts.len());
            break;
        };
        let before = |row: usize| facts.cmp_fact(order, row, layers[other], at).is_lt();
        let end = facts.seek_near(row..facts.len(), before);
        if end > row {
            out.push_rows(facts, row..end);
            put(&mut next, (layer, end));
            continue;
        }
        let is_same = |(i, x): (usize, usize)| {
            x < layers[i].len() && layers[i].cmp_fact(order, x, facts, row).is_eq()
        };
        let mut place = Some((layer, row));
        while let Some((layer, mut row)) = place {
            while is_same((layer, row)) {
                over(&mut group, (layers[layer].tx(row), layers[layer].end(row)));
                row += 1;
            }
            put(&mut next, (layer, row));
            place = next.pop_if(|place| is_same(*place));
        }
        push_group(&mut out, facts.key(row), &mut group);
    }
    out.finish()
}
