//! What queries of other systems rely on.

use super::*;

const LINKS: &str = r#"[["root" "isa" "Anchor"] ["root" "link" "b"] ["b" "link" "c"]]"#;

fn over(rows: &str, rules: &str, query: &str, expected: &str) {
    check_with(query, &[edn(rows), edn(rules)], expected);
}

#[test]
fn keys_may_be_keywords() {
    check("[:find ?n ?a :keys :n :a :where [1 :name ?n] [1 :age ?a]]", r#"[{:n "Ivan" :a 15}]"#);
}

#[test]
fn a_negative_limit_or_offset_is_none() {
    check("[:find [?a ...] :where [_ :age ?a] :limit -1 :offset -1]", "[15 37]");
}

#[test]
fn options_may_stand_beside_a_query() {
    check("{:query [:find [?a ...] :where [_ :age ?a] :limit 2] :limit 1 :stats? true}", "[15]");
    check("{:query \"[:find ?a . :where [_ :age ?a]]\" :offset 1}", "37");
    check(
        "{:query [:find ?n ?a :where [?e :name ?n] [?e :age ?a]] :order-by [?a :desc ?n] :limit 1
          :timeout 60000 :settings {} :cancel nil}",
        r#"[["Oleg" 37]]"#,
    );
    check_error(
        "{:query [:find ?a :where [_ :age ?a]] :arg [1]}",
        QueryErrorKind::Syntax,
        "beside :query stand :args, :limit, :offset, :order-by, :timeout, \
         in :arg at line 1, column 39",
    );
}

#[test]
fn inputs_may_stand_beside_a_query() {
    let grown = "[:find [?e ...] :in $ % ?min :where [?e :age ?a] [(<= ?min ?a)] (named ?e)]";
    let rules = "[[(named ?e) [?e :name _]]]";
    for args in [format!("[{rules} 20]"), format!("[$ {rules} 20]")] {
        check(&format!("{{:query {grown} :args {args}}}"), "[2 3]");
    }
    let rows = "{:query [:find [?x ...] :in $ ?y :where [?x ?y]] :args [[[1 2] [3 4]] 4]}";
    check_with(rows, &[], "[3]");
    let passed = [Input::Db(people()), edn(rules), edn("99")];
    check_with(&format!("{{:query {grown} :args [{rules} 20]}}"), &passed, "[]");
    check_error(
        &format!("{{:query {grown} :args [20]}}"),
        QueryErrorKind::Syntax,
        "`:args` has a value for each of [$ % ?min], or for each that is no database, \
         in [20] at line 1, column 91",
    );
}

#[test]
fn functions_of_a_host_are_refused_by_name() {
    for name in [".toLowerCase", "String.", "java.lang.Math/abs", "my.app/adult?"] {
        check_error(
            &format!("[:find ?e :where [?e :name ?n] [({name} ?n)]]"),
            QueryErrorKind::Unsupported,
            &format!(
                "`{name}`, a function of a host language, is not supported, \
                 in [({name} ?n)] at line 1, column 32"
            ),
        );
    }
}

#[test]
fn brackets_and_parentheses_are_the_same_in_clauses() {
    check("[:find [?e ...] :where (?e :age ?a) ((inc ?a) ?b) [(= ?b 16)]]", "[1]");
    check("(:find [?e ...] :where (?e :age 15))", "[1]");
}

#[test]
fn a_rule_takes_from_its_caller_what_it_does_not_bind() {
    over(
        LINKS,
        "[[(reach ?to ?by ?n) [?n \"isa\" ?to]]
          [(reach ?to ?by ?n) [?s ?by ?n] (reach ?to ?by ?s)]]",
        "[:find [?n ...] :in $ % :where [_ ?by _] [(not= ?by \"isa\")] (reach \"Anchor\" ?by ?n)]",
        r#"["b" "c" "root"]"#,
    );
}

