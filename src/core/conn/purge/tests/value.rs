//! A value without what is erased is what the database becomes when it is erased there, at every
//! moment, and goes on as that does.

use super::*;
use crate::conn::tests::time::Datom3;
use crate::datom::Order;
use crate::edn::read_one;
use crate::transact::{TxOptions, with};
use std::collections::BTreeSet;

fn seen(db: &Db, order: Order) -> BTreeSet<Datom3> {
    let datoms = db.datoms(order, None, None, None).unwrap();
    datoms.into_iter().map(|d| ((d.e, d.a, d.v), d.tx, d.added)).collect()
}

fn counts(db: &Db) -> Vec<(AttrId, u64)> {
    let counts = db.snapshot().counts.iter().map(|(a, count)| (*a, *count));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn same(value: &Db, stored: &Db, what: &str) {
    assert_eq!(value.basis_t(), stored.basis_t(), "{what}");
    assert_eq!(counts(value), counts(stored), "{what}");
    let moments = (0..=value.basis_t().0).map(T);
    let pairs = moments.map(|t| (value.as_of(t), stored.as_of(t)));
    for (value, stored) in pairs.chain([(value.clone(), stored.clone())]) {
        for order in Order::ALL {
            assert_eq!(seen(&value, order), seen(&stored, order), "{what}, {order:?}");
            let (value, stored) = (value.history(), stored.history());
            assert_eq!(seen(&value, order), seen(&stored, order), "{what}, {order:?}, history");
        }
    }
}

fn check_seed(seed: u64) {
    let mut dice = Dice(seed << 20 | 7);
    let (_, conn) = fresh(options(&mut dice));
    transact(&conn, SCHEMA).unwrap();
    let steps = 4 + dice.below(20);
    go_on(&conn, &mut dice, steps);
    let place = conn.place().clone();
    let mut value = conn.db();
    for round in 0..3 {
        let erase = random_erase(&mut dice, &lines(&place)[..1]);
        let what = format!("seed {seed}, round {round}, {erase:?}");
        value = value.without(&erase).unwrap();
        // The value still reads what held it.
        let purge = Purge { erase, grace_ms: 1 << 40 };
        block_on(place.purge(&purge, &mut |_, _| ())).unwrap();
        same(&value, &block_on(conn.refresh()).unwrap(), &what);
        for _ in 0..dice.below(6) {
            let text = random_tx(&mut dice);
            let done = transact(&conn, &text);
            let now_ms = done.as_ref().map_or(1, |report| report.instant_ms);
            let options = TxOptions { now_ms, ..TxOptions::default() };
            let supposed = with(&value, &read_one(&text).unwrap(), &options);
            assert_eq!(supposed.is_ok(), done.is_ok(), "{what}, {text}");
            let Ok(supposed) = supposed else { continue };
            value = supposed.db_after;
            same(&value, &conn.db(), &format!("{what}, {text}"));
        }
    }
}

#[test]
fn a_value_without_it_is_what_the_database_becomes() {
    (0..cases(15)).for_each(check_seed);
}
