//! `factfs log`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_transactions_newest_first() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["log", "inventory"]), @"
    t,commit,instant,added,retracted,tx
    4,4-HASH,2026-10-26T00:00:00Z,6,3,
    3,3-HASH,2026-09-21T00:00:00Z,2,2,
    2,2-HASH,2026-08-02T00:00:00Z,12,0,
    1,1-HASH,2026-06-23T00:00:00Z,12,0,
    ");
    assert_snapshot!(sandbox.ok(&["log", "inventory", "--from", "2", "-n", "2"]), @"
    t,commit,instant,added,retracted,tx
    2,2-HASH,2026-08-02T00:00:00Z,12,0,
    3,3-HASH,2026-09-21T00:00:00Z,2,2,
    ");
    assert_snapshot!(sandbox.ok(&["log", "inventory@2026-09-30", "-n", "1"]), @"
    t,commit,instant,added,retracted,tx
    3,3-HASH,2026-09-21T00:00:00Z,2,2,
    ");
}

#[test]
fn shows_datoms_when_asked() {
    let sandbox = Sandbox::demo();
    let args = ["log", "inventory", "--from", "3", "-n", "1", "--datoms"];
    assert_snapshot!(sandbox.ok(&args), @"
    t,e,a,v,added
    3,536870915,:db/txInstant,2026-09-21T00:00:00Z,true
    3,4,:item/count,500,false
    3,4,:item/count,260,true
    3,6,:item/count,12,false
    3,6,:item/count,3,true
    ");
}
