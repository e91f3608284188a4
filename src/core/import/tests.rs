//! Transactions in JSON, tuples by their types, and rows that say what is there.

use super::*;
use crate::conn::testing::{StoreNodes, block_on, mix, place, transact as commit};
use crate::conn::{Conn, Flush, Options, Place, create};
use crate::db::{Db, NoNodes, Snapshot};
use crate::edn;
use crate::index::{Node, NodeRef, Nodes, NodesError};
use crate::schema::Schema;
use crate::store::MemoryStore;
use crate::text::Format;
use crate::transact::{self, TxOptions};
use crate::value::Uuid;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A database that some transactions made.
fn database(texts: &[&str]) -> Db {
    let empty = Snapshot::empty(Uuid::nil(), std::sync::Arc::new(NoNodes), Schema::default());
    texts.iter().fold(Db::new(empty), |db, text| {
        let form = edn::read_one(text).unwrap();
        transact::with(&db, &form, &TxOptions::default()).unwrap().db_after
    })
}

const SCHEMA: &str = r#"[
  {:db/ident :p/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :p/price :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :p/tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
  {:db/ident :p/part :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :p/size :db/valueType :db.type/number :db/cardinality :db.cardinality/one}
  {:db/ident :p/span :db/valueType :db.type/tuple :db/cardinality :db.cardinality/one
   :db/tupleTypes [:db.type/instant :db.type/keyword :db.type/bigdec]}
  {:db/ident :p/pair :db/valueType :db.type/tuple :db/cardinality :db.cardinality/one
   :db/tupleAttrs [:p/sku :p/price]}]"#;
const THERE: &str = r#"[{:db/id 1 :p/sku "a" :p/price 1.50M :p/size 0.10M :p/tag [:x]}]"#;

/// What a transaction in JSON says, as EDN.
fn written(json: &str) -> String {
    let db = database(&[SCHEMA, THERE]);
    let json = serde_json::from_str(json).unwrap();
    let mut builder = Builder::new(db.schema().clone(), Naming::default(), false).tempids();
    let form = builder.json_transaction(&db, &json);
    form.map_or_else(|error| error.to_string(), |form| form.to_string())
}

#[track_caller]
fn check(json: &str, expected: &str) {
    assert_eq!(written(json), expected, "{json}");
}

