//! Mounting as people set it up: by the config file, by `mount -t factfs`, by a supervisor, as a
//! user other than root; and what a mount says about itself.

use super::dead::{children, kill_9};
use super::{Mount, can_mount, place};
use crate::support::{Place, Ran, is_root, run};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Takes mounts of a place away, however the test ends.
struct Unmounted<'a>(&'a Place, &'a [&'a str]);

impl Drop for Unmounted<'_> {
    fn drop(&mut self) {
        self.1.iter().for_each(|point| drop(self.0.ran(&["umount", point], "")));
    }
}

fn status(place: &Place, point: &str) -> Json {
    let text = fs::read_to_string(place.path(point).join(".factfs/status.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What `factfs status` lists under the folder of a place: point and state.
fn listed(place: &Place) -> Vec<(String, String)> {
    let rows: Json = serde_json::from_str(&place.ok(&["status", "--format", "json"], "")).unwrap();
    let text = |row: &Json, field: &str| row[field].as_str().unwrap().to_owned();
    let root = fs::canonicalize(place.path("")).unwrap();
    let inside = |row: &&Json| Path::new(&text(row, "point")).starts_with(&root);
    let name = |row: &Json| text(row, "point").rsplit('/').next().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter().filter(inside);
    rows.map(|row| (name(row), text(row, "state"))).collect()
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const CONFIG: &str = "time = \"7s\"\nat-once = 3\n
[mounts.one]\npoint = \"one\"\nformats = [\"csv\", \"md\"]\nstores.stock = \"db\"\n
[mounts.two]\npoint = \"two\"\nro = true\ntime = \"9s\"\nlog = \"log\"\n
[mounts.two.stores.stock]\nurl = \"db\"\nat = \"0\"\n
[mounts.three]\npoint = \"three\"\nnoauto = true\nstores.stock = \"db\"\n";

#[test]
fn the_mounts_of_a_config_file() {
    if !can_mount() {
        return;
    }
    let place = place();
    // Paths begin at the folder of the file, wherever the command runs.
    fs::write(place.path("factfs.toml"), CONFIG).unwrap();
    let config = place.path("factfs.toml").display().to_string();
    let _unmounted = Unmounted(&place, &["one", "two", "three"]);
    place.ok(&["mount", "one", "--config", &config, "-o", "at-once=4"], "");
    place.ok(&["mount", "--all", "--config", &config], "");
    let ok = |name: &str| (name.to_owned(), "ok".to_owned());
    assert_eq!(listed(&place), [ok("one"), ok("two")]);
    let (one, two) = (status(&place, "one"), status(&place, "two"));
    assert_eq!(one["limits"]["time_seconds"], 7.0);
    assert_eq!((&one["limits"]["at_once"], &two["limits"]["at_once"]), (&4.into(), &3.into()));
    assert_eq!((&one["read_only"], &two["read_only"]), (&false.into(), &true.into()));
    assert_eq!(one["formats"], serde_json::json!(["csv", "md"]));
    assert_eq!(two["limits"]["time_seconds"], 9.0);
    assert_eq!(two["stores"]["stock"]["at"], "0");
    assert!(fs::read_to_string(place.path("log")).unwrap().contains("INFO mounted at="));
    // Those that are mounted already are left alone.
    place.ok(&["mount", "--all", "--config", &config], "");
    assert_eq!(listed(&place).len(), 2);
}

#[test]
fn as_mount_8_calls_it() {
    if !can_mount() {
        return;
    }
    let place = place();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_factfs"), place.path("mount.factfs")).unwrap();
    let _unmounted = Unmounted(&place, &["m"]);
    let spec = format!("stock={};again={0}#main", place.path("db").display());
    let mut helper = Command::new(place.path("mount.factfs"));
    let args = [&spec, "m", "-n", "-o", "rw,nofail,_netdev,x-systemd.automount,time=3s", "-r"];
    helper.args(args).current_dir(place.path("")).env("FACTFS_CACHE", "off");
    let ran = run(helper, "");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let status = status(&place, "m");
    assert_eq!(
        (&status["read_only"], &status["limits"]["time_seconds"]),
        (&true.into(), &3.0.into())
    );
    assert_eq!(status["stores"].as_object().unwrap().len(), 2);
}

/// With a link in the folder where mount(8) looks, in a private view of the file systems.
#[test]
fn mount_8_itself() {
    if !can_mount() || !is_root() {
        return println!("skipped: needs root, for a private view of the file systems");
    }
    let place = place();
    fs::create_dir_all(place.path("sbin")).unwrap();
    let link = place.path("sbin/mount.factfs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_factfs"), link).unwrap();
    fs::create_dir(place.path("m")).unwrap();
    let script = "set -e; mount --bind sbin /sbin; \
        mount -t factfs \"stock=$PWD/db\" m -o ro,noauto,queries=\"$PWD/queries\"; \
        cat m/results/keys.json; findmnt -no FSTYPE,OPTIONS m; umount m; ls m";
    let ran = private(&place, script);
    if ran.stderr.contains("unshare") {
        return println!("skipped: {}", ran.stderr);
    }
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let said: Vec<&str> = ran.stdout.split_whitespace().collect();
    assert_eq!(said[..2], ["[]", "fuse.factfs"], "{}", ran.stdout);
    assert!(said[2].starts_with("ro,nosuid,nodev,noexec"), "{}", said[2]);
    assert_eq!(said.len(), 3);
}

/// Runs a script in a place, with mounts of its own.
fn private(place: &Place, script: &str) -> Ran {
    let mut command = Command::new("unshare");
    let shell = ["-m", "--propagation", "private", "bash", "-c", script];
    command.args(shell).current_dir(place.path("")).env("FACTFS_CACHE", "off");
    command.env("FACTFS", env!("CARGO_BIN_EXE_factfs")).env("HOME", place.path(""));
    run(command, "")
}

#[test]
fn a_supervisor_is_told() {
    if !can_mount() {
        return;
    }
    let place = place();
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut command = place.factfs(&["mount", "-f", "m", "stock=db", "-o", "log=-"]);
    let command = command.env("NOTIFY_SOCKET", place.path("notify"));
    let mut serving = command.stderr(Stdio::piped()).spawn().unwrap();
    assert!(told().starts_with("READY=1\nSTATUS=stock mounted at "));
    assert!(place.path("m/README.md").exists());
    let pid = serving.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert!(told().starts_with("STOPPING=1\n"));
    assert!(serving.wait().unwrap().success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut serving.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("INFO unmounting why=SIGTERM"), "{said}");
}

/// The unit of the manual is one that systemd reads.
#[test]
fn the_unit_of_the_manual() {
    let page = include_str!("../../man/factfs.toml.5").replace("\\-", "-");
    let unit = page.split(".SH SYSTEMD").nth(1).unwrap().split(".nf\n").nth(1).unwrap();
    let unit = unit.split("\n.fi").next().unwrap();
    let unit = unit.replace("/usr/bin/factfs", env!("CARGO_BIN_EXE_factfs"));
    assert!(unit.contains("Type=notify") && unit.contains("ExecStart="), "{unit}");
    let place = Place::new();
    fs::write(place.path("factfs.service"), unit).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").arg(place.path("factfs.service"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(output) = command.output() else {
        return println!("skipped: systemd-analyze is not installed");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("factfs.service")).collect();
    assert_eq!(ours, [""; 0], "{said}");
}

#[test]
fn what_a_mount_says_about_itself() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    mount.write("stock/head/transact", "[{:w/key \"a\"} {:w/key \"b\"}]").unwrap();
    mount.write("stock/head/transact", "[{:w/nokey \"a\"}]").unwrap_err();
    let keys: Json = serde_json::from_str(&mount.read("results/keys.json").unwrap()).unwrap();
    assert_eq!(keys, serde_json::json!(["a", "b"]));
    let log = mount.read(".factfs/log").unwrap();
    let has = |parts: &[&str]| log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["INFO mounted at=", "stores=stock"]), "{log}");
    assert!(has(&["INFO committed", "branch=main", "commit=2-"]), "{log}");
    assert!(has(&["WARN", "nokey", "path=/stock/branches/main/transact", "errno=EINVAL"]), "{log}");
    let metrics = mount.read(".factfs/metrics").unwrap();
    let value = |name: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("factfs_commits_total "), 1.0);
    assert_eq!(value("factfs_store_t{store=\"stock\"}"), 2.0);
    for counter in [
        "factfs_operations_total{operation=\"lookup\"}",
        "factfs_operations_total{operation=\"open\"}",
        "factfs_evaluations_total{outcome=\"answered\"}",
        "factfs_evaluation_seconds_count",
        "factfs_store_heads_total{store=\"stock\"}",
        "factfs_store_swaps_total{store=\"stock\"}",
        "factfs_errors_total{errno=\"EINVAL\"}",
        "factfs_inodes",
    ] {
        assert!(value(counter) > 0.0, "{counter}");
    }
    assert!(mount.read(".factfs/last-error").unwrap().contains("nokey"));
    let of_mount: Json =
        serde_json::from_str(&place.ok(&["status", "m", "--format", "json"], "")).unwrap();
    assert_eq!((&of_mount["state"], &of_mount["commits"]), (&"ok".into(), &1.into()));
    assert!(of_mount["stores"]["stock"]["lag_seconds"].is_number());
}

