//! Merging gives the tree that building would give in content, and stays a proper tree.

use super::super::{
    Changes, Child, Forest, MemoryNodes, Nodes, Root, Shape, Tree, TreeError, seek,
};
use super::{SMALL, at_once, build, datom, facts, order, packs, some_datom};
use crate::datom::{Datom, Facts, KeyRange, Order, Slice};
use crate::hash::NodeHash;
use crate::id::{T, Tx};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A merge into nodes; gives the new root, the removed datoms and how many nodes were written.
fn merge(
    nodes: &mut MemoryNodes,
    number: u128,
    root: Option<&Root>,
    order: Order,
    changes: Changes<'_>,
) -> Result<(Option<Root>, Vec<Datom>, u64), TreeError> {
    let (mut packs, mut gone) = (packs(number), Vec::new());
    let mut removed = |key: crate::datom::RowKey<'_>, row: usize| {
        assert!(changes.remove.key(row).cmp_fact(order, &key).is_eq());
        gone.push(Datom { e: key.e, a: key.a, v: key.v.to_value(), tx: key.tx, added: true });
    };
    let mut forest = Forest { nodes, packs: &mut packs, shape: SMALL };
    let tree: Tree = at_once(forest.merge(root, order, changes, &mut removed))?;
    let root = tree.place(&mut packs);
    let written = packs.nodes();
    nodes.write(packs);
    Ok((root, gone, written))
}

fn all(nodes: &dyn Nodes, root: Option<&Root>, order: Order) -> Vec<Datom> {
    let found = seek(nodes, root, order, &[KeyRange::all()]).unwrap();
    found[0].iter().flat_map(Slice::datoms).collect()
}

/// Counts, spans, separators and sizes of every node below, and the names of all nodes.
fn check(
    nodes: &MemoryNodes,
    order: Order,
    child: &Child,
    height: u8,
    is_root: bool,
    names: &mut BTreeSet<NodeHash>,
) {
    names.insert(child.node.hash);
    let node = nodes.get(&[child.node]).unwrap().remove(0);
    if height == 0 {
        let facts = node.leaf(&child.node).unwrap();
        assert_eq!(child.count, facts.len() as u64);
        assert!(!facts.is_empty());
        let ts: Vec<T> = facts.transactions().iter().map(|tx| Tx(*tx).t()).collect();
        assert_eq!(Some(child.span.0), ts.iter().min().copied());
        assert_eq!(Some(child.span.1), ts.iter().max().copied());
        return;
    }
    let branch = node.branch(&child.node, height).unwrap();
    assert!(branch.children().len() >= 2, "a branch node of one child");
    assert_eq!(child.count, branch.children().iter().map(|x| x.count).sum::<u64>());
    assert_eq!(Some(child.span.0), branch.children().iter().map(|x| x.span.0).min());
    assert_eq!(Some(child.span.1), branch.children().iter().map(|x| x.span.1).max());
    assert!(is_root || branch.children().len() <= 8, "as many as fit, and a few more");
    for (i, child) in branch.children().iter().enumerate() {
        check(nodes, order, child, height - 1, false, names);
        let root = Root { node: child.node, height: height - 1, count: 0, span: child.span };
        for datom in all(nodes, Some(&root), order) {
            let mut key = Vec::new();
            datom.key().encode(order, &mut key);
            assert!(branch.separator(i) <= &key[..]);
            let next = i + 1 < branch.children().len();
            assert!(!next || &key[..] < branch.separator(i + 1));
        }
    }
}

fn check_tree(nodes: &MemoryNodes, order: Order, root: Option<&Root>) -> BTreeSet<NodeHash> {
    let mut names = BTreeSet::new();
    if let Some(root) = root {
        let child = Child { node: root.node, count: root.count, long: 0, span: root.span };
        check(nodes, order, &child, root.height, true, &mut names);
    }
    names
}

fn without_tx(datom: &Datom) -> Datom {
    Datom { tx: Tx(0), ..datom.clone() }
}

/// The model: facts by `(e a v)`.
type Model = BTreeMap<Vec<u8>, Datom>;

fn key(order: Order, datom: &Datom) -> Vec<u8> {
    let mut key = Vec::new();
    without_tx(datom).key().encode(order, &mut key);
    key
}

