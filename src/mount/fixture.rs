//! Two small databases for tests: a catalogue of products, and an inventory that counts them.

use crate::source::{MemorySource, Mounted, Source};
use crate::tree::{Limits, LocalDesk, Parts, Tree};
use factfs_core::edn;
use factfs_core::text::Format;
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
    let desk = LocalDesk::default();
    desk.put("stock", Some(STOCK), NOW_MS).unwrap();
    let stores = [("catalog", sources[0].clone()), ("inventory", sources[1].clone())];
    let tree = Tree::new(Parts {
        stores: stores.into_iter().map(|(name, source)| Mounted::new(name, source)).collect(),
        desk,
        clock: Arc::new(|| NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv, Format::Json],
        is_read_only: false,
    });
    (Arc::new(tree), sources)
}
