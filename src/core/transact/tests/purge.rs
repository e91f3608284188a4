//! Forms that erase, on values.

use super::*;
use crate::datom::Order;

const PURGED: &str = "{:name {:db/unique :db.unique/identity} :n {} :part {:db/valueType \
    :db.type/ref :db/isComponent true} :n+name {:db/tupleAttrs [:n :name]}}";

/// What is left of the history, `e :a v`, in order.
fn left(db: &Db, text: &str) -> Vec<String> {
    let report = must(db, text);
    assert_eq!(changes(&report), Vec::<String>::new());
    let history = report.db_after.history();
    let datoms = history.datoms(Order::Eavt, None, None, None).unwrap();
    let datoms = datoms.iter().filter(|d| d.e.as_tx().is_none() && d.a.0 >= crate::id::ATTR_USER);
    let sign = |d: &Datom| if d.added { '+' } else { '-' };
    datoms.filter_map(|d| Some(format!("{}{}", sign(d), line(db, d)?))).collect()
}

#[test]
fn purge_forms_erase_from_what_is_and_what_was() {
    let db = after(
        &loose(PURGED),
        &["[{:db/id 1 :name \"A\" :n 1 :part 2} {:db/id 2 :n 7}]", "[[:db/add 1 :n 2]]"],
    );
    let b = ["+2 :n 7", "+2 :n+name [7 nil]"];
    let of_a = ["+1 :n 2", "+1 :n+name [2 \"A\"]", "+1 :name \"A\"", "+1 :part 2"];
    assert_eq!(left(&db, "[[:db/purge [:name \"A\"] :n 1]]"), [&of_a[..], &b].concat());
    assert_eq!(left(&db, "[[:db/purge 1 :n 3]]").len(), 10);
    assert_eq!(left(&db, "[[:db.purge/attribute 1 :n]]"), [&of_a[2..], &b].concat());
    assert_eq!(left(&db, "[[:db.purge/entity 1]]"), Vec::<String>::new());
    assert_eq!(left(&db, "[[:db.purge/entity 2]]").len(), 7);
    assert_eq!(left(&db, "[[:db/purge 1 :n 1] [:db.purge/attribute 2 :n]]"), of_a);
    let ended = "[[:db.history.purge/before #inst \"2100\"]]";
    assert_eq!(left(&db, ended), [&of_a[..], &b].concat());
    assert_eq!(left(&db, "[[:db.history.purge/before #inst \"1999\"]]").len(), 10);
    // A name that is nobody's now means who had it.
    let gone = after(&db, &["[[:db/retractEntity 1]]"]);
    assert_eq!(left(&gone, "[[:db.purge/entity [:name \"A\"]]]"), Vec::<String>::new());
    let again = after(&gone, &["[{:db/id 3 :name \"A\"}]"]);
    assert_eq!(left(&again, "[[:db.purge/entity [:name \"A\"]]]").len(), 16);
    let twice = after(&again, &["[[:db/retractEntity 3]]"]);
    refused(&twice, "[[:db.purge/entity [:name \"A\"]]]", TxErrorKind::Conflict, "been [:name");
}

#[test]
fn purge_forms_stand_alone() {
    let db = after(&loose(PURGED), &["[{:db/id 1 :name \"A\" :n 1}]"]);
    let mixed = [
        "[[:db.purge/entity 1] {:n 1}]",
        "[{:n 1} [:db.purge/entity 1]]",
        "[[:db/add 1 :n 3] [:db/purge 1 :n 1]]",
    ];
    for text in mixed {
        refused(&db, text, TxErrorKind::Unsupported, "erases for good: it stands in a transaction");
    }
    let form = read_one("[[:db/purge 1 :n 1]]").unwrap();
    let error = prepare(&db, &form, &TxOptions::default()).unwrap_err();
    assert_eq!(error.kind(), TxErrorKind::Unsupported);
    refused(&db, "[[:db.purge/entity [:name \"B\"]]]", TxErrorKind::NoSuchEntity, "[:name \"B\"]");
    refused(&db, "[[:db.purge/entity \"x\"]]", TxErrorKind::Syntax, "a tempid stands for");
    refused(&db, "[[:db.purge/attribute 1 :nn]]", TxErrorKind::UnknownAttribute, ":nn");
    refused(&db, "[[:db/purge 1 :n]]", TxErrorKind::Syntax, "and a value");
    refused(&db, "[[:db/purge 1 :n+name [1 \"A\"]]]", TxErrorKind::Constraint, "kept by the");
    refused(&db, "[[:db.history.purge/before 3]]", TxErrorKind::Syntax, "#inst");
    let own = "[[:db.purge/attribute 1 :db/txInstant]]";
    refused(&db, own, TxErrorKind::Constraint, ":db/txInstant cannot be erased");
    let strict = strict("[{:db/ident :x :db/valueType :db.type/long}]");
    refused(&strict, "[[:db.purge/entity :x]]", TxErrorKind::Constraint, "defines :x");
    let (id, options) =
        (Some("x".to_owned()), TxOptions { now_ms: NOW_MS, ..TxOptions::default() });
    let options = TxOptions { tx_id: id, ..options };
    let once = with(&db, &form, &options).unwrap();
    assert!(!once.already && with(&once.db_after, &form, &options).unwrap().already);
    let said = must(&db, "{:tx-data [[:db/purge 1 :n 1]] :tx-meta {:db/doc \"why\"}}");
    assert_eq!(said.datoms.len(), 2);
}
