//! Tables against a sorted map.

use super::super::{Direction, Forest, MemoryNodes, Root, Row, RowScan, TreeBuilder, rows_get};
use super::{SMALL, at_once, packs};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(0u8..4, 0..4)
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::weighted(0.7, vec(0u8..9, 0..9))
}

fn put(nodes: &mut MemoryNodes, number: u128, root: Option<&Root>, batch: &Batch) -> Option<Root> {
    let mut packs = packs(number);
    let rows: Vec<_> = batch.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut forest = Forest { nodes, packs: &mut packs, shape: SMALL };
    let root = at_once(forest.put_rows(root, &rows)).unwrap().place(&mut packs);
    nodes.write(packs);
    root
}

fn scan(nodes: &MemoryNodes, mut scan: RowScan) -> Vec<Row> {
    std::iter::from_fn(|| scan.next(nodes).unwrap()).collect()
}

proptest! {
    #[test]
    fn rows_read_as_from_a_sorted_map(
        batches in vec(btree_map(key(), value(), 1..40), 1..6),
        from in key(), to in proptest::option::of(key()),
    ) {
        let (mut nodes, mut root, mut model) = (MemoryNodes::new(), None, BTreeMap::new());
        for (i, batch) in batches.iter().enumerate() {
            root = put(&mut nodes, i as u128 + 1, root.as_ref(), batch);
            for (key, value) in batch {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
        }
        let keys: Vec<Vec<u8>> = batches.iter().flat_map(|x| x.keys().cloned()).collect();
        let expected: Vec<_> = keys.iter().map(|key| model.get(key).cloned()).collect();
        prop_assert_eq!(rows_get(&nodes, root.as_ref(), &keys).unwrap(), expected);
        let before = |key: &Vec<u8>| to.as_ref().is_none_or(|to| key < to);
        let inside = |(key, _): &(&Vec<u8>, &Vec<u8>)| **key >= from && before(key);
        let mut expected: Vec<Row> =
            model.iter().filter(inside).map(|(k, v)| (k.clone(), v.clone())).collect();
        let new = |way| RowScan::new(root.as_ref(), &from, to.as_deref(), way);
        prop_assert_eq!(&scan(&nodes, new(Direction::Forward)), &expected);
        expected.reverse();
        prop_assert_eq!(scan(&nodes, new(Direction::Backward)), expected);
        prop_assert_eq!(root.map_or(0, |x| x.count), model.len() as u64);
    }
}

#[test]
fn building_gives_what_putting_gives() {
    let (mut nodes, mut packs) = (MemoryNodes::new(), packs(1));
    let mut builder = TreeBuilder::rows(SMALL);
    for i in 0..300u32 {
        builder.push_row(&i.to_be_bytes(), &[7; 3], &mut packs).unwrap();
    }
    assert!(builder.push_row(&299u32.to_be_bytes(), &[], &mut packs).is_err());
    let root = builder.finish(&mut packs).unwrap().place(&mut packs);
    nodes.write(packs);
    let all = scan(&nodes, RowScan::new(root.as_ref(), &[], None, Direction::Forward));
    assert_eq!(all.len(), 300);
    assert!(all.is_sorted());
}

#[test]
fn rows_out_of_order_are_refused() {
    let (nodes, mut packs) = (MemoryNodes::new(), packs(1));
    let mut forest = Forest { nodes: &nodes, packs: &mut packs, shape: SMALL };
    let rows = [(vec![2], Some(vec![])), (vec![1], Some(vec![]))];
    assert!(at_once(forest.put_rows(None, &rows)).is_err());
}
