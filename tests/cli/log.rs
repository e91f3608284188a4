//! `factfs log`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_transactions_newest_first() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["log", "inventory"]), @"");
    assert_snapshot!(sandbox.ok(&["log", "inventory", "--from", "2", "-n", "2"]), @"");
    assert_snapshot!(sandbox.ok(&["log", "inventory@2026-09-30", "-n", "1"]), @"");
}

#[test]
fn shows_datoms_when_asked() {
    let sandbox = Sandbox::demo();
    let args = ["log", "inventory", "--from", "3", "-n", "1", "--datoms"];
    assert_snapshot!(sandbox.ok(&args), @"");
}
