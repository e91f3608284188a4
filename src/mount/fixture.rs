//! Two small databases for tests: a catalogue of products, and an inventory that counts them.

use crate::source::{DatabaseSource, MemorySource, Mounted, Source};
use crate::tree::{Limits, LocalDesk, Parts, Tree};
use factfs_core::conn::CreateOptions;
use factfs_core::edn;
use factfs_core::text::Format;
use factfs_store::{Database, Settings};
use std::path::Path;
use std::sync::Arc;

/// The time of tests: two days after the first commits.
pub const NOW_MS: i64 = 1_767_398_400_000;

/// Transactions of the catalogue.
pub const CATALOG: [&str; 3] = [
    r#"[{:db/ident :product/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
         :db/unique :db.unique/identity}
        {:db/ident :product/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
        {:db/ident :product/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one
         :db/index true}
        {:db/ident :product/tags :db/valueType :db.type/keyword
         :db/cardinality :db.cardinality/many :db/index true}]"#,
    r#"[{:product/sku "c1" :product/name "Chair" :product/price 40 :product/tags [:wood :home/seat]}
        {:product/sku "t/1" :product/name "Table" :product/price 90 :product/tags [:wood]}]"#,
    r#"[{:product/sku "c1" :product/price 45}]"#,
];

/// Transactions of the inventory.
pub const INVENTORY: [&str; 2] = [
    r#"[{:db/ident :item/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
         :db/unique :db.unique/identity}
        {:db/ident :item/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#,
    r#"[{:item/sku "c1" :item/count 3} {:item/sku "t/1" :item/count 0}]"#,
];

/// A join of both.
pub const STOCK: &str = "{:query [:find ?name ?count :in $catalog $inventory ?least
  :where [$catalog ?p :product/sku ?sku] [$catalog ?p :product/name ?name]
         [$inventory ?i :item/sku ?sku] [$inventory ?i :item/count ?count] [(>= ?count ?least)]]
 :inputs {?least 0}}";

/// A database in memory with these transactions.
pub fn database(name: &str, transactions: &[&str]) -> Arc<MemorySource> {
    let source = Arc::new(MemorySource::new(name));
    for text in transactions {
        source.transact("main", &edn::read_one(text).unwrap()).unwrap();
    }
    source
}

/// Both of them mounted, with the join saved as `stock`.
pub fn tree() -> (Arc<Tree>, [Arc<MemorySource>; 2]) {
    let sources = [database("catalog", &CATALOG), database("inventory", &INVENTORY)];
    let stores = [("catalog", sources[0].clone()), ("inventory", sources[1].clone())];
    let tree = tree_of(stores.map(|(name, source)| Mounted::new(name, source)).into());
    tree.desk().put("stock", Some(STOCK), NOW_MS).unwrap();
    (tree, sources)
}

/// The catalogue as a database of the store, in memory under a name of its own.
pub fn stored(name: &str) -> Arc<DatabaseSource> {
    let (url, settings) = (format!("memory:{name}"), Settings::default());
    let database = Database::create(&url, &CreateOptions::default(), &settings).unwrap();
    let source = Arc::new(DatabaseSource::new(database, None).unwrap());
    for text in CATALOG {
        source.transact("main", &edn::read_one(text).unwrap()).unwrap();
    }
    source
}

/// Both of them mounted, with the mount's own queries in a folder.
pub fn tree_in(queries: &Path) -> (Arc<Tree>, [Arc<MemorySource>; 2]) {
    let sources = [database("catalog", &CATALOG), database("inventory", &INVENTORY)];
    let stores = [("catalog", sources[0].clone()), ("inventory", sources[1].clone())];
    let stores = stores.map(|(name, source)| Mounted::new(name, source)).into();
    (tree_with(stores, LocalDesk::Folder(queries.to_owned())), sources)
}

/// These mounted.
pub fn tree_of(stores: Vec<Mounted>) -> Arc<Tree> {
    tree_with(stores, LocalDesk::default())
}

fn tree_with(stores: Vec<Mounted>, desk: LocalDesk) -> Arc<Tree> {
    Arc::new(Tree::new(Parts {
        stores,
        desk,
        clock: Arc::new(|| NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv, Format::Json],
        is_read_only: false,
    }))
}
