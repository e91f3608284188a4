//! A catalog of products whose tail and novelty are as full as they get, made once for all tests.
//!
//! **Invariant:** six facts a product, in an order of values that is not that of the entities; the
//! transactions are made by hand, not read from text, since nothing here is about reading. How many
//! products: `FACTFS_ENTITIES`, by default enough for a million facts.

use factfs_core::commit::TAIL_BYTES;
use factfs_core::conn::{Conn, CreateOptions, Flush, Options, Place};
use factfs_core::datom::Datom;
use factfs_core::db::{Db, Prepared};
use factfs_core::edn::read_one;
use factfs_core::id::{AttrId, EntityId};
use factfs_core::schema::builtin;
use factfs_core::store::{Host, Store};
use factfs_core::transact::{TxError, TxOptions, prepare};
use factfs_core::value::Value;
use factfs_store::{Counted, Database, Settings, StoreNodes, SystemHost, open, runtime};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// The most products of a transaction.
const BATCH: usize = 200_000;
/// Rows of novelty from which a flush is due.
const NOVELTY: usize = 64 << 10;

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

/// The catalog, in a directory that is gone at the end.
pub struct Catalog {
    folder: TempDir,
    first: EntityId,
    /// How many products there are.
    pub products: usize,
}

impl Catalog {
    /// The one that all tests share. Nothing may be written to it.
    pub fn shared() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        let products = std::env::var("FACTFS_ENTITIES").ok().map(|n| n.parse().unwrap());
        CATALOG.get_or_init(|| Self::make(products.unwrap_or(167_000)))
    }

    fn make(products: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("db").to_string_lossy().into_owned();
        drop(Database::create(&url, &CreateOptions::default(), &Settings::default()).unwrap());
        let (conn, _) = connect(&url, &Settings::default());
        let schema = read_one(SCHEMA).unwrap();
        transact(&conn, move |db, now_ms| {
            prepare(db, &schema, &TxOptions { now_ms, ..TxOptions::default() })
        });
        let first = conn.db().snapshot().next_entity;
        let catalog = Self { folder, first, products };
        catalog.fill(&conn);
        catalog
    }

    fn fill(&self, conn: &Conn) {
        let attr = |name: &str| conn.db().schema().attr(name).unwrap().id;
        let (sku_a, name, price) =
            (attr("product/sku"), attr("product/name"), attr("product/price"));
        let (category, tag) = (attr("product/category"), attr("product/tag"));
        let batch = self.products.div_ceil(4).clamp(1_000, BATCH);
        for first in (0..self.products).step_by(batch) {
            let products = first..(first + batch).min(self.products);
            let said = products.clone().flat_map(|n| {
                let facts = [
                    (sku_a, Value::str(&sku(n))),
                    (name, Value::str(&format!("thing {} of {n}", n * 31 % 1000))),
                    (price, Value::Long(old_price(n))),
                    (category, Value::str(&format!("cat-{:03}", n % 80))),
                    (tag, Value::str(&format!("tag-{:05}", n % 3_600))),
                    (tag, Value::str(&format!("tag-{:05}", n * 17 % 3_600 + 3_600))),
                ];
                facts.into_iter().map(move |(a, v)| (n, a, v, true))
            });
            self.say(conn, said.collect(), products.end);
            runtime().unwrap().block_on(conn.flush()).unwrap();
        }
        // Prices that change, all over: as many as novelty takes before some spills make a flush
        // due, then as many as the tail takes.
        let change = |n: usize| {
            let n = n * 7_919 % self.products;
            [(n, price, Value::Long(old_price(n)), false), (n, price, Value::Long(-1), true)]
        };
        let mut changed = 0;
        while conn.opened().novelty.len() < NOVELTY - 5_500 {
            self.say(conn, (changed..changed + 500).flat_map(change).collect(), self.products);
            changed += 500;
        }
        while conn.opened().head.tail_bytes() < TAIL_BYTES - 400 {
            self.say(conn, change(changed).to_vec(), self.products);
            changed += 1;
        }
    }

    fn say(&self, conn: &Conn, said: Vec<(usize, AttrId, Value, bool)>, products: usize) {
        let (first, next_entity) = (self.first, EntityId(self.first.0 + products as u64));
        transact(conn, move |db, now_ms| {
            let snapshot = db.snapshot();
            let tx = snapshot.next_tx();
            let instant_ms = now_ms.max(snapshot.instant_ms.map_or(now_ms, |last| last + 1));
            let v = Value::Inst(instant_ms);
            let mut datoms =
                vec![Datom { e: tx.entity(), a: builtin::TX_INSTANT, v, tx, added: true }];
            datoms.extend(said.iter().map(|(n, a, v, added)| {
                let e = EntityId(first.0 + *n as u64);
                Datom { e, a: *a, v: v.clone(), tx, added: *added }
            }));
            Ok(Prepared {
                tx,
                instant_ms,
                datoms,
                schema: snapshot.schema.clone(),
                next_entity,
                tempids: BTreeMap::new(),
                backfill: Vec::new(),
                merged: Vec::new(),
                already: None,
            })
        });
    }

    /// Which entity a product is.
    pub fn entity(&self, n: usize) -> EntityId {
        EntityId(self.first.0 + n as u64)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.folder.path().join("db").to_string_lossy().into_owned()
    }

    /// A copy to write to.
    pub fn copy(&self) -> (TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("db");
        copy(Path::new(&self.url()), &to);
        (folder, to.to_string_lossy().into_owned())
    }

    /// The size of an object, or of all whose names begin so, in bytes.
    pub fn bytes(&self, prefix: &str) -> u64 {
        let store = open(&self.url(), &Settings::default()).unwrap();
        let listed = runtime().unwrap().block_on(store.list(prefix)).unwrap();
        listed.iter().map(|object| object.size_bytes).sum()
    }
}

/// The identity of a product.
pub fn sku(n: usize) -> String {
    // Not in the order of the entities.
    format!("SKU-{:08}", n * 7_919 % 10_000_019)
}

fn old_price(n: usize) -> i64 {
    (n * 13 % 99_991) as i64
}

/// A connection, with counters, that flushes when asked.
pub fn connect(url: &str, settings: &Settings) -> (Conn, Arc<Counted<Arc<dyn Store>>>) {
    let counted = Arc::new(Counted::new(open(url, settings).unwrap()));
    let (store, host): (Arc<dyn Store>, Arc<dyn Host>) = (counted.clone(), Arc::new(SystemHost));
    let handle = runtime().unwrap().handle().clone();
    let nodes = Arc::new(StoreNodes::new(store.clone(), settings.cache_bytes, handle));
    let options = Options { flush: Flush::Asked, ..Options::default() };
    let opening = Conn::open(Place { store, host, nodes }, None, options);
    (runtime().unwrap().block_on(opening).unwrap(), counted)
}

fn transact<F>(conn: &Conn, make: F)
where
    F: FnMut(&Db, i64) -> Result<Prepared, TxError> + Send + 'static,
{
    runtime().unwrap().block_on(conn.transact(make)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.metadata().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
