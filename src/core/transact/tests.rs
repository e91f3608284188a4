//! What transactions mean, as statements.

mod older;
mod purge;

use super::*;
use crate::datom::Datom;
use crate::db::{NoNodes, Snapshot, TxReport};
use crate::edn::{read_one, to_string};
use crate::id::EntityId;
use crate::schema::{Flexibility, Schema};
use crate::value::{Uuid, Value};
use std::sync::Arc;

fn empty(schema: Schema) -> Db {
    Db::new(Snapshot::empty(Uuid::nil(), Arc::new(NoNodes), schema))
}

/// A database with a DataScript schema.
fn loose(schema: &str) -> Db {
    empty(Schema::from_map(&read_one(schema).unwrap().to_value()).unwrap())
}

/// A database whose schema was transacted.
fn strict(schema: &str) -> Db {
    must(&empty(Schema::default()), schema).db_after
}

/// In the year 2000.
const NOW_MS: i64 = 946_684_800_000;

fn tx(db: &Db, text: &str) -> Result<TxReport, TxError> {
    with(db, &read_one(text).unwrap(), &TxOptions { now_ms: NOW_MS, ..TxOptions::default() })
}

#[track_caller]
fn must(db: &Db, text: &str) -> TxReport {
    tx(db, text).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn after(db: &Db, all: &[&str]) -> Db {
    all.iter().fold(db.clone(), |db, text| must(&db, text).db_after)
}

/// Facts of users as text, `e :a v`, but for those that describe attributes.
fn facts(db: &Db) -> Vec<String> {
    let datoms = db.datoms(crate::datom::Order::Eavt, None, None, None).unwrap();
    datoms.iter().filter(|d| d.e.as_tx().is_none()).filter_map(|d| line(db, d)).collect()
}

fn line(db: &Db, d: &Datom) -> Option<String> {
    let a = db.schema().get(d.a)?;
    a.ident
        .namespace()
        .is_none_or(|ns| ns != "db")
        .then(|| format!("{} {} {}", d.e, a.ident, to_string(&d.v)))
}

/// What a transaction changed, `+e :a v` or `-e :a v`.
fn changes(report: &TxReport) -> Vec<String> {
    let user = report.datoms.iter().filter(|d| d.e.as_tx().is_none());
    let sign = |d: &Datom| if d.added { '+' } else { '-' };
    user.filter_map(|d| Some(format!("{}{}", sign(d), line(&report.db_after, d)?))).collect()
}

#[track_caller]
fn check(db: &Db, text: &str, expected: &[&str]) -> Db {
    let report = must(db, text);
    assert_eq!(changes(&report), expected, "{text}");
    report.db_after
}

#[track_caller]
fn refused(db: &Db, text: &str, kind: TxErrorKind, message: &str) {
    let error = tx(db, text).expect_err(text);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

const PEOPLE: &str = "{:name {:db/unique :db.unique/identity} :email {:db/unique :db.unique/value}
    :aka {:db/cardinality :db.cardinality/many}
    :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    :boss {:db/valueType :db.type/ref}
    :part {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}}";

#[test]
fn lists_and_maps_add_facts() {
    let db = check(
        &loose("{}"),
        "[[:db/add 1 :n 1] {:db/id 2 :n 2 :m \"x\"}]",
        &["+1 :n 1", "+2 :n 2", "+2 :m \"x\""],
    );
    check(&db, "[[:db/add 1 :n 1] {:db/id 2 :m \"x\"}]", &[]);
    check(&db, "[[:db/add 1 :n 3]]", &["-1 :n 1", "+1 :n 3"]);
    check(
        &db,
        "[[:db/retract 1 :n 3] [:db/retract 2 :n 2] [:db/retract 2 :m]]",
        &["-2 :n 2", "-2 :m \"x\""],
    );
}

#[test]
fn several_values_are_a_vector_or_a_set() {
    let db = check(
        &loose(PEOPLE),
        "[{:name \"A\" :aka [\"x\" \"y\" \"x\"]} {:name \"B\" :aka #{\"z\"}}]",
        &["+1 :name \"A\"", "+1 :aka \"x\"", "+1 :aka \"y\"", "+2 :name \"B\"", "+2 :aka \"z\""],
    );
    check(&db, "[[:db/retract 1 :aka]]", &["-1 :aka \"x\"", "-1 :aka \"y\""]);
    check(
        &db,
        "[[:db/retract 1 :aka \"x\"] [:db.fn/retractAttribute 2 :aka]]",
        &["-1 :aka \"x\"", "-2 :aka \"z\""],
    );
}

#[test]
fn tempids_unify_inside_a_transaction() {
    let report = must(
        &loose(PEOPLE),
        "[{:db/id -1 :name \"A\" :friend [\"b\" -1]} [:db/add \"b\" :name \"B\"]]",
    );
    let all = ["1 :friend 1", "1 :friend 2", "1 :name \"A\"", "2 :name \"B\""];
    let mut found = facts(&report.db_after);
    found.sort();
    assert_eq!(found, all);
    assert_eq!(
        report.tempids,
        [(Value::Long(-1), EntityId(1)), (Value::str("b"), EntityId(2))].into()
    );
    refused(&loose(PEOPLE), "[{:name \"A\" :boss -7}]", TxErrorKind::Syntax, "only as a value");
}

#[test]
fn an_identity_means_the_entity_that_has_it() {
    let db = after(&loose(PEOPLE), &["[{:name \"A\"} {:name \"B\"}]"]);
    check(&db, "[{:name \"A\" :age 3}]", &["+1 :age 3"]);
    check(&db, "[[:db/add -1 :age 3] [:db/add -1 :name \"A\"]]", &["+1 :age 3"]);
    check(
        &db,
        "[{:db/id -1 :age 3} {:db/id -1 :name \"B\"} {:name \"C\" :boss -1}]",
        &["+2 :age 3", "+4 :name \"C\"", "+4 :boss 2"],
    );
    check(
        &db,
        "[{:name \"C\" :age 1} {:name \"C\" :age 2}]",
        &["+3 :name \"C\"", "+3 :age 1", "-3 :age 1", "+3 :age 2"],
    );
    check(
        &db,
        "[[:db/add -1 :n 1] [:db/add -2 :m 2] [:db/add -1 :name \"D\"] [:db/add -2 :name \"D\"]]",
        &["+3 :n 1", "+3 :m 2", "+3 :name \"D\""],
    );
    refused(&db, "[{:db/id 2 :name \"A\"}]", TxErrorKind::Conflict, "conflicting upserts");
    refused(
        &db,
        "[[:db/add -1 :name \"A\"] [:db/add -1 :name \"B\"]]",
        TxErrorKind::Conflict,
        "entity 2",
    );
}

#[test]
fn a_unique_value_belongs_to_one_entity() {
    let db = after(&loose(PEOPLE), &["[{:email \"a@b\"}]"]);
    refused(&db, "[{:email \"a@b\"}]", TxErrorKind::Conflict, "entity 1 has it");
    refused(&db, "[{:email \"x\"} {:email \"x\"}]", TxErrorKind::Conflict, "cannot set :email");
    check(
        &db,
        "[[:db/retract 1 :email \"a@b\"] {:email \"a@b\"}]",
        &["-1 :email \"a@b\"", "+2 :email \"a@b\""],
    );
}

#[test]
fn entities_have_many_names() {
    let db = after(&loose(PEOPLE), &["[{:name \"A\"} {:db/ident :b :name \"B\"}]"]);
    check(
        &db,
        "[[:db/add [:name \"A\"] :boss :b] [:db/add :b :friend [:name \"A\"]]]",
        &["+1 :boss 2", "+2 :friend 1"],
    );
    check(
        &db,
        "[{:db/id :b :friend [[:name \"A\"] :b]} {:name \"C\" :friend [:name \"A\"]}]",
        &["+2 :friend 1", "+2 :friend 2", "+3 :name \"C\"", "+3 :friend 1"],
    );
    check(
        &db,
        "[{:db/id #db/id[:db.part/user -3] :name \"X\"}
          {:name \"Y\" :boss #db/id[:db.part/user -3]}]",
        &["+3 :name \"X\"", "+4 :name \"Y\"", "+4 :boss 3"],
    );
    refused(&db, "[[:db/add [:name \"Z\"] :n 1]]", TxErrorKind::NoSuchEntity, "[:name \"Z\"]");
    refused(&db, "[[:db/add [:aka \"Z\"] :n 1]]", TxErrorKind::Schema, "marked as :db/unique");
    check(&db, "[[:db/retract [:name \"Z\"] :n 1] [:db/retractEntity :nobody]]", &[]);
}

#[test]
fn maps_nest_and_point_back() {
    let db = check(
        &loose(PEOPLE),
        "[{:name \"A\" :part [{:n 1} {:n 2 :part {:n 3}}] :_boss {:name \"B\"}}]",
        &[
            "+1 :name \"A\"",
            "+2 :n 1",
            "+1 :part 2",
            "+3 :n 2",
            "+4 :n 3",
            "+3 :part 4",
            "+1 :part 3",
            "+5 :name \"B\"",
            "+5 :boss 1",
        ],
    );
    check(
        &db,
        "[[:db/retractEntity 1]]",
        &[
            "-1 :name \"A\"",
            "-1 :part 2",
            "-1 :part 3",
            "-5 :boss 1",
            "-2 :n 1",
            "-3 :part 4",
            "-3 :n 2",
            "-4 :n 3",
        ],
    );
    refused(&db, "[{:_name 1}]", TxErrorKind::Syntax, "db.type/ref");
}

#[test]
fn cas_swaps_what_it_expects() {
    let db = after(&loose(PEOPLE), &["[{:name \"A\" :n 1 :aka [\"x\"]}]"]);
    check(
        &db,
        "[[:db/cas 1 :n 1 2] [:db.fn/cas 1 :m nil 1] [:db/cas 1 :aka \"x\" \"y\"]]",
        &["-1 :n 1", "+1 :n 2", "+1 :m 1", "+1 :aka \"y\""],
    );
    check(&db, "[[:db/cas 1 :boss nil 2] {:name \"B\"}]", &["+1 :boss 2", "+3 :name \"B\""]);
    refused(&db, "[[:db/cas 1 :n 5 2]]", TxErrorKind::Cas, "is 1, not 5");
    refused(&db, "[[:db/cas 1 :m 5 2]]", TxErrorKind::Cas, "is nil, not 5");
    refused(&db, "[[:db/cas -1 :m 5 2]]", TxErrorKind::Syntax, "tempid");
}

#[test]
fn the_transaction_is_an_entity() {
    let report =
        must(&loose("{}"), "[[:db/add \"datomic.tx\" :why \"so\"] {:db/id :db/current-tx :n 1}]");
    let own: Vec<_> = report
        .datoms
        .iter()
        .filter_map(|d| {
            assert_eq!(d.e, report.tx.entity());
            Some(report.db_after.schema().get(d.a)?.ident.to_string())
        })
        .collect();
    assert_eq!(own, [":db/txInstant", ":why", ":n"]);
    let text = to_string(&report.to_value());
    assert!(
        text.contains(":t 1") && text.contains("[536870913 :why \"so\" 536870913 true]"),
        "{text}"
    );
}

#[test]
fn instants_only_grow() {
    let db = loose("{}");
    let at = |db: &Db, text: &str| must(db, text);
    let first = at(&db, "[[:db/add \"datomic.tx\" :db/txInstant #inst \"1999\"]]");
    assert_eq!(first.instant_ms, 915_148_800_000);
    let second = at(&first.db_after, "[{:n 1}]");
    assert_eq!(second.instant_ms, NOW_MS);
    let third = at(&second.db_after, "[{:n 2}]");
    assert_eq!(third.instant_ms, NOW_MS + 1);
    refused(
        &second.db_after,
        "[[:db/add \"datomic.tx\" :db/txInstant #inst \"1999\"]]",
        TxErrorKind::Conflict,
        "later",
    );
    refused(
        &second.db_after,
        "[[:db/add \"datomic.tx\" :db/txInstant #inst \"2001\"]]",
        TxErrorKind::Constraint,
        "later than the clock",
    );
    refused(
        &second.db_after,
        "[[:db/add 1 :db/txInstant #inst \"1999\"]]",
        TxErrorKind::Constraint,
        "itself",
    );
}

#[test]
fn a_clients_id_is_done_once() {
    let options = TxOptions { now_ms: 5, tx_id: Some("job-1".into()), ..TxOptions::default() };
    let form = read_one("[{:n 1}]").unwrap();
    let first = with(&loose("{}"), &form, &options).unwrap();
    let again = with(&first.db_after, &form, &options).unwrap();
    assert!(again.already && again.datoms.is_empty());
    assert_eq!((again.tx, again.instant_ms), (first.tx, first.instant_ms));
}

const TYPED: &str = "[
    {:db/ident :s :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/maxLength 3}
    {:db/ident :l :db/valueType :db.type/long :db/cardinality :db.cardinality/one
     :db.attr/preds [pos?]}
    {:db/ident :d :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
    {:db/ident :m :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
    {:db/ident :k :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
    {:db/ident :r :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
    {:db/ident :t :db/valueType :db.type/tuple :db/tupleTypes [:db.type/long :db.type/string]
     :db/cardinality :db.cardinality/one}
    {:db/ident :h :db/valueType :db.type/tuple :db/tupleType :db.type/long
     :db/cardinality :db.cardinality/one}
    {:db/ident :guard :db.entity/attrs [:s :l]}]";

#[test]
fn values_fit_their_attributes() {
    let db = strict(TYPED);
    check(
        &db,
        "[{:s \"abc\" :l 1 :d 2.0 :m 3M :k [:x] :t [1 \"x\"] :h [1 nil 3]}]",
        &[
            "+10 :s \"abc\"",
            "+10 :l 1",
            "+10 :d 2.0",
            "+10 :m 3M",
            "+10 :k :x",
            "+10 :t [1 \"x\"]",
            "+10 :h [1 nil 3]",
        ],
    );
    refused(&db, "[{:s 1}]", TxErrorKind::WrongType, "takes a string, not the long 1");
    refused(&db, "[{:l 1.5}]", TxErrorKind::WrongType, "takes a long");
    refused(&db, "[{:d 2}]", TxErrorKind::WrongType, "takes a double, not the long 2");
    refused(&db, "[{:m 3}]", TxErrorKind::WrongType, "takes a bigdec, not the long 3");
    refused(&db, "[{:s nil}]", TxErrorKind::WrongType, "nil");
    refused(&db, "[{:s \"abcd\"}]", TxErrorKind::Constraint, "at most 3 characters, not 4");
    refused(&db, "[{:l -1}]", TxErrorKind::Constraint, "does not satisfy pos?");
    refused(&db, "[{:t [\"x\" 1]}]", TxErrorKind::WrongType, "a tuple [long string]");
    refused(&db, "[{:t [1]}]", TxErrorKind::WrongType, "a tuple");
    refused(&db, "[{:r 1.0}]", TxErrorKind::WrongType, "takes a ref");
    refused(&db, "[{:sx 1}]", TxErrorKind::UnknownAttribute, "did you mean :s?");
}

#[test]
fn a_specification_is_ensured_at_the_end() {
    let db = strict(TYPED);
    check(&db, "[{:db/ensure :guard :s \"a\" :l 1}]", &["+10 :s \"a\"", "+10 :l 1"]);
    refused(&db, "[{:db/ensure :guard :s \"a\"}]", TxErrorKind::Constraint, ":l is missing");
}

#[test]
fn composite_tuples_follow_their_parts() {
    let db = loose("{:a {} :b {} :a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/identity}}");
    let db = check(
        &db,
        "[{:a 1} {:a 2 :b 3}]",
        &["+1 :a 1", "+1 :a+b [1 nil]", "+2 :a 2", "+2 :b 3", "+2 :a+b [2 3]"],
    );
    check(
        &db,
        "[[:db/add 1 :b 5] [:db/retract 2 :a 2] [:db/retract 2 :b]]",
        &["+1 :b 5", "-2 :a 2", "-2 :b 3", "-1 :a+b [1 nil]", "+1 :a+b [1 5]", "-2 :a+b [2 3]"],
    );
    check(&db, "[{:a+b [2 3] :c 1} [:db/add [:a+b [1 nil]] :c 2]]", &["+2 :c 1", "+1 :c 2"]);
    refused(&db, "[[:db/add 1 :a+b [7 8]]]", TxErrorKind::Constraint, "not written");
    check(&db, "[{:a 2 :b 3 :c 4}]", &["+2 :c 4"]);
    refused(&db, "[[:db/add 1 :a 2] [:db/add 1 :b 3]]", TxErrorKind::Conflict, "unique");
}

#[test]
fn schemas_are_transacted() {
    let db = empty(Schema::default());
    let one = "[{:db/ident :x :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";
    let db = must(&db, one).db_after;
    let x = db.schema().attr("x").unwrap();
    assert_eq!((x.id.0, x.entity, x.many), (1 << 31 | 256, Some(EntityId(1)), false));
    let db = after(
        &db,
        &["[{:x \"a\"} {:x \"b\"}]", "[{:db/ident :x :db/cardinality :db.cardinality/many}]"],
    );
    let db = check(&db, "[{:db/id 2 :x [\"b\" \"c\"]}]", &["+2 :x \"b\"", "+2 :x \"c\""]);
    let narrower = "[{:db/ident :x :db/cardinality :db.cardinality/one}]";
    refused(&db, narrower, TxErrorKind::Schema, "several values");
    refused(
        &db,
        "[[:db/add :x :db/unique :db.unique/value]]",
        TxErrorKind::Schema,
        "share a value",
    );
    refused(
        &db,
        "[[:db/add :x :db/valueType :db.type/long]]",
        TxErrorKind::Schema,
        "type cannot change",
    );
    refused(&db, "[[:db/retractEntity :x]]", TxErrorKind::Schema, "cannot lose");
    refused(
        &db,
        "[{:db/ident :db/doc :db/cardinality :db.cardinality/many}]",
        TxErrorKind::Schema,
        "built in",
    );
    refused(
        &db,
        "[{:db/ident :y :db/cardinality :db.cardinality/one}]",
        TxErrorKind::Schema,
        ":db/valueType",
    );
    refused(
        &db,
        "[{:db/ident :y :db/valueType :db.type/strin}]",
        TxErrorKind::Schema,
        ":db.type/string",
    );
}

#[test]
fn renaming_keeps_the_number_and_the_old_name() {
    let db = strict("[{:db/ident :x :db/valueType :db.type/long}]");
    let id = db.schema().attr("x").unwrap().id;
    let db = after(&db, &["[{:x 1}]", "[[:db/add :x :db/ident :y]]"]);
    assert_eq!(db.schema().attr("y").unwrap().id, id);
    assert_eq!(db.schema().attr("x").unwrap().id, id);
    assert_eq!(facts(&db), ["2 :y 1"]);
    assert_eq!(db.schema().former().collect::<Vec<_>>(), [(&crate::value::Keyword::new("x"), id)]);
}

#[test]
fn an_index_is_filled_when_it_is_made_and_that_is_allowed() {
    let db = strict("[{:db/ident :x :db/valueType :db.type/long}]");
    let db = after(&db, &["[{:x 1} {:x 2}]"]);
    let index = "[{:db/ident :x :db/index true :db/unique :db.unique/identity}]";
    refused(&db, index, TxErrorKind::Schema, ":allow-index-backfill? true");
    let allowed = read_one(&format!("{{:tx-data {index} :allow-index-backfill? true}}")).unwrap();
    let prepared = prepare(&db, &allowed, &TxOptions::default()).unwrap();
    let x = db.schema().attr("x").unwrap().id;
    assert_eq!(prepared.backfill, [x]);
    let db = report::report(prepared, &db).db_after;
    check(&db, "[{:x 2 :db/doc \"two\"} [:db/add [:x 1] :x 3]]", &["-2 :x 1", "+2 :x 3"]);
}

#[test]
fn an_attribute_can_be_used_where_it_is_defined() {
    let db = empty(Schema::default());
    let text = "[{:x 1 :y :red} {:db/ident :x :db/valueType :db.type/long} {:db/ident :red}
        {:db/ident :y :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";
    refused(&db, text, TxErrorKind::NoSuchEntity, ":red");
    let text = "[{:db/ident :red} {:x 1 :y :red} {:db/ident :x :db/valueType :db.type/long}
        {:db/ident :y :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";
    let db = check(&db, text, &["+2 :x 1", "+2 :y 1"]);
    assert_eq!(db.schema().attr("y").unwrap().entity, Some(EntityId(4)));
    refused(&db, "[{:x \"one\"}]", TxErrorKind::WrongType, "long");
}

#[test]
fn attributes_used_without_a_schema_can_be_described_later() {
    let db = after(&loose("{}"), &["[{:db/id 7 :x 1}]"]);
    let id = db.schema().attr("x").unwrap().id;
    assert_eq!(db.snapshot().next_entity, EntityId(8));
    let db =
        after(&db, &["[{:db/ident :x :db/cardinality :db.cardinality/many :db/doc \"an x\"}]"]);
    let x = db.schema().attr("x").unwrap();
    assert_eq!((x.id, x.many, x.doc.as_deref()), (id, true, Some("an x")));
    assert_eq!(db.schema().flexibility, Flexibility::Read);
}

#[test]
fn facts_said_and_taken_back_are_told_once() {
    let db = after(&loose("{}"), &["[[:db/add 1 :n 1]]"]);
    check(&db, "[[:db/add 1 :m 1] [:db/retract 1 :m 1]]", &["+1 :m 1", "-1 :m 1"]);
    check(&db, "[[:db/add 1 :m 1] [:db/retract 1 :m 1] [:db/add 1 :m 1]]", &["+1 :m 1"]);
    check(&db, "[[:db/retract 1 :n 1] [:db/add 1 :n 1]]", &["-1 :n 1", "+1 :n 1"]);
    check(&db, "[[:db/retract 1 :n 1] [:db/add 1 :n 1] [:db/retract 1 :n 1]]", &["-1 :n 1"]);
}

#[test]
fn datoms_are_imported_as_they_are() {
    check(
        &loose("{}"),
        "[[4 :n 1 536870913 true] [4 :n 1 536870914 false] [5 :n 2 536870913]]",
        &["+4 :n 1", "-4 :n 1", "+5 :n 2"],
    );
}

#[test]
fn what_is_no_transaction_is_said_with_its_place() {
    let db = loose(PEOPLE);
    let cases = [
        ("5", "a transaction is a vector"),
        ("[5]", "a map or a vector"),
        ("[[]]", "says nothing"),
        ("[[:db/add 1 :n]]", ":db/add takes"),
        ("[[:db/add 1 \"n\" 1]]", "an attribute is a keyword"),
        ("[[:db/add 1.5 :n 1]]", "an entity is"),
        ("[[:db/add [:name] :n 1]]", "a lookup ref is"),
        ("[{\"n\" 1}]", "written as keywords"),
        ("[[:db/add 0 :n 1]]", "no entity id"),
        ("[[:db/add 2147483649 :n 1]]", "no entity id"),
        ("[[:db/add 536870914 :n 1]]", "no entity id"),
        ("[[:db/add 285873023227265 :n 1]]", "no entity id"),
    ];
    for (text, message) in cases {
        refused(&db, text, TxErrorKind::Syntax, message);
    }
    for text in ["[[:db.fn/call f 1]]", "[[:my/fn 1]]", "[[f 1]]"] {
        refused(&db, text, TxErrorKind::Unsupported, "not supported");
    }
    let error = tx(&db, "[{:n 1}\n  [:db/add 1 :n]]").unwrap_err();
    assert_eq!(error.span.map(|s| (s.line, s.column)), Some((2, 3)));
}

#[test]
fn a_view_of_the_past_takes_no_transaction() {
    let db = after(&loose("{}"), &["[{:n 1}]"]);
    refused(&db.as_of(crate::id::T(1)), "[{:n 2}]", TxErrorKind::Unsupported, "view of the past");
}

#[test]
fn errors_name_the_form_and_what_was_meant() {
    let db = after(&loose(PEOPLE), &["[{:name \"A\" :n 1}]"]);
    let cases = [
        ("[{:name \"B\"}\n [:db/cas 1 :n 5 2]]", (2, 2), "in [:db/cas 1 :n 5 2]"),
        ("[[:db/add 1 :n 2]\n [:db/ad 1 :n 3]]", (2, 2), "did you mean :db/add?"),
        ("[{:n 2}\n {:email \"x\"}\n {:email \"x\"}]", (3, 3), "in :email"),
        ("[{:db/id \"datomic.tx\"\n :db/txInstant #inst \"2001\"}]", (2, 2), "clock"),
    ];
    for (text, place, message) in cases {
        let error = tx(&db, text).expect_err(text);
        assert_eq!(error.span.map(|s| (s.line, s.column)), Some(place), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let db = strict("[{:db/ident :x :db/valueType :db.type/string}]");
    let error = tx(&db, "[{:x \"a\"}\n {:db/ident :x :db/cardinality :some}]").unwrap_err();
    assert_eq!(error.span.map(|s| (s.line, s.column)), Some((2, 32)), "{error}");
    let schema = |value: &str| format!("[{{:db/ident :y :db/valueType {value}}}]");
    let error = tx(&db, &schema(":db.type/strng")).unwrap_err();
    assert_eq!(error.span.map(|s| s.column), Some(30), "{error}");
    assert!(error.to_string().contains("(did you mean :db.type/string?)"), "{error}");
    assert_eq!(error.code().name(), "schema/value");
    let error = tx(&db, "[[:db/add :db/ifent :db/doc \"x\"]]").unwrap_err();
    assert!(error.to_string().contains("(did you mean :db/ident?)"), "{error}");
}

#[test]
fn predicates_are_built_in_functions() {
    let db = strict(
        "[{:db/ident :url :db/valueType :db.type/string :db.attr/preds [not-empty string?]}
          {:db/ident :odd :db/valueType :db.type/long :db.attr/preds [odds?]}
          {:db/ident :min :db/valueType :db.type/long} {:db/ident :max :db/valueType :db.type/long}
          {:db/ident :range :db.entity/attrs [:min] :db.entity/preds [(<= :min :max) (< 0 :max)]}
          {:db/ident :host :db.entity/preds [my.app/valid?]}]",
    );
    check(&db, "[{:url \"x\"}]", &["+7 :url \"x\""]);
    refused(&db, "[{:url \"\"}]", TxErrorKind::Constraint, "does not satisfy not-empty");
    refused(&db, "[{:odd 1}]", TxErrorKind::Unsupported, "unknown predicate odds? (did you mean");
    check(&db, "[{:min 1 :max 2 :db/ensure :range}]", &["+7 :min 1", "+7 :max 2"]);
    let wrong = "[{:min 3 :max 2 :db/ensure :range}]";
    refused(&db, wrong, TxErrorKind::Constraint, "does not satisfy (<= :min :max) of :range");
    refused(&db, "[{:min 3 :db/ensure :range}]", TxErrorKind::Constraint, "does not satisfy");
    refused(&db, "[{:min 3 :db/ensure :host}]", TxErrorKind::Unsupported, "my.app/valid?");
}

#[test]
fn arrays_are_values() {
    let db = strict(
        "[{:db/ident :f :db/valueType :db.type/float-array :db/maxLength 3}
          {:db/ident :d :db/valueType :db.type/double-array}
          {:db/ident :r :db/valueType :db.type/store-ref}
          {:db/ident :b :db/valueType :db.type/bytes :db/maxLength 1}]",
    );
    let id = "#uuid \"f2cb56c5-6f69-42f2-9411-68de5f71f570\"";
    let d = format!("+5 :r {id}");
    check(
        &db,
        &format!("[{{:f [1 2.5] :d [1.0 2] :r {id}}}]"),
        &["+5 :f [1.0 2.5]", "+5 :d [1.0 2.0]", &d],
    );
    refused(&db, "[{:f [1.0 2.0 3.0 4.0]}]", TxErrorKind::Constraint, "at most 3 numbers, not 4");
    check(
        &db,
        "[{:d [16777217 -9007199254740992]}]",
        &["+5 :d [1.6777217E7 -9.007199254740992E15]"],
    );
    refused(&db, "[{:d [9007199254740993]}]", TxErrorKind::WrongType, "takes a double-array");
    refused(&db, "[{:f [16777217]}]", TxErrorKind::WrongType, "takes a float-array");
    refused(&db, "[{:f [\"x\"]}]", TxErrorKind::WrongType, "takes a float-array");
    refused(&db, "[{:b #bytes \"ffff\"}]", TxErrorKind::Constraint, "at most 1 bytes, not 3");
}

#[test]
fn a_transaction_is_valid_from_before_its_end() {
    let db = strict("[{:db/ident :x :db/valueType :db.type/long}]");
    let valid = "[{:x 1} {:db/id \"datomic.tx\" :db.valid/from #inst \"2001\"}]";
    let report = must(&db, valid);
    let (db, tx) = (report.db_after, report.tx.entity().0);
    let until = |year: u32| format!("[{{:db/id {tx} :db.valid/to #inst \"{year}\"}}]");
    must(&db, &until(2002));
    refused(&db, &until(2001), TxErrorKind::Constraint, "would be valid from");
    refused(&db, "[{:db.valid/from \"x\"}]", TxErrorKind::WrongType, "takes a instant");
}

#[test]
fn a_chain_of_parts_is_retracted_in_one_go() {
    let text: String = (1..400).map(|i| format!("[:db/add {i} :part {}]", i + 1)).collect();
    let db = after(&loose(PEOPLE), &[&format!("[{text}]")]);
    assert_eq!(changes(&must(&db, "[[:db/retractEntity 1]]")).len(), 399);
    assert_eq!(changes(&must(&db, "[[:db.fn/retractAttribute 300 :part]]")).len(), 100);
}

#[test]
fn a_tuple_is_kept_from_the_transaction_that_defines_it() {
    let text =
        "[{:db/ident :a :db/valueType :db.type/long} {:db/ident :b :db/valueType :db.type/long}
        {:a 1 :b 2}
        {:db/ident :a+b :db/tupleAttrs [:a :b] :db/valueType :db.type/tuple
         :db/unique :db.unique/identity}]";
    let db = check(&empty(Schema::default()), text, &["+3 :a 1", "+3 :b 2", "+3 :a+b [1 2]"]);
    check(
        &db,
        "[{:a 1 :b 2 :db/doc \"x\"} [:db/add [:a+b [1 2]] :a 2]]",
        &["-3 :a 1", "+3 :a 2", "-3 :a+b [1 2]", "+3 :a+b [2 2]"],
    );
}

#[test]
fn tuples_that_are_parts_of_one_another_are_refused() {
    let text = "[{:db/ident :a :db/tupleAttrs [:b] :db/valueType :db.type/tuple :db/doc \"x\"}
        {:db/ident :b :db/tupleAttrs [:a] :db/valueType :db.type/tuple}]";
    refused(&empty(Schema::default()), text, TxErrorKind::Schema, "composite tuple itself");
}

#[test]
fn attributes_change_where_their_facts_allow_it() {
    let db = strict(
        "[{:db/ident :x :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
          {:db/ident :k :db/valueType :db.type/string :db/unique :db.unique/identity}
          {:db/ident :i :db/valueType :db.type/long :db/index true :db/doc \"i\"}]",
    );
    must(&db, "[[:db/add :x :db/valueType :db.type/string]]");
    let db = after(&db, &["[{:x 1 :k \"a\" :i 1}]"]);
    for allowed in [
        "[[:db/retract :i :db/index true]]",
        "[[:db/retract :k :db/unique :db.unique/identity]]",
        "[[:db/add :x :db/cardinality :db.cardinality/many]]",
        "[[:db/add :i :db/unique :db.unique/value]]",
        "[[:db/add :x :db/noHistory true] [:db/add :x :db/doc \"an x\"]]",
        "[{:db/id :x :db/maxLength 3 :db.attr/preds [pos?]}]",
    ] {
        must(&db, allowed);
    }
    for (forbidden, message) in [
        ("[[:db/add :x :db/valueType :db.type/string]]", "type cannot change"),
        ("[[:db/add :k :db/cardinality :db.cardinality/many]]", "unique"),
        ("[[:db/retract :x :db/valueType :db.type/long]]", ":db/valueType is missing"),
        ("[[:db/add :x :db/ident :k]]", ""),
    ] {
        let error = tx(&db, forbidden).expect_err(forbidden).to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Each was looked into before it was refused.
#[test]
fn a_long_chain_of_composite_tuples_is_refused() {
    let link = |n: usize| {
        format!(
            "{{:db/ident :t{n} :db/valueType :db.type/tuple :db/cardinality :db.cardinality/one
               :db/tupleAttrs [:t{} :x]}}",
            n + 1
        )
    };
    let chain: String = (0..20_000).map(link).collect();
    let db = empty(Schema::default());
    refused(&db, &format!("[{chain}]"), TxErrorKind::Schema, "it is a composite tuple itself");
}

/// Each form looked at the tuples of all entities.
#[test]
fn many_parts_of_a_unique_tuple_are_said_one_by_one() {
    let db = loose("{:a {} :b {} :a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/value}}");
    let all: String = (1..=20_000).map(|e| format!("[:db/add {e} :a {e}]")).collect();
    assert_eq!(must(&db, &format!("[{all}]")).datoms.len(), 40_001);
}

#[test]
fn what_others_have_is_refused_by_name() {
    let db = strict("[{:db/ident :x :db/valueType :db.type/long}]");
    let text = "[{:db/ident :s :db.secondary/type :hnsw}]";
    refused(&db, text, TxErrorKind::Unsupported, ":db.secondary/type");
    let db = loose("{:a {} :b {} :a+b {:db/tupleAttrs [:a :b]}}");
    let text = "[[:db/cas 1 :a+b nil [1 2]]]";
    refused(&db, text, TxErrorKind::Constraint, "is not written");
}
