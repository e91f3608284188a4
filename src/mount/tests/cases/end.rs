//! Unmounting, and what is left when it did not come to that.

use crate::fixture::{Fixture, eventually, signal};
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(8);

pub fn unmount_idle_and_busy() {
    let fixture = Fixture::mounted();
    let server = fixture.server();
    let started = Instant::now();
    let output = fixture.umount();
    assert!(output.status.success(), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(!fixture.is_mounted() && !is_running(server));
    assert_eq!(std::fs::read_dir(fixture.point()).unwrap().count(), 0);
    assert!(!fixture.umount().status.success());
    // Busy: the reader keeps its file until the server's patience ends.
    assert!(fixture.mount().status.success());
    let server = fixture.server();
    let mut open = File::open(fixture.point().join("catalog/head/tables/product.csv")).unwrap();
    assert!(fixture.umount().status.success());
    assert!(!fixture.is_mounted());
    let mut text = String::new();
    let _ = open.read_to_string(&mut text);
    eventually("the server ends", SOON, || !is_running(server));
    drop(open);
    // At once again, while a reader loops.
    assert!(fixture.mount().status.success());
    let mut load = std::process::Command::new("bash")
        .args(["-c", "while cat catalog/head/tables/*.csv README.md; do :; done > /dev/null 2>&1"])
        .current_dir(fixture.point())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(fixture.umount().status.success());
    assert!(!fixture.is_mounted());
    load.kill().unwrap();
    load.wait().unwrap();
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

pub fn terminated() {
    for name in ["TERM", "INT"] {
        let fixture = Fixture::mounted();
        let server = fixture.server();
        signal(server, name);
        eventually("unmounted", SOON, || !fixture.is_mounted() && !is_running(server));
    }
}

pub fn killed() {
    let fixture = Fixture::mounted();
    let server = fixture.server();
    signal(server, "KILL");
    eventually("the watchdog unmounts", SOON, || !fixture.is_mounted());
    assert!(fixture.mount().status.success());
    assert_ne!(fixture.server(), server);
}

/// Killed together with its watchdog.
pub fn dead_mounts_are_cleared() {
    let fixture = Fixture::mounted();
    let server = fixture.server();
    let children =
        std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
    let others: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    others.iter().for_each(|pid| signal(*pid, "KILL"));
    signal(server, "KILL");
    let is_dead = || {
        let failed = std::fs::metadata(fixture.point()).err();
        failed.is_some_and(|error| error.to_string().contains("not connected"))
    };
    eventually("dead", SOON, is_dead);
    let output = fixture.mount();
    assert!(output.status.success(), "{output:?}");
    assert!(fixture.sh("ls").contains("catalog"));
}

pub fn clear_errors() {
    let fixture = Fixture::mounted();
    let check = |args: &[&str], code: i32, words: &str| {
        let output = fixture.command(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    };
    check(&["mount", "m", "catalog=catalog"], 7, "in use");
    check(&["mount", "catalog", "catalog=catalog"], 5, "not empty");
    std::fs::create_dir(fixture.path().join("catalog/in")).unwrap();
    check(&["mount", "catalog/in", "catalog=catalog"], 3, "overlaps");
    std::fs::write(fixture.path().join("file"), "x").unwrap();
    check(&["mount", "file", "catalog=catalog"], 20, "no folder");
    check(&["mount", "new", "catalog=nowhere"], 4, "nowhere");
    check(&["mount", "new", "a=catalog", "a=inventory"], 5, "as `a`");
    check(&["mount", "new", "results=catalog"], 3, "results");
    assert!(!fixture.path().join("new").exists(), "a folder made for nothing is left");
    std::fs::create_dir(fixture.path().join("new")).unwrap();
    check(&["umount", "new"], 4, "nothing of factfs");
}
