//! `factfs status`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn says_what_a_database_is() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["status", "catalog"]), @"");
    assert_snapshot!(sandbox.ok(&["status", "catalog", "--at", "1", "--format", "json"]), @"");
}

#[test]
fn says_that_there_is_none() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.fails(&["status", "none"]), @"");
    std::fs::create_dir(sandbox.directory.path().join("empty")).unwrap();
    assert_snapshot!(sandbox.fails(&["status", "empty"]), @"");
    assert_snapshot!(sandbox.fails(&["status", "ftp://host/x"]), @"");
    assert_snapshot!(sandbox.fails(&["status", ""]), @"");
}

/// Head and tail leave early: that is no error of the command.
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::{Command, Stdio};
    let sandbox = Sandbox::demo();
    let mut child = Command::new(env!("CARGO_BIN_EXE_factfs"))
        .args(["query", "[:find ?e ?a ?v :where [?e ?a ?v]]", "catalog"])
        .current_dir(sandbox.directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
