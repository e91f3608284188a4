//! What is asked of a store: GETs, rounds and bytes of whoever has nothing in memory, PUTs and
//! bytes of a transaction, over a million datoms with the tail and the novelty full.
//!
//! `FACTFS_ENTITIES=1667000 cargo test --release -p factfs-store --test cold -- --nocapture` does
//! it over ten million, and prints the figures.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test ends so")]

mod catalog;
#[path = "../../../tests/benches/common/sizes.rs"]
mod sizes;

use catalog::{Catalog, connect, sku};
use factfs_core::commit::{HEAD_BYTES, TAIL_BYTES};
use factfs_core::datom::{KeyRange, Order};
use factfs_core::edn::read_one;
use factfs_core::query::{CancelToken, Input, Limits, Query, run};
use factfs_core::value::Value;
use factfs_store::{Counts, Database, Settings, TransactOptions};
use sizes::Sizes;

fn open(url: &str) -> Database {
    Database::open(&url.parse().unwrap(), &Settings::default()).unwrap()
}

/// Some products, all over.
fn some(catalog: &Catalog) -> impl Iterator<Item = usize> {
    (0..catalog.products).step_by(catalog.products / 7)
}

/// What was asked since.
fn since(database: &Database, before: Counts) -> Counts {
    let now = database.counts();
    Counts {
        gets: now.gets - before.gets,
        refs: now.refs - before.refs,
        puts: now.puts - before.puts,
        cas: now.cas - before.cas,
        lists: now.lists - before.lists,
        deletes: now.deletes - before.deletes,
        rounds: now.rounds - before.rounds,
        bytes_in: now.bytes_in - before.bytes_in,
        bytes_out: now.bytes_out - before.bytes_out,
    }
}

#[track_caller]
fn check_reads(what: &str, counts: Counts, gets: u64, rounds: u64) {
    println!(
        "{what}: {} GETs, {} rounds, {} bytes",
        counts.gets + counts.refs,
        counts.rounds,
        counts.bytes_in
    );
    assert!(counts.gets + counts.refs <= gets, "more than {gets} GETs: {counts:?}");
    assert!(counts.rounds <= rounds, "more than {rounds} rounds: {counts:?}");
    assert!(counts.bytes_in <= 1 << 20, "more than a mebibyte: {counts:?}");
}

#[test]
fn tail_and_novelty_are_full() {
    let catalog = Catalog::shared();
    let (conn, _) = connect(&catalog.url(), &Settings::default());
    let opened = conn.opened();
    let counted: u64 = opened.snapshot.counts.values().sum();
    assert!(counted >= 6 * catalog.products as u64);
    assert!(opened.novelty.len() > 60_000, "{} rows of novelty", opened.novelty.len());
    assert!(opened.head.tail_bytes() > TAIL_BYTES - 500, "{}", opened.head.tail_bytes());
    let (head, novelty) = (catalog.bytes("head"), opened.head.base.novelty.unwrap().len);
    println!("{counted} datoms; head {head} bytes, novelty {novelty} bytes");
    assert!(head <= HEAD_BYTES as u64 && novelty <= 512 << 10, "{head} {novelty}");
}

#[test]
fn an_entity_is_read_in_four_gets() {
    let catalog = Catalog::shared();
    for n in some(catalog) {
        let reader = open(&catalog.url());
        let facts = reader.cached_db().datoms(Order::Eavt, Some(catalog.entity(n)), None, None);
        assert_eq!(facts.unwrap().len(), 6);
        check_reads("by entity", reader.counts(), 4, 3);
    }
}

