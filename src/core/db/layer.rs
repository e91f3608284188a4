//! Layers: facts that are in no tree yet, sorted in memory.
//!
//! **Invariant:** a row with a transaction is a fact that began in this layer; a row with `Tx(0)`
//! ends a fact that began below it. For each `(e a v)` at most one row is without an end, and it is
//! the last one. A row that [hides] what is below is the first one: of it nothing is seen. Only
//! values that are supposed have such rows, never what is stored.
//!
//! [hides]: hides

use crate::datom::{Datom, Facts, FactsBuilder, Order, RowKey};
use crate::id::{AttrId, Tx};
use crate::schema::Schema;
use crate::value::{Tag, ValRef};
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// Facts of some transactions in all three orders. Those by attribute are made when one of them is
/// first read: a reader who looks for an entity needs neither.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    eavt: Arc<Facts>,
    by_attribute: OnceLock<[Arc<Facts>; 2]>,
    /// The attributes in AVET.
    indexed: Arc<BTreeSet<AttrId>>,
}

impl Layer {
    /// A layer of facts that are sorted by EAVT, as storage keeps them. AVET holds only what the
    /// schema says is there.
    pub fn new(eavt: Facts, schema: &Schema) -> Self {
        Self::of(Arc::new(eavt), Arc::new(in_avet(schema)))
    }

    fn of(eavt: Arc<Facts>, indexed: Arc<BTreeSet<AttrId>>) -> Self {
        Self { eavt, by_attribute: OnceLock::new(), indexed }
    }

    /// The facts in an order. Cost of the first read by attribute: a sort.
    pub fn facts(&self, order: Order) -> &Arc<Facts> {
        let by_attribute =
            || self.by_attribute.get_or_init(|| by_attribute(&self.eavt, &self.indexed));
        match order {
            Order::Eavt => &self.eavt,
            Order::Aevt => &by_attribute()[0],
            Order::Avet => &by_attribute()[1],
        }
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
        let made = self.by_attribute.get().into_iter().flatten();
        std::iter::once(&self.eavt).chain(made).map(|facts| facts.size_bytes()).sum()
    }

    /// The layer after more datoms, in the order they were said. `schema` is the one after them; an
    /// attribute that it has in AVET and `before` had not makes the layer's AVET anew. Cost: linear
    /// in the layer.
    #[must_use]
    pub fn apply(&self, datoms: &[Datom], schema: &Schema, before: &Schema) -> Self {
        // Stable sorts from here on: the datoms of one fact stay in the order they were said.
        let mut sorted: Vec<&Datom> = datoms.iter().collect();
        sorted.sort_by(|x, y| x.key().cmp_fact(Order::Eavt, &y.key()));
        let eavt = Arc::new(join(Order::Eavt, &self.eavt, &sorted));
        let next = Self::of(eavt, Arc::new(in_avet(schema)));
        let made = self.by_attribute.get().filter(|_| !comes_into_avet(schema, before));
        let Some([aevt, avet]) = made else { return next };
        sorted.sort_by_key(|datom| datom.a);
        let aevt = join(Order::Aevt, aevt, &sorted);
        sorted.retain(|datom| next.indexed.contains(&datom.a));
        sorted.sort_by(|x, y| x.a.cmp(&y.a).then_with(|| x.v.as_ref().cmp_in_index(y.v.as_ref())));
        let avet = join(Order::Avet, avet, &sorted);
        Self { by_attribute: OnceLock::from([Arc::new(aevt), Arc::new(avet)]), ..next }
    }

    /// The same facts under a schema that has other attributes in AVET. Cost: linear in the layer.
    #[must_use]
    pub fn indexed(&self, schema: &Schema) -> Self {
        Self::of(self.eavt.clone(), Arc::new(in_avet(schema)))
    }

    /// Layers, the oldest first, as one. Cost: each row is compared a few times and copied once,
    /// however many layers there are.
    #[must_use]
    pub fn stack_all(mut layers: Vec<Arc<Self>>) -> Arc<Self> {
        layers.retain(|layer| !layer.is_empty() || !layer.indexed.is_empty());
        match &layers[..] {
            [] => return Arc::default(),
            [only] => return only.clone(),
            [base, newer] => return Arc::new(base.stack(newer)),
            _ => {}
        }
        let all: Vec<&Facts> = layers.iter().map(|layer| &*layer.eavt).collect();
        let indexed = layers.iter().flat_map(|layer| layer.indexed.iter().copied()).collect();
        // What is by attribute is sorted again, when it is first read: that costs less than to
        // merge values.
        Arc::new(Self::of(Arc::new(stack_many(&all)), Arc::new(indexed)))
    }

    /// This layer with a newer one on top, as one. Cost: linear in both.
    #[must_use]
    pub fn stack(&self, newer: &Layer) -> Self {
        if newer.is_empty() && newer.indexed.is_subset(&self.indexed) {
            return self.clone();
        }
        let over = |order: Order| Arc::new(stack(order, self.facts(order), newer.facts(order)));
        let indexed = Arc::new(self.indexed.union(&newer.indexed).copied().collect());
        let next = Self::of(over(Order::Eavt), indexed);
        if self.by_attribute.get().is_none() {
            return next;
        }
        let made = [over(Order::Aevt), over(Order::Avet)];
        Self { by_attribute: OnceLock::from(made), ..next }
    }
}

