//! The index against a sorted list of facts, with nodes so small that trees are high.

mod change;
mod diff;
mod long;
mod node;
mod pack;
mod read;
mod table;

use super::{MemoryNodes, Nodes, NodesError, PackId, PackWriter, Root, Shape, TreeBuilder};
use crate::datom::{Datom, Facts, FactsBuilder, KeyRange, Order, Probe, Side, Slice};
use crate::id::{AttrId, EntityId, Tx};
use crate::value::Value;
use proptest::prelude::*;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(super) const SMALL: Shape = Shape { leaf_bytes: 24 * 6, branch_bytes: 80 * 4 };

pub(super) fn packs(first: u128) -> PackWriter<'static> {
    let mut next = first << 64;
    PackWriter::new(move || {
        next += 1;
        PackId(next)
    })
}

/// What a future comes to that waits for nothing.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits, with no outlet"),
    }
}

pub(super) fn datom(e: u64, a: u64, v: impl Into<Value>, tx: u64) -> Datom {
    Datom { e: EntityId(e), a: AttrId(a), v: v.into(), tx: Tx(tx), added: true }
}

/// Facts of these datoms in an order, one of each `(e a v)`.
pub(super) fn facts(order: Order, datoms: &[Datom]) -> Facts {
    let mut sorted: Vec<&Datom> = datoms.iter().collect();
    sorted.sort_by(|x, y| x.key().cmp_in(order, &y.key()));
    sorted.dedup_by(|x, y| x.key().cmp_fact(order, &y.key()).is_eq());
    let mut facts = FactsBuilder::default();
    sorted.iter().for_each(|x| facts.push(x.key(), None));
    facts.finish()
}

pub(super) fn build(
    nodes: &mut MemoryNodes,
    order: Order,
    shape: Shape,
    facts: &Facts,
) -> Option<Root> {
    let mut packs = packs(1);
    let mut builder = TreeBuilder::facts(order, shape);
    builder.push(facts, &mut packs).unwrap();
    let root = builder.finish(&mut packs).unwrap().place(&mut packs);
    nodes.write(packs);
    root
}

/// The facts with whole values, all at once.
pub(super) fn whole_facts(nodes: &dyn Nodes, facts: Facts) -> Result<Facts, NodesError> {
    let mut out = FactsBuilder::default();
    for slice in super::whole(nodes, vec![vec![Slice::all(Arc::new(facts))]])?.iter().flatten() {
        out.push_rows(&slice.facts, slice.rows.clone());
    }
    Ok(out.finish())
}

pub(super) fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(Order::ALL.to_vec())
}

pub(super) fn some_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-9i64..9).prop_map(Value::Long),
        4 => "[ab]{0,4}".prop_map(|x| Value::str(&x)),
        1 => crate::codec::tests::value(),
    ]
}

pub(super) fn some_datom() -> impl Strategy<Value = Datom> {
    (0u64..20, 0u64..4, some_value(), 1u64..9)
        .prop_map(|(e, a, v, tx)| datom(e, a, v, Tx::new(0, crate::id::T(tx)).0))
}

pub(super) fn range() -> impl Strategy<Value = KeyRange> {
    let side = || prop::sample::select(vec![Side::Before, Side::After]);
    let e = || proptest::option::of((0u64..21).prop_map(EntityId));
    let a = || proptest::option::of((0u64..5).prop_map(AttrId));
    let v = || proptest::option::of(some_value());
    let probe = || (e(), a(), v(), side()).prop_map(|(e, a, v, side)| Probe { e, a, v, side });
    let prefix = (e(), a(), v()).prop_map(|(e, a, v)| KeyRange::prefix(e, a, v));
    let any = (probe(), probe()).prop_map(|(from, to)| KeyRange { from, to });
    prop_oneof![prefix, any, Just(KeyRange::all())]
}
