//! `factfs query`.

use super::Sandbox;
use insta::assert_snapshot;

const JOIN: [&str; 6] =
    ["query", "queries/low-stock.edn", "--in", "catalog=catalog", "--in", "inventory=inventory"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn joins_two_databases_in_every_format() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&JOIN), @"
    sku,name,count,level,supplier,cost
    B-10,Bolt M10,120,200,Northern Bolts,1120
    P-05,Plank,8,20,Mill & Sons,14400
    S-20,Switch,28,30,Harbor Electric,620
    ");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "txt"])), @"
    sku   name      count  level  supplier          cost
    ----  --------  -----  -----  ---------------  -----
    B-10  Bolt M10    120    200  Northern Bolts    1120
    P-05  Plank         8     20  Mill & Sons      14400
    S-20  Switch       28     30  Harbor Electric    620
    ");
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "json"])), @r#"
    [{"sku": "B-10", "name": "Bolt M10", "count": 120, "level": 200, "supplier": "Northern Bolts", "cost": 1120},
     {"sku": "P-05", "name": "Plank", "count": 8, "level": 20, "supplier": "Mill & Sons", "cost": 14400},
     {"sku": "S-20", "name": "Switch", "count": 28, "level": 30, "supplier": "Harbor Electric", "cost": 620}]
    "#);
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "edn"])), @r#"
    [["B-10" "Bolt M10" 120 200 "Northern Bolts" 1120]
     ["P-05" "Plank" 8 20 "Mill & Sons" 14400]
     ["S-20" "Switch" 28 30 "Harbor Electric" 620]]
    "#);
    assert_snapshot!(sandbox.ok(&with(&JOIN, &["-f", "md"])), @r"
    | sku | name | count | level | supplier | cost |
    | --- | --- | --- | --- | --- | --- |
    | B-10 | Bolt M10 | 120 | 200 | Northern Bolts | 1120 |
    | P-05 | Plank | 8 | 20 | Mill \& Sons | 14400 |
    | S-20 | Switch | 28 | 30 | Harbor Electric | 620 |
    ");
}

