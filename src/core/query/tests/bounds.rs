//! Limits: every stage looks at the clock, memory is counted inside a batch, and what is too long
//! or too deep is refused by name.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that goes on by one at each look.
fn clock() -> (Elapsed, Arc<AtomicU64>) {
    let looks = Arc::new(AtomicU64::new(0));
    let counted = looks.clone();
    (Arc::new(move || counted.fetch_add(1, Ordering::Relaxed)), looks)
}

fn within(query: &str, inputs: &[Input], limits: Limits) -> Result<Answer, QueryError> {
    run(&Query::parse(query)?, inputs, &limits, &CancelToken::default())
}

/// The error after so many looks at the clock.
fn timed_out(query: &str, inputs: &[Input], looks: u64) -> String {
    let (elapsed, _) = clock();
    let limits = Limits { timeout_ms: Some(looks), elapsed_ms: Some(elapsed), ..Limits::default() };
    let error = within(query, inputs, limits).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Timeout, "{query}: {error}");
    error.to_string()
}

/// How often the clock is looked at.
fn looks(query: &str, inputs: &[Input]) -> u64 {
    let (elapsed, looks) = clock();
    let limits =
        Limits { timeout_ms: Some(u64::MAX), elapsed_ms: Some(elapsed), ..Limits::default() };
    within(query, inputs, limits).unwrap_or_else(|e| panic!("{query}: {e}"));
    looks.load(Ordering::Relaxed)
}

fn numbers(count: usize) -> Input {
    Input::Value(Value::from((0..count as i64).map(Value::Long).collect::<Vec<_>>()))
}

#[test]
fn the_clock_is_looked_at_inside_a_batch() {
    for query in [
        "[:find (count ?y) . :in [?x ...] :where [(inc ?x) ?y]]",
        "[:find (count ?x) . :in [?x ...] :where [(str ?x) ?s] [(< \"1\" ?s)]]",
        "[:find (count ?x) . :in [?x ...] :where [(str ?x) ?s] [(re-find #\"1\" ?s)]]",
        "[:find (median ?x) . :in [?x ...]]",
        "[:find (count ?x) . :in [?x ...] :where (not [(= ?x 0)])]",
        "[:find (count ?y) . :in [?x ...] :where (or-join [?x ?y] [(inc ?x) ?y] [(dec ?x) ?y])]",
        "[:find (count ?y) . :in [?x ...] :where [(ground [[1 2] [3 4]]) [[?y _]]]]",
        "[:find ?x :in [?x ...] :order-by ?x :desc :limit 1]",
    ] {
        let (few, many) = (looks(query, &[numbers(10)]), looks(query, &[numbers(30_000)]));
        assert!(many >= few + 6, "{query}: {many} looks instead of {few}");
    }
}

#[test]
fn the_time_ends_one_large_step() {
    let text = edn(&format!("\"{}\"", "12".repeat(40_000)));
    let seq = "[:find (count ?r) . :in ?s :where [(re-seq #\"1.*?Z|1\" ?s) [?r ...]]]";
    assert!(timed_out(seq, &[text], 40).contains("re-seq"));
    let all = "[:find (count ?b) . :where [(range 5000) ?r] [(identity ?r) [?a ...]] \
               [(identity ?r) [?b ...]] [(identity ?r) [?c ...]]]";
    timed_out(all, &[], 60);
    let rule = "[:find (count ?x) . :in % :where (up 0 ?x)]";
    let rules = edn("[[(up ?a ?b) [(inc ?a) ?b]] [(up ?a ?b) (up ?a ?x) [(inc ?x) ?b]]]");
    timed_out(rule, &[rules], 500);
    let product = edn(&format!("[[{0}] [{0}]]", "1 ".repeat(3000)));
    assert!(timed_out("[:find ?a :in [[?a ...] [?b ...]]]", &[product], 20).contains(":in"));
}

/// A chain of clauses, each with what the one before gives.
fn chain(count: usize, clause: impl Fn(usize) -> String) -> String {
    let clauses: String = (0..count).map(clause).collect();
    format!("[:find ?x0 ?x{count} :where [(ground 0) ?x0] {clauses}]")
}

fn calls(count: usize) -> String {
    chain(count, |n| format!("[(+ ?x{n} 1) ?x{}] ", n + 1))
}

#[test]
fn the_time_ends_planning() {
    let patterns = chain(900, |n| format!("[?x{n} :friend ?x{}] ", n + 1));
    let said = timed_out(&patterns, &[Input::Db(people())], 100);
    assert_eq!(said, "the time limit was reached in planning");
}

