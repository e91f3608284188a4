//! Copies of whole databases, by processes that are killed at any moment.
//!
//! `FACTFS_CLONE_KILLS` is how often (20).

use crate::support::audit::audit;
use crate::support::moto::Moto;
use crate::support::{Place, Random, number};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A database with many objects, a tag and a branch.
fn source() -> Place {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 500);
    let mut random = Random(3);
    let mut fact = || format!(" {{:w/n {}}}", random.below(usize::MAX >> 2));
    let mut form = |i: usize| {
        let facts: String = (0..40).map(|_| fact()).collect();
        format!("[{{:w/key \"k{i}\" :w/n {i}}} {facts}]\n")
    };
    place.ok(&["transact", "db", "-"], &(0..100).map(&mut form).collect::<String>());
    place.ok(&["tag", "create", "db", "v1"], "");
    place.ok(&["branch", "create", "db", "exp"], "");
    place.ok(&["transact", "db", "-"], &(100..200).map(&mut form).collect::<String>());
    place.ok(&["transact", "db#exp", "-"], &(200..300).map(&mut form).collect::<String>());
    place
}

/// All objects of a directory.
fn objects(root: &Path, folder: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{folder}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            objects(root, &format!("{name}/"), found);
        } else if !name.split('/').any(|part| part.starts_with('.')) && name != "replica" {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

fn all(place: &Place, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    objects(&place.path(name), "", &mut found);
    found
}

#[test]
fn a_clone_that_is_killed_is_whole_and_the_next_one_goes_on() {
    let (place, mut random) = (source(), Random::seeded());
    let (mut readable, kills) = (0, number("FACTFS_CLONE_KILLS", 20));
    for round in 0..kills {
        let copy = format!("copy{}", round / 5);
        let mut child = place
            .factfs(&["clone", "db", &copy])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment within the copy: random, and not a condition of anything.
        std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        if place.path(&copy).join("refs").exists() {
            audit(&place, &copy).unwrap();
            place.ok(&["verify", &copy], "");
            readable += 1;
        }
        if round % 5 == 4 {
            // What was begun is finished; meanwhile the source went on.
            let form = format!("[{{:w/key \"more{round}\"}}]");
            place.ok(&["transact", "db", &form], "");
            place.ok(&["clone", "db", &copy], "");
            assert_eq!(all(&place, &copy), all(&place, "db"), "{copy} is not the same");
        }
    }
    eprintln!("{kills} kills, {readable} times there was a replica");
}

#[test]
fn a_replica_is_read_and_not_written() {
    let place = source();
    place.ok(&["clone", "db", "copy"], "");
    let query = "[:find (count ?e) . :where [?e :w/key]]";
    for at in ["", "@v1", "#exp"] {
        let ask = |name: &str| place.ok(&["query", query, &format!("{name}{at}")], "");
        assert_eq!(ask("copy"), ask("db"));
    }
    let writes: [&[&str]; 5] = [
        &["transact", "copy", "[{:w/key \"x\"}]"],
        &["branch", "create", "copy", "more"],
        &["branch", "delete", "copy", "exp"],
        &["tag", "create", "copy", "v2"],
        &["tag", "delete", "copy", "v1"],
    ];
    let before = all(&place, "copy");
    for args in writes {
        let said = place.fails(15, args, "");
        assert!(said.contains("this is a replica of"), "{said}");
    }
    assert_eq!(all(&place, "copy"), before);
}

#[test]
fn a_fork_is_written_and_verified() {
    let place = source();
    place.ok(&["clone", "db", "backup"], "");
    place.ok(&["clone", "backup", "fork", "--fork"], "");
    place.ok(&["transact", "fork", "[{:w/key \"own\"}]"], "");
    place.ok(&["branch", "create", "fork", "more"], "");
    place.ok(&["verify", "fork"], "");
    assert!(audit(&place, "fork").unwrap().keys.contains_key("own"));
    place.fails(5, &["clone", "backup", "fork", "--fork"], "");
    place.fails(5, &["clone", "db", "fork"], "");
    // A fork of a fork knows both.
    place.ok(&["clone", "fork", "second", "--fork"], "");
    place.ok(&["verify", "second"], "");
}

#[test]
fn a_follower_follows() {
    let place = source();
    let mut child = place
        .factfs(&["clone", "db", "copy", "--follow", "--interval", "0.02"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    place.ok(&["transact", "db", "[{:w/key \"followed\"}]"], "");
    let there = || {
        let ran = place.ran(&["query", "[:find ?e . :where [?e :w/key \"followed\"]]", "copy"], "");
        ran.code == 0 && ran.stdout.trim() != "nil" && !ran.stdout.trim().is_empty()
    };
    // Ends when it is there; a follower that never comes is what fails.
    let came = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        there()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(came);
}

/// Between two kinds of stores and back: the same bytes. And what was read of the remote one is on
/// disk for the next process.
#[test]
fn a_bucket_is_a_backup_and_its_nodes_are_kept_on_disk() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("backup");
    let place = source().with_s3(moto.port);
    place.ok(&["clone", "db", "s3://backup/db"], "");
    place.ok(&["verify", "s3://backup/db"], "");
    place.ok(&["clone", "s3://backup/db", "back"], "");
    assert_eq!(all(&place, "back"), all(&place, "db"));
    let said = place.ok(&["clone", "db", "s3://backup/db"], "");
    assert!(said.contains(":bytes 0") && said.contains(":refs 0"), "{said}");
    let query = "[:find (count ?e) . :where [?e :w/n]]";
    let explained = |bytes: &str| {
        let options = ["--explain", "--cache", "cache", "--cache-bytes", bytes];
        let text = place.ok(&[&["query", query, "s3://backup/db"], &options[..]].concat(), "");
        let last = text.lines().last().unwrap().to_owned();
        let disk = last.split("disk: ").nth(1).unwrap_or_default().to_owned();
        (last, disk)
    };
    let (first, none) = explained("1G");
    let (second, disk) = explained("1G");
    assert!(none.starts_with("0 hits") && !none.contains(" 0 misses"), "{first}");
    assert!(!disk.starts_with("0 hits") && disk.contains(" 0 misses"), "{second}");
    // Switched off: nothing is said of it.
    assert_eq!(explained("0").1, "");
    let wrong = ["--cache", "cache", "--cache-bytes", "much"];
    let ran = place.ran(&[&["query", query, "s3://backup/db"], &wrong[..]].concat(), "");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}