/// What a batch of datoms does to the model: those that are there are removed (and every third is
/// added again by a later transaction), the others are added.
fn step(order: Order, model: &mut Model, batch: &[Datom], t: u64) -> (Facts, Facts, Vec<Datom>) {
    let (mut add, mut remove, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (i, datom) in batch.iter().enumerate() {
        let key = key(order, datom);
        if !seen.insert(key.clone()) {
            continue;
        }
        let new = Datom { tx: Tx::new(0, T(t)), ..datom.clone() };
        let old = model.remove(&key);
        if old.is_none() || i % 3 == 0 {
            add.push(new.clone());
            model.insert(key, new);
        }
        if let Some(old) = old {
            remove.push(if i % 2 == 0 { without_tx(&old) } else { old.clone() });
            gone.push(old);
        }
    }
    (facts(order, &add), facts(order, &remove), gone)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn merging_gives_what_a_sorted_map_gives(
        order in order(),
        first in vec(some_datom(), 0..200),
        batches in vec(vec(some_datom(), 1..60), 0..8),
        clear: bool,
    ) {
        let mut nodes = MemoryNodes::new();
        let start = facts(order, &first);
        let mut root = build(&mut nodes, order, SMALL, &start);
        let mut model = Model::new();
        for i in 0..start.len() {
            model.insert(key(order, &start.datom(i)), start.datom(i));
        }
        for (i, batch) in batches.iter().enumerate() {
            let (add, remove, mut gone) = step(order, &mut model, batch, 100 + i as u64);
            let changes = Changes { add: &add, remove: &remove };
            let (new, mut told, _) =
                merge(&mut nodes, i as u128 + 2, root.as_ref(), order, changes).unwrap();
            root = new;
            check_tree(&nodes, order, root.as_ref());
            let mut expected: Vec<Datom> = model.values().cloned().collect();
            expected.sort_by(|x, y| x.key().cmp_in(order, &y.key()));
            prop_assert_eq!(all(&nodes, root.as_ref(), order), expected);
            gone.sort_by_key(|x| key(order, x));
            told.sort_by_key(|x| key(order, x));
            prop_assert_eq!(told, gone);
        }
        if clear {
            let (none, rest) = (Facts::default(), all(&nodes, root.as_ref(), order));
            let rest = facts(order, &rest);
            let changes = Changes { add: &none, remove: &rest };
            let (root, ..) = merge(&mut nodes, 99, root.as_ref(), order, changes).unwrap();
            prop_assert!(root.is_none());
        }
    }

    #[test]
    fn all_but_a_few_facts_leave_a_low_tree(keep in 1u64..12) {
        let tx = Tx::new(0, T(1)).0;
        let all_facts: Vec<Datom> = (0..500).map(|e| datom(e, 1, "x", tx)).collect();
        let mut nodes = MemoryNodes::new();
        let root = build(&mut nodes, Order::Eavt, SMALL, &facts(Order::Eavt, &all_facts));
        let gone: Vec<Datom> =
            all_facts.iter().filter(|x| x.e.0 % 41 >= 12 || x.e.0 / 41 >= keep).cloned().collect();
        let remove = facts(Order::Eavt, &gone);
        let changes = Changes { add: &Facts::default(), remove: &remove };
        let (root, ..) = merge(&mut nodes, 2, root.as_ref(), Order::Eavt, changes).unwrap();
        check_tree(&nodes, Order::Eavt, root.as_ref());
        prop_assert_eq!(root.map(|x| x.count), Some(500 - gone.len() as u64));
    }
}

#[test]
fn one_fact_in_a_hundred_thousand_rewrites_one_path() {
    let facts_of = |range: std::ops::Range<u64>| {
        range.map(|i| datom(i * 2, 1, i as i64, Tx::new(0, T(1)).0)).collect::<Vec<_>>()
    };
    let mut nodes = MemoryNodes::new();
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 16 };
    let all = facts(Order::Eavt, &facts_of(0..100_000));
    let root = build(&mut nodes, Order::Eavt, shape, &all).unwrap();
    let old = check_names(&nodes, &root);
    for (number, e) in [1u64, 77_777, 199_999].into_iter().enumerate() {
        let add = facts(Order::Eavt, &[datom(e, 1, 5, Tx::new(0, T(2)).0)]);
        let mut packs = packs(number as u128 + 2);
        let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape };
        let changes = Changes { add: &add, remove: &Facts::default() };
        nodes.reset_counters();
        let tree =
            at_once(forest.merge(Some(&root), Order::Eavt, changes, &mut |_, _| ())).unwrap();
        assert_eq!(nodes.counters().0, u64::from(root.height) + 1);
        let new = tree.place(&mut packs).unwrap();
        // A full node becomes two, each time.
        assert!(packs.nodes() <= 2 * u64::from(root.height) + 2, "{} nodes", packs.nodes());
        nodes.write(packs);
        assert_eq!((new.count, new.span), (100_001, (T(1), T(2))));
        let new_names = check_names(&nodes, &new);
        assert!(new_names.difference(&old).count() <= 2 * usize::from(root.height) + 2);
    }
}

