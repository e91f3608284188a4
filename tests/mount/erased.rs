//! What is erased while it is mounted, and has been read.

use super::{Mount, can_mount, place};
use crate::support::Place;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

fn ok(place: &Place, args: &[&str]) -> String {
    let output = place.factfs(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_is_not_shown_any_more_under_a_commit_either() {
    if !can_mount() {
        return;
    }
    let place = place();
    ok(&place, &["transact", "db", "[{:w/key \"secret\"} {:w/key \"plain\"}]"]);
    ok(&place, &["tag", "create", "db", "v1"]);
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let commit = fs::read_link(mount.path("stock/tags/v1")).unwrap();
    let commit = commit.file_name().unwrap().to_str().unwrap().to_owned();
    let files = [
        format!("stock/commits/{commit}/tables/w.csv"),
        format!("stock/commits/{commit}/datoms.edn"),
        format!("stock/commits/{commit}/query/[:find [?k ...] :where [_ :w%2Fkey ?k]].json"),
        "stock/head/tables/w.csv".to_owned(),
        "results/keys.json".to_owned(),
    ];
    for file in &files {
        assert!(mount.read(file).unwrap().contains("secret"), "{file}");
    }
    ok(&place, &["purge", "db", "--entity", "[:w/key \"secret\"]", "--now", "--yes"]);
    // The mount knows when it has looked at the head: soon, in a directory.
    let begun = Instant::now();
    while mount.read("results/keys.json").unwrap().contains("secret") {
        assert!(begun.elapsed() < Duration::from_secs(60), "the mount does not see the erasure");
        thread::sleep(Duration::from_millis(20));
    }
    for file in &files {
        let text = mount.read(file).unwrap();
        assert!(text.contains("plain") && !text.contains("secret"), "{file}: {text}");
    }
}

#[test]
fn a_transaction_that_erases_is_done_when_its_write_is() {
    if !can_mount() {
        return;
    }
    let place = place();
    ok(&place, &["transact", "db", "[{:w/key \"secret\"} {:w/key \"plain\"}]"]);
    ok(&place, &["transact", "db", "[{:w/key \"more\"}]"]);
    let mount = Mount::new(&place, "m", &["stock=db"]);
    assert!(mount.read("stock/head/tables/w.csv").unwrap().contains("secret"));
    mount.write("stock/head/transact", "[[:db.purge/entity [:w/key \"secret\"]]]").unwrap();
    let files = ["stock/head/tables/w.csv", "stock/at/2/tables/w.csv", "results/keys.json"];
    for file in files {
        let text = mount.read(file).unwrap();
        assert!(text.contains("plain") && !text.contains("secret"), "{file}: {text}");
    }
    let mixed = "[{:w/key \"x\"} [:db.purge/entity [:w/key \"plain\"]]]";
    let refused = Mount::errno(mount.write("stock/head/transact", mixed));
    assert_eq!(refused, rustix::io::Errno::OPNOTSUPP);
    let said = mount.read("stock/head/transact.err").unwrap();
    assert!(said.contains("in a transaction of such forms alone"), "{said}");
}
