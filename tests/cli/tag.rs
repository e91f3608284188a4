//! `factfs tag`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn tags_are_made_used_listed_and_deleted() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["tag", "create", "inventory", "audit", "--at", "2026-09-30"]);
    assert_snapshot!(sandbox.ok(&["tag", "list", "inventory"]), @"");
    let count = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", count, "inventory@audit"]), @"");
    sandbox.ok(&["tag", "delete", "inventory", "audit"]);
    assert_snapshot!(sandbox.fails(&["query", count, "inventory@audit"]), @"");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["tag", "create", "inventory", "audit"]);
    assert_snapshot!(sandbox.fails(&["tag", "create", "inventory", "audit"]), @"");
    assert_snapshot!(sandbox.fails(&["tag", "delete", "inventory", "none"]), @"");
}
