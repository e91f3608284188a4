//! A small database in memory that the targets ask and change.

use factfs_core::db::{Db, NoNodes, Snapshot};
use factfs_core::edn::{Form, read_one};
use factfs_core::schema::Schema;
use factfs_core::transact::{TxOptions, with};
use factfs_core::value::Uuid;
use std::sync::{Arc, OnceLock};

const SCHEMA: &str = "[
    {:db/ident :name :db/valueType :db.type/string :db/unique :db.unique/identity}
    {:db/ident :age :db/valueType :db.type/long :db/index true}
    {:db/ident :aka :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
    {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :part :db/valueType :db.type/ref :db/isComponent true}
    {:db/ident :pair :db/valueType :db.type/tuple :db/tupleAttrs [:name :age]}
    {:db/ident :at :db/valueType :db.type/instant}
    {:db/ident :size :db/valueType :db.type/double}]";

const FACTS: &str = r#"[
    {:db/id 21 :name "Ivan" :age 15 :aka ["ivolga" "pi"] :friend 22 :size 1.5}
    {:db/id 22 :name "Petr" :age 37 :aka "porosenok" :friend 23 :part {:name "Oleg"}}
    {:db/id 23 :name "Anna" :age 37 :at #inst "2026-01-01" :friend [21 23]}]"#;

/// The options of a transaction; the clock stands still.
pub fn options() -> TxOptions {
    TxOptions { now_ms: 1_700_000_000_000, ..TxOptions::default() }
}

/// The database, made once.
pub fn database() -> &'static Db {
    static DATABASE: OnceLock<Db> = OnceLock::new();
    DATABASE.get_or_init(|| {
        let empty = Snapshot::empty(Uuid::from_u128(1), Arc::new(NoNodes), Schema::default());
        [SCHEMA, FACTS].iter().fold(Db::new(empty), |db, text| {
            with(&db, &form(text).expect("a form"), &options()).expect("a transaction").db_after
        })
    })
}

/// The one form that a text is.
pub fn form(text: &str) -> Option<Form> {
    read_one(text).ok()
}
