//! `optional` wherever clauses stand: in branches of `or`, in rules, in itself.
//!
//! A variable that another branch or a caller shares was taken for one that is bound before, so
//! that such an `optional` could not be run at all.

use super::*;
use QueryErrorKind as K;

fn with_rules(query: &str, rules: &str, expected: &str) {
    check_with(query, &[Input::Db(people()), edn(rules)], expected);
}

#[test]
fn in_a_branch_of_an_or() {
    check(
        "[:find ?n ?o :where [?e :name ?n] \
         (or (and [?e :age 37] (optional [?e :email ?o])) (and [?e :age 15] [?e :aka ?o]))]",
        r#"#{["Ivan" "ivolga"] ["Ivan" "pi"] ["Oleg" "oleg@example.org"] ["Petr" nil]}"#,
    );
    check(
        "[:find ?e ?o :where (or-join [?e ?o] \
         (and [?e :age 37] (optional [?e :email ?o])) (and [?e :height ?o]))]",
        r#"#{[2 nil] [3 "oleg@example.org"] [4 1.5]}"#,
    );
    check(
        "[:find ?e ?o :where [?e :boss _] (or (optional [?e :email ?o]) [?e :height ?o])]",
        r#"#{[3 "oleg@example.org"] [4 nil] [4 1.5] [5 nil]}"#,
    );
    check(
        "[:find ?e :where [?e :age] \
         (or (and [?e :age 37] (optional [?e :email ?o])) [?e :height ?o]) [(nil? ?o)]]",
        "#{[2]}",
    );
}

#[test]
fn in_each_branch_of_an_or() {
    check(
        "[:find ?e ?o :where [?e :name _] \
         (or (and [?e :age 37] (optional [?e :email ?o])) \
             (and [?e :age 15] (optional [?e :height ?o])))]",
        r#"#{[1 nil] [2 nil] [3 "oleg@example.org"]}"#,
    );
}

#[test]
fn what_is_bound_around_an_or_is_bound_in_its_branches() {
    check(
        "[:find ?e ?o :where [_ :email ?o] \
         (or (and [?e :age 37] (optional [?e :email ?o])) [?e :height ?o])]",
        r#"#{[2 "oleg@example.org"] [3 "oleg@example.org"]}"#,
    );
    check_with(
        "[:find ?e ?o :in $ ?o :where (or (and [?e :age 37] (optional [?e :email ?o])) [?e :x ?o])]",
        &[Input::Db(people()), edn("\"o\"")],
        r#"#{[2 "o"] [3 "o"]}"#,
    );
}

#[test]
fn in_a_rule() {
    let rules = "[[(mail ?e ?o) [?e :age 37] (optional [?e :email ?o])]]";
    let all = r#"#{[2 nil] [3 "oleg@example.org"]}"#;
    with_rules("[:find ?e ?o :in $ % :where (mail ?e ?o)]", rules, all);
    with_rules("[:find ?e ?o :in $ % :where [?e :name] (mail ?e ?o)]", rules, all);
    with_rules("[:find ?e :in $ % :where (mail ?e ?o) [(nil? ?o)]]", rules, "#{[2]}");
}

#[test]
fn a_rule_is_a_relation_whatever_its_caller_has() {
    let rules = "[[(mail ?e ?o) [?e :age 37] (optional [?e :email ?o])]]";
    with_rules(
        "[:find ?e ?o :in $ % :where [_ :email ?o] (mail ?e ?o)]",
        rules,
        r#"#{[3 "oleg@example.org"]}"#,
    );
    with_rules("[:find ?e :in $ % :where (mail ?e \"no\")]", rules, "#{}");
    with_rules("[:find ?e :in $ % :where (mail ?e ?e)]", rules, "#{}");
    let twice = "[[(both ?e ?x ?y) [?e :age _] \
                   (optional [?e :email ?x] [?e :name ?y])]]";
    with_rules("[:find ?e :in $ % :where (both ?e ?o ?o)]", twice, "#{[1] [2]}");
}

#[test]
fn what_the_head_requires_is_bound() {
    let rules = "[[(mail [?e] ?o) (optional [?e :email ?o])]]";
    with_rules(
        "[:find ?e ?o :in $ % :where [?e :age 37] (mail ?e ?o)]",
        rules,
        r#"#{[2 nil] [3 "oleg@example.org"]}"#,
    );
}

#[test]
fn in_recursive_rules() {
    let rules = "[[(chief ?e ?c ?o) [?e :boss ?c] (optional [?c :email ?o])]
                  [(chief ?e ?c ?o) [?e :boss ?m] (chief ?m ?c ?o)]]";
    with_rules(
        "[:find ?e ?c ?o :in $ % :where (chief ?e ?c ?o)]",
        rules,
        "#{[3 1 nil] [4 1 nil] [5 1 nil] [5 4 nil]}",
    );
    with_rules("[:find ?c ?o :in $ % :where (chief 5 ?c ?o)]", rules, "#{[1 nil] [4 nil]}");
}

#[test]
fn in_another_optional() {
    check(
        "[:find ?e ?b ?h :where [?e :name _] (optional [?e :boss ?b] (optional [?b :age ?h]))]",
        "#{[1 nil nil] [2 nil nil] [3 1 15] [4 1 15]}",
    );
}

#[test]
fn attributes_are_shown_by_their_idents() {
    let rules = "[[(says ?e ?a) [?e :age _] (optional [?e ?a \"Oleg\"])]]";
    with_rules("[:find ?e ?a :in $ % :where (says ?e ?a)]", rules, "#{[1 nil] [2 nil] [3 :name]}");
}

#[test]
fn nothing_to_join_with_is_refused() {
    let rules = edn("[[(mail ?e ?o) (optional [?e :email ?o])]]");
    let error =
        ask("[:find ?e ?o :in $ % :where [?e :age] (mail ?e ?o)]", &[Input::Db(people()), rules]);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), K::Unbound);
    assert_eq!(
        error.to_string(),
        "Insufficient bindings: none of #{?e ?o} is bound in (optional [?e :email ?o]) in the rules"
    );
    check_error(
        "[:find ?e ?o :where (or (optional [?e :email ?o]) [?e :aka ?o])]",
        K::Unbound,
        "Insufficient bindings: none of #{?e ?o} is bound \
         in (optional [?e :email ?o]) at line 1, column 25",
    );
}

#[test]
fn two_of_one_branch_share_no_variable() {
    check_error(
        "[:find ?e ?o :where [?e :name] \
         (or (and [?e :age 37] (optional [?e :email ?o]) (optional [?e :aka ?o])) [?e :x ?o])]",
        K::Syntax,
        "?o in one optional clause only: it may be unbound, \
         in (optional [?e :aka ?o]) at line 1, column 80",
    );
}

#[test]
fn a_negation_looks_at_it_too_early_as_well() {
    check_error(
        "[:find ?e ?a :where [?e :name] (optional [?e :age ?a]) (not [(< ?a 20)])]",
        K::Unbound,
        "Insufficient bindings: only `optional` binds ?a, and comes last, \
         in (not [(< ?a 20)]) at line 1, column 56",
    );
    let either = "(or (and [?e :x] (not [(< ?a 20)])) (and [?e :y] (not [(< ?a 30)])))";
    check_error(
        &format!("[:find ?e ?a :where [?e :name] (optional [?e :age ?a]) {either}]"),
        K::Unbound,
        &format!(
            "Insufficient bindings: only `optional` binds ?a, and comes last, \
             in {either} at line 1, column 56"
        ),
    );
}
