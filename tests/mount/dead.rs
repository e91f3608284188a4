//! Mount points that cannot be used, and mounts whose process died.

use super::{Mount, can_mount, place};
use crate::support::audit::audit;
use crate::support::is_root;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_mount_point_that_cannot_be_used() {
    if !can_mount() {
        return;
    }
    let place = place();
    let _mount = Mount::new(&place, "m", &["stock=db"]);
    let said = place.fails(7, &["mount", "m", "stock=db"], "");
    assert!(said.contains("is in use: factfs is mounted there"), "{said}");
    fs::write(place.path("file"), "").unwrap();
    assert!(place.ran(&["mount", "file", "stock=db"], "").stderr.contains("is no folder"));
    let said = place.fails(5, &["mount", "queries", "stock=db"], "");
    assert!(said.contains("is not empty"), "{said}");
    fs::create_dir(place.path("db/inside")).unwrap();
    let said = place.fails(3, &["mount", "db/inside", "stock=db"], "");
    assert!(said.contains("overlaps the store"), "{said}");
    let said = place.fails(4, &["mount", "other", "stock=none"], "");
    assert!(said.contains("no database here"), "{said}");
    let said = place.fails(4, &["umount", "queries"], "");
    assert!(said.contains("nothing of factfs is mounted"), "{said}");
}

/// The processes that a process started. The first comes soon after the mount answers.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        if !text.trim().is_empty() {
            return text.split_whitespace().map(|child| child.parse().unwrap()).collect();
        }
        assert!(Instant::now() < deadline, "{pid} has no watchdog");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn kill_9(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Its watchdog dies first, so that nobody is left to unmount: the worst case.
#[test]
fn a_dead_mount_is_cleared_by_the_next() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mut mount = Mount::new(&place, "m", &["stock=db"]);
    mount.write("stock/head/transact", "[{:w/key \"a\"}]").unwrap();
    children(mount.process.id()).into_iter().for_each(kill_9);
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
    let dead = Mount::errno(fs::read_dir(mount.path("")));
    assert_eq!(dead, rustix::io::Errno::NOTCONN);
    let again = Mount::new(&place, "m", &["stock=db"]);
    assert_eq!(again.read("results/keys.json").unwrap().trim(), "[\"a\"]");
    drop(again);
    assert_eq!(audit(&place, "db").unwrap().log.len(), 2);
}

/// With a watchdog the mount goes away with its process; what was acknowledged through it stays.
#[test]
fn a_mount_that_is_killed_while_it_writes() {
    if !can_mount() {
        return;
    }
    let place = place();
    for round in 0..5 {
        let mount = Mount::new(&place, "m", &["stock=db"]);
        let pid = mount.process.id();
        let acknowledged = std::thread::scope(|scope| {
            let write = |n: usize| {
                mount.write("stock/head/transact", &format!("[{{:w/key \"{round}-{n}\"}}]")).is_ok()
            };
            let writer = scope.spawn(move || (0..1000).take_while(|n| write(*n)).count());
            std::thread::sleep(Duration::from_millis(30 * (round + 1)));
            kill_9(pid);
            writer.join().unwrap()
        });
        drop(mount);
        let keys = audit(&place, "db").unwrap().keys;
        let of_round = format!("{round}-");
        let there = keys.keys().filter(|key| key.starts_with(&of_round)).count();
        assert!((acknowledged..=acknowledged + 1).contains(&there), "{acknowledged}: {there}");
    }
}

/// What watches over a mount may wake up late, when another one is mounted there with its numbers.
#[test]
fn a_new_mount_is_not_taken_for_the_dead_one() {
    if !can_mount() {
        return;
    }
    let place = place();
    for _ in 0..10 {
        let mut old = Mount::new(&place, "m", &["stock=db"]);
        let watchdogs = children(old.process.id());
        let stop = |signal: &str| {
            let pids = watchdogs.iter().map(u32::to_string);
            Command::new("kill").arg(signal).args(pids).status().unwrap();
        };
        stop("-STOP");
        old.process.kill().unwrap();
        old.process.wait().unwrap();
        let new = Mount::new(&place, "m", &["stock=db"]);
        stop("-CONT");
        while watchdogs.iter().any(|pid| fs::exists(format!("/proc/{pid}/cwd")).unwrap()) {
            std::thread::yield_now();
        }
        assert_eq!(new.read("results/keys.json").unwrap().trim(), "[]");
        drop(new);
    }
}

/// A process that is stopped answers nothing, and whoever mounts there is not to wait for it.
#[test]
fn a_mount_that_does_not_answer_is_named() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let pid = mount.process.id().to_string();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let said = place.fails(7, &["mount", "m", "stock=db"], "");
    signal("-CONT");
    assert!(said.contains("does not answer\nhint: factfs umount "), "{said}");
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[]");
}

/// Unmounted by `umount`, which does not wait for the process that served, and mounted again at
/// once: who served the old one ends later, and leaves the new one alone.
#[test]
fn a_new_mount_is_not_taken_for_the_one_that_was_unmounted() {
    if !can_mount() || !is_root() {
        return println!("skipped: umount is for root");
    }
    let place = place();
    for _ in 0..5 {
        let mut old = Mount::new(&place, "m", &["stock=db"]);
        assert!(Command::new("umount").arg(&old.point).status().unwrap().success());
        let new = Mount::new(&place, "m", &["stock=db"]);
        old.process.wait().unwrap();
        assert_eq!(new.read("results/keys.json").unwrap().trim(), "[]");
    }
}
