//! `factfs doctor`: what it finds of stores, and how it ends. What it says of mounts is tested with
//! the mount.

use super::Sandbox;
use serde_json::Value as Json;
use std::fs::File;

/// The findings as JSON, and the exit code.
fn doctor(sandbox: &Sandbox, args: &[&str]) -> (Vec<Json>, i32) {
    let ran = sandbox.ran(&[&["doctor", "--format", "json"], args].concat(), "");
    (serde_json::from_str(&ran.stdout).unwrap(), ran.code)
}

/// The states of what was found about a check.
fn states(findings: &[Json], check: &str) -> Vec<String> {
    let of = |one: &&Json| one["check"].as_str().unwrap().contains(check);
    let state = |one: &Json| one["state"].as_str().unwrap().to_owned();
    findings.iter().filter(of).map(state).collect()
}

#[test]
fn a_store_that_is_well() {
    let sandbox = Sandbox::items();
    let (findings, _) = doctor(&sandbox, &["db", "--check-store"]);
    assert_eq!(states(&findings, "store"), ["ok", "ok"]);
    for check in ["versions", "kernel", "/dev/fuse", "open files", "config file", "cache"] {
        assert_eq!(states(&findings, check).len(), 1, "{check}");
    }
}

#[test]
fn each_finding_that_is_not_well_says_what_to_do() {
    let sandbox = Sandbox::new();
    let (findings, code) = doctor(&sandbox, &["none"]);
    assert_eq!(states(&findings, "store"), ["fail"]);
    assert_ne!(code, 0);
    for one in findings.iter().filter(|one| one["state"] != "ok") {
        assert!(one["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{one}");
    }
}

#[test]
fn the_exit_code_is_that_of_the_first_failure() {
    if !super::can_mount() {
        return;
    }
    assert_eq!(doctor(&Sandbox::new(), &["none"]).1, 4);
    let sandbox = Sandbox::new();
    sandbox.file("factfs.toml", "x = 1\n");
    let (findings, code) = doctor(&sandbox, &["none", "--config", "factfs.toml"]);
    assert_eq!((states(&findings, "config file"), code), (vec!["fail".to_owned()], 3));
}

#[test]
fn a_lock_that_is_held() {
    let sandbox = Sandbox::items();
    let held = File::open(sandbox.directory.path().join("db/.lock")).unwrap();
    held.lock().unwrap();
    let (findings, _) = doctor(&sandbox, &["db"]);
    let one = findings.last().unwrap();
    assert_eq!(states(&findings, "store"), ["ok", "fail"]);
    let found = one["found"].as_str().unwrap();
    assert!(found.contains(&format!("by process {}", std::process::id())), "{found}");
}

#[test]
fn the_stores_of_a_config_file() {
    let sandbox = Sandbox::items();
    sandbox.file("factfs.toml", "[mounts.team]\npoint = \"mnt\"\nstores.db = \"db\"\n");
    let (findings, _) = doctor(&sandbox, &["team", "--config", "factfs.toml"]);
    assert_eq!(states(&findings, "store"), ["ok"]);
}
