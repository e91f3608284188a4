//! Bytes a datom of each index, and how fast leaves decode, for datoms in the tab-separated form `e
//! attribute type value`.
//!
//! `cargo run --release -p factfs-core --example sizes -- FILE.tsv...`

#![allow(clippy::expect_used, clippy::panic, reason = "a measurement stops at bad input")]

use factfs_core::datom::{Facts, FactsBuilder, KeyRange, Order, RowKey};
use factfs_core::id::{ATTR_USER, AttrId, EntityId, T, Tx};
use factfs_core::index::{Direction, MemoryNodes, PackId, PackWriter, Scan, Shape, TreeBuilder};
use factfs_core::value::Value;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    for file in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&file).expect("a file that can be read");
        measure(&file, &read(&text));
    }
}

/// A transaction for every thousand datoms.
fn read(text: &str) -> Facts {
    let (mut facts, mut attributes) = (FactsBuilder::default(), BTreeMap::new());
    for (i, line) in text.lines().enumerate() {
        let mut parts = line.splitn(4, '\t');
        let mut part = || parts.next().expect("four columns");
        let (e, a, tag, v) = (part(), part(), part(), part());
        let fresh = ATTR_USER + attributes.len() as u64;
        let a = AttrId(*attributes.entry(a.to_owned()).or_insert(fresh));
        let v = match tag {
            "s" => Value::str(v),
            "l" => Value::Long(v.parse().expect("a long")),
            "d" => Value::Double(v.parse().expect("a double")),
            "r" => Value::Ref(EntityId(v.parse().expect("a ref"))),
            "i" => Value::Inst(v.parse().unwrap_or_else(|_| instant(v))),
            _ => panic!("an unknown type: {tag}"),
        };
        let (e, tx) = (EntityId(e.parse().expect("an id")), Tx::new(0, T(i as u64 / 1000 + 1)));
        facts.push(RowKey { e, a, v: v.as_ref(), tx }, None);
    }
    facts.finish()
}

fn instant(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("an instant").as_millisecond()
}

fn measure(file: &str, facts: &Facts) {
    println!("{file}: {} datoms", facts.len());
    for order in Order::ALL {
        let sorted = facts.sorted(order);
        let mut number = 0;
        let mut packs = PackWriter::new(move || {
            number += 1;
            PackId(number)
        });
        let start = Instant::now();
        let mut builder = TreeBuilder::facts(order, Shape::default());
        builder.push(&sorted, &mut packs).expect("sorted facts");
        let root = builder.finish(&mut packs).expect("small facts").place(&mut packs);
        let built = start.elapsed().as_secs_f64();
        let (nodes_written, done) = (packs.nodes(), packs.finish());
        let bytes: usize = done.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut nodes = MemoryNodes::new();
        nodes.add(done);
        let start = Instant::now();
        let mut scan = Scan::new(root.as_ref(), order, KeyRange::all(), Direction::Forward);
        while scan.next(&nodes).expect("what was written").is_some() {}
        let read = start.elapsed().as_secs_f64();
        let rows = facts.len() as f64;
        println!(
            "  {order:?}: {:.2} bytes a datom, {nodes_written} nodes, \
             built {:.1} M/s, read {:.1} M/s",
            bytes as f64 / rows,
            rows / built / 1e6,
            rows / read / 1e6
        );
    }
}
