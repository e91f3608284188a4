//! Any text is a transaction with a report, or an error.
//!
//! **Invariant:** the database after holds what the report says it does, and no more: its facts are
//! those before, with the datoms of the report; and the same forms said again change nothing that
//! they said, but for new entities.

#![no_main]

mod common;

use factfs_core::datom::{Datom, Order};
use factfs_core::db::Db;
use factfs_core::transact::with;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

type Fact = (u64, u64, String);

fn fact(d: &Datom) -> Fact {
    (d.e.0, d.a.0, format!("{:?}", d.v))
}

fn facts(db: &Db, order: Order) -> BTreeSet<Fact> {
    db.datoms(order, None, None, None).expect("facts in memory").iter().map(fact).collect()
}

fuzz_target!(|text: &str| {
    let Some(form) = common::form(text) else { return };
    let before = common::database();
    let Ok(report) = with(before, &form, &common::options()) else { return };
    let mut expected = facts(before, Order::Eavt);
    for datom in &report.datoms {
        let fact = fact(datom);
        if datom.added { expected.insert(fact) } else { expected.remove(&fact) };
    }
    assert_eq!(facts(&report.db_after, Order::Eavt), expected, "{text}");
    assert_eq!(facts(&report.db_after, Order::Aevt), expected, "{text}");
});
