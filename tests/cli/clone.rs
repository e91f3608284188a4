//! `factfs clone`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn copies_what_is_new() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["clone", "catalog", "copy"]), @"{:bytes 0, :kept 0, :objects 0, :refs 2}");
    assert_snapshot!(sandbox.ok(&["clone", "catalog", "copy"]), @"{:bytes 0, :kept 0, :objects 0, :refs 0}");
    let status = |name: &str| sandbox.ok(&["status", name, "--format", "jsonl"]);
    assert_eq!(status("copy").replace("DIR/copy", "DIR/catalog"), status("catalog"));
}

#[test]
fn a_replica_says_what_it_is() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["clone", "catalog", "copy"]);
    assert_snapshot!(sandbox.fails(&["transact", "copy", "[{:db/doc \"x\"}]"]), @"
    factfs: nothing was committed: DIR/copy: this is a replica of DIR/catalog and is not written: write there, or make a database of its own with factfs clone --fork
    exit code 15
    ");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["clone", "catalog", "inventory"]), @"
    factfs: DIR/inventory: there is another database here: UUID, and not UUID
    exit code 5
    ");
    assert_snapshot!(sandbox.fails(&["clone", "none", "copy"]), @"
    factfs: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["clone", "catalog@1", "copy"]), @"
    factfs: catalog@1: a database is copied with all its branches and tags
    hint: leave out # and @
    exit code 3
    ");
}
