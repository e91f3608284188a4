//! What patterns pull, as statements.
//!
//! Databases are made of facts directly: transactions are floors above.

use super::*;
use crate::datom::Datom;
use crate::db::{NoNodes, Snapshot};
use crate::edn::{read_one, to_string};
use crate::id::{T, Tx};
use crate::schema::Schema;
use crate::value::Uuid;
use std::sync::Arc;

const SCHEMA: &str = "{:name {} :n {} :aka {:db/cardinality :db.cardinality/many}
    :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    :boss {:db/valueType :db.type/ref}
    :enemy {:db/valueType :db.type/ref}
    :part {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}}";

/// A database of facts written as `[[e :a v] ...]`.
fn db(facts: &str) -> Db {
    let schema = Schema::from_map(&read_one(SCHEMA).unwrap().to_value()).unwrap();
    let facts = read_one(facts).unwrap();
    let tx = Tx::new(0, T(1));
    let datoms: Vec<Datom> = facts
        .as_vector()
        .unwrap()
        .iter()
        .map(|fact| {
            let [e, a, v] = fact.as_vector().unwrap() else { panic!("{fact}") };
            let a = schema.attr(a.as_keyword().unwrap().as_str()).unwrap();
            let v = match v.as_long() {
                Some(target) if a.is_ref() => Value::Ref(EntityId(target as u64)),
                _ => v.to_value(),
            };
            Datom { e: EntityId(e.as_long().unwrap() as u64), a: a.id, v, tx, added: true }
        })
        .collect();
    let empty = Snapshot::empty(Uuid::nil(), Arc::new(NoNodes), schema.clone());
    Db::new(empty.with(tx, 0, &datoms, schema, EntityId(100)))
}

fn pulled(db: &Db, pattern: &str, e: u64) -> Result<Value, PullError> {
    pull(db, &parse(&read_one(pattern).unwrap().to_value())?, EntityId(e))
}

#[track_caller]
fn check(db: &Db, pattern: &str, e: u64, expected: &str) {
    let value = pulled(db, pattern, e).unwrap();
    let expected = read_one(expected).unwrap().to_value();
    assert_eq!(to_string(&value), to_string(&expected), "{pattern} of {e}");
}

#[track_caller]
fn refused(pattern: &str, message: &str) {
    let error = pulled(&people(), pattern, 1).expect_err(pattern).to_string();
    assert!(error.contains(message), "{error}");
}

