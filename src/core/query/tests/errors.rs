//! What is wrong is said with the form and the place.

use super::*;
use QueryErrorKind as K;

#[test]
fn syntax() {
    check_error(
        "[:find ?e :where [?e :name",
        K::Syntax,
        &Query::parse("[:find ?e :where [?e :name").unwrap_err().to_string(),
    );
    check_error(
        "[:find ?e :wher [?e :name]]",
        K::Syntax,
        "a query has no section :wher (did you mean :where?), in :wher at line 1, column 11",
    );
    check_error(
        "[:find ?e :where [?e :name \"x\" _ _ _]]",
        K::Syntax,
        "a data pattern has at most 5 positions: e a v tx added, \
         in [?e :name \"x\" _ _ _] at line 1, column 18",
    );
    check_error(
        "[:find ?e\n :where [?e :age ?a] [(< (inc ?a) 3)]]",
        K::Syntax,
        "calls do not nest: bind the inner one to a variable first, \
         in (inc ?a) at line 2, column 26",
    );
    check_error(
        "[:find ?e :where (or [?e :age ?a] [?e :name])]",
        K::Syntax,
        "All clauses in 'or' must use same set of free vars: ?a is not in every branch, \
         in (or [?e :age ?a] [?e :name]) at line 1, column 18",
    );
    check_error(
        "[:find ?e :where [?e :age] (optional [?e :email ?o]) [(nil? ?o)]]",
        K::Unbound,
        "Insufficient bindings: only `optional` binds ?o, and comes last, \
         in [(nil? ?o)] at line 1, column 54",
    );
    check_error(
        "[:find ?e ?o :where [?e :age] (optional [?e :email ?o]) (optional [?e :name ?o])]",
        K::Syntax,
        "?o in one optional clause only: it may be unbound, \
         in (optional [?e :name ?o]) at line 1, column 57",
    );
    check_error(
        "[:find ?e :keys a b :where [?e]]",
        K::Syntax,
        ":find has 1 elements and there are 2 keys, \
         in [:find ?e :keys a b :where [?e]] at line 1, column 1",
    );
    check_error(
        "[:find (smu ?e) :where [?e]]",
        K::Unbound,
        "Unknown aggregate 'smu in (smu ?e) at line 1, column 8 (did you mean sum?)",
    );
}

#[test]
fn names_that_nothing_provides() {
    check_error(
        "[:find ?nam :where [?e :name ?name]]",
        K::Unbound,
        "Query for unknown vars: [?nam], in ?nam at line 1, column 8 (did you mean ?name?)",
    );
    check_error(
        "[:find ?e :where [$x ?e :name]]",
        K::Unbound,
        "Where uses unknown source vars: [$x], \
         in [$x ?e :name] at line 1, column 18 (did you mean $?)",
    );
    check_error(
        "[:find ?e :where [?e :age ?a] [(odd ?a)]]",
        K::Unbound,
        "Unknown predicate 'odd in [(odd ?a)] at line 1, column 31 (did you mean odd??)",
    );
    check_error(
        "[:find ?e :where [?e :age ?a] [(< ?a ?max)]]",
        K::Unbound,
        "Insufficient bindings: #{?max} not bound in [(< ?a ?max)] at line 1, column 31",
    );
    check_error(
        "[:find ?e :where [?e :name] (not [?x :age ?a])]",
        K::Unbound,
        "Insufficient bindings: none of #{?a ?x} is bound \
         in (not [?x :age ?a]) at line 1, column 29",
    );
    check_error(
        "[:find ?e :where [?e :name] (not-join [?x] [?x :age])]",
        K::Unbound,
        "Insufficient bindings: #{?x} not bound in (not-join [?x] [?x :age]) at line 1, column 29",
    );
    check_error(
        "[:find ?e :where (reports ?e)]",
        K::Syntax,
        "a rule is called, and `:in` has no %, in (reports ?e) at line 1, column 18",
    );
}

#[test]
fn inputs_that_do_not_fit() {
    let error = |query: &str, inputs: &[Input]| ask(query, inputs).unwrap_err();
    let few = error("[:find ?e :in $ ?n :where [?e :name ?n]]", &[Input::Db(people())]);
    assert_eq!(few.to_string(), "Too few inputs passed, expected: [$ ?n], got: 1");
    let many = error("[:find ?e :where [?e :name]]", &[Input::Db(people()), edn("1")]);
    assert_eq!(many.to_string(), "Extra inputs passed, expected: [$], got: 2");
    let odd = error("[:find ?e :in [?e ...]]", &[edn("1")]);
    assert_eq!(
        odd.to_string(),
        "Cannot bind value 1 to [?e ...]: a collection is a vector, a list or a set"
    );
    assert_eq!([few.kind(), many.kind(), odd.kind()], [K::Inputs; 3]);
}

#[test]
fn what_functions_do_not_take() {
    check_error(
        "[:find ?x :where [(+ 9223372036854775807 1) ?x]]",
        K::Type,
        "+: integer overflow, in [(+ 9223372036854775807 1) ?x] at line 1, column 18",
    );
    check_error(
        "[:find ?x :where [?e :name ?n] [(+ ?n 1) ?x]]",
        K::Type,
        "+: a number expected, got \"Ivan\", in [(+ ?n 1) ?x] at line 1, column 32",
    );
    check_error(
        "[:find ?x :where [(fulltext $ :name \"x\") ?x]]",
        K::Unsupported,
        "`fulltext` is not supported, in [(fulltext $ :name \"x\") ?x] at line 1, column 18",
    );
    check_error(
        "[:find ?x :where [?x :age [:age 1]] [[:age 15] :name ?x]]",
        K::Unbound,
        "lookup ref attribute :age should be marked as :db/unique, \
         in [[:age 15] :name ?x] at line 1, column 37",
    );
}

#[test]
fn unknown_attributes_are_warnings() {
    let answer = ask("[:find ?e :where [?e :nmae _]]", &[Input::Db(people())]).unwrap();
    assert!(answer.rows.is_empty());
    assert_eq!(
        answer.stats.warnings,
        ["unknown attribute :nmae (did you mean :name?), in [?e :nmae _] at line 1, column 18"]
    );
}

#[test]
fn limits_and_cancellation() {
    let query = Query::parse("[:find ?a ?b :where [?a :name _] [?b :name _]]").unwrap();
    let with = |limits: &Limits, cancel: &CancelToken| {
        run(&query, &[Input::Db(people())], limits, cancel).map_err(|error| error.kind())
    };
    let (free, token) = (Limits::default(), CancelToken::default());
    assert_eq!(with(&free, &token).unwrap().rows.len(), 16);
    assert_eq!(with(&Limits { rows: 15, ..free.clone() }, &token).unwrap_err(), K::Limit);
    assert_eq!(with(&Limits { memory_bytes: 10, ..free.clone() }, &token).unwrap_err(), K::Limit);
    let late = Limits { timeout_ms: Some(5), elapsed_ms: Some(Arc::new(|| 6)), ..free.clone() };
    assert_eq!(with(&late, &token).unwrap_err(), K::Timeout);
    token.cancel();
    assert_eq!(with(&free, &token).unwrap_err(), K::Cancelled);
}
