//! Trees of long values: read whole they are what was put in, whatever they share, and each value
//! is stored once.

use super::super::blob::detach;
use super::super::{
    Changes, Forest, MemoryNodes, Node, NodesError, Root, Shape, blobs, seek, whole,
};
use super::{at_once, build, datom, facts, order, packs, whole_facts};
use crate::datom::{Datom, Facts, KeyRange, Order, RowKey, Slice};
use crate::hash::NodeHash;
use crate::value::{LONG_BYTES, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// A few rows a leaf.
const SMALL: Shape = Shape { leaf_bytes: 1500, branch_bytes: 2000 };

fn some_value() -> impl Strategy<Value = Value> {
    let len = prop::sample::select(vec![1, 256, 4095, 4096, 4097, 4098, 20_000]);
    (len, 0u8..3, 0u8..3).prop_map(|(len, last, kind)| {
        let mut text = "s".repeat(len - 1);
        text.push(char::from(b'a' + last));
        match kind {
            0 => Value::from(text),
            1 => Value::Uri(text.into()),
            _ => Value::Bytes(text.into_bytes().into()),
        }
    })
}

fn some_datoms(most: usize) -> impl Strategy<Value = Vec<Datom>> {
    vec((0u64..12, 0u64..3, some_value()), 0..most)
        .prop_map(|all| all.into_iter().map(|(e, a, v)| datom(e, a, v, 1 << 29)).collect())
}

fn read(nodes: &MemoryNodes, root: Option<&Root>, order: Order) -> Vec<Datom> {
    let found = seek(nodes, root, order, &[KeyRange::all()]).unwrap();
    let found = whole(nodes, found).unwrap();
    found[0].iter().flat_map(Slice::datoms).collect()
}

fn all(facts: &Facts) -> Vec<Datom> {
    (0..facts.len()).map(|row| facts.datom(row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn trees_give_whole_values_back(order in order(), one in some_datoms(40), two in some_datoms(20)) {
        let mut nodes = MemoryNodes::new();
        let first = facts(order, &one);
        let root = build(&mut nodes, order, SMALL, &first);
        prop_assert_eq!(read(&nodes, root.as_ref(), order), all(&first));
        // Some of it goes, something else comes.
        let held = |x: &Datom| first_has(&one, x);
        let (gone, new): (Vec<Datom>, Vec<Datom>) = two.into_iter().partition(held);
        let (add, remove) = (facts(order, &new), facts(order, &gone));
        let mut packs = packs(2);
        let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape: SMALL };
        let changes = Changes { add: &add, remove: &remove };
        let mut removed = |_: RowKey<'_>, _: usize| ();
        let tree = at_once(forest.merge(root.as_ref(), order, changes, &mut removed)).unwrap();
        let root = tree.place(&mut packs);
        nodes.write(packs);
        let mut left: Vec<Datom> = one.into_iter().chain(new).collect();
        left.retain(|x| !first_has(&gone, x));
        prop_assert_eq!(read(&nodes, root.as_ref(), order), all(&facts(order, &left)));
        // Every value can be sought by itself.
        for x in &left {
            let range = match order {
                Order::Avet => KeyRange::prefix(None, Some(x.a), Some(x.v.clone())),
                _ => KeyRange::prefix(Some(x.e), Some(x.a), Some(x.v.clone())),
            };
            let found = seek(&nodes, root.as_ref(), order, &[range]).unwrap();
            let found = whole(&nodes, found).unwrap();
            prop_assert!(found[0].iter().flat_map(Slice::datoms).any(|y| y.e == x.e && y.v == x.v));
        }
    }

    #[test]
    fn what_is_detached_is_stored_once_and_comes_back(order in order(), given in some_datoms(40)) {
        let (mut nodes, mut packs) = (MemoryNodes::new(), packs(3));
        let given = facts(order, &given);
        let stored = detach(&given, &mut packs).unwrap().into_owned();
        let mut long: Vec<NodeHash> = (0..given.len())
            .filter_map(|row| given.v(row).long_bytes().map(NodeHash::of))
            .collect();
        let count = long.len();
        long.sort();
        long.dedup();
        prop_assert_eq!(packs.nodes(), long.len() as u64);
        prop_assert_eq!(blobs(&stored, 0..stored.len()).count(), count);
        prop_assert!(!stored.values().has_long());
        nodes.write(packs);
        for row in 1..stored.len() {
            prop_assert!(stored.key(row - 1).cmp_in(order, &stored.key(row)).is_lt());
        }
        let again = whole_facts(&nodes, stored).unwrap();
        prop_assert_eq!(all(&again), all(&given));
    }
}

fn first_has(datoms: &[Datom], x: &Datom) -> bool {
    datoms.iter().any(|y| (y.e, y.a, &y.v) == (x.e, x.a, &x.v))
}

#[test]
fn a_node_that_is_not_the_value_is_an_error_that_names_it() {
    let (mut nodes, mut packs) = (MemoryNodes::new(), packs(4));
    let text = "x".repeat(LONG_BYTES + 1);
    let given = facts(Order::Eavt, &[datom(1, 1, text.as_str(), 1 << 29)]);
    let leaf = packs.push(&Node::Leaf(given.clone().into()).encode().unwrap());
    let other = packs.push(&Node::Blob("y".repeat(LONG_BYTES + 1).into()).encode().unwrap());
    let binary = packs.push(&Node::Blob(vec![0xff; LONG_BYTES + 1].into()).encode().unwrap());
    nodes.write(packs);
    for (wrong, expected) in [
        (leaf, "a leaf where a long value is"),
        (other, "not the value that a fact refers to"),
        (binary, "not the value that a fact refers to"),
    ] {
        let mut elsewhere = super::packs(5);
        elsewhere.know_blob(NodeHash::of(text.as_bytes()), wrong);
        let stored = detach(&given, &mut elsewhere).unwrap().into_owned();
        let error = whole_facts(&nodes, stored).unwrap_err();
        assert!(matches!(&error, NodesError::Corrupt { node, .. } if *node == wrong), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
