//! Generated queries over generated databases: the engine and the naive evaluator agree, in every
//! order of the clauses.

use super::aside::same_aside;
use super::generate::{Dice, Page, RULES, query};
use super::naive::{Fact, Naive, facts};
use super::*;
use crate::query::parse::parse_rules;
use proptest::prelude::*;

const SCHEMA: &str = "{:a {:db/valueType :db.type/long :db/index true}
    :b {:db/valueType :db.type/long} :s {:db/valueType :db.type/string}
    :key {:db/valueType :db.type/string :db/unique :db.unique/identity}
    :many {:db/cardinality :db.cardinality/many}
    :r {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

fn database(dice: &mut Dice, uuid: u128) -> Db {
    let mut facts: std::collections::BTreeMap<String, String> = Default::default();
    for _ in 0..4 + dice.below(14) {
        let e = 21 + dice.below(5);
        let (key, value) = match dice.below(7) {
            0 => (format!("{e} :a"), dice.below(5).to_string()),
            1 => (format!("{e} :b"), dice.below(5).to_string()),
            2 => (
                format!("{e} :s"),
                format!("\"{}\"", dice.one(&["x", "y", "a text of some length"])),
            ),
            3 => {
                let value = dice.below(3).to_string();
                (format!("{e} :many {value}"), value)
            }
            4 => (format!("{e} :key"), format!("\"k{}\"", e - 21)),
            _ => {
                let target = 21 + dice.below(5);
                (format!("{e} :r {target}"), target.to_string())
            }
        };
        let words: Vec<&str> = key.split(' ').collect();
        let fact = format!("[{} {} {value}]", words[0], words[1]);
        facts.insert(key, fact);
    }
    let facts: Vec<String> = facts.into_values().collect();
    let half = facts.len() / 2;
    let txs = [format!("[{}]", facts[..half].join(" ")), format!("[{}]", facts[half..].join(" "))];
    db_of(uuid, SCHEMA, &[txs[0].as_str(), txs[1].as_str()])
}

/// Clauses in every order, or in the rotations where those would be too many.
fn orders(query: &Query) -> Vec<Query> {
    let n = query.ast.clauses.len();
    let mut out = Vec::new();
    for rotation in 0..n {
        let mut turned = query.clone();
        turned.ast.clauses.rotate_left(rotation);
        let mut back = turned.clone();
        back.ast.clauses.reverse();
        out.extend([turned, back]);
    }
    out
}

/// A source of a query: the database, and what it is to show.
pub(super) struct Source<'a> {
    pub db: &'a Db,
    pub facts: &'a [Fact],
}

/// Says that the engine answers what the naive evaluator does, in every order of the clauses;
/// `what` tells which case it is.
pub(super) fn agree(text: &str, [a, b]: [Source; 2], what: &dyn Fn() -> String) {
    let Ok(query) = Query::parse(text) else { return };
    let inputs = [Input::Db(a.db.clone()), Input::Db(b.db.clone()), edn(RULES)];
    let (limits, cancel) = (Limits::default(), CancelToken::default());
    let answer = match run(&query, &inputs, &limits, &cancel) {
        Ok(answer) => answer,
        Err(error) => {
            assert_eq!(error.kind(), QueryErrorKind::Unbound, "{}: {text}: {error}", what());
            for query in orders(&query) {
                assert!(run(&query, &inputs, &limits, &cancel).is_err(), "{}: {text}", what());
            }
            return;
        }
    };
    let rules = parse_rules(&read_one(RULES).unwrap()).unwrap();
    let facts = |source: &Source| source.facts.to_vec();
    let sources = [(Symbol::new("$"), facts(&a)), (Symbol::new("$b"), facts(&b))].into();
    let expected = Naive::new(sources, &rules).answer(&query.ast);
    let plain = |row: &Vec<Value>| row.iter().map(number).collect::<Vec<_>>();
    let rows = |answer: &Answer| {
        let mut rows: Vec<Vec<Value>> = answer.rows.iter().map(plain).collect();
        rows.sort();
        rows
    };
    let shown = || format!("{}: {text}\n$ {}\n$b {}", what(), shown(a.facts), shown(b.facts));
    assert_eq!(rows(&answer), expected, "{}\n{}", shown(), answer.explain);
    for query in orders(&query) {
        let again = run(&query, &inputs, &limits, &cancel).unwrap();
        assert_eq!(rows(&again), expected, "{}\n{}", shown(), again.explain);
    }
    same_aside(&query, &inputs, &answer.rows);
    pages(text, &inputs, &answer, &shown);
}

/// Says that rows come in the order that a query asks for, and of them those that it wants.
fn pages(text: &str, inputs: &[Input], answer: &Answer, shown: &dyn Fn() -> String) {
    let seed = text.bytes().fold(7, |seed: u64, b| seed.wrapping_mul(31).wrapping_add(b.into()));
    let page = Page::of(&mut Dice(seed), answer.columns.len());
    let rows = |all| {
        let text = page.of_query(text, all);
        ask(&text, inputs).unwrap_or_else(|e| panic!("{}\n{text}: {e}", shown())).rows
    };
    let before = |a: &Vec<Value>, b: &Vec<Value>| {
        let by = page.keys.iter().map(|(column, desc)| {
            let order = a[*column].cmp(&b[*column]);
            if *desc { order.reverse() } else { order }
        });
        by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| a.cmp(b))
    };
    let mut expected = answer.rows.clone();
    expected.sort_by(before);
    assert_eq!(rows(true), expected, "{}\n{}", shown(), page.of_query(text, true));
    let wanted: Vec<_> = expected.into_iter().skip(page.offset).take(page.limit).collect();
    assert_eq!(rows(false), wanted, "{}\n{}", shown(), page.of_query(text, false));
}

/// Entities as their numbers, also within a value.
fn number(value: &Value) -> Value {
    match value {
        Value::Ref(e) => Value::Long(e.0 as i64),
        Value::Vector(items) => Value::from(items.iter().map(number).collect::<Vec<_>>()),
        Value::Set(items) => Value::set(items.iter().map(number).collect()),
        other => super::naive::whole(other),
    }
}

/// Facts in few words.
fn shown(facts: &[Fact]) -> String {
    let word = |value: &Value| to_string(&super::naive::number(value));
    let fact = |fact: &Fact| format!("[{}]", fact.each_ref().map(word).join(" "));
    facts.iter().map(fact).collect::<Vec<_>>().join(" ")
}

fn one(seed: u64) {
    let mut dice = Dice(seed);
    let (a, b) = (database(&mut dice, 1), database(&mut dice, 2));
    let text = query(&mut dice);
    let (of_a, of_b) = (facts(1, &a), facts(2, &b));
    let sources = [Source { db: &a, facts: &of_a }, Source { db: &b, facts: &of_b }];
    agree(&text, sources, &|| format!("seed {seed}"));
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn engine_and_naive_evaluator_agree(seed: u64) {
        one(seed);
    }
}
