//! Looking for a text in every object of a store, with all that is packed in it unpacked.

use super::*;
use crate::commit::{About, Frame, Head, Novelty, Segment};
use crate::datom::Facts;
use crate::index::{Node, PackFooter};
use crate::schema::Schema;
use crate::store::Store;

/// The objects that hold a text: in a value, in a key that separates nodes, or anywhere in bytes
/// that are not packed.
pub(in crate::conn) fn holders(store: &MemoryStore, text: &str) -> Vec<String> {
    let names = store.names().into_iter();
    names.filter(|name| holds(name, &get(store, name), text.as_bytes())).collect()
}

fn get(store: &MemoryStore, name: &str) -> bytes::Bytes {
    block_on(store.get(&Fetch { key: name.to_owned(), range: None })).unwrap()
}

fn holds(name: &str, bytes: &[u8], text: &[u8]) -> bool {
    let kind = name.split('/').next().unwrap();
    let packed = match kind {
        "pack" => {
            let nodes = PackFooter::nodes_of(bytes).unwrap();
            nodes.iter().any(|(_, stored)| in_node(stored, text))
        }
        "log" => Segment::decode(bytes).unwrap().frames.iter().any(|frame| in_frame(frame, text)),
        "novelty" => {
            let novelty = Novelty::decode(bytes).unwrap();
            in_facts(&novelty.facts, text)
                || novelty.about.is_some_and(|about| in_about(&about, text))
        }
        "head" | "branch" | "snap" => {
            let head = Head::decode(bytes).unwrap();
            head.tail.iter().any(|frame| in_frame(frame, text))
                || head.base.inlined.iter().any(|(_, stored)| in_node(stored, text))
                || head.base.about.is_some_and(|about| in_about(&about, text))
        }
        "refs" | "format" | "gc" => false,
        _ => panic!("{name}: what is this?"),
    };
    packed || contains(bytes, text)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn in_node(stored: &[u8], text: &[u8]) -> bool {
    match Node::decode_unverified(stored).unwrap() {
        Node::Leaf(facts) => in_facts(&facts, text),
        Node::Branch(branch) => {
            (0..branch.children().len()).any(|i| contains(branch.separator(i), text))
        }
        Node::Rows(rows) => (0..rows.len()).any(|row| contains(rows.value(row), text)),
        Node::Blob(bytes) => contains(&bytes, text),
    }
}

fn in_facts(facts: &Facts, text: &[u8]) -> bool {
    let row = |row: usize| format!("{:?}", facts.v(row).to_value());
    (0..facts.len()).any(|i| contains(row(i).as_bytes(), text))
}

fn in_frame(stored: &[u8], text: &[u8]) -> bool {
    let (_, frame) = Frame::decode(stored).unwrap();
    in_facts(&frame.datoms, text) || frame.schema.is_some_and(|schema| contains(&schema, text))
}

fn in_about(about: &[u8], text: &[u8]) -> bool {
    let about = About::decode(about).unwrap();
    let schema = about.schema.changes_since(&Schema::default());
    schema.is_some_and(|schema| contains(&schema, text))
}