fn in_avet(schema: &Schema) -> BTreeSet<AttrId> {
    schema.attributes().filter(|attribute| attribute.in_avet()).map(|a| a.id).collect()
}

/// AEVT and AVET of facts that are sorted by EAVT. Cost: linear, and a sort by value of what is in
/// AVET.
fn by_attribute(eavt: &Facts, indexed: &BTreeSet<AttrId>) -> [Arc<Facts>; 2] {
    let mut rows: HashMap<AttrId, Vec<u32>> = HashMap::new();
    for row in 0..eavt.len() {
        rows.entry(eavt.a(row)).or_default().push(row as u32);
    }
    let rows: BTreeMap<AttrId, Vec<u32>> = rows.into_iter().collect();
    let mut aevt = FactsBuilder::with_capacity(eavt.len());
    let mut avet = FactsBuilder::default();
    for (a, mut rows) in rows {
        aevt.push_each(eavt, &rows);
        if indexed.contains(&a) {
            sort_by_value(eavt, &mut rows);
            avet.push_each(eavt, &rows);
        }
    }
    [Arc::new(aevt.finish()), Arc::new(avet.finish())]
}

/// Sorts rows of one attribute by value; rows of one value stay by entity, then by time.
fn sort_by_value(facts: &Facts, rows: &mut [u32]) {
    let values = facts.values();
    let all = |is: fn(Tag) -> bool| rows.iter().all(|row| is(values.tag(*row as usize)));
    let prefix = |row: u32| match facts.v(row as usize) {
        ValRef::Long(x) => (x as u64) ^ (1 << 63),
        ValRef::Ref(e) => e.0,
        ValRef::Str(text) => {
            let (mut first, len) = ([0; 8], text.len().min(8));
            first[..len].copy_from_slice(&text.as_bytes()[..len]);
            u64::from_be_bytes(first)
        }
        _ => 0,
    };
    // Most values differ in what fits into a word.
    let is_whole = all(|tag| tag == Tag::Long) || all(|tag| tag == Tag::Ref);
    if is_whole || all(|tag| tag == Tag::Str) {
        let mut keyed: Vec<(u64, u32)> = rows.iter().map(|row| (prefix(*row), *row)).collect();
        let later = |x: u32, y: u32| match is_whole {
            true => Ordering::Equal,
            false => facts.v(x as usize).cmp_in_index(facts.v(y as usize)),
        };
        keyed.sort_by(|(p, x), (q, y)| p.cmp(q).then_with(|| later(*x, *y)));
        rows.iter_mut().zip(keyed).for_each(|(row, (_, sorted))| *row = sorted);
    } else {
        rows.sort_by(|x, y| facts.v(*x as usize).cmp_in_index(facts.v(*y as usize)));
    }
}

/// Whether a schema has an attribute in AVET that the one before had not there.
pub(super) fn comes_into_avet(schema: &Schema, before: &Schema) -> bool {
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
        while let Some((datom, after)) = rest.split_first() {
            match datom.added {
                true => group.push((datom.tx, None)),
                false => end_open(&mut group, datom.tx),
            }
            rest = after;
            if rest.first().is_none_or(|x| x.key().cmp_fact(order, &key) != Ordering::Equal) {
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

/// Facts of several layers as one, the oldest first, by EAVT.
fn stack_many(layers: &[&Facts]) -> Facts {
    let all = layers.iter().enumerate();
    let mut rows: Vec<(u32, u32)> = all
        .flat_map(|(i, facts)| (0..facts.len()).map(move |row| (i as u32, row as u32)))
        .collect();
    let cmp = |(i, x): (u32, u32), (k, y): (u32, u32)| {
        layers[i as usize].cmp_fact(Order::Eavt, x as usize, layers[k as usize], y as usize)
    };
    // Sorted runs one after the other are merged by a stable sort; what was said of one fact stays
    // in the order of the layers.
    rows.sort_by(|x, y| cmp(*x, *y));
    let mut out = FactsBuilder::with_capacity(rows.len());
    let (mut at, mut group) = (0, Vec::new());
    let same = |at: usize| at + 1 < rows.len() && cmp(rows[at], rows[at + 1]).is_eq();
    while at < rows.len() {
        let (layer, first) = rows[at];
        let facts = layers[layer as usize];
        if !same(at) {
            // What most facts are: said once. Neighbours are copied together.
            let start = at;
            while at + 1 < rows.len()
                && rows[at + 1] == (layer, first + (at + 1 - start) as u32)
                && !same(at + 1)
            {
                at += 1;
            }
            at += 1;
            out.push_rows(facts, first as usize..first as usize + at - start);
            continue;
        }
        let mut last = false;
        while !last {
            last = !same(at);
            let (layer, row) = (rows[at].0 as usize, rows[at].1 as usize);
            over(&mut group, (layers[layer].tx(row), layers[layer].end(row)));
            at += 1;
        }
        push_group(&mut out, facts.key(first as usize), &mut group);
    }
    out.finish()
}
