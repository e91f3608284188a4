//! Places that are not there, are something else, are closed, full or read-only.
//!
//! What needs root (mounting file systems) says so and passes without.

use crate::support::audit::audit;
use crate::support::{FileSystem, Place, SCHEMA, is_root, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const COUNT: &str = "[:find (count ?e) . :where [?e :w/key]]";

#[test]
fn a_database_that_is_not_there() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    for url in ["none", "empty", "none/in/none"] {
        for args in [["query", COUNT, url], ["transact", url, "[]"], ["log", url, "-n1"]] {
            let said = place.fails(4, &args, "");
            assert!(said.contains("no database here (create one with `factfs init`)"), "{said}");
        }
    }
    assert!(!place.path("none").exists(), "asking made it");
    assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 0, "asking wrote");
}

#[test]
fn a_file_where_the_store_should_be() {
    let place = Place::new();
    fs::write(place.path("file"), "not a store").unwrap();
    for url in ["file", "file/db"] {
        for args in [["query", COUNT, url], ["transact", url, "[]"], ["init", url, "--name=x"]] {
            let said = place.fails(3, &args, "");
            assert!(said.contains("part of the path is not a directory"), "{said}");
        }
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"not a store");
}

#[test]
fn a_directory_that_is_closed_to_the_user() {
    let place = Place::with_database();
    let open = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(place.path(""), open(0o755)).unwrap();
    fs::set_permissions(place.path("db"), open(0o000)).unwrap();
    for args in [["query", COUNT, "db"], ["transact", "db", "[{:w/n 1}]"], ["log", "db", "-n1"]] {
        let mut command = place.factfs(&args);
        if is_root() {
            // Root may read anything: somebody else asks.
            let mut other = Command::new("setpriv");
            other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            other.arg(command.get_program()).args(args).current_dir(place.path(""));
            command = other;
        }
        let ran = run(command, "");
        if ran.code == 127 || ran.stderr.starts_with("setpriv") {
            eprintln!("skipped: {}", ran.stderr);
            break;
        }
        assert_eq!(ran.code, 13, "{ran:?}");
        assert!(ran.stderr.contains("permission denied by the file system"), "{ran:?}");
    }
    fs::set_permissions(place.path("db"), open(0o755)).unwrap();
    audit(&place, "db").unwrap();
}

#[test]
fn a_disk_that_is_full() {
    let place = Place::new();
    let Some(_disk) = FileSystem::tmpfs(&place.path("disk"), "1m") else { return };
    place.ok(&["init", "disk/db", "--schema", SCHEMA], "");
    let mut random = crate::support::Random(3);
    let mut letters =
        || -> String { (0..2000).map(|_| char::from(b'a' + random.below(26) as u8)).collect() };
    let forms: String = (0..4000).map(|_| format!("[{{:w/key \"{}\"}}]\n", letters())).collect();
    let ran = place.ran(&["transact", "disk/db", "-"], &forms);
    assert_eq!(ran.code, 16, "{}", ran.stderr);
    assert!(ran.stderr.contains("no space left on the file system"), "{}", ran.stderr);
    let committed = ran.stdout.lines().count();
    assert!(committed > 10, "{committed}");
    let said = format!("after {committed} transactions that are committed");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert_eq!(audit(&place, "disk/db").unwrap().keys.len(), committed);
    assert_eq!(place.ok(&["query", COUNT, "disk/db"], ""), format!("{committed}\n"));
    // To the last byte, and with more room again.
    fs::write(place.path("disk/filler"), vec![0; 1 << 20]).unwrap_err();
    place.fails(16, &["transact", "disk/db", "[{:w/key \"one more\"}]"], "");
    place.fails(16, &["init", "disk/other"], "");
    fs::remove_file(place.path("disk/filler")).unwrap();
    place.ok(&["transact", "disk/db", "[{:w/key \"one more\"}]"], "");
    assert_eq!(audit(&place, "disk/db").unwrap().keys.len(), committed + 1);
}

#[test]
fn a_place_that_may_only_be_read() {
    let place = Place::with_database();
    place.ok(&["transact", "db", "[{:w/key \"a\"}]"], "");
    let Some(_bind) = FileSystem::read_only(&place.path("db"), &place.path("bind")) else {
        return;
    };
    assert_eq!(place.ok(&["query", COUNT, "bind"], ""), "1\n");
    assert_eq!(place.ok(&["log", "bind", "-f", "jsonl"], "").lines().count(), 2);
    let commands: [&[&str]; 5] = [
        &["transact", "bind", "[{:w/key \"b\"}]"],
        &["branch", "create", "bind", "exp"],
        &["tag", "create", "bind", "v1"],
        &["init", "bind/db"],
        &["import", "bind", "rows.jsonl"],
    ];
    fs::write(place.path("rows.jsonl"), "{\"w/key\": \"c\"}\n").unwrap();
    for args in commands {
        let said = place.fails(15, args, "");
        assert!(said.contains("the file system is read-only"), "{args:?}: {said}");
    }
    assert_eq!(audit(&place, "db").unwrap().log.len(), 2);
}