#[test]
fn a_query_that_runs_is_shown() {
    if !can_mount() {
        return;
    }
    let place = place();
    let keys: Vec<String> = (0..2000).map(|n| format!("{{:w/key \"{n}\" :w/n {n}}}")).collect();
    place.ok(&["transact", "db", &format!("[{}]", keys.join(" "))], "");
    let slow = "[:find (count ?d) . :with ?a ?b ?c :in $stock :where [$stock _ :w/n ?a] \
        [$stock _ :w/n ?b] [$stock _ :w/n ?c] [$stock _ :w/n ?d] [(+ ?a ?b) ?x] [(+ ?c ?d) ?y] \
        [(= ?x ?y)]]";
    fs::write(place.path("queries/slow.edn"), slow).unwrap();
    let _mount = Mount::new(&place, "m", &["stock=db"]);
    let mut reader = Command::new("cat");
    let reader = reader.arg(place.path("m/results/slow.csv")).stdout(Stdio::null());
    let mut reader = reader.stderr(Stdio::null()).spawn().unwrap();
    let is_shown = || {
        let status = status(&place, "m");
        let running = status["running"].as_array().unwrap().clone();
        running.iter().any(|one| one["path"] == "/results/slow.csv" && one["seconds"].is_number())
    };
    eventually("the query is shown", is_shown);
    reader.kill().unwrap();
    reader.wait().unwrap();
    eventually("the query is gone", || !is_shown());
}

