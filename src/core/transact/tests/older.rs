//! Composite tuples of facts that are older than they are.

use super::*;

/// Entities of before: one with both parts, one with one, one that had one, one without.
fn old() -> Db {
    let db = strict(
        "[{:db/ident :a :db/valueType :db.type/long} {:db/ident :b :db/valueType :db.type/string}
          {:db/ident :c :db/valueType :db.type/long}]",
    );
    let said = "[{:db/id 10 :a 1 :b \"x\"} {:db/id 11 :a 2} {:db/id 12 :a 3} {:db/id 13 :c 1}]";
    after(&db, &[said, "[[:db/retract 12 :a]]"])
}

const TUPLE: &str = "{:db/ident :a+b :db/valueType :db.type/tuple :db/tupleAttrs [:a :b]
    :db/unique :db.unique/identity}";

#[test]
fn what_is_older_gets_the_tuple_when_it_is_defined() {
    let own = ["+10 :a+b [1 \"x\"]", "+11 :a+b [2 nil]"];
    let db = check(&old(), &format!("[{TUPLE}]"), &own);
    check(
        &db,
        "[[:db/add [:a+b [1 \"x\"]] :b \"y\"]]",
        &["-10 :b \"x\"", "+10 :b \"y\"", "-10 :a+b [1 \"x\"]", "+10 :a+b [1 \"y\"]"],
    );
    // It says who is meant.
    check(&db, "[{:a 2 :c 8}]", &["+11 :c 8"]);
}

#[test]
fn what_the_transaction_says_is_in_the_tuple() {
    let text = format!("[{TUPLE} [:db/add 11 :b \"y\"] [:db/retract 10 :a] {{:db/id 14 :a 9}}]");
    let db = must(&old(), &text).db_after;
    let tuples: Vec<String> = facts(&db).into_iter().filter(|f| f.contains(":a+b")).collect();
    let expected =
        ["10 :a+b [nil \"x\"]", "11 :a+b [2 \"y\"]", "14 :a+b [9 nil]"].map(str::to_owned);
    assert_eq!(tuples, expected);
}

#[test]
fn a_tuple_may_be_defined_by_single_facts() {
    let text = "[[:db/add \"t\" :db/ident :a+b] [:db/add \"t\" :db/valueType :db.type/tuple]
        [:db/add \"t\" :db/tupleAttrs [:a :b]] [:db/add 13 :a 7]]";
    let own = ["+13 :a 7", "+10 :a+b [1 \"x\"]", "+11 :a+b [2 nil]", "+13 :a+b [7 nil]"];
    check(&old(), text, &own);
}

#[test]
fn two_that_would_have_one_unique_tuple_are_named() {
    let db = after(&old(), &["[{:db/id 15 :a 2}]"]);
    let text = format!("[{{:c 5}}\n {TUPLE}]");
    let error = tx(&db, &text).unwrap_err();
    assert_eq!(error.kind(), TxErrorKind::Conflict);
    let expected = ":a+b is to be unique, and entities 11 and 15 are both [2 nil]";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(error.span.map(|span| span.line), Some(3));
    let db = after(&old(), &[]);
    let text = format!("[{TUPLE} {{:db/id 15 :a 2}}]");
    refused(&db, &text, TxErrorKind::Conflict, "11 and 15");
    // One that is not unique may be several entities'.
    let plain = text.replace(":db/unique :db.unique/identity", "");
    must(&db, &plain);
}

#[test]
fn a_tuple_that_is_used_keeps_its_parts() {
    let plain = "{:db/ident :t :db/valueType :db.type/tuple :db/tupleAttrs [:a :b]}";
    let db = after(&old(), &[&format!("[{plain}]")]);
    let message = "what it is made of cannot change";
    let text = "[[:db/add :t :db/tupleAttrs [:b :c]]]";
    refused(&db, text, TxErrorKind::Schema, message);
    // Also when nothing has it any more: its past tells of these parts.
    let emptied = after(&db, &["[[:db/retract 10 :a] [:db/retract 10 :b] [:db/retract 11 :a]]"]);
    refused(&emptied, text, TxErrorKind::Schema, message);
    must(&db, &format!("[{plain}]"));
    // One that nothing ever had may.
    let unused = "[{:db/ident :d :db/valueType :db.type/long}
        {:db/ident :u :db/valueType :db.type/tuple :db/tupleAttrs [:d]}]";
    let own = ["+10 :u [\"x\" nil]", "+13 :u [nil 1]"];
    check(&after(&old(), &[unused]), "[[:db/add :u :db/tupleAttrs [:b :c]]]", &own);
}
