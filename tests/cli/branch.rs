//! `factfs branch`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn branches_are_made_written_listed_and_deleted() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if", "--at", "2026-09-30"]);
    let tx = "[{:item/sku \"B-10\" :item/count 1}]";
    sandbox.ok(&["transact", "inventory#what-if", tx]);
    assert_snapshot!(sandbox.ok(&["branch", "list", "inventory"]), @"");
    let count = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", count, "inventory#what-if"]), @"");
    assert_snapshot!(sandbox.ok(&["query", count, "inventory"]), @"");
    sandbox.ok(&["branch", "delete", "inventory", "what-if"]);
    assert_snapshot!(sandbox.fails(&["query", count, "inventory#what-if"]), @"");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "main"]), @"");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "7d"]), @"");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "x", "--at", "soon"]), @"");
    assert_snapshot!(sandbox.fails(&["branch", "delete", "inventory", "none"]), @"");
    assert_snapshot!(sandbox.fails(&["branch", "delete", "inventory", "main"]), @"");
}
