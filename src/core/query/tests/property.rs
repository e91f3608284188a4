//! Generated queries over generated databases: the engine and the naive evaluator agree, in every
//! order of the clauses.

use super::naive::{Naive, facts};
use super::*;
use crate::query::parse::parse_rules;
use proptest::prelude::*;

/// A generator of small numbers from a seed, so that a failing case is one number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

const SCHEMA: &str = "{:a {:db/valueType :db.type/long :db/index true}
    :b {:db/valueType :db.type/long} :s {:db/valueType :db.type/string}
    :many {:db/cardinality :db.cardinality/many}
    :r {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

const RULES: &str = "[[(reach ?p ?q) [?p :r ?q]] [(reach ?p ?q) [?p :r ?m] (reach ?m ?q)]
    [(back ?p ?q) [?q :r ?p]] [(back ?p ?q) (back ?p ?m) [?q :r ?m]]
    [(near ?p ?q) (or-join [?p ?q] [?p :r ?q] (and [?p :r ?m] (near ?m ?q)))]
    [(far ?p ?q) [?p :r ?q] [?q :a _]] [(far ?p ?q) [?p :r ?m] (far ?m ?q)]
    [(away ?p ?q) [?q :r ?p]] [(away ?p ?q) (away ?p ?m) [?q :r ?m] [?q :b _]]
    [(hop ?p ?q) [?p :r ?m] (skip ?m ?q)] [(skip ?p ?q) [?p :r ?q]]
    [(skip ?p ?q) [?p :r ?m] (hop ?m ?q)]
    [(pair ?p ?x) [?p :a ?x]] [(pair ?p ?x) [?p :b ?x] [(< ?x 3)]]]";

fn database(dice: &mut Dice, uuid: u128) -> Db {
    let mut facts: std::collections::BTreeMap<String, String> = Default::default();
    for _ in 0..4 + dice.below(14) {
        let e = 1 + dice.below(5);
        let (key, value) = match dice.below(6) {
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
            _ => {
                let target = 1 + dice.below(5);
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

fn pattern(dice: &mut Dice) -> String {
    let e = dice.one(&["?e", "?e", "?f", "?g", "1"]);
    // Only one of the databases shows its entities as values: a number equals an entity of either,
    // which is not transitive.
    let (source, kinds) = if dice.below(4) == 0 { ("$b ", 5) } else { ("", 7) };
    let rest = match dice.below(kinds) {
        0 => format!(":a {}", dice.one(&["?x", "?y", "2"])),
        1 => format!(":b {}", dice.one(&["?x", "?y", "_"])),
        2 => format!(":s {}", dice.one(&["?s", "\"x\""])),
        3 => format!(":many {}", dice.one(&["?x", "1"])),
        4 => format!(":a ?x {}", dice.one(&["?t", "_"])),
        5 => format!("?k {}", dice.one(&["?x", "_"])),
        _ => format!(":r {}", dice.one(&["?e", "?f", "?g", "3"])),
    };
    format!("[{source}{e} {rest}]")
}

/// A clause that says something of variables that the patterns before have.
fn filter(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "[(< ?x 3)]".to_owned(),
        1 => "[(<= 1 ?x)]".to_owned(),
        2 => "[(= ?x ?y)]".to_owned(),
        3 => "[(not= ?e ?f)]".to_owned(),
        4 => "[(+ ?x 1) ?y]".to_owned(),
        5 => format!("(not {})", pattern(dice)),
        6 => format!("(not-join [?e] [?e :r ?h] {})", dice.one(&["[?h :a ?x]", "[?h :r ?f]"])),
        7 => "(or [?e :a ?x] [?e :b ?x])".to_owned(),
        8 => "(or-join [?e] [?e :a 2] (and [?e :r ?f] [?f :b ?x]))".to_owned(),
        9 => format!("({} ?e ?f)", dice.one(&["reach", "back", "near", "far", "away", "hop"])),
        10 => "(pair ?e ?x)".to_owned(),
        _ => "(not (or [?e :a 1] (reach ?e ?e)))".to_owned(),
    }
}

fn generate(dice: &mut Dice) -> String {
    let mut clauses: Vec<String> = (0..1 + dice.below(3)).map(|_| pattern(dice)).collect();
    clauses.extend((0..dice.below(3)).map(|_| filter(dice)));
    let mut text = clauses.join(" ");
    if text.contains("?k") {
        // Its values may be text.
        text = text.replace("[(+ ?x 1) ?y]", "");
    }
    let find: Vec<&str> =
        ["?e", "?f", "?x", "?s", "?k", "?t"].into_iter().filter(|v| text.contains(*v)).collect();
    let find = if find.is_empty() { vec!["?g"] } else { find };
    format!("[:find {} :in $ $b % :where {text}]", find.join(" "))
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

fn agree(seed: u64) {
    let mut dice = Dice(seed);
    let (a, b) = (database(&mut dice, 1), database(&mut dice, 2));
    let text = generate(&mut dice);
    let Ok(query) = Query::parse(&text) else { return };
    let inputs = [Input::Db(a.clone()), Input::Db(b.clone()), edn(RULES)];
    let (limits, cancel) = (Limits::default(), CancelToken::default());
    let answer = match run(&query, &inputs, &limits, &cancel) {
        Ok(answer) => answer,
        Err(error) => {
            assert_eq!(error.kind(), QueryErrorKind::Unbound, "{text}: {error}");
            for query in orders(&query) {
                assert!(run(&query, &inputs, &limits, &cancel).is_err(), "{text}: {error}");
            }
            return;
        }
    };
    let rules = parse_rules(&read_one(RULES).unwrap()).unwrap();
    let sources = [(Symbol::new("$"), facts(1, &a)), (Symbol::new("$b"), facts(2, &b))].into();
    let expected = Naive { sources, rules: &rules }.answer(&query.ast);
    let plain = |row: &Vec<Value>| row.iter().map(number).collect::<Vec<_>>();
    let rows = |answer: &Answer| {
        let mut rows: Vec<Vec<Value>> = answer.rows.iter().map(plain).collect();
        rows.sort();
        rows
    };
    let shown = || format!("seed {seed}: {text}\n{:?}\n{:?}", facts(1, &a), facts(2, &b));
    assert_eq!(rows(&answer), expected, "{}\n{}", shown(), answer.explain);
    for query in orders(&query) {
        let again = run(&query, &inputs, &limits, &cancel).unwrap();
        assert_eq!(rows(&again), expected, "{}\n{}", shown(), again.explain);
    }
}

fn number(value: &Value) -> Value {
    match value {
        Value::Ref(e) => Value::Long(e.0 as i64),
        other => other.clone(),
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn engine_and_naive_evaluator_agree(seed: u64) {
        agree(seed);
    }
}
