//! Views equal a replay: as-of, since and history of random transactions against a plain list of
//! what was said.
//!
//! Facts are asserted, retracted and asserted again, also inside one transaction, over one layer or
//! several, and with the first transactions in trees.

use super::merge::{Seeing, merge, slice_of};
use super::*;
use crate::datom::{Facts, FactsBuilder, KeyRange, Order, Slice};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// `(e a v)`, where the value is a small number.
type Fact = (u64, u64, i64);

/// What one transaction does with a fact: says the opposite of what holds, or that and what held
/// again.
type Step = (u64, u64, i64, bool);

/// A datom as it is compared.
type Row = (u64, u64, i64, u64, bool);

fn ref_attr() -> AttrId {
    AttrId(crate::id::ATTR_USER + 1)
}

/// Two attributes, of which the second is a ref and so in AVET.
fn schema() -> Schema {
    let plain = AttrId(crate::id::ATTR_USER);
    let attribute =
        |id, name| crate::schema::Attribute::undescribed(id, crate::value::Keyword::new(name));
    let mut to = attribute(ref_attr(), "to");
    (to.value_type, to.many) = (Some(crate::schema::ValueType::Ref), true);
    let mut many = attribute(plain, "n");
    many.many = true;
    Schema::new([many, to], [], crate::schema::Flexibility::Read)
}

fn value(a: u64, v: i64) -> Value {
    if AttrId(a) == ref_attr() { Value::Ref(EntityId(v as u64)) } else { Value::Long(v) }
}

fn number(v: &Value) -> i64 {
    match v {
        Value::Ref(e) => e.0 as i64,
        Value::Long(v) => *v,
        other => panic!("{other:?}"),
    }
}

/// Everything that was said, in order.
#[derive(Clone, Debug, Default)]
struct Log(Vec<Row>);

impl Log {
    fn say(&mut self, tx: Tx, steps: &[Step]) {
        let mut said = Vec::new();
        for &(e, a, v, twice) in steps {
            let a = crate::id::ATTR_USER + a;
            if said.contains(&(e, a, v)) {
                continue;
            }
            said.push((e, a, v));
            let held = self.held(None).contains_key(&(e, a, v));
            self.0.push((e, a, v, tx.0, !held));
            if twice {
                self.0.push((e, a, v, tx.0, held));
            }
        }
    }

    /// Facts that hold after `as_of`, with the transaction that began them.
    fn held(&self, as_of: Option<T>) -> BTreeMap<Fact, u64> {
        let mut held = BTreeMap::new();
        for &(e, a, v, tx, added) in &self.0 {
            if as_of.is_some_and(|t| Tx(tx).t() > t) {
                break;
            }
            if added {
                held.insert((e, a, v), tx);
            } else {
                held.remove(&(e, a, v));
            }
        }
        held
    }

    fn seen(&self, view: View) -> Vec<Row> {
        let mut rows: Vec<Row> = if view.history {
            self.0.iter().copied().filter(|row| view.sees(Tx(row.3))).collect()
        } else {
            let held = self.held(view.as_of).into_iter();
            let seen = held.filter(|(_, tx)| view.sees(Tx(*tx)));
            seen.map(|((e, a, v), tx)| (e, a, v, tx, true)).collect()
        };
        rows.sort_unstable();
        rows
    }

    fn datoms(&self, from: T, to: T) -> Vec<Datom> {
        let between = self.0.iter().filter(|row| from < Tx(row.3).t() && Tx(row.3).t() <= to);
        let datom = |&(e, a, v, tx, added): &Row| Datom {
            e: EntityId(e),
            a: AttrId(a),
            v: value(a, v),
            tx: Tx(tx),
            added,
        };
        between.map(datom).collect()
    }
}

fn rows(slices: &[Slice]) -> Vec<Row> {
    let row = |d: Datom| (d.e.0, d.a.0, number(&d.v), d.tx.0, d.added);
    slices.iter().flat_map(Slice::datoms).map(row).collect()
}

/// Whether rows are in an order; and then sorted for comparison.
fn in_order(order: Order, slices: &[Slice]) -> Vec<Row> {
    let datoms: Vec<Datom> = slices.iter().flat_map(Slice::datoms).collect();
    for pair in datoms.windows(2) {
        assert!(pair[0].key().cmp_fact(order, &pair[1].key()).is_le(), "{pair:?}");
    }
    let mut rows = rows(slices);
    rows.sort_unstable();
    rows
}

fn views(last: u64) -> Vec<View> {
    let times: Vec<Option<T>> =
        std::iter::once(None).chain((0..=last).map(|t| Some(T(t)))).collect();
    let mut all = Vec::new();
    for history in [false, true] {
        for as_of in &times {
            all.extend(times.iter().map(|since| View { as_of: *as_of, since: *since, history }));
        }
    }
    all
}

fn seen(db: &Db, view: View) -> Db {
    let db = view.as_of.map_or(db.clone(), |t| db.as_of(t));
    let db = view.since.map_or(db.clone(), |t| db.since(t));
    if view.history { db.history() } else { db }
}

fn only_refs(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|row| AttrId(row.1) == ref_attr()).collect()
}

fn transactions() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = (1..4u64, 0..2u64, 1..4i64, any::<bool>());
    prop::collection::vec(prop::collection::vec(step, 0..6), 1..7)
}

