//! Building, seeking, scanning and counting give what a sorted list gives.

use super::super::{
    Direction, MemoryNodes, Node, NodeRef, Nodes, NodesError, Scan, Shape, count, estimate, seek,
};
use super::{SMALL, build, datom, facts, order, packs, range, some_datom};
use crate::datom::{Datom, KeyRange, Order, Slice};
use crate::id::{AttrId, EntityId};
use crate::index::TreeBuilder;
use proptest::collection::vec;
use proptest::prelude::*;

fn rows(slices: &[Slice]) -> Vec<Datom> {
    slices.iter().flat_map(Slice::datoms).collect()
}

fn scan(nodes: &MemoryNodes, scan: &mut Scan, fetch: bool) -> Result<Vec<Slice>, NodesError> {
    let mut out = Vec::new();
    loop {
        match scan.next(nodes) {
            Ok(Some(slice)) => out.push(slice),
            Ok(None) => return Ok(out),
            Err(NodesError::Missing(missing)) if fetch => nodes.fetch(&missing)?,
            Err(error) => return Err(error),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reading_gives_what_a_sorted_list_gives(
        order in order(),
        datoms in vec(some_datom(), 0..300),
        ranges in vec(range(), 1..6),
        missing: bool,
    ) {
        let all = facts(order, &datoms);
        let mut nodes = MemoryNodes::new();
        let root = build(&mut nodes, order, SMALL, &all);
        let found = seek(&nodes, root.as_ref(), order, &ranges).unwrap();
        for (range, found) in ranges.iter().zip(found) {
            let expected: Vec<Datom> = range.rows(order, &all).map(|i| all.datom(i)).collect();
            prop_assert_eq!(&rows(&found), &expected);
            let counted = count(&nodes, root.as_ref(), order, range).unwrap();
            prop_assert_eq!(counted, expected.len() as u64);
        }
        let nodes = if missing { nodes.missing_until_fetched() } else { nodes };
        for range in ranges {
            let expected: Vec<Datom> = range.rows(order, &all).map(|i| all.datom(i)).collect();
            let mut forward = Scan::new(root.as_ref(), order, range.clone(), Direction::Forward);
            prop_assert_eq!(&rows(&scan(&nodes, &mut forward, true).unwrap()), &expected);
            let mut back = Scan::new(root.as_ref(), order, range, Direction::Backward);
            let mut slices = scan(&nodes, &mut back, true).unwrap();
            slices.reverse();
            prop_assert_eq!(&rows(&slices), &expected);
        }
    }

    #[test]
    fn the_truth_is_within_the_estimate(
        order in order(), datoms in vec(some_datom(), 0..300), ranges in vec(range(), 1..6),
    ) {
        let all = facts(order, &datoms);
        let mut nodes = MemoryNodes::new();
        let root = build(&mut nodes, order, SMALL, &all);
        let estimates = estimate(&nodes, root.as_ref(), order, &ranges).unwrap();
        for (range, estimate) in ranges.iter().zip(estimates) {
            let truth = range.rows(order, &all).len() as u64;
            prop_assert!(estimate.low <= truth && truth <= estimate.high);
        }
        // With all leaves in memory it is the truth.
        scan(
            &nodes,
            &mut Scan::new(root.as_ref(), order, KeyRange::all(), Direction::Forward),
            false,
        ).unwrap();
        let estimates = estimate(&nodes, root.as_ref(), order, &ranges).unwrap();
        for (range, estimate) in ranges.iter().zip(estimates) {
            prop_assert!(estimate.is_exact());
            prop_assert_eq!(estimate.low, range.rows(order, &all).len() as u64);
        }
    }

    #[test]
    fn one_flipped_bit_is_an_error(at: prop::sample::Index, bit in 0u8..8) {
        let all = facts(Order::Eavt, &(0..100).map(|e| datom(e, 1, "x", 7)).collect::<Vec<_>>());
        let stored = Node::Leaf(all.into()).encode().unwrap();
        let name = packs(1).push(&stored);
        Node::decode(&name, &stored.bytes).unwrap();
        let mut bytes = stored.bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        match Node::decode(&name, &bytes) {
            Err(NodesError::Corrupt { node, .. }) => prop_assert_eq!(node, name),
            other => prop_assert!(false, "{:?}", other),
        }
        // Also where somebody computed the hash anew, nothing panics.
        let _ = Node::decode_unverified(&bytes);
    }
}

fn hundred_thousand() -> Vec<Datom> {
    (0..100_000u64).map(|i| datom(i / 5, i % 5, (i % 7919) as i64, 1 << 29)).collect()
}

#[test]
fn two_hundred_probes_take_as_many_rounds_as_the_tree_is_high() {
    let all = facts(Order::Eavt, &hundred_thousand());
    let mut nodes = MemoryNodes::new();
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 16 };
    let root = build(&mut nodes, Order::Eavt, shape, &all).unwrap();
    assert!(root.height >= 2);
    let probe =
        |i: u64| KeyRange::prefix(Some(EntityId(i * 7919 % 20_000)), Some(AttrId(i % 5)), None);
    let probes: Vec<KeyRange> = (0..200).map(probe).collect();
    nodes.reset_counters();
    let found = seek(&nodes, Some(&root), Order::Eavt, &probes).unwrap();
    assert!(found.iter().all(|slices| rows(slices).len() == 1));
    assert_eq!(nodes.counters().0, u64::from(root.height) + 1);
}

#[test]
fn an_estimate_reads_no_leaf() {
    let all = facts(Order::Eavt, &hundred_thousand());
    let mut nodes = MemoryNodes::new();
    let root = build(&mut nodes, Order::Eavt, Shape::default(), &all).unwrap();
    assert_eq!((root.height, root.count), (1, 100_000));
    let range = KeyRange::prefix(Some(EntityId(1)), None, None);
    nodes.reset_counters();
    let estimate = estimate(&nodes, Some(&root), Order::Eavt, &[range]).unwrap()[0];
    assert_eq!(nodes.counters(), (1, 1));
    assert!(estimate.low == 0 && (5..10_000).contains(&estimate.high));
}

#[test]
fn a_scan_reads_ahead_in_doubling_rounds() {
    let all = facts(Order::Eavt, &hundred_thousand());
    let mut nodes = MemoryNodes::new();
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 2000 };
    let root = build(&mut nodes, Order::Eavt, shape, &all).unwrap();
    nodes.reset_counters();
    let mut scan = Scan::new(Some(&root), Order::Eavt, KeyRange::all(), Direction::Forward);
    scan.next(&nodes).unwrap();
    assert_eq!(nodes.counters(), (2, 2), "the first rows cost the root and one leaf");
    while scan.next(&nodes).unwrap().is_some() {}
    let (rounds, read) = nodes.counters();
    assert!(read > 1563, "leaves of at most 64 rows, which begin with an entity: {read}");
    // The leaves come as 1 + 2 + 4 + ... + 32, then 64 a round.
    assert_eq!(rounds, 1 + 6 + (read - 1 - 63).div_ceil(64));
}

