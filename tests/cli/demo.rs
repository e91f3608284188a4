//! `factfs demo`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn says_what_it_made_and_what_to_do_next() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.ok(&["demo", "here", "--today", "2026-11-20"]), @"
    here: databases catalog and inventory, queries low-stock, stock-value and prices; last quarter ended on 2026-09-30
    mount them:  factfs mount here/mnt catalog=here/catalog inventory=here/inventory --queries here/queries
    ");
    assert_snapshot!(sandbox.fails(&["demo", "here"]), @"
    factfs: DIR/here/catalog: there is a database here already
    exit code 5
    ");
}

#[test]
fn last_quarter_is_in_the_past_of_every_day() {
    for today in ["2026-01-01T00:00:01Z", "2026-03-31", "2026-10-01T12:00:00Z", "2024-02-29"] {
        let sandbox = Sandbox::new();
        sandbox.ok(&["demo", ".", "--today", today]);
        let log = sandbox.ok(&["log", "inventory", "--format", "jsonl"]);
        assert_eq!(log.lines().count(), 4, "{today}: {log}");
    }
}
