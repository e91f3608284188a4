//! Queries that would take all of the machine end with an error that says which limit.

use crate::support::Place;

const CROSS: &str = "[:find ?a ?b :where [?a :w/n ?x] [?b :w/n ?y]]";

/// A thousand entities for each `thousand`.
fn place(thousands: usize) -> Place {
    let place = Place::with_database();
    let forms = (0..thousands * 1000).map(|n| format!("{{:w/n {n}}} "));
    place.ok(&["transact", "db", "-"], &format!("[{}]", forms.collect::<String>()));
    place
}

#[test]
fn a_cross_product_reaches_the_limit_of_memory() {
    let place = place(20);
    let said = place.fails(10, &["query", CROSS, "db", "--max-memory", "32"], "");
    assert!(said.contains("memory limit"), "{said}");
}

#[test]
fn a_long_query_reaches_the_limit_of_time() {
    let place = place(20);
    let said = place.fails(8, &["query", CROSS, "db", "--timeout", "0.2"], "");
    assert!(said.contains("the time limit was reached"), "{said}");
    let own = "[:find ?a ?b :where [?a :w/n ?x] [?b :w/n ?y] :timeout 200]";
    place.fails(8, &["query", own, "db"], "");
}

#[test]
fn limits_that_make_no_sense() {
    let place = place(1);
    for seconds in ["0", "-1", "nan", "inf", "1e300"] {
        place.fails(3, &["query", CROSS, "db", &format!("--timeout={seconds}")], "");
    }
    assert_eq!(place.ok(&["query", CROSS, "db", "--limit", "3"], "").lines().count(), 4);
}

/// `(r0 ?e)` calls `(r1 ?e)`, and so on, each with so many definitions.
fn chain(length: usize, definitions: usize) -> String {
    let rule = |n: usize| format!("[(r{n} ?e) (r{} ?e)] ", n + 1).repeat(definitions);
    let rules: String = (0..length).map(rule).collect();
    format!("[{rules} [(r{length} ?e) [?e :w/n]]]")
}

#[test]
fn rules_that_call_each_other_deep() {
    let place = place(1);
    let query = "[:find (count ?e) . :in $ % :where (r0 ?e)]";
    let ran = |length, definitions| {
        std::fs::write(place.path("rules.edn"), chain(length, definitions)).unwrap();
        place.ran(&["query", query, "db", "--rules", "rules.edn", "--timeout", "60"], "")
    };
    for definitions in [1, 2] {
        let ran = ran(500, definitions);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "1000\n"), "{}", ran.stderr);
    }
    for (length, words) in [(600, "depth limit of 512"), (5000, "number of rules limit of 4096")] {
        let ran = ran(length, 1);
        assert_eq!(ran.code, 9, "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
}

#[test]
fn long_queries_answer_or_are_refused() {
    let place = place(1);
    let chain = |length: usize| {
        let clause = |n: usize| format!("[(+ ?x{n} 1) ?x{}] ", n + 1);
        let clauses: String = (0..length).map(clause).collect();
        let query = format!("[:find ?x{length} . :where [(ground 0) ?x0] {clauses}]");
        std::fs::write(place.path("chain.edn"), query).unwrap();
        place.ran(&["query", "chain.edn", "db"], "")
    };
    assert_eq!(chain(999).stdout, "999\n");
    for length in [1000, 30_000] {
        let ran = chain(length);
        assert_eq!(ran.code, 9, "{ran:?}");
        assert!(ran.stderr.contains("number of clauses limit of 1000"), "{ran:?}");
    }
}

#[test]
fn one_step_that_makes_very_much_reaches_the_limits() {
    let place = place(1);
    let lists = "[:find (count ?s) . :where [(range 1000) ?a] [(range ?x 100000) ?s] \
                 [(identity ?a) [?x ...]]]";
    let said = place.fails(10, &["query", lists, "db", "--max-memory", "20"], "");
    assert!(said.contains("memory limit"), "{said}");
    place.fails(8, &["query", lists, "db", "--timeout", "0.3"], "");
    let matches = "[:find (count ?r) . :where [(range 30000) ?l] [(clojure.string/join ?l) ?s] \
                   [(re-seq #\"1.*?Z|1\" ?s) [?r ...]]]";
    place.fails(8, &["query", matches, "db", "--timeout", "0.3"], "");
}

#[test]
fn a_million_by_a_million_reaches_each_limit() {
    let place = place(1);
    let all = "[(range 1000000) [?a ...]] [(range 1000000) [?b ...]]";
    let count = format!("[:find (count ?a) . :where {all}]");
    place.fails(8, &["query", &count, "db", "--timeout", "1"], "");
    let rows = format!("[:find ?a ?b :where {all}]");
    place.fails(10, &["query", &rows, "db", "--max-memory", "64"], "");
}

#[test]
fn a_range_without_an_end_is_refused() {
    let place = place(1);
    for (range, words) in [
        ("(range)", "1 to 3 arguments expected, got 0"),
        ("(range 0 ##Inf)", "more than 1048576 items"),
        ("(range 0 1 0)", "more than 1048576 items"),
        ("(range 9223372036854775807)", "more than 1048576 items"),
    ] {
        let query = format!("[:find ?x :where [{range} [?x ...]]]");
        let said = place.fails(3, &["query", &query, "db"], "");
        assert!(said.contains(words), "{range}: {said}");
    }
}

#[test]
fn rules_recurse_as_deep_as_there_is_something_to_find() {
    let place = place(1);
    let query = "[:find (count ?n) . :in $ % :where (up ?n)]";
    let up = |until: &str| {
        format!("[[(up ?n) [(ground 0) ?n]] [(up ?n) (up ?m) {until} [(inc ?m) ?n]]]")
    };
    let rules = up("[(< ?m 100000)]");
    assert_eq!(place.ok(&["query", query, "db", "--rules", &rules], "").trim(), "100001");
    // Without an end there is a limit.
    place.fails(8, &["query", query, "db", "--rules", &up(""), "--timeout", "1"], "");
}