fn tx(t: usize) -> Tx {
    Tx::new(0, T(t as u64 + 1))
}

fn empty() -> Snapshot {
    Snapshot::empty(Uuid::nil(), Arc::new(NoNodes), schema())
}

/// The facts of a tree after `t`: those that hold, and those that ended, as intervals.
fn trees(log: &Log, t: T, order: Order) -> [Arc<Facts>; 2] {
    let layer = Layer::default().apply(&log.datoms(T(0), t), &schema(), &schema());
    let (mut current, mut ended) = (FactsBuilder::default(), FactsBuilder::default());
    let facts = layer.facts(order);
    for row in 0..facts.len() {
        let to = if facts.end(row).is_some() { &mut ended } else { &mut current };
        to.push_row(facts, row);
    }
    [Arc::new(current.finish()), Arc::new(ended.finish())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn views_of_layers_equal_a_replay(
        all in transactions(),
        cuts in any::<u8>(),
        join in 0..3u8,
    ) {
        let (mut log, mut snapshot) = (Log::default(), empty());
        for (t, steps) in all.iter().enumerate() {
            let before = T(t as u64);
            log.say(tx(t), steps);
            if cuts >> t & 1 == 1 {
                snapshot.layers.push(Arc::default());
            }
            let datoms = log.datoms(before, tx(t).t());
            snapshot = snapshot.with(tx(t), t as i64, &datoms, schema(), EntityId(9));
        }
        if join == 1 && let [older, newer, ..] = snapshot.layers.as_slice() {
            let joined = Arc::new(older.stack(newer));
            snapshot.layers.splice(0..2, [joined]);
        }
        if join == 2 {
            // Some were read by attribute, some were not.
            snapshot.layers.iter().skip(cuts as usize % 4).step_by(2).for_each(|layer| {
                layer.facts(Order::Avet);
            });
            snapshot.layers = vec![Layer::stack_all(snapshot.layers)];
        }
        let db = Db::new(snapshot);
        for view in views(all.len() as u64) {
            let db = seen(&db, view);
            let expected = log.seen(view);
            for order in Order::ALL {
                let found = in_order(order, &db.scan(order, &[KeyRange::all()]).unwrap()[0]);
                let all = expected.clone();
                let expected = if order == Order::Avet { only_refs(all) } else { all };
                prop_assert_eq!(found, expected, "{:?} in {:?}", view, order);
            }
            for e in 1..4 {
                let found = db.datoms(Order::Eavt, Some(EntityId(e)), None, None).unwrap();
                let count = expected.iter().filter(|row| row.0 == e).count();
                prop_assert_eq!(found.len(), count, "entity {} in {:?}", e, view);
            }
        }
        for (a, count) in db.snapshot().counts.iter() {
            let held = log.held(None).keys().filter(|fact| fact.1 == a.0).count();
            prop_assert_eq!(*count as usize, held);
        }
    }

    #[test]
    fn views_of_trees_and_layers_equal_a_replay(
        all in transactions(),
        cut in 0..7u64,
        second in 0..7u64,
    ) {
        let mut log = Log::default();
        for (t, steps) in all.iter().enumerate() {
            log.say(tx(t), steps);
        }
        let last = T(all.len() as u64);
        let (low, high) = (T(cut.min(second).min(last.0)), T(cut.max(second).min(last.0)));
        let layer = |from, to| Layer::default().apply(&log.datoms(from, to), &schema(), &schema());
        let layers = [layer(low, high), layer(high, last)];
        for order in Order::ALL {
            let [current, ended] = trees(&log, low, order);
            let layered: Vec<_> = layers
                .iter()
                .map(|layer| slice_of(layer.facts(order), 0..layer.facts(order).len()))
                .collect();
            for view in views(last.0) {
                let current = slice_of(&current, 0..current.len());
                let ended = slice_of(&ended, 0..ended.len());
                let needed = view.history || view.as_of.is_some();
                let ended = if needed { ended } else { Vec::new() };
                let seeing = Seeing { view, forgotten: &[] };
                let found = in_order(order, &merge(order, seeing, current, &ended, &layered));
                let all = log.seen(view);
                let expected = if order == Order::Avet { only_refs(all) } else { all };
                prop_assert_eq!(found, expected, "{:?} in {:?}", view, order);
            }
        }
    }
}

#[test]
fn an_attribute_that_is_indexed_later_is_in_avet_with_all_its_facts() {
    let plain = AttrId(crate::id::ATTR_USER);
    let fact = |e, t| Datom { e: EntityId(e), a: plain, v: Value::Long(7), tx: tx(t), added: true };
    let mut snapshot = empty().with(tx(0), 0, &[fact(1, 0)], schema(), EntityId(9));
    snapshot.layers.push(Arc::default());
    snapshot = snapshot.with(tx(1), 1, &[fact(2, 1)], schema(), EntityId(9));
    let mut indexed = schema();
    let attribute = indexed.get(plain).unwrap().as_ref().clone();
    indexed.insert(crate::schema::Attribute { index: true, ..attribute });
    let db = Db::new(snapshot.with(tx(2), 2, &[fact(3, 2)], indexed, EntityId(9)));
    let found = db.datoms(Order::Avet, None, Some(plain), Some(Value::Long(7))).unwrap();
    assert_eq!(found.iter().map(|d| d.e.0).collect::<Vec<_>>(), [1, 2, 3]);
}
