//! What a reader pays who has nothing in memory: GETs, rounds and bytes over a million datoms, with the tail and the novelty
//! in use.

use factfs_core::conn::CreateOptions;
use factfs_core::datom::Order;
use factfs_core::edn::{Form, FormKind, read_one};
use factfs_core::id::EntityId;
use factfs_core::query::{CancelToken, Input, Limits, Query, run};
use factfs_core::value::Value;
use factfs_store::{Counts, Database, Settings, TransactOptions};
use std::fmt::Write;

const PRODUCTS: usize = 166_000;
const BATCH: usize = 5_000;

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
