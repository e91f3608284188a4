//! `factfs pull`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_one_entity_or_several() {
    let sandbox = Sandbox::demo();
    let pattern = "[:product/name {:product/supplier [:supplier/name]}]";
    let bolt = "[:product/sku \"B-10\"]";
    let lamp = "[:product/sku \"L-01\"]";
    assert_snapshot!(sandbox.ok(&["pull", "catalog", pattern, bolt]), @r#"{:product/name "Bolt M10", :product/supplier {:supplier/name "Northern Bolts"}}"#);
    assert_snapshot!(sandbox.ok(&["pull", "catalog", pattern, bolt, lamp, "-f", "jsonl"]), @r#"
    {"product/name": "Bolt M10", "product/supplier": {"supplier/name": "Northern Bolts"}}
    {"product/name": "Lamp", "product/supplier": {"supplier/name": "Harbor Electric"}}
    "#);
    let then = ["pull", "catalog@2026-09-30", "[:product/price]", bolt];
    assert_snapshot!(sandbox.ok(&then), @"{:product/price 12}");
}

#[test]
fn says_what_is_not_there() {
    let sandbox = Sandbox::demo();
    let fails = |pattern: &str, entity: &str| sandbox.fails(&["pull", "catalog", pattern, entity]);
    assert_snapshot!(fails("[*]", "[:product/sku \"none\"]"), @r#"
    factfs: there is no entity `[:product/sku "none"]`
    exit code 4
    "#);
    assert_snapshot!(fails("[*]", "[:product/skew \"B-10\"]"), @r#"
    factfs: entity `[:product/skew "B-10"]`: unknown attribute :product/skew (did you mean :product/sku?)
    code: attribute/unknown
    exit code 3
    "#);
    assert_snapshot!(fails("[*]", "[:product/name \"Lamp\"]"), @r#"
    factfs: entity `[:product/name "Lamp"]`: :product/name does not identify entities: it should be :db/unique
    exit code 3
    "#);
    assert_snapshot!(fails("[*]", "Lamp"), @r#"
    factfs: entity `Lamp`: an id, an :ident or a lookup ref such as [:product/sku "A1"] is expected
    exit code 3
    "#);
    assert_snapshot!(fails("{:a 1 :b", "17"), @"
    factfs: argument: line 1, column 1: the text ends inside a map that starts here
      {:a 1 :b
      ^
    code: edn/incomplete
    exit code 3
    ");
}

#[test]
fn attributes_that_are_not_there_are_warnings() {
    let sandbox = Sandbox::demo();
    let pattern = "[:product/nmae\n {:product/supplier [:supplier/nam]}]";
    let ran = sandbox.ran(&["pull", "catalog", pattern, "[:product/sku \"B-10\"]"], "");
    assert_snapshot!(ran.stderr, @"
    factfs: warning: argument: line 1, column 2: unknown attribute :product/nmae (did you mean :product/name?)
    factfs: warning: argument: line 2, column 22: unknown attribute :supplier/nam (did you mean :supplier/name?)
    ");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nil\n"));
}