#[test]
fn a_query_by_a_unique_value_is_read_in_five_gets() {
    let catalog = Catalog::shared();
    let text = "[:find ?n ?r :in $ ?k :where [?e :product/sku ?k] [?e :product/name ?n] \
                [?e :product/price ?r]]";
    let query = Query::parse(text).unwrap();
    // Ten million facts have a branch node more above the values.
    let (gets, rounds) = if catalog.products > 1_000_000 { (6, 5) } else { (5, 4) };
    for n in some(catalog) {
        let reader = open(&catalog.url());
        let inputs = [Input::Db(reader.cached_db()), Input::Value(Value::str(&sku(n)))];
        let answer = run(&query, &inputs, &Limits::default(), &CancelToken::default()).unwrap();
        assert_eq!(answer.rows.len(), 1);
        check_reads("by unique value", reader.counts(), gets, rounds);
    }
}

#[test]
fn an_unchanged_head_is_one_request_without_a_body() {
    let reader = open(&Catalog::shared().url());
    let before = reader.counts();
    reader.db().unwrap();
    let expected = Counts { refs: 1, rounds: 1, ..Counts::default() };
    assert_eq!(since(&reader, before), expected);
}

#[test]
fn a_scan_fetches_each_node_once() {
    let catalog = Catalog::shared();
    // So little memory that a leaf that is wanted again is fetched again.
    let settings = Settings { cache_bytes: 8 << 20, ..Settings::default() };
    for order in Order::ALL {
        let (conn, counted) = connect(&catalog.url(), &settings);
        let expected = Sizes::current(&conn.db())[order as usize];
        let (conn, counted) = (drop((conn, counted)), connect(&catalog.url(), &settings)).1;
        counted.take();
        let chunks = conn.db().chunks(order, KeyRange::all());
        let rows: usize = chunks.map(|slice| slice.unwrap().rows.len()).sum();
        assert!(rows >= 5 * catalog.products, "{rows} rows");
        let counts = counted.take();
        println!("scan {order:?}: {expected:?} {counts:?}");
        // A root that is small came with the head.
        let (all, read) = (expected.leaves + expected.branches, counts.gets);
        assert!(read == all || read == all - 1, "{order:?}: {read} of {all}");
        assert!(counts.bytes_in <= expected.bytes, "{counts:?}");
        assert!(counts.rounds <= expected.leaves / 8, "one by one: {counts:?}");
    }
}

/// Commits one price.
fn change(database: &Database, n: usize, price: usize) {
    let text = format!("[{{:product/sku \"{}\" :product/price {price}}}]", sku(n));
    database.transact(&read_one(&text).unwrap(), &TransactOptions::default()).unwrap();
}

#[test]
fn a_transaction_is_one_object_and_a_spilling_one_three() {
    let (_folder, url) = Catalog::shared().copy();
    let (mut spills, mut small) = (0, 0);
    let database = open(&url);
    for n in 0..2_000 {
        let before = database.counts();
        change(&database, n * 31, n + 7);
        let counts = since(&database, before);
        let Counts { puts, cas, bytes_out, .. } = counts;
        match (puts, cas) {
            (0, 1) => {
                assert!(bytes_out <= 64 << 10, "{counts:?}");
                small += 1;
            }
            (2, 1) => {
                println!("a spill: {bytes_out} bytes");
                assert!(bytes_out <= 700 << 10, "{counts:?}");
                spills += 1;
            }
            _ => panic!("{counts:?}"),
        }
        if spills == 3 {
            break;
        }
    }
    println!("{small} transactions beside {spills} spills");
    assert!(spills == 3 && small > 150 * (spills - 1), "{small} beside {spills} spills");
}

#[test]
fn facts_take_few_bytes() {
    let catalog = Catalog::shared();
    let (conn, _) = connect(&catalog.url(), &Settings::default());
    let current = Sizes::current(&conn.db());
    let bytes: u64 = current.iter().map(|tree| tree.bytes).sum();
    let each = bytes as f64 / current[0].facts as f64;
    println!("{each:.2} bytes a datom in three indexes: {current:?}");
    // Made-up data like this is easier than what people have, which may take twenty.
    assert!(each <= 14.0, "{each}");
    let log = catalog.bytes("log/") as f64 / current[0].facts as f64;
    println!("{log:.2} bytes of log a datom");
    assert!(log <= 8.0, "{log}");
}
