//! `factfs pull`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_one_entity_or_several() {
    let sandbox = Sandbox::demo();
    let pattern = "[:product/name {:product/supplier [:supplier/name]}]";
    let bolt = "[:product/sku \"B-10\"]";
    let lamp = "[:product/sku \"L-01\"]";
    assert_snapshot!(sandbox.ok(&["pull", "catalog", pattern, bolt]), @"");
    assert_snapshot!(sandbox.ok(&["pull", "catalog", pattern, bolt, lamp, "-f", "jsonl"]), @"");
    let then = ["pull", "catalog@2026-09-30", "[:product/price]", bolt];
    assert_snapshot!(sandbox.ok(&then), @"");
}

#[test]
fn says_what_is_not_there() {
    let sandbox = Sandbox::demo();
    let fails = |pattern: &str, entity: &str| sandbox.fails(&["pull", "catalog", pattern, entity]);
    assert_snapshot!(fails("[*]", "[:product/sku \"none\"]"), @"");
    assert_snapshot!(fails("[*]", "[:product/skew \"B-10\"]"), @"");
    assert_snapshot!(fails("[*]", "[:product/name \"Lamp\"]"), @"");
    assert_snapshot!(fails("[*]", "Lamp"), @"");
    assert_snapshot!(fails("{:a 1 :b", "17"), @"");
}
