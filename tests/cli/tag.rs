//! `factfs tag`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn tags_are_made_used_listed_and_deleted() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["tag", "create", "inventory", "audit", "--at", "2026-09-30"]);
    assert_snapshot!(sandbox.ok(&["tag", "list", "inventory"]), @"
    name,t,commit,instant
    audit,3,3-HASH,2026-09-21T00:00:00Z
    ");
    let count = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", count, "inventory@audit"]), @"260");
    sandbox.ok(&["tag", "delete", "inventory", "audit"]);
    assert_snapshot!(sandbox.fails(&["query", count, "inventory@audit"]), @"
    factfs: inventory@audit: audit: no such commit, tag or branch
    exit code 4
    ");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["tag", "create", "inventory", "audit"]);
    assert_snapshot!(sandbox.fails(&["tag", "create", "inventory", "audit"]), @"
    factfs: audit exists
    exit code 5
    ");
    assert_snapshot!(sandbox.fails(&["tag", "delete", "inventory", "none"]), @"
    factfs: no tag none
    exit code 4
    ");
}
