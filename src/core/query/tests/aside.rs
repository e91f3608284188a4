//! Rows that are put aside: the same answer as when memory holds them.

use super::*;
use crate::query::overflow::Kind;

/// Memory as the place outside, that is used after so many bytes.
#[derive(Default)]
pub(super) struct Outside {
    after_bytes: usize,
    bytes: Vec<u8>,
}

impl Overflow for Outside {
    fn after_bytes(&self) -> usize {
        self.after_bytes
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), OverflowError> {
        self.bytes.extend(bytes);
        Ok(())
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), OverflowError> {
        let at = at as usize;
        into.copy_from_slice(&self.bytes[at..at + into.len()]);
        Ok(())
    }
}

fn run_large(
    query: &Query,
    inputs: &[Input],
    limits: &Limits,
    cancel: &CancelToken,
    outside: Box<Outside>,
) -> Result<Large, QueryError> {
    Prepared::new(query, inputs, limits, cancel)?.run_large(outside)
}

/// Says that a query has this answer, each batch of it put aside.
#[track_caller]
pub(super) fn same_aside(query: &Query, inputs: &[Input], expected: &[Vec<Value>]) -> bool {
    same_aside_after(0, query, inputs, expected)
}

/// The same, with so many bytes of rows put aside together.
#[track_caller]
fn same_aside_after(
    after_bytes: usize,
    query: &Query,
    inputs: &[Input],
    expected: &[Vec<Value>],
) -> bool {
    let (limits, cancel) = (Limits::default(), CancelToken::default());
    let outside = Box::new(Outside { after_bytes, ..Outside::default() });
    let large = run_large(query, inputs, &limits, &cancel, outside).unwrap();
    for _ in 0..2 {
        let mut rows = Vec::new();
        let add = &mut |row: &[Value]| {
            rows.push(row.to_vec());
            Ok::<_, QueryError>(())
        };
        let count = large.rows.each(add).unwrap();
        assert_eq!(count, rows.len() as u64);
        // Printed: numbers that are equal may be of different types.
        let printed = |rows: &[Vec<Value>]| format!("{rows:?}");
        assert_eq!(printed(&rows), printed(expected), "{}", query.text());
    }
    matches!(large.rows.0, Kind::Merged(_))
}

/// Some thousands of entities, whose texts lie in no cell.
fn many() -> Db {
    let facts = (0..5000).map(|n| {
        let (e, group) = (n + 1, n % 97);
        format!(
            "[{e} :n {n}] [{e} :text \"a text that is long enough {}\"]
             [{e} :group \"the group of the number {group}\"] [{e} :next {}]",
            n / 2,
            (n * 7) % 5000 + 1
        )
    });
    let groups = (0..97).map(|group| {
        format!("[{0} :name \"the group of the number {group}\"] [{0} :n {group}]", 6000 + group)
    });
    let facts: String = facts.chain(groups).collect();
    let schema = "{:n {:db/valueType :db.type/long} :text {:db/valueType :db.type/string}
         :group {:db/valueType :db.type/string :db/index true}
         :name {:db/valueType :db.type/string :db/unique :db.unique/identity}
         :next {:db/valueType :db.type/ref}}";
    db_of(1, schema, &[&format!("[{facts}]")])
}

#[test]
fn answers_that_are_put_aside_are_the_same() {
    let db = many();
    let inputs = [Input::Db(db)];
    for query in [
        "[:find ?t :where [_ :text ?t]]",
        "[:find ?e ?t :where [?e :text ?t]]",
        "[:find ?t ?g :where [?e :text ?t] [?e :group ?g]]",
        "[:find ?g ?m :where [?e :group ?g] [?f :name ?g] [?f :n ?m]]",
        "[:find ?t ?u :where [?e :text ?t] [?e :next ?f] [?f :text ?u]]",
        "[:find [?t ...] :where [?e :n ?n] [(< ?n 3000)] [?e :text ?t]]",
        "[:find ?t ?s :where [?e :text ?t] [?e :n ?n] [(str ?t \" and its number \" ?n) ?s]]",
        "[:find ?t :where [?e :text ?t] (not [?e :group \"the group of the number 3\"])]",
        "[:find ?x :where [?e :n ?n] (or [?e :text ?x] [?e :group ?x] [?e :name ?x])]",
        "[:find ?e ?x :where [?e :n _] (optional [?e :name ?x])]",
        "[:find ?e ?x :where [?e :n _] [(get-else $ ?e :text \"no text of its own at all\") ?x]]",
        "[:find ?a ?x :where [?e ?a ?x] [?e :n 17]]",
        "[:find ?g :with ?e :where [?e :group ?g]]",
        "[:find ?t ?g :where [?e :text ?t] [?e :group ?g] :order-by ?g :desc ?t]",
        "[:find ?t ?g :where [?e :text ?t] [?e :group ?g] :order-by ?g :limit 100 :offset 2050]",
        "[:find ?t . :where [_ :text ?t]]",
        "[:find ?t :where [?e :text ?t] [?e :next ?f] (not [?f :text ?t])]",
    ] {
        let query = Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let (limits, cancel) = (Limits::default(), CancelToken::default());
        let expected = run(&query, &inputs, &limits, &cancel).unwrap().rows;
        assert!(same_aside(&query, &inputs, &expected), "{}", query.text());
    }
}

