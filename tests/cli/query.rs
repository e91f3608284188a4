//! `factfs query`.

use super::Sandbox;
use insta::assert_snapshot;

const JOIN: [&str; 6] = [
    "query",
    "queries/low-stock.edn",
    "--in",
    "catalog=catalog",
    "--in",
    "inventory=inventory",
];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn joins_two_databases_in_every_format() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&JOIN), @"");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "txt"])), @"");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "json"])), @"");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "edn"])), @"");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "md"])), @"");
}

#[test]
fn asks_the_past() {
    let sandbox = Sandbox::demo();
    let then = ["--in", "catalog=catalog@2026-09-30", "--in", "inventory=inventory@2026-09-30"];
    assert_snapshot!(sandbox.ok(&with(&["query", "queries/low-stock.edn"], &then)), @"");
    let t1 = ["query", "[:find (count ?e) . :where [?e :item/sku]]", "inventory", "--at", "1"];
    assert_snapshot!(sandbox.ok(&t1), @"");
}

#[test]
fn takes_values_rules_and_limits() {
    let sandbox = Sandbox::demo();
    let query = "[:find ?sku :in $ ?max :where [?i :item/sku ?sku] [?i :item/count ?c] \
                 [(< ?c ?max)]]";
    assert_snapshot!(sandbox.ok(&["query", query, "inventory", "--arg", "?max=30"]), @"");
    let first = ["query", query, "inventory", "--arg", "max=30", "--limit", "1"];
    assert_snapshot!(sandbox.ok(&first), @"");
    sandbox.file("rules.edn", "[[(low ?i ?c) [?i :item/count ?c] [(< ?c 26)]]]");
    let query = "[:find [?sku ...] :in $ % :where (low ?i _) [?i :item/sku ?sku]]";
    assert_snapshot!(sandbox.ok(&["query", query, "inventory", "--rules", "rules.edn"]), @"");
}

#[test]
fn query_files_bring_their_inputs() {
    let sandbox = Sandbox::demo();
    sandbox.file(
        "changed.edn",
        "{:query [:find ?sku ?then ?now :in $old $new ?least
                  :where [$old ?i :item/count ?then] [$new ?i :item/count ?now]
                         [$new ?i :item/sku ?sku] [(- ?now ?then) ?d] [(< ?d ?least)]]
          :inputs {$old \"stock/at/2026-09-30\", $new \"stock\", ?least -50}}",
    );
    assert_snapshot!(sandbox.ok(&["query", "changed.edn", "--in", "stock=inventory"]), @"");
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let sandbox = Sandbox::demo();
    let query = ["query", "queries/low-stock.edn", "--in", "catalog=catalog"];
    assert_snapshot!(sandbox.fails(&query), @"");
    assert_snapshot!(sandbox.fails(&with(&JOIN, &["--in", "stock=inventory"])), @"");
    assert_snapshot!(sandbox.fails(&with(&JOIN, &["--arg", "?x=1"])), @"");
    let query = ["query", "[:find ?e :in $ ?x :where [?e :item/sku ?x]]", "inventory"];
    assert_snapshot!(sandbox.fails(&query), @"");
}

#[test]
fn bad_queries_say_what_and_where() {
    let sandbox = Sandbox::demo();
    let fails = |query: &str| sandbox.fails(&["query", query, "inventory"]);
    assert_snapshot!(fails("[:find ?x :where [?e :item/sku ?y]]"), @"");
    assert_snapshot!(fails("[:find ?x :where [?e :item/sku ?x]"), @"");
    assert_snapshot!(fails("[:find ?x :where [(foo ?x)]]"), @"");
    sandbox.file("broken.edn", "[:find ?x\n :where [?e :item/sku ?x}]");
    assert_snapshot!(fails("broken.edn"), @"");
    assert_snapshot!(fails("none.edn"), @"");
    assert_snapshot!(sandbox.fails(&["query", "[:find ?e :where [?e]]", "none"]), @"");
    assert_snapshot!(sandbox.fails(&["query", "[:find ?e :where [?e]]", "inventory#none"]), @"");
}

#[test]
fn unknown_attributes_are_a_warning() {
    let sandbox = Sandbox::demo();
    let ran = sandbox.ran(&["query", "[:find ?x :where [_ :item/skew ?x]]", "inventory"], "");
    assert_snapshot!(ran.stderr, @"");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "x\n"));
}

#[test]
fn explains_how_it_ran() {
    let sandbox = Sandbox::demo();
    let plan = sandbox.ok(&with(&JOIN, &["--explain"]));
    assert!(plan.contains(":item/level"), "{plan}");
}
