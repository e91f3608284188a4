//! `factfs diff`, and changes as the input of a query.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_what_changed() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "3"]), @"");
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "2..3", "--no-tx"]), @"");
    assert_snapshot!(sandbox.ok(&["diff", "inventory@3", "2", "--format", "json"]), @"");
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "3", "2", "--no-tx", "-f", "txt"]), @"");
}

#[test]
fn of_one_entity_or_attribute() {
    let sandbox = Sandbox::demo();
    let entity = "[:item/sku \"B-10\"]";
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "1", "--entity", entity]), @"");
    let args = ["diff", "inventory", "1", "2", "--attribute", ":item/count", "-f", "tsv"];
    assert_snapshot!(sandbox.ok(&args), @"");
}

#[test]
fn between_branches_and_with_an_exit_code() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if"]);
    let same = ["diff", "--exit-code", "inventory", "main", "what-if"];
    assert_snapshot!(sandbox.ok(&same), @"e,a,v,change,old,t,instant");
    let tx = "[[:db/add [:item/sku \"B-10\"] :item/count 7]]";
    sandbox.ok(&["transact", "inventory#what-if", tx]);
    let ran = sandbox.ran(&[&same[..], &["--no-tx", "-f", "tsv"]].concat(), "");
    assert_eq!((ran.code, ran.stdout.lines().count(), &*ran.stderr), (1, 2, ""));
    assert!(ran.stdout.contains("\t:item/count\t7\t:changed\t"), "{}", ran.stdout);
    // Otherwise a difference is no failure.
    sandbox.ok(&["diff", "inventory", "main", "what-if"]);
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "v9"]), @"");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1..2", "3"]), @"");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1", "--attribute", ":item/cuont"]), @"");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1", "--entity", "[:item/sku 1]"]), @"");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "a..b"]), @"");
}

#[test]
fn a_query_joins_changes_with_databases() {
    let sandbox = Sandbox::demo();
    let query = "[:find ?name ?old ?new :in $d $catalog $inventory \
                  :where [$d ?i :item/count ?new :changed ?old] [$inventory ?i :item/sku ?sku] \
                  [$catalog ?p :product/sku ?sku] [$catalog ?p :product/name ?name]]";
    let databases = ["--in", "catalog=catalog", "--in", "inventory=inventory"];
    let given = [&["query", query, "--in", "d=inventory/diff/2..3"], &databases[..]].concat();
    let answer = sandbox.ok(&given);
    assert_snapshot!(answer, @"");
    let file = format!("{{:query {query} :inputs {{$d \"inventory/diff/2..3\"}}}}");
    assert_eq!(sandbox.ok(&[&["query", &file], &databases[..]].concat()), answer);
    let kind = "[:find (count ?e) . :in $d :where [$d ?e]]";
    assert_snapshot!(sandbox.ok(&["query", kind, "--in", "d=inventory/diff/2..3/added"]), @"");
}
