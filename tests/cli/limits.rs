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