#[test]
fn rows_out_of_order_are_refused() {
    let (mut packs, mut builder) = (packs(1), TreeBuilder::facts(Order::Eavt, SMALL));
    let later = facts(Order::Eavt, &[datom(5, 1, 1, 1)]);
    builder.push(&later, &mut packs).unwrap();
    assert!(builder.push(&later, &mut packs).is_err());
}

#[test]
fn a_leaf_where_a_branch_should_be_is_corruption() {
    let all = facts(Order::Eavt, &hundred_thousand()[..100]);
    let mut nodes = MemoryNodes::new();
    let mut root = build(&mut nodes, Order::Eavt, SMALL, &all).unwrap();
    root.height += 1;
    let found = seek(&nodes, Some(&root), Order::Eavt, &[KeyRange::all()]);
    assert!(matches!(found, Err(NodesError::Corrupt { .. })));
}

#[test]
fn huge_rows_get_leaves_of_their_own() {
    let text = |i: u64| "x".repeat(1000) + &i.to_string();
    let all: Vec<Datom> = (0..20).map(|i| datom(1, 1, text(i), 7)).collect();
    for order in Order::ALL {
        let all = facts(order, &all);
        let mut nodes = MemoryNodes::new();
        let root = build(&mut nodes, order, SMALL, &all);
        let found = seek(&nodes, root.as_ref(), order, &[KeyRange::all()]).unwrap();
        assert_eq!(found[0].len(), 20);
    }
}

#[test]
fn what_is_not_in_memory_is_asked_for_together() {
    let all = facts(Order::Eavt, &hundred_thousand()[..1000]);
    let mut nodes = MemoryNodes::new();
    let root =
        build(&mut nodes, Order::Eavt, Shape { leaf_bytes: 24 * 64, ..SMALL }, &all).unwrap();
    let nodes = nodes.missing_until_fetched();
    let mut frontiers: Vec<Vec<NodeRef>> = Vec::new();
    while let Err(NodesError::Missing(missing)) =
        seek(&nodes, Some(&root), Order::Eavt, &[KeyRange::all()])
    {
        nodes.fetch(&missing).unwrap();
        frontiers.push(missing);
    }
    assert_eq!(frontiers.len(), usize::from(root.height) + 1);
    assert!(nodes.is_resident(&root.node));
}

proptest! {
    #[test]
    fn a_place_is_where_comparing_says(
        order in order(), datoms in vec(some_datom(), 0..60), range in range(),
    ) {
        let facts = facts(order, &datoms);
        for probe in [&range.from, &range.to] {
            let before = |row: &usize| probe.cmp_row(order, &facts.key(*row)).is_lt();
            let expected = (0..facts.len()).take_while(before).count();
            prop_assert_eq!(probe.position(order, &facts), expected);
        }
        let rows = range.rows(order, &facts);
        let start = range.from.position(order, &facts);
        prop_assert_eq!(&rows, &(start..range.to.position(order, &facts).max(start)));
    }
}