#[test]
fn a_fact_where_there_is_room_rewrites_as_many_nodes_as_the_tree_is_high() {
    let mut nodes = MemoryNodes::new();
    let shape = Shape { leaf_bytes: 24 * 64, branch_bytes: 80 * 16 };
    let datoms: Vec<Datom> =
        (0..100_000u64).map(|i| datom(i * 2, 1, i as i64, Tx::new(0, T(1)).0)).collect();
    let root = build(&mut nodes, Order::Eavt, shape, &facts(Order::Eavt, &datoms)).unwrap();
    // One fact goes, another comes: nothing overflows.
    let add = facts(Order::Eavt, &[datom(77_777, 1, 5, Tx::new(0, T(2)).0)]);
    let remove = facts(Order::Eavt, &[datom(77_776, 1, 38_888, 0)]);
    let mut packs = packs(2);
    let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape };
    let changes = Changes { add: &add, remove: &remove };
    let tree = at_once(forest.merge(Some(&root), Order::Eavt, changes, &mut |_, _| ())).unwrap();
    tree.place(&mut packs).unwrap();
    assert_eq!(packs.nodes(), u64::from(root.height) + 1);
}

fn check_names(nodes: &MemoryNodes, root: &Root) -> BTreeSet<NodeHash> {
    fn walk(nodes: &MemoryNodes, child: &Child, height: u8, names: &mut BTreeSet<NodeHash>) {
        names.insert(child.node.hash);
        if height > 0 {
            let node = nodes.get(&[child.node]).unwrap().remove(0);
            let branch = node.branch(&child.node, height).unwrap();
            branch.children().iter().for_each(|child| walk(nodes, child, height - 1, names));
        }
    }
    let mut names = BTreeSet::new();
    let child = Child { node: root.node, count: root.count, long: 0, span: root.span };
    walk(nodes, &child, root.height, &mut names);
    names
}

#[test]
fn what_is_not_there_cannot_go_and_what_is_there_cannot_come() {
    let mut nodes = MemoryNodes::new();
    let datoms: Vec<Datom> = (0..50).map(|e| datom(e, 1, "x", 7)).collect();
    let root = build(&mut nodes, Order::Eavt, SMALL, &facts(Order::Eavt, &datoms));
    let none = Facts::default();
    let mut fails = |add: &[Datom], remove: &[Datom]| {
        let (add, remove) = (facts(Order::Eavt, add), facts(Order::Eavt, remove));
        let changes = Changes { add: &add, remove: &remove };
        merge(&mut nodes, 2, root.as_ref(), Order::Eavt, changes).unwrap_err()
    };
    let there = |error| matches!(error, TreeError::AlreadyThere(_));
    let gone = |error| matches!(error, TreeError::NotThere(_));
    assert!(there(fails(&[datom(3, 1, "x", 9)], &[])));
    assert!(there(fails(&[datom(3, 1, "x", 2)], &[])));
    assert!(gone(fails(&[], &[datom(3, 1, "y", 0)])));
    assert!(gone(fails(&[], &[datom(3, 1, "x", 8)])), "it was added by 7");
    assert!(gone(fails(&[], &[datom(99, 1, "x", 0)])));
    let remove = facts(Order::Eavt, &[datom(3, 1, "x", 0)]);
    let changes = Changes { add: &none, remove: &remove };
    let error = merge(&mut MemoryNodes::new(), 2, None, Order::Eavt, changes).unwrap_err();
    assert!(gone(error));
}

#[test]
fn facts_that_ended_are_there_once_for_each_time() {
    let interval = |e, tx, end| {
        let mut one = crate::datom::FactsBuilder::default();
        one.push(datom(e, 1, "x", tx).key(), Some(Tx(end)));
        one.finish()
    };
    let mut nodes = MemoryNodes::new();
    let none = Facts::default();
    let mut root = None;
    for (i, (e, tx)) in (0..60).flat_map(|tx| [(1, tx * 2), (2, tx * 2)]).enumerate() {
        let add = interval(e, tx + 1, tx + 2);
        let changes = Changes { add: &add, remove: &none };
        root = merge(&mut nodes, i as u128 + 1, root.as_ref(), Order::Aevt, changes).unwrap().0;
    }
    check_tree(&nodes, Order::Aevt, root.as_ref());
    assert_eq!(root.as_ref().map(|x| x.count), Some(120));
    let found = seek(&nodes, root.as_ref(), Order::Aevt, &[KeyRange::all()]).unwrap();
    assert!(found[0].iter().all(|x| x.rows.clone().all(|i| x.facts.end(i).is_some())));
    let add = interval(2, 3, 9);
    let changes = Changes { add: &add, remove: &none };
    let twice = merge(&mut nodes, 999, root.as_ref(), Order::Aevt, changes);
    assert!(matches!(twice, Err(TreeError::AlreadyThere(_))));
}

#[test]
fn appending_fills_leaves() {
    let mut nodes = MemoryNodes::new();
    let mut root = None;
    for i in 0..200u64 {
        let add = facts(Order::Eavt, &[datom(i, 1, "x", 7)]);
        let changes = Changes { add: &add, remove: &Facts::default() };
        root = merge(&mut nodes, u128::from(i) + 1, root.as_ref(), Order::Eavt, changes).unwrap().0;
    }
    let names = check_tree(&nodes, Order::Eavt, root.as_ref());
    // 5 rows fit a leaf (24 bytes and one of string each): half-full ones would be twice as many.
    assert!(names.len() < 70, "{} nodes", names.len());
}
