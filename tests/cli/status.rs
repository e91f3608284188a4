//! `factfs status`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn says_what_a_database_is() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["status", "catalog"]), @r#"
    property,value
    url,DIR/catalog
    uuid,UUID
    name,catalog
    branch,main
    t,3
    commit,3-HASH
    instant,2026-10-26T00:00:00Z
    datoms,57
    attributes,7
    branches,"[""main""]"
    tags,[]
    warnings,[]
    "#);
    assert_snapshot!(sandbox.ok(&["status", "catalog", "--at", "1", "--format", "json"]), @r#"{"attributes": 7, "branch": "main", "branches": ["main"], "commit": "1-HASH", "datoms": null, "instant": "2026-06-23T00:00:00Z", "name": "catalog", "t": 1, "tags": [], "url": "DIR/catalog", "uuid": "UUID", "warnings": []}"#);
}

#[test]
fn says_that_there_is_none() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.fails(&["status", "none"]), @"
    factfs: none: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
    std::fs::create_dir(sandbox.directory.path().join("empty")).unwrap();
    assert_snapshot!(sandbox.fails(&["status", "empty"]), @"
    factfs: empty: DIR/empty: no database here (create one with `factfs init`)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["status", "ftp://host/x"]), @r#"
    factfs: ftp://host/x: open: unknown kind of store "ftp"; did you mean http: ?; known are /path, file:///path, memory:NAME, s3://, gs://, az://, abfs://, sqlite:///file.db, postgres://, https://
    exit code 3
    "#);
    assert_snapshot!(sandbox.fails(&["status", ""]), @"
    factfs: the name of the database is empty
    exit code 3
    ");
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