/// Its watchdog dies first, so that nobody is left to unmount.
#[test]
fn a_dead_mount_is_named() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mut mount = Mount::new(&place, "m", &["stock=db"]);
    children(mount.process.id()).into_iter().for_each(kill_9);
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
    assert_eq!(listed(&place), [("m".to_owned(), "dead".to_owned())]);
    let ran = place.ran(&["doctor", "m"], "");
    assert_eq!(ran.code, 17, "{}", ran.stderr);
    assert!(ran.stdout.contains("its process is gone,\"factfs umount "), "{}", ran.stdout);
    place.ok(&["umount", "m"], "");
    assert_eq!(listed(&place), []);
}

/// After `kill -9` of the serving process its child unmounts.
#[test]
fn a_killed_mount_is_taken_away() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mut mount = Mount::new(&place, "m", &["stock=db"]);
    assert_eq!(children(mount.process.id()).len(), 1);
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
    eventually("it is unmounted", || listed(&place).is_empty());
    assert_eq!(fs::read_dir(place.path("m")).unwrap().count(), 0);
}

/// As somebody else than root: with the device open to everybody, in a private view of the file
/// systems; closed; and without fusermount3.
#[test]
fn another_user() {
    if !can_mount() || !is_root() {
        return println!("skipped: needs root, to become another user");
    }
    let place = place();
    let other = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let open = "rm -f fuse && mknod fuse c 10 229 && chmod 666 fuse && mount --bind fuse /dev/fuse; chmod 755 .; \
        chown -R 65534:65534 .;";
    let mounted = private(
        &place,
        &format!(
            "set -e; {open} {other} test -x \"$FACTFS\"; {other} \"$FACTFS\" mount m stock=db -o log=log; \
         {other} sh -c 'echo \"[{{:w/key \\\"a\\\"}}]\" > m/stock/head/transact'; \
         {other} cat m/stock/head/tables/w.csv; {other} \"$FACTFS\" doctor m >&2; \
         {other} \"$FACTFS\" umount m; ls m"
        ),
    );
    if mounted.code != 0 && !mounted.stderr.contains("factfs") {
        return println!("skipped: another user cannot be tried here: {}", mounted.stderr);
    }
    let stdout = mounted.stdout.lines().map(|line| line.split(',').nth(1).unwrap_or(line));
    assert_eq!(
        (mounted.code, stdout.collect::<Vec<_>>()),
        (0, vec!["w/key", "a"]),
        "{}",
        mounted.stderr
    );
    // mount(8) calls its helper without a path for whoever is not root.
    let pathless = format!(
        "set -e; {open} {other} env -u PATH \"$FACTFS\" mount m stock=db; {other} \"$FACTFS\" umount m"
    );
    let ran = private(&place, &pathless);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let bare = format!("{open} {other} env PATH=/none \"$FACTFS\" mount m stock=db");
    assert!(private(&place, &bare).stderr.contains("install the package fuse3"));
    let closed =
        format!("{open} chown root fuse; chmod 600 fuse; {other} \"$FACTFS\" mount m stock=db");
    assert!(private(&place, &closed).stderr.contains("/dev/fuse is closed to this user"));
    let allow = format!("{open} {other} \"$FACTFS\" mount m stock=db --allow-other");
    let said = private(&place, &allow);
    let is_allowed = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if !is_allowed.lines().any(|line| line.trim() == "user_allow_other") {
        assert!(said.stderr.contains("user_allow_other"), "{}", said.stderr);
    }
}