#[test]
fn forms_of_json_are_forms() {
    check(r#"{"p/sku": "b", "p/price": 2.50}"#, r#"[{:p/sku "b", :p/price 2.50M}]"#);
    check(
        r#"[{"db/id": "n", "p/tag": ["x", ":y"]}, ["db/add", "n", "p/part", ["p/sku", "a"]]]"#,
        r#"[{:db/id "n", :p/tag [:x :y]} [:db/add "n" :p/part [:p/sku "a"]]]"#,
    );
    check(
        r#"[["db/cas", ["p/sku", "a"], "p/price", null, 3]]"#,
        r#"[[:db/cas [:p/sku "a"] :p/price nil 3M]]"#,
    );
    check(
        r#"[["db/retractEntity", 17], [":db/retract", 1, "p/tag"]]"#,
        "[[:db/retractEntity 17] [:db/retract 1 :p/tag]]",
    );
    check(
        r#"{"db/id": ":one", "p/part": ["p/sku", "a"]}"#,
        r#"[{:db/id :one, :p/part [[:p/sku "a"]]}]"#,
    );
    check(r#"{"db/id": 2, "p/_part": [1, "n"]}"#, r#"[{:db/id 2, :p/_part [1 "n"]}]"#);
    check(
        r#"{"tx-data": [{"p/sku": "b"}], "tx-meta": {"db/doc": "why"}}"#,
        r#"{:tx-data [{:p/sku "b"}], :tx-meta {:db/doc "why"}}"#,
    );
}

#[test]
fn null_takes_back_what_is_there() {
    check(r#"{"db/id": 1, "p/price": null}"#, "[[:db/retract 1 :p/price]]");
    check(
        r#"{"p/sku": "a", "p/price": null}"#,
        r#"[{:p/sku "a"} [:db/retract [:p/sku "a"] :p/price]]"#,
    );
    check(r#"{"p/sku": "b", "p/price": null}"#, r#"[{:p/sku "b"}]"#);
    check(r#"{"db/id": "n", "p/tag": "x", "p/price": null}"#, r#"[{:db/id "n", :p/tag [:x]}]"#);
}

#[test]
fn attributes_are_known_where_they_are_defined() {
    check(
        r#"[{"db/ident": "q/n", "db/valueType": "db.type/instant",
             "db/cardinality": "db.cardinality/one"}, {"q/n": "2026-06-30"}]"#,
        "[{:db/ident :q/n, :db/valueType :db.type/instant, :db/cardinality :db.cardinality/one} \
         {:q/n #inst \"2026-06-30T00:00:00.000-00:00\"}]",
    );
}

#[test]
fn what_is_no_form_is_told() {
    for (json, words) in [
        ("3", "`3` is no form of a transaction"),
        (r#"["db/add", 1, "p/tag", "x"]"#, "is no form of a transaction"),
        (r#"[["db/add", 1, "p/tog", "x"]]"#, "unknown attribute :p/tog"),
        (r#"[{"p/price": "1"}]"#, "line 1, column `p/price`: `\"1\"` is no bigdec"),
        (r#"[{"db/id": {}, "p/price": 1}]"#, "line 1, column `db/id`: `{}` names no entity"),
        (r#"[["db/add", 1]]"#, "is no form of a transaction"),
        (r#"[[1, 2]]"#, "is no form of a transaction"),
    ] {
        let said = written(json);
        assert!(said.contains(words), "{json}: {said}");
    }
}

/// What a table says to the database, as EDN.
fn said(text: &str) -> String {
    let db = database(&[SCHEMA, THERE]);
    let mut builder = Builder::new(db.schema().clone(), Naming::default(), false);
    let rows = table(text.as_bytes(), Format::Csv).unwrap();
    let entities = rows.iter().map(|row| builder.entity_in(row, Some(&db)));
    match entities.collect::<Result<Vec<_>, _>>() {
        Ok(entities) => {
            let rows = transaction(&db, &builder.columns(), entities).unwrap();
            rows.into_form().to_string()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn tuples_are_read_by_their_types() {
    let row = "p/sku,p/span\nb,\"[\"\"2026-06-30\"\", \"\":x/y\"\", 1.50]\"\n";
    let span = "#inst \"2026-06-30T00:00:00.000-00:00\" :x/y 1.50M";
    assert_eq!(said(row), format!("[{{:p/sku \"b\", :p/span [{span}]}}]"));
    assert_eq!(said("p/sku,p/span\nb,x\n"), "line 2, column `p/span`: `\"x\"` is no JSON array");
}

#[test]
fn a_number_without_a_type_is_the_one_that_is_there() {
    assert_eq!(said("db/id,p/size\n1,0.10\n"), "[{:db/id 1, :p/size 0.10M}]");
    assert_eq!(said("db/id,p/size\n1,0.1\n"), "[{:db/id 1, :p/size 0.1}]");
}

#[test]
fn a_composite_tuple_is_kept_by_the_database() {
    let row = "db/id,p/price,p/pair\n1,2,\"[\"\"a\"\", 1.50]\"\n";
    assert_eq!(said(row), "[{:db/id 1, :p/price 2M}]");
    assert_eq!(said("p/pair\n\"[\"\"a\"\", 1.50]\"\n"), "[{:p/pair [\"a\" 1.50M]}]");
}

/// Counts how often nodes are asked for.
#[derive(Debug)]
struct Counting(StoreNodes, AtomicU64);

impl Nodes for Counting {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(nodes)
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        false
    }
}

#[test]
fn what_is_there_is_read_once_a_field() {
    let store = Arc::new(MemoryStore::new());
    let nodes = Arc::new(Counting(StoreNodes(store.clone()), AtomicU64::new(0)));
    let place = Place { nodes: nodes.clone(), ..place(&store) };
    block_on(create(&place, &Default::default())).unwrap();
    let (flush, novelty_rows) = (Flush::Asked, u64::MAX);
    let options = Options { flush, novelty_rows, tail_bytes: 0, ..Options::default() };
    let conn = block_on(Conn::open(place, None, options)).unwrap();
    commit(
        &conn,
        "[{:db/ident :n/any :db/valueType :db.type/number
        :db/cardinality :db.cardinality/many}]",
    )
    .unwrap();
    let numbers: Vec<String> = (0..200).map(|n| format!("{n}.50")).collect();
    let edn = numbers.join("M ");
    commit(&conn, &format!("[{{:db/id 1 :n/any [{edn}M]}}]")).unwrap();
    // More than a root that lies in the head itself.
    let other =
        |n: u64| format!("{{:db/doc \"{:x}\"}}", u128::from(mix(n)) << 64 | u128::from(mix(n + 1)));
    commit(&conn, &format!("[{}]", (0..1000).map(other).collect::<String>())).unwrap();
    block_on(conn.flush()).unwrap();
    let db = conn.db();
    let mut builder = Builder::new(db.schema().clone(), Naming::default(), false);
    let text = format!("db/id,n/any\n1,\"[{}]\"\n", numbers.join(", "));
    let rows = table(text.as_bytes(), Format::Csv).unwrap();
    nodes.1.store(0, Ordering::Relaxed);
    let entity = builder.entity_in(&rows[0], Some(&db)).unwrap();
    let rounds = nodes.1.load(Ordering::Relaxed);
    let said = transaction(&db, &builder.columns(), vec![entity]).unwrap().into_form().to_string();
    assert_eq!(said, format!("[{{:db/id 1, :n/any [{edn}M]}}]"));
    assert!((1..5).contains(&rounds), "{rounds} rounds for one field");
}
