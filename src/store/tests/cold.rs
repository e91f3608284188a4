//! What a reader pays who has nothing in memory: GETs, rounds and bytes over a million datoms, with
//! the tail and the novelty in use.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test ends so")]

use factfs_core::conn::CreateOptions;
use factfs_core::datom::Order;
use factfs_core::edn::read_one;
use factfs_core::id::EntityId;
use factfs_core::query::{CancelToken, Input, Limits, Query, run};
use factfs_core::value::Value;
use factfs_store::{Counts, Database, Settings, TransactOptions};
use std::fmt::Write;

const PRODUCTS: usize = 167_000;
const BATCH: usize = 42_000;

const SCHEMA: &str = "[
  {:db/ident :product/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :product/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :product/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one
   :db/index true}
  {:db/ident :product/category :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/index true}
  {:db/ident :product/tag :db/valueType :db.type/string :db/cardinality :db.cardinality/many
   :db/index true}]";

fn sku(n: usize) -> String {
    // Not in the order of the entities.
    format!("SKU-{:08}", n * 7_919 % 1_000_003)
}

fn product(n: usize, text: &mut String) {
    let _ = write!(
        text,
        "{{:product/sku \"{}\" :product/name \"thing {} of {}\" :product/price {} \
         :product/category \"cat-{:03}\" :product/tag [\"tag-{:05}\" \"tag-{:05}\"]}}",
        sku(n),
        n * 31 % 1000,
        n,
        n * 13 % 99_991,
        n % 80,
        n % 3_600,
        n * 17 % 3_600 + 3_600,
    );
}

fn transact(database: &Database, text: &str) {
    database.transact(&read_one(text).unwrap(), &TransactOptions::default()).unwrap();
}

/// A database of a million datoms, of which some are in no tree and some in the tail alone.
fn fill(url: &str) -> Database {
    let database = Database::create(url, &CreateOptions::default(), &Settings::default()).unwrap();
    transact(&database, SCHEMA);
    for first in (0..PRODUCTS).step_by(BATCH) {
        let mut text = String::from("[");
        (first..(first + BATCH).min(PRODUCTS)).for_each(|n| product(n, &mut text));
        transact(&database, &(text + "]"));
    }
    // Prices that change: what they were is novelty, and then small transactions fill the tail.
    let change = |products: std::ops::Range<usize>, price: usize| {
        let mut text = String::from("[");
        for n in products {
            let _ = write!(text, "{{:product/sku \"{}\" :product/price {price}}}", sku(n));
        }
        transact(&database, &(text + "]"));
    };
    change(0..8_000, 1);
    (0..100).for_each(|n| change(n * 50..n * 50 + 5, n + 2));
    database
}

/// What is asked of the store by `f`.
fn counted<T>(database: &Database, f: impl FnOnce() -> T) -> (T, Counts) {
    let before = database.counts();
    let answer = f();
    let after = database.counts();
    let counts = Counts {
        gets: after.gets - before.gets,
        refs: after.refs - before.refs,
        rounds: after.rounds - before.rounds,
        bytes_in: after.bytes_in - before.bytes_in,
        ..Counts::default()
    };
    (answer, counts)
}

fn open(url: &str) -> Database {
    Database::open(&url.parse().unwrap(), &Settings::default()).unwrap()
}

#[track_caller]
fn check(counts: Counts, gets: u64, rounds: u64) {
    assert!(counts.gets + counts.refs <= gets, "more than {gets} GETs: {counts:?}");
    assert!(counts.rounds <= rounds, "more than {rounds} rounds: {counts:?}");
    assert!(counts.bytes_in <= 1 << 20, "more than a mebibyte: {counts:?}");
}

#[test]
fn a_cold_reader_of_a_million_datoms_waits_for_few_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("db").to_string_lossy().into_owned();
    let writer = fill(&url);
    let snapshot = writer.cached_db().snapshot().clone();
    assert!(snapshot.counts.values().sum::<u64>() > 990_000, "{:?}", snapshot.counts);
    assert!(snapshot.layers.iter().all(|layer| !layer.is_empty()), "novelty and tail in use");
    let products = || (0..PRODUCTS).step_by(PRODUCTS / 7);
    for n in products() {
        by_entity(&writer, &url, n);
        by_unique_value(&url, n);
    }
    let reader = open(&url);
    let (_, counts) = counted(&reader, || reader.db().unwrap());
    assert_eq!((counts.gets, counts.refs, counts.rounds), (0, 1, 1), "an unchanged head");
    assert_eq!(counts.bytes_in, 0, "an unchanged head has no body");
}

fn by_entity(writer: &Database, url: &str, n: usize) {
    let db = writer.cached_db();
    let attribute = db.attribute("product/sku").unwrap().id;
    let (order, key) = (Order::Avet, Value::str(&sku(n)));
    let e: EntityId = db.datoms(order, None, Some(attribute), Some(key)).unwrap()[0].e;
    let reader = open(url);
    let db = reader.cached_db();
    assert_eq!(db.datoms(Order::Eavt, Some(e), None, None).unwrap().len(), 6);
    check(reader.counts(), 4, 3);
}

fn by_unique_value(url: &str, n: usize) {
    let text = "[:find ?n ?r :in $ ?k :where [?e :product/sku ?k] [?e :product/name ?n] \
                [?e :product/price ?r]]";
    let reader = open(url);
    let inputs = [Input::Db(reader.cached_db()), Input::Value(Value::str(&sku(n)))];
    let query = Query::parse(text).unwrap();
    let answer = run(&query, &inputs, &Limits::default(), &CancelToken::default()).unwrap();
    assert_eq!(answer.rows.len(), 1);
    check(reader.counts(), 5, 4);
}
