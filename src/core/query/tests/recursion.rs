//! Rules: what they say, that recursion ends, and that it visits only what it is asked for.

use super::*;

const RULES: &str = "[[(boss ?e ?b) [?e :boss ?b]]
    [(above ?e ?b) [?e :boss ?b]] [(above ?e ?b) [?e :boss ?m] (above ?m ?b)]
    [(below ?b ?e) (below ?b ?m) [?e :boss ?m]] [(below ?b ?e) [?e :boss ?b]]
    [(old ?e) [?e :age ?a] [(< 20 ?a)]]
    [(even ?a ?b) [?a :friend ?x] (odd ?x ?b)] [(odd ?a ?b) [?a :friend ?b]]
    [(odd ?a ?b) [?a :friend ?x] (even ?x ?b)]
    [(same [?x] ?y) [(identity ?x) ?y]]]";

fn rule(query: &str, expected: &str) {
    check_with(query, &[Input::Db(people()), edn(RULES)], expected);
}

#[test]
fn rules_say() {
    rule("[:find [?b ...] :in $ % :where (boss 3 ?b)]", "[1]");
    rule("[:find [?b ...] :in $ % :where [boss 3 ?b]]", "[1]");
    rule("[:find ?e ?b :in $ % :where (above ?e ?b)]", "#{[3 1] [4 1] [5 1] [5 4]}");
    rule("[:find [?b ...] :in $ % :where (above :place/home ?b)]", "[1 4]");
    rule("[:find [?e ...] :in $ % :where (above ?e 1)]", "[3 4 5]");
    rule("[:find [?e ...] :in $ % :where (below 1 ?e)]", "[3 4 5]");
    rule("[:find ?b ?e :in $ % :where (below ?b ?e)]", "#{[1 3] [1 4] [1 5] [4 5]}");
    rule("[:find [?e ...] :in $ % :where [?e :name _] (not (old ?e))]", "[1 4]");
    rule("[:find [?e ...] :in $ % :where [?e :name _] (not (above ?e 1))]", "[1 2]");
    rule("[:find ?a ?b :in $ % :where (even ?a ?b)]", "#{[1 3] [4 4]}");
    rule("[:find ?y . :in $ % :where (same 3 ?y)]", "3");
    rule("[:find ?e . :in $ % :where (above ?e ?e)]", "nil");
    rule("[:find [?e ...] :in $ % :where [?e :age] (or (above ?e 1) (old ?e))]", "[2 3]");
}

#[test]
fn rules_refuse() {
    let error = |query: &str, rules: &str| {
        ask(query, &[Input::Db(people()), edn(rules)]).unwrap_err().to_string()
    };
    let q = "[:find ?x :in $ % :where (p ?x)]";
    assert_eq!(
        error(q, "[[(p ?x) [?x :name] (not (p ?x))]]"),
        "recursion through negation: rule 'p depends on its own absence, in (p ?x) in the rules"
    );
    assert_eq!(
        error(q, "[[(pp ?x) [?x :name]]]"),
        "Unknown rule 'p in (p ?x) at line 1, column 26 (did you mean pp?)"
    );
    assert_eq!(
        error(q, "[[(p ?x ?y) [?x :name ?y]]]"),
        "Arity mismatch for rule '{p}: 2 arguments expected, got 1, in (p ?x) at line 1, column 26"
            .replace("{p}", "p")
    );
    assert_eq!(
        error("[:find ?y :in $ % :where (p ?x ?y)]", "[[(p [?x] ?y) [?x :name ?y]]]"),
        "Insufficient bindings: #{?x} not bound in (p ?x ?y) at line 1, column 26"
    );
}

/// A chain of nodes, each with the next, and as many that hang elsewhere.
fn chain(links: u64) -> Db {
    let link = |e: u64| format!("[{e} :next {}] [{} :next {}]", e + 1, e + 10_000, e + 10_001);
    let facts: Vec<String> = (1..=links).map(link).collect();
    let schema = "{:next {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";
    db_of(1, schema, &[&format!("[{}]", facts.join(" "))])
}

const PATHS: &str = "[[(path ?a ?b) [?a :next ?b]] [(path ?a ?b) [?a :next ?x] (path ?x ?b)]]";

#[test]
fn recursion_visits_what_is_reachable() {
    let inputs = [Input::Db(chain(200)), edn(PATHS)];
    for (query, expected, most) in [
        ("[:find (count ?b) . :in $ % :where (path 190 ?b)]", 11, 500),
        ("[:find (count ?a) . :in $ % :where (path ?a 11)]", 10, 500),
        ("[:find (count ?a) . :in $ % :where [?b :next 13] (path ?a ?b)]", 11, 500),
    ] {
        let answer = ask(query, &inputs).unwrap();
        assert_eq!(answer.to_value(), Value::Long(expected), "{query}");
        assert!(
            answer.stats.rows < most,
            "{query}: {} rows\n{}",
            answer.stats.rows,
            answer.explain
        );
    }
}

#[test]
fn a_rule_of_which_nothing_is_known_comes_last_however_large_the_database() {
    let facts: Vec<String> = (1..=60_000).map(|e| format!("[{e} :next {}]", e + 1)).collect();
    let schema = "{:next {:db/valueType :db.type/ref}}";
    let db = db_of(1, schema, &[&format!("[{}]", facts.join(" "))]);
    let inputs = [Input::Db(db), edn(PATHS)];
    let query = "[:find (count ?b) . :in $ % :where [?a :next] [(< 59999 ?a)] (path ?a ?b)]";
    let answer = ask(query, &inputs).unwrap();
    assert_eq!(answer.to_value(), Value::Long(1));
    assert!(answer.stats.rows < 200_000, "{} rows\n{}", answer.stats.rows, answer.explain);
}

#[test]
fn cycles_end() {
    let schema = "{:next {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";
    let db = db_of(1, schema, &["[[1 :next 2] [2 :next 3] [3 :next 1] [3 :next 4]]"]);
    let inputs = [Input::Db(db), edn(PATHS)];
    check_with("[:find [?b ...] :in $ % :where (path 2 ?b)]", &inputs, "[1 2 3 4]");
    check_with("[:find (count ?b) . :with ?a :in $ % :where (path ?a ?b)]", &inputs, "12");
}

#[test]
fn all_pairs_of_a_chain() {
    let inputs = [Input::Db(chain(100)), edn(PATHS)];
    let answer = ask("[:find (count ?b) . :with ?a :in $ % :where (path ?a ?b)]", &inputs).unwrap();
    assert_eq!(answer.to_value(), Value::Long(2 * 100 * 101 / 2));
}
