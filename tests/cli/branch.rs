//! `factfs branch`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn branches_are_made_written_listed_and_deleted() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if", "--at", "2026-09-30"]);
    let tx = "[{:item/sku \"B-10\" :item/count 1}]";
    sandbox.ok(&["transact", "inventory#what-if", tx]);
    assert_snapshot!(sandbox.ok(&["branch", "list", "inventory"]), @"
    name,t,commit,default
    main,4,4-HASH,true
    what-if,4,4-HASH,false
    ");
    let count = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", count, "inventory#what-if"]), @"1");
    assert_snapshot!(sandbox.ok(&["query", count, "inventory"]), @"120");
    sandbox.ok(&["branch", "delete", "inventory", "what-if"]);
    assert_snapshot!(sandbox.fails(&["query", count, "inventory#what-if"]), @"
    factfs: inventory: no branch what-if
    exit code 4
    ");
}

#[test]
fn a_branch_is_renamed_with_all_it_has() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if", "--at", "2026-09-30"]);
    sandbox.ok(&["transact", "inventory#what-if", "[{:item/sku \"B-10\" :item/count 1}]"]);
    sandbox.ok(&["branch", "rename", "inventory", "what-if", "spring"]);
    assert_snapshot!(sandbox.ok(&["branch", "list", "inventory"]), @"
    name,t,commit,default
    main,4,4-HASH,true
    spring,4,4-HASH,false
    ");
    let count = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", count, "inventory#spring"]), @"1");
    assert_snapshot!(sandbox.fails(&["query", count, "inventory#what-if"]), @"
    factfs: inventory: no branch what-if
    exit code 4
    ");
    // The default one is what a plain url means, whatever it is called.
    sandbox.ok(&["branch", "rename", "inventory", "main", "trunk"]);
    assert_snapshot!(sandbox.ok(&["branch", "list", "inventory"]), @"
    name,t,commit,default
    spring,4,4-HASH,false
    trunk,4,4-HASH,true
    ");
    assert_snapshot!(sandbox.ok(&["query", count, "inventory"]), @"120");
}

#[test]
fn names_that_a_branch_cannot_get() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if"]);
    let rename = |old: &str, new: &str| sandbox.fails(&["branch", "rename", "inventory", old, new]);
    assert_snapshot!(rename("what-if", "main"), @"
    factfs: main exists
    exit code 5
    ");
    assert_snapshot!(rename("what-if", "7d"), @"
    factfs: 7d: a name is a letter, then letters, digits, `.`, `_` and `-`; not like a hash, not ending like a format, and without `..`
    exit code 3
    ");
    assert_snapshot!(rename("none", "some"), @"
    factfs: no branch none
    exit code 4
    ");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "main"]), @"
    factfs: main exists
    exit code 5
    ");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "7d"]), @"
    factfs: 7d: a name is a letter, then letters, digits, `.`, `_` and `-`; not like a hash, not ending like a format, and without `..`
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "x", "--at", "soon"]), @"
    factfs: soon: no such commit, tag or branch
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["branch", "delete", "inventory", "none"]), @"
    factfs: no branch none
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["branch", "delete", "inventory", "main"]), @"
    factfs: main is the default branch
    exit code 3
    ");
}
