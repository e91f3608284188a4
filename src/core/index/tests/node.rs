//! Any body, however damaged before it was compressed and hashed, is a node or an error.

use super::super::blob::detach;
use super::super::{Branch, Child, MemoryNodes, Node, NodeRef, PackId, Rows, blobs};
use super::{datom, facts, packs, whole_facts};
use crate::codec::frame;
use crate::datom::{Facts, KeyRange, Order};
use crate::hash::NodeHash;
use crate::id::{EntityId, T};
use crate::index::descend::Bounds;
use crate::value::Value;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

fn child(i: u64) -> Child {
    let (hash, pack) = (NodeHash::of(&i.to_le_bytes()), PackId(u128::from(i / 7)));
    let node = NodeRef { hash, pack, offset: i * 1000, len: 900 + i as u32 };
    Child { node, count: 4096 - i, long: i, span: (T(i), T(i * 2)) }
}

fn nodes() -> Vec<Node> {
    let datoms: Vec<_> = (0..40).map(|i| datom(i, i % 3, "text", 1 << 29)).collect();
    let separators: Vec<Vec<u8>> = (0..40u64).map(|i| (i * 77).to_be_bytes().to_vec()).collect();
    let entries = separators.iter().zip(0..).map(|(x, i)| (&x[..], child(i)));
    let mut rows = Rows::default();
    (0..40u32).for_each(|i| rows.push(&i.to_be_bytes(), &[7; 5]));
    vec![
        Node::Leaf(facts(Order::Eavt, &datoms).into()),
        Node::Leaf(referring().into()),
        Node::Branch(Branch::new(3, entries)),
        Node::Rows(rows),
        Node::Blob(Bytes::from_static(b"bytes")),
    ]
}

/// Facts with references to long values.
fn referring() -> Facts {
    let long = |i: u64| Value::from("long ".repeat(900) + &i.to_string());
    let datoms: Vec<_> = (0..9).map(|i| datom(i, i % 3, long(i / 2), 1 << 29)).collect();
    let facts = facts(Order::Eavt, &datoms);
    detach(&facts, &mut packs(9)).unwrap().into_owned()
}

/// The node whose body was changed and compressed again.
fn damaged(stored: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = frame::decompress(&stored[2..]).unwrap();
    change(&mut body);
    [&stored[..2], &frame::compress(&body).unwrap()[..]].concat()
}

/// Uses what a damaged node decoded to.
fn exercise(node: &Node) {
    let range = KeyRange::prefix(Some(EntityId(7)), None, None);
    match node {
        Node::Leaf(facts) => {
            range.rows(Order::Eavt, facts);
            (0..facts.len()).for_each(|row| drop(facts.datom(row)));
            let nodes = MemoryNodes::new();
            let _ = whole_facts(&nodes, Facts::clone(facts));
            assert!(blobs(facts, 0..facts.len()).all(|(_, blob)| blob.value_bytes() > 4096));
        }
        Node::Branch(branch) => {
            let reached = branch.children_in(&Bounds::new(Order::Eavt, &range));
            assert!(reached.end <= branch.children().len());
            branch.child_of(&[0, 0, 7]);
        }
        Node::Rows(rows) => {
            rows.get(&[0, 0, 0, 7]);
            (0..rows.len()).for_each(|row| assert!(rows.get(rows.key(row)).is_some()));
        }
        Node::Blob(_) => {}
    }
    assert!(node.size_bytes() > 0);
}

#[test]
fn branch_nodes_read_back() {
    for node in nodes() {
        let stored = node.encode().unwrap();
        let again = Node::decode_unverified(&stored.bytes).unwrap();
        assert_eq!(again.encode().unwrap().bytes, stored.bytes, "equal nodes, equal bytes");
        if let (Node::Branch(x), Node::Branch(y)) = (&node, &again) {
            assert_eq!((x.height(), x.children()), (y.height(), y.children()));
            assert!((0..40).all(|i| x.separator(i) == y.separator(i)));
        }
    }
}

#[test]
fn a_node_of_a_newer_version_says_so() {
    let mut bytes = nodes()[0].encode().unwrap().bytes.to_vec();
    bytes[1] += 1;
    let error = Node::decode_unverified(&bytes).unwrap_err();
    assert_eq!(error.what, "a node of a newer version");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_bodies_are_nodes_or_errors(
        kind in 0usize..5, at: prop::sample::Index, byte: u8, cut: bool,
    ) {
        let stored = nodes()[kind].encode().unwrap();
        let bytes = damaged(&stored.bytes, |body| {
            let at = at.index(body.len());
            body[at] = byte;
            if cut {
                body.truncate(at);
            }
        });
        if let Ok(node) = Node::decode_unverified(&bytes) {
            exercise(&node);
        }
    }

    #[test]
    fn any_bodies_are_nodes_or_errors(kind in 0u8..6, body in vec(any::<u8>(), 0..300)) {
        let bytes = [&[kind, 0][..], &frame::compress(&body).unwrap()[..]].concat();
        if let Ok(node) = Node::decode_unverified(&bytes) {
            exercise(&node);
        }
        let _ = Node::decode_unverified(&body);
    }
}