#[test]
fn asks_the_past() {
    let sandbox = Sandbox::demo();
    let then = ["--in", "catalog=catalog@2026-09-30", "--in", "inventory=inventory@2026-09-30"];
    assert_snapshot!(sandbox.ok(&with(&["query", "queries/low-stock.edn"], &then)), @"
    sku,name,count,level,supplier,cost
    L-01,Lamp,3,5,Harbor Electric,4900
    ");
    let t1 = ["query", "[:find (count ?e) . :where [?e :item/sku]]", "inventory", "--at", "1"];
    assert_snapshot!(sandbox.ok(&t1), @"nil");
}

#[test]
fn takes_values_rules_and_limits() {
    let sandbox = Sandbox::demo();
    let query = "[:find ?sku :in $ ?max :where [?i :item/sku ?sku] [?i :item/count ?c] \
                 [(< ?c ?max)]]";
    assert_snapshot!(sandbox.ok(&["query", query, "inventory", "--arg", "?max=30"]), @"
    sku
    L-01
    P-05
    S-20
    ");
    let first = ["query", query, "inventory", "--arg", "max=30", "--limit", "1"];
    assert_snapshot!(sandbox.ok(&first), @"
    sku
    L-01
    ");
    sandbox.file("rules.edn", "[[(low ?i ?c) [?i :item/count ?c] [(< ?c 26)]]]");
    let query = "[:find [?sku ...] :in $ % :where (low ?i _) [?i :item/sku ?sku]]";
    assert_snapshot!(sandbox.ok(&["query", query, "inventory", "--rules", "rules.edn"]), @"
    sku
    L-01
    P-05
    ");
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
    assert_snapshot!(sandbox.ok(&["query", "changed.edn", "--in", "stock=inventory"]), @"
    sku,then,now
    B-10,260,120
    S-20,90,28
    ");
}

#[test]
fn a_query_brings_its_arguments_and_options() {
    let sandbox = Sandbox::demo();
    sandbox.file(
        "few.edn",
        "{:query [:find ?sku ?n :in $ ?max [?sku ...]
                  :where [?i :item/sku ?sku] [?i :item/count ?n] [(< ?n ?max)]]
          :args [30 [\"S-20\" \"P-05\" \"L-01\" \"B-10\"]]
          :order-by [?n :desc] :limit 2 :stats? true}",
    );
    assert_snapshot!(sandbox.ok(&["query", "few.edn", "inventory"]), @"
    sku,n
    S-20,28
    L-01,25
    ");
    let other = ["query", "few.edn", "inventory", "--arg", "?max=20", "--limit", "9"];
    assert_snapshot!(sandbox.ok(&other), @"
    sku,n
    P-05,8
    ");
    let odd = "{:query [:find ?s :in $ ?x :where [_ ?x ?s]] :args [1 2 3]}";
    assert_snapshot!(sandbox.fails(&["query", odd, "inventory"]), @"
    factfs: argument: `:args` has a value for each of [$ ?x], or for each that is no database, in [1 2 3] at line 1, column 52
    code: query/syntax
    exit code 3
    ");
    let odd = "{:query [:find ?s :in $ ?x :where [_ ?x ?s]] :arg [1]}";
    assert_snapshot!(sandbox.fails(&["query", odd, "inventory"]), @"
    factfs: argument: a query file has no :arg (did you mean :args?), in :arg at line 1, column 46
    code: query/syntax
    exit code 3
    ");
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let sandbox = Sandbox::demo();
    let query = ["query", "queries/low-stock.edn", "--in", "catalog=catalog"];
    assert_snapshot!(sandbox.fails(&query), @"
    factfs: no database for $inventory
    hint: --in inventory=DB
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&with(&JOIN, &["--in", "stock=inventory"])), @"
    factfs: the query has no input $stock; it has [$catalog $inventory]
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&with(&JOIN, &["--arg", "?x=1"])), @"
    factfs: the query has no input ?x; it has [$catalog $inventory]
    exit code 3
    ");
    let query = ["query", "[:find ?e :in $ ?x :where [?e :item/sku ?x]]", "inventory"];
    assert_snapshot!(sandbox.fails(&query), @"
    factfs: no value for ?x
    hint: --arg '?x=EDN'
    exit code 3
    ");
}

#[test]
fn bad_queries_say_what_and_where() {
    let sandbox = Sandbox::demo();
    let fails = |query: &str| sandbox.fails(&["query", query, "inventory"]);
    assert_snapshot!(fails("[:find ?x :where [?e :item/sku ?y]]"), @"
    factfs: argument: Query for unknown vars: [?x], in ?x at line 1, column 8
    code: query/unknown-variable
    exit code 3
    ");
    assert_snapshot!(fails("[:find ?x :where [?e :item/sku ?x]"), @"
    factfs: argument: line 1, column 1: the text ends inside a vector that starts here
      [:find ?x :where [?e :item/sku ?x]
      ^
    code: edn/incomplete
    exit code 3
    ");
    assert_snapshot!(fails("[:find ?x :where [(foo ?x)]]"), @"
    factfs: argument: Unknown predicate 'foo in [(foo ?x)] at line 1, column 18
    code: query/unknown-name
    exit code 3
    ");
    sandbox.file("broken.edn", "[:find ?x\n :where [?e :item/sku ?x}]");
    assert_snapshot!(fails("broken.edn"), @"
    factfs: broken.edn: line 2, column 25: `}` where `]` should close the `[` of line 2, column 9
       :where [?e :item/sku ?x}]
                              ^
    code: edn/bracket
    exit code 3
    ");
    assert_snapshot!(fails("none.edn"), @"
    factfs: none.edn: cannot be read: No such file or directory (os error 2)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["query", "[:find ?e :where [?e]]", "none"]), @"
    factfs: none: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["query", "[:find ?e :where [?e]]", "inventory#none"]), @"
    factfs: inventory: no branch none
    exit code 4
    ");
}

#[test]
fn unknown_attributes_are_a_warning() {
    let sandbox = Sandbox::demo();
    let ran = sandbox.ran(&["query", "[:find ?x :where [_ :item/skew ?x]]", "inventory"], "");
    assert_snapshot!(ran.stderr, @"factfs: warning: unknown attribute :item/skew (did you mean :item/sku?), in [_ :item/skew ?x] at line 1, column 18");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "x\n"));
}

#[test]
fn explains_how_it_ran() {
    let sandbox = Sandbox::demo();
    let plan = sandbox.ok(&with(&JOIN, &["--explain"]));
    assert!(plan.contains(":item/level"), "{plan}");
}