/// Equal numbers, and equal entities of two databases.
#[test]
fn rows_are_told_apart_as_in_memory() {
    let other = db_of(2, "{:n {:db/valueType :db.type/long}}", &["[[1 :n 1] [2 :n 5000]]"]);
    let both = [Input::Db(many()), Input::Db(other)];
    let numbers: String = (0..3000).map(|n| format!("{n} {}N {n}.0 ", n / 2)).collect();
    let numbers = [Input::Db(many()), edn(&format!("[{numbers}]"))];
    for (query, inputs) in [
        ("[:find ?e :in $ $b :where (or-join [?e] [$ ?e :n] [$b ?e :n])]", &both),
        ("[:find ?x ?g :in $ [?x ...] :where [_ :name ?g] [(< ?x 90)]]", &numbers),
        ("[:find ?x :in $ [?x ...]]", &numbers),
        ("[:find ?x ?n :in $ [?x ...] :where [?e :n ?x] [?e :n ?n]]", &numbers),
    ] {
        let Ok(parsed) = Query::parse(query) else { panic!("{query}") };
        let (limits, cancel) = (Limits::default(), CancelToken::default());
        let expected = run(&parsed, inputs, &limits, &cancel).unwrap().rows;
        assert!(same_aside(&parsed, inputs, &expected), "{query}");
    }
}

#[test]
fn limits_hold_for_rows_that_were_put_aside() {
    let inputs = [Input::Db(many())];
    let query = Query::parse("[:find ?e ?t :where [?e :text ?t]]").unwrap();
    let limits = Limits { rows: 4000, ..Limits::default() };
    let cancel = CancelToken::default();
    let large = run_large(&query, &inputs, &limits, &cancel, Box::<Outside>::default()).unwrap();
    let error = large.rows.each(&mut |_| Ok::<_, QueryError>(())).unwrap_err();
    assert_eq!(error.to_string(), "row limit of 4000 reached in :find");
}

/// What is interned goes with the rows: memory does not grow with them.
#[test]
fn values_go_with_their_rows() {
    let inputs = [Input::Db(many())];
    let query = Query::parse("[:find ?e ?t :where [?e :text ?t]]").unwrap();
    let outside = Box::new(Outside { after_bytes: 100_000, ..Outside::default() });
    let limits = Limits { memory_bytes: 400_000, ..Limits::default() };
    let cancel = CancelToken::default();
    let held = run(&query, &inputs, &limits, &cancel).unwrap_err();
    assert_eq!(held.kind(), QueryErrorKind::Limit);
    let large = run_large(&query, &inputs, &limits, &cancel, outside).unwrap();
    let count = large.rows.each(&mut |_| Ok::<_, QueryError>(())).unwrap();
    assert_eq!(count, 5000);
}

/// Entities with a text of their own and four others each: a join that gives several batches for
/// each of its first step.
fn fanned() -> Db {
    let facts = (0..3000).map(|n| {
        let e = n + 1;
        let part = |part| format!("[{e} :part \"a part of {n} by the number {part}\"]");
        format!(
            "[{e} :text \"a text that is the only {n}\"] {}",
            (0..4).map(part).collect::<String>()
        )
    });
    let schema = "{:text {:db/valueType :db.type/string}
         :part {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}}";
    db_of(1, schema, &[&format!("[{}]", facts.collect::<String>())])
}

const FANNED: &str = "[:find ?t ?p :where [?e :text ?t] [?e :part ?p]]";

/// Some of a batch's rows are put aside, and others come after those.
#[test]
fn rows_that_come_after_others_were_put_aside_keep_their_values() {
    let inputs = [Input::Db(fanned())];
    let query = Query::parse(FANNED).unwrap();
    let (limits, cancel) = (Limits::default(), CancelToken::default());
    let expected = run(&query, &inputs, &limits, &cancel).unwrap().rows;
    for after_bytes in [100_000, 400_000, 700_000, 1_000_000] {
        assert!(same_aside_after(after_bytes, &query, &inputs, &expected), "{after_bytes}");
    }
}

/// The values of those that came after go with them.
#[test]
fn values_go_where_a_batch_gives_several() {
    let inputs = [Input::Db(fanned())];
    let query = Query::parse(FANNED).unwrap();
    let outside = Box::new(Outside { after_bytes: 400_000, ..Outside::default() });
    let limits = Limits { memory_bytes: 2_000_000, ..Limits::default() };
    let cancel = CancelToken::default();
    let large = run_large(&query, &inputs, &limits, &cancel, outside).unwrap();
    assert_eq!(large.rows.each(&mut |_| Ok::<_, QueryError>(())).unwrap(), 12_000);
}

/// A bigint that would fit in a long has all rows held while they are sorted: with their texts.
#[test]
fn rows_that_are_sorted_again_are_counted_with_their_texts() {
    let text = |n: u64| format!("[{} :text \"{n} {}\"]", n + 1, "long ".repeat(20_000));
    let facts: String = (0..80).map(text).collect();
    let schema = "{:text {:db/valueType :db.type/string}}";
    let inputs = [Input::Db(db_of(1, schema, &[&format!("[{facts}]")])), edn("5N")];
    let query = Query::parse("[:find ?x ?t :in $ ?x :where [_ :text ?t]]").unwrap();
    let limits = Limits { memory_bytes: 6_000_000, ..Limits::default() };
    let cancel = CancelToken::default();
    let large = run_large(&query, &inputs, &limits, &cancel, Box::<Outside>::default()).unwrap();
    let error = large.rows.each(&mut |_| Ok::<_, QueryError>(())).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Limit);
}
