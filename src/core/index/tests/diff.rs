//! The difference of two trees is that of two sets, and costs what changed.

use super::super::{Changes, Forest, MemoryNodes, Root, Shape, TreeDiff};
use super::{SMALL, at_once, build, datom, facts, order, packs, some_datom};
use crate::datom::{Datom, Facts, FactsBuilder, Order};
use crate::id::{T, Tx};
use proptest::collection::vec;
use proptest::prelude::*;

/// What is only in the one, and only in the other; looked for a few rows at a time.
fn diff(
    nodes: &MemoryNodes,
    one: Option<&Root>,
    other: Option<&Root>,
    order: Order,
) -> (Facts, Facts) {
    let mut only = [FactsBuilder::default(), FactsBuilder::default()];
    let mut diff = TreeDiff::new(nodes, one, other, order).unwrap();
    while let Some(found) = diff.next(nodes, &mut 7).unwrap() {
        if let Some(found) = found {
            only[usize::from(found.other)].push_row(&found.facts, found.row);
        }
    }
    let [one, other] = only.map(FactsBuilder::finish);
    (one, other)
}

fn datoms(facts: &Facts) -> Vec<Datom> {
    (0..facts.len()).map(|row| facts.datom(row)).collect()
}

proptest! {
    #[test]
    fn the_difference_is_that_of_two_sets(
        order in order(),
        common in vec(some_datom(), 0..100),
        one in vec(some_datom(), 0..60),
        other in vec(some_datom(), 0..60),
    ) {
        let mut nodes = MemoryNodes::new();
        let one = facts(order, &[&common[..], &one[..]].concat());
        let other = facts(order, &[&common[..], &other[..]].concat());
        let (x, y) = (build(&mut nodes, order, SMALL, &one), {
            let mut packs = packs(2);
            let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape: SMALL };
            let changes = Changes { add: &other, remove: &Facts::default() };
            let tree = at_once(forest.merge(None, order, changes, &mut |_, _| ())).unwrap();
            let root = tree.place(&mut packs);
            nodes.write(packs);
            root
        });
        let (only_x, only_y) = diff(&nodes, x.as_ref(), y.as_ref(), order);
        let (one, other) = (datoms(&one), datoms(&other));
        let without = |all: &[Datom], others: &[Datom]| {
            all.iter().filter(|x| !others.contains(x)).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(datoms(&only_x), without(&one, &other));
        prop_assert_eq!(datoms(&only_y), without(&other, &one));
    }
}

#[test]
fn what_is_shared_is_not_read() {
    let mut nodes = MemoryNodes::new();
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 16 };
    let all: Vec<Datom> =
        (0..100_000u64).map(|i| datom(i * 2, 1, i as i64, Tx::new(0, T(1)).0)).collect();
    let root = build(&mut nodes, Order::Eavt, shape, &facts(Order::Eavt, &all)).unwrap();
    let add = facts(Order::Eavt, &[datom(77_777, 1, 5, 9), datom(111, 1, 5, 9)]);
    let remove = facts(Order::Eavt, &[datom(77_776, 1, 38_888, 0)]);
    let mut packs = packs(2);
    let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape };
    let changes = Changes { add: &add, remove: &remove };
    let tree = at_once(forest.merge(Some(&root), Order::Eavt, changes, &mut |_, _| ())).unwrap();
    let new = tree.place(&mut packs).unwrap();
    let written = packs.nodes();
    nodes.write(packs);
    nodes.reset_counters();
    let (gone, come) = diff(&nodes, Some(&root), Some(&new), Order::Eavt);
    assert_eq!((datoms(&gone).len(), datoms(&come)), (1, datoms(&add)));
    assert!(nodes.counters().1 <= 2 * written, "{:?}", nodes.counters());
    nodes.reset_counters();
    diff(&nodes, Some(&new), Some(&new), Order::Eavt);
    assert_eq!(nodes.counters(), (0, 0));
}

/// One number of steps bounds all that is looked at, however many rows are found on the way.
#[test]
fn steps_are_of_all_rows_together() {
    let mut nodes = MemoryNodes::new();
    let all: Vec<Datom> = (0..100).map(|i| datom(i, 1, 1, 9)).collect();
    let root = build(&mut nodes, Order::Eavt, SMALL, &facts(Order::Eavt, &all));
    let mut diff = TreeDiff::new(&nodes, root.as_ref(), None, Order::Eavt).unwrap();
    let (mut steps, mut found) = (20, 0);
    while diff.next(&nodes, &mut steps).unwrap().flatten().is_some() {
        found += 1;
    }
    assert_eq!((steps, found), (0, 20));
}
