//! What it costs to bring an attribute into AVET when another writer comes first.

use super::super::testing::*;
use super::super::{Conn, Options};
use super::unflushed;
use crate::datom::Order;
use crate::store::MemoryStore;
use std::sync::Arc;

/// How many packs are written for an index, after so many transactions of others that its writer
/// has not seen; those flush at last if `flushed`.
fn packs_written(unseen: u64, flushed: bool) -> usize {
    // Each commit spills: what is committed can be flushed.
    let options = || Options { tail_bytes: 1, ..unflushed() };
    let (store, conn) = fresh(options());
    let name = "[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
    transact(&conn, name).unwrap();
    let all: String =
        (0..500).map(|i| format!("{{:db/id {} :a/n {}}}", 1_000 + i, i * 7)).collect();
    transact(&conn, &format!("[{all}]")).unwrap();
    assert!(block_on(conn.flush()).unwrap());
    let late = block_on(Conn::open(place(&store), None, options())).unwrap();
    (0..unseen).for_each(|i| drop(say(&conn, Say::new(&format!("x/{i}"))).unwrap()));
    assert!(!flushed || block_on(conn.flush()).unwrap());
    let before = packs(&store);
    transact(&late, "[{:db/ident :a/n :db/index true}]").unwrap();
    assert_eq!(late.db().basis_t().0, 3 + unseen);
    let a = late.db().schema().attr("a/n").map(|a| a.id);
    assert_eq!(late.db().datoms(Order::Avet, None, a, None).unwrap().len(), 500);
    packs(&store) - before
}

fn packs(store: &Arc<MemoryStore>) -> usize {
    store.names().iter().filter(|name| name.starts_with("pack/")).count()
}

#[test]
fn an_attribute_is_put_into_avet_once_however_often_its_writer_is_late() {
    let alone = packs_written(0, false);
    assert!(alone > 0);
    assert_eq!(packs_written(3, false), alone);
}

#[test]
fn what_a_writer_holds_in_layers_is_found_by_an_index_of_another() {
    let (store, conn) = fresh(Options { tail_bytes: 32 << 10, ..unflushed() });
    transact(
        &conn,
        "[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    )
    .unwrap();
    // Each large enough for a layer of its own.
    for layer in [1_000, 2_000] {
        let all: String =
            (0..30).map(|i| format!("{{:db/id {} :a/n {}}}", layer + i, layer + i)).collect();
        transact(&conn, &format!("[{all}]")).unwrap();
    }
    assert!(conn.db().snapshot().layers.len() > 2, "one layer above the novelty");
    let other = block_on(Conn::open(place(&store), None, unflushed())).unwrap();
    let index = "[{:db/ident :a/n :db/unique :db.unique/identity}]";
    transact(&other, index).unwrap();
    let db = block_on(conn.refresh()).unwrap();
    let a = db.schema().attr("a/n").map(|a| a.id);
    assert_eq!(db.datoms(Order::Avet, None, a, None).unwrap().len(), 60);
    let one = db.datoms(Order::Avet, None, a, Some(crate::value::Value::Long(1_003))).unwrap();
    assert_eq!(one.len(), 1);
    assert!(transact(&conn, "[{:db/id 5000 :a/n 1003}]").is_err());
}

#[test]
fn an_attribute_is_put_into_the_trees_of_a_flush_that_came_between() {
    assert!(packs_written(3, true) > packs_written(3, false));
}