#[test]
fn an_argument_that_a_rule_ignores_need_not_be_bound() {
    over(
        LINKS,
        "[[(reach ?to ?x ?n) [?n \"isa\" ?to]]
          [(reach ?to ?x ?n) [?s \"link\" ?n] (reach ?to ?x ?s)]]",
        "[:find [?n ...] :in $ % :where (reach \"Anchor\" ?whatever ?n)]",
        r#"["b" "c" "root"]"#,
    );
}

#[test]
fn an_argument_that_is_ignored_is_so_wherever_it_is_handed_on() {
    let isa = "[?n \"isa\" \"Anchor\"]";
    for body in [
        "(or (b ?n ?x) (c ?x ?n))",
        "(or-join [?n] (b ?n ?x) (c ?x ?n))",
        "(optional (b ?n ?x))",
        "(not (none ?n ?x))",
    ] {
        let rules = format!(
            "[[(a ?n ?x) {isa} {body}] [(b ?n ?x) {isa}] [(c ?x ?n) {isa}]
              [(none ?n ?x) [?n \"isa\" \"Nothing\"]]]"
        );
        let query = "[:find [?n ...] :in $ % :where (a ?n ?whatever)]";
        over(LINKS, &rules, query, r#"["root"]"#);
    }
    // What a negation hands on to a rule that looks at nothing is still bound by who asks.
    let rules =
        "[[(a ?n ?x) [?n \"isa\" \"Anchor\"] (not (b ?x))] [(b ?x) [_ \"isa\" \"Nothing\"]]]";
    let query = "[:find [?n ...] :in $ % ?x :where (a ?n ?x)]";
    check_with(query, &[edn(LINKS), edn(rules), edn("7")], r#"["root"]"#);
}

#[test]
fn a_reverse_attribute_may_be_missing() {
    check("[:find [?e ...] :where [?e :name] [(missing? $ ?e :_boss)]]", "[2 3]");
    check("[:find ?e ?b :where [?e :age 15] [(get-else $ ?e :_boss 0) ?b]]", "#{[1 3]}");
}

#[test]
fn a_transaction_is_valid_from_to() {
    let db = db_of(
        1,
        "{:db.valid/from {:db/index true}}",
        &[
            "[[536870913 :db.valid/from 10] [536870913 :db.valid/to 20] [1 :pay 100]]",
            "[[536870914 :db.valid/from 20] [1 :pay 100 false] [1 :pay 200]]",
            "[[2 :pay 300]]",
        ],
    );
    let at = |rule: &str, expected: &str| {
        let query = format!("[:find [?p ...] :where {rule} [_ :pay ?p ?tx true]]");
        check_with(&query, &[Input::Db(db.history())], expected);
    };
    at("(valid-at ?tx 10)", "[100]");
    at("(valid-at ?tx 20)", "[200]");
    at("(valid-at ?tx 9)", "[]");
    at("(valid-between ?tx 19 21)", "[100 200]");
    at("(period-overlaps? ?tx 0 10)", "[]");
    at("(valid-during ?tx 5 20)", "[100]");
}

#[test]
fn a_tuple_of_entities_is_found_by_numbers() {
    let db = db_of(
        1,
        "{:boss {:db/valueType :db.type/ref} :boss+name {:db/tupleAttrs [:boss :name]}}",
        &["[[3 :boss+name [1 \"Petr\"]]]"],
    );
    check_with("[:find ?e . :where [?e :boss+name [1 \"Petr\"]]]", &[Input::Db(db)], "3");
}

#[test]
fn syntax_is_told_from_meaning() {
    let is_query = |text: &str| check_part(Part::Query, &read_one(text).unwrap()).is_ok();
    for text in [
        "[:find (my/mode ?a) :where [_ :age ?a]]",
        "[:find ?a :in ?n :where [_ :age ?a]]",
        "[:find ?a :where [_ :age ?a] [(< (inc ?a) 3)]]",
        "[:find ?a :where [_ :age ?a] :having [(< ?a 3)]]",
        "[:find ?a :where (or [_ :age ?a] [?e :name])]",
    ] {
        assert!(is_query(text), "{text}");
        assert!(Query::parse(text).is_err(), "{text}");
    }
    for text in ["[:find ?b :where [_ :age ?a]]", "[:find ?a :where [_ :age ?a] (not [_ :name])]"] {
        assert!(!is_query(text), "{text}");
    }
    let clause = |text: &str| check_part(Part::Clause, &read_one(text).unwrap()).is_ok();
    assert!(clause("(not-join [?e] [?e :name])") && !clause("(or [_])"));
}