fn people() -> Db {
    db("[[1 :name \"Ann\"] [1 :n 5] [1 :aka \"A\"] [1 :aka \"B\"] [1 :friend 2] [1 :friend 3]
         [2 :name \"Bob\"] [2 :boss 1] [3 :name \"Cid\"] [3 :boss 1] [4 :n 0]]")
}

#[test]
fn attributes_are_pulled_by_name() {
    check(&people(), "[:name :n :nothing]", 1, "{:name \"Ann\" :n 5}");
    check(
        &people(),
        "[:db/id :aka :friend]",
        1,
        "{:db/id 1 :aka [\"A\" \"B\"] :friend [{:db/id 2} {:db/id 3}]}",
    );
    check(&people(), "[:boss]", 2, "{:boss {:db/id 1}}");
    check(&people(), "[:boss]", 1, "nil");
    check(&people(), "[:db/id]", 99, "nil");
    check(&people(), "[:db/id :name]", 4, "{:db/id 4}");
}

#[test]
fn everything_is_pulled_by_a_star() {
    check(&people(), "[*]", 2, "{:db/id 2 :name \"Bob\" :boss {:db/id 1}}");
    check(
        &people(),
        "[\"*\" {:boss [:name]}]",
        2,
        "{:db/id 2 :name \"Bob\" :boss {:name \"Ann\"}}",
    );
    check(&people(), "[* [:db/id :as :id]]", 3, "{:id 3 :name \"Cid\" :boss {:db/id 1}}");
    check(&people(), "[*]", 99, "nil");
}

#[test]
fn patterns_nest_in_both_directions() {
    check(
        &people(),
        "[{:friend [:name {:boss [:n]}]}]",
        1,
        "{:friend [{:name \"Bob\" :boss {:n 5}} {:name \"Cid\" :boss {:n 5}}]}",
    );
    check(&people(), "[{:_boss [:name]}]", 1, "{:_boss [{:name \"Bob\"} {:name \"Cid\"}]}");
    check(&people(), "[:_friend]", 2, "{:_friend [{:db/id 1}]}");
    check(&people(), "[:name {:friend [:aka]}]", 1, "{:name \"Ann\" :friend []}");
    check(&people(), "[:name {:boss [:aka]}]", 3, "{:name \"Cid\" :boss {:aka [\"A\" \"B\"]}}");
    check(&people(), "[:name {:boss [:part]} {:friend [:aka]}]", 3, "{:name \"Cid\"}");
}

#[test]
fn options_limit_rename_fill_in_and_change() {
    let db = people();
    check(
        &db,
        "[(limit :aka 1) [:friend :limit 1 :as :friends]]",
        1,
        "{:aka [\"A\"] :friends [{:db/id 2}]}",
    );
    check(
        &db,
        "[(default :boss \"none\") [:x :default 0] (:name :as \"Name\")]",
        1,
        "{:boss \"none\" :x 0 \"Name\" \"Ann\"}",
    );
    check(
        &db,
        "[[:name :xform upper-case] [:aka :xform count] [:boss :xform vector]]",
        1,
        "{:name \"ANN\" :aka 2 :boss [nil]}",
    );
    check(
        &db,
        "[[:x :xform str :default 7] ((:aka :limit 1) :xform clojure.core/first)]",
        1,
        "{:x 7 :aka \"A\"}",
    );
    check(
        &db,
        "[{[:friend :limit 1 :as :f] [[:name :xform lower-case]]}]",
        1,
        "{:f [{:name \"bob\"}]}",
    );
    let many: String = (0..1001).map(|i| format!("[1 :aka {i}]")).collect();
    let many = super::tests::db(&format!("[{many}]"));
    let count = |pattern: &str| match pulled(&many, pattern, 1).unwrap().get(&Value::keyword("aka"))
    {
        Some(Value::Vector(items)) => items.len(),
        _ => 0,
    };
    assert_eq!([count("[:aka]"), count("[*]"), count("[(limit :aka nil)]")], [1000, 1000, 1001]);
}

#[test]
fn recursion_follows_a_chain_and_stops_at_what_it_met() {
    let chain = db("[[1 :friend 2] [2 :friend 3] [3 :friend 4]
          [1 :name 1] [2 :name 2] [3 :name 3] [4 :name 4]]");
    check(&chain, "[:name {:friend 2}]", 1, "{:name 1 :friend [{:name 2 :friend [{:name 3}]}]}");
    check(&chain, "[:name {:friend ...}]", 2, "{:name 2 :friend [{:name 3 :friend [{:name 4}]}]}");
    check(
        &chain,
        "[:db/id {:_friend \"...\"}]",
        3,
        "{:db/id 3 :_friend [{:db/id 2 :_friend [{:db/id 1}]}]}",
    );
    let ring = db("[[1 :boss 2] [2 :boss 1] [1 :name 1] [2 :name 2]]");
    check(
        &ring,
        "[:name {:boss ...}]",
        1,
        "{:name 1 :boss {:name 2 :boss {:name 1 :boss {:db/id 2}}}}",
    );
    let two = db("[[1 :boss 2] [2 :enemy 3] [3 :boss 4] [4 :enemy 5] [5 :boss 6] [6 :enemy 7]]");
    check(&two, "[:db/id {:boss 1 :enemy 1}]", 1, "{:db/id 1 :boss {:db/id 2 :enemy {:db/id 3}}}");
    check(
        &two,
        "[:db/id {:boss 2 :enemy 1}]",
        1,
        "{:db/id 1 :boss {:db/id 2 :enemy {:db/id 3 :boss {:db/id 4}}}}",
    );
}

#[test]
fn recursion_is_bounded() {
    let long: String = (1..3000).map(|i| format!("[{i} :boss {}]", i + 1)).collect();
    let error = pulled(&db(&format!("[{long}]")), "[:db/id {:boss ...}]", 1).unwrap_err();
    assert!(matches!(error, PullError::TooDeep { .. }), "{error}");
    let pairs = (1..25).flat_map(|i| (1..25).map(move |j| format!("[{i} :friend {j}]")));
    let clique: String = pairs.collect();
    let error = pulled(&db(&format!("[{clique}]")), "[{:friend ...}]", 1).unwrap_err();
    assert!(matches!(error, PullError::TooLarge { .. }), "{error}");
}

#[test]
fn parts_come_whole() {
    let whole =
        db("[[1 :name 1] [1 :part 2] [1 :part 3] [2 :part 4] [2 :boss 1] [4 :name 4] [3 :name 3]]");
    let parts = "[{:db/id 2 :boss {:db/id 1} :part [{:db/id 4 :name 4}]} {:db/id 3 :name 3}]";
    check(&whole, "[:part]", 1, &format!("{{:part {parts}}}"));
    check(&whole, "[*]", 1, &format!("{{:db/id 1 :name 1 :part {parts}}}"));
    check(&whole, "[:_part]", 4, "{:_part {:db/id 2}}");
    check(&whole, "[{:_part [:boss]}]", 4, "{:_part {:boss {:db/id 1}}}");
    check(&whole, "[{:part [:name]}]", 1, "{:part [{:name 3}]}");
    check(
        &db("[[1 :part 2] [2 :part 1]]"),
        "[:part]",
        1,
        "{:part [{:db/id 2 :part [{:db/id 1}]}]}",
    );
}

#[test]
fn many_are_pulled_in_the_order_given() {
    let pattern = parse(&read_one("[:name]").unwrap().to_value()).unwrap();
    let all = pull_many(&people(), &pattern, &[3, 99, 1, 3].map(EntityId)).unwrap();
    assert_eq!(to_string(&all.into()), "[{:name \"Cid\"} nil {:name \"Ann\"} {:name \"Cid\"}]");
}

#[test]
fn what_is_no_pattern_is_said() {
    refused(":name", "a pull pattern is a vector");
    refused("[]", "at least one attribute");
    refused("[5]", "an attribute was expected");
    refused("[(:aka :limit)]", "each option");
    refused("[(:aka :limit :abc)]", "a number above 0");
    refused("[(limit :aka)]", "(limit attribute n)");
    refused("[(default :aka 1 2)]", "(default attribute value)");
    refused("[[:aka :order 1]]", "an option is");
    refused("[{:friend 0}]", "a depth above 0");
    refused("[{:friend :name}]", "a pattern, a depth");
    refused("[{:name [:n]}]", "db.type/ref");
    refused("[:_name]", "db.type/ref");
    refused("[(limit :name 5)]", "cardinality/many");
    refused("[[:name :xform eval]]", "unknown function eval");
    refused("[[:n :xform upper-case]]", "cannot take the long of :n");
}

#[test]
fn of_many_unknown_attributes_a_hundred_are_told_and_the_rest_counted() {
    let db = people();
    let names: String = (0..250).map(|n| format!(":nam{n} ")).collect();
    let form = read_one(&format!("[:name {names}]")).unwrap();
    let unknown = parse(&form.to_value()).unwrap().unknown_attributes(db.schema());
    assert_eq!(unknown.told.len(), 100);
    assert_eq!(unknown.told[0].to_string(), "unknown attribute :nam0 (did you mean :name?)");
    let rest = unknown.rest().unwrap();
    assert_eq!(rest, "150 more unknown attributes, beside these 100");
}

#[test]
fn many_values_are_ordered_before_they_are_limited() {
    let db = people();
    check(&db, "[[:aka :order-by :desc]]", 1, "{:aka [\"B\" \"A\"]}");
    check(&db, "[[:aka :order-by [:desc] :limit 1]]", 1, "{:aka [\"B\"]}");
    check(
        &db,
        "[{[:friend :order-by [:name :desc] :limit 1] [:name]}]",
        1,
        "{:friend [{:name \"Cid\"}]}",
    );
    check(
        &db,
        "[{[:_boss :order-by [:n :name]] [:name]}]",
        1,
        "{:_boss [{:name \"Bob\"} {:name \"Cid\"}]}",
    );
    check(
        &db,
        "[{[:_boss :order-by [:db/id :desc]] [:name]}]",
        1,
        "{:_boss [{:name \"Cid\"} {:name \"Bob\"}]}",
    );
    check(
        &db,
        "[* [:friend :order-by [:name :desc]]]",
        1,
        "{:db/id 1 :name \"Ann\" :n 5 :aka [\"A\" \"B\"] :friend [{:db/id 3} {:db/id 2}]}",
    );
    refused("[[:aka :order-by :name]]", "ordered by themselves");
    refused("[[:name :order-by :asc]]", "cardinality/many");
    refused("[[:aka :order-by [:asc :desc]]]", ":order-by is");
}

#[test]
fn errors_know_their_place_in_the_pattern() {
    let cases = [
        ("[:name\n (limit :aka x)]", (2, 14)),
        ("[:name\n :_name]", (2, 2)),
        ("[:name\n [:aka :xform upper-caes]]", (2, 15)),
        ("[:name {:friend\n {}}]", (2, 2)),
    ];
    for (text, expected) in cases {
        let form = read_one(text).unwrap();
        let error = pulled(&people(), text, 1).expect_err(text);
        let place = error.place(&form).map(|span| (span.line, span.column));
        assert_eq!(place, Some(expected), "{error}");
    }
    refused("[[:aka :xform upper-caes]]", "did you mean upper-case?");
}