#[test]
fn long_queries_run_or_are_refused() {
    let answer = ask(&calls(999), &[]).unwrap();
    assert_eq!(to_string(&answer.to_value()), "#{[0 999]}");
    let shapes: [fn(usize) -> String; 6] = [
        |_| "[?x :name ?n] ".to_owned(),
        |_| "(not [?x :age 99]) ".to_owned(),
        |_| "(or [?x :age 37] [?x :age 15]) ".to_owned(),
        |n| format!("(optional [?x :email ?e{n}]) "),
        |_| "[(missing? $ ?x :email)] ".to_owned(),
        |n| format!("[(get-else $ ?x :height {n}.5) ?h{n}] "),
    ];
    let people = [Input::Db(people())];
    for shape in shapes {
        let query = |count: usize| {
            let clauses: String = (0..count).map(shape).collect();
            format!("[:find ?x :where [?x :age ?a] {clauses}]")
        };
        ask(&query(300), &people).unwrap_or_else(|e| panic!("{}: {e}", shape(0)));
        let error = ask(&query(1000), &people).unwrap_err();
        assert_eq!(error.to_string(), "number of clauses limit of 1000 reached in :where");
        assert_eq!(error.kind(), QueryErrorKind::Limit);
    }
}

#[test]
fn rules_that_unfold_too_far_are_refused() {
    let refused = |query: &str, rules: &str| {
        let error = ask(query, &[Input::Db(people()), edn(rules)]).unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Limit, "{error}");
        error.to_string()
    };
    let ors = "(or [?a :friend ?b] (r ?a ?b)) ".repeat(30);
    let said = refused("[:find ?b :in $ % :where (r 1 ?b)]", &format!("[[(r ?a ?b) {ors}]]"));
    assert_eq!(said, "number of clauses with those of rules limit of 4096 reached in r");
    let long = "[?a :name _] ".repeat(5000);
    refused("[:find ?a :in $ % :where (r ?a)]", &format!("[[(r ?a) {long}]]"));
}

#[test]
fn alternatives_in_alternatives_are_planned_once() {
    let mut inner = "[?e :age 15]".to_owned();
    for _ in 0..60 {
        inner = format!("(or-join [?e] [?e :age 37] (and [?e :name ?n] {inner}))");
    }
    check(&format!("[:find [?e ...] :where [?e :age _] {inner}]"), "[1 2 3]");
}

#[test]
fn memory_is_counted_inside_a_batch() {
    let limited = |query: &str, inputs: &[Input], bytes: u64| {
        let limits = Limits { memory_bytes: bytes, ..Limits::default() };
        let error = within(query, inputs, limits).unwrap_err().to_string();
        assert!(error.contains("memory limit"), "{query}: {error}");
    };
    let lists = "[:find (count ?s) . :where [(range 3000) ?a] [(identity ?a) [?x ...]] \
                 [(range ?x 20000) ?s]]";
    limited(lists, &[], 8 << 20);
    let pairs = "[:find ?a ?b :where [(range 3000) ?r] [(identity ?r) [?a ...]] \
                 [(identity ?r) [?b ...]] [(str ?a ?b) ?c]]";
    limited(pairs, &[], 4 << 20);
    limited("[:find (distinct ?x) . :in [?x ...]]", &[numbers(20_000)], 1 << 20);
    let product = edn(&format!("[[{0}] [{0}]]", "1 ".repeat(2000)));
    limited("[:find ?a :in [[?a ...] [?b ...]]]", &[product], 8 << 20);
}

#[test]
fn what_functions_make_has_limits() {
    let refused = |query: &str, inputs: &[Input], words: &str| {
        let error = ask(query, inputs).unwrap_err().to_string();
        assert!(error.contains(words), "{query}: {error}");
        assert!(error.len() < 600, "{query}: {} bytes of error", error.len());
    };
    let doubled = |call: &str| {
        let clause = |n: usize| format!("[({call} ?x{n} ?x{n}) ?x{}] ", n + 1);
        chain(60, clause).replace("(ground 0)", "(ground \"abcdefgh\")")
    };
    refused(&doubled("str"), &[], "the result would have more than 67108864 bytes");
    refused(&doubled("vector"), &[], "the result would have more than 4194304 values");
    let deep = chain(900, |n| format!("[(vector ?x{n}) ?x{}] ", n + 1));
    refused(&deep, &[], "the result would have more than 496 levels");
    refused("[:find (rand 1000000000 ?x) . :where [(ground 1) ?x]]", &[], "1048576 items");
    let own = edn("[:find ?x . :in ?q :where [(q ?q ?q) ?x]]");
    let query = "[:find ?x . :in ?q :where [(q ?q ?q) ?x]]";
    refused(query, &[own], "nesting limit of 16");
}

#[test]
fn patterns_that_are_none_are_quoted_shortly() {
    let reason = |pattern: &str| {
        let query = "[:find ?r :in ?p :where [(re-pattern ?p) ?r]]";
        let error = ask(query, &[Input::Value(Value::str(pattern))]).unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Type);
        error.to_string().split(", in [(").next().unwrap().to_owned()
    };
    assert_eq!(reason("a(b"), "re-pattern: regular expression: unclosed group, in a(b");
    assert!(reason(&"(".repeat(40_000)).len() < 300);
    assert!(reason("(?:\\pL{1000}){1000}").contains("it takes more than 4194304 bytes"));
    let many = "[:find (count ?x) . :in [?x ...] :where [(str ?x) ?p] [(re-find ?p \"77\")]]";
    let answer = ask(many, &[numbers(100)]).unwrap();
    assert_eq!(answer.to_value(), Value::Long(2));
}
