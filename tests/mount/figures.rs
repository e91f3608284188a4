//! What must hold of a mount, and where it is shown; here is what no other file has.
//!
//! - Programs read the same bytes, each on a fresh mount: `tools.rs`.
//! - Writing from shells, `cat`, `tee`, `cp`, `dd` and python, with exit codes:
//!   `src/mount/tests/cases/write.rs`.
//! - INT, TERM and KILL end who waits; WINCH, ALRM and URG do not: `src/mount/tests/cases/stop.rs`;
//!   while a store hangs: here.
//! - Unmounting idle, busy, under load, by TERM, after `kill -9`, with a server that stands still:
//!   `src/mount/tests/cases/{end,stuck}.rs`, `dead.rs`.
//! - 100,000 entities, each listed once (`FACTFS_ENTITIES`; the times are printed):
//!   `src/mount/tests/cases/read.rs`.
//! - Any value to a file name and back: `src/mount/name.rs`, `hostile.rs`.
//! - No inode and no handle is leaked, also by writes that fail or are interrupted: here, and
//!   `soak.rs`.
//! - A user other than root: here.
//! - A store that is cut, down or slow, with an errno and a bound on the time: here.
//! - A result that is kept, as fast as from tmpfs: `scripts/bench-mount`.
//! - `find` and `grep -r` end: `src/mount/tests/cases/read.rs`, and here over the demo.

use super::{Mount, can_mount, place, queries};
use crate::store::again::{ENTITIES, URL, served};
use crate::support::moto::Moto;
use crate::support::{Place, SCHEMA, is_root, run};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anybody waits for a store that answers nothing.
const BOUND: Duration = Duration::from_secs(40);

fn cat(mount: &Mount, file: &str) -> Child {
    let mut cat = Command::new("env");
    cat.args(["--default-signal", "cat", file]).current_dir(&mount.point);
    cat.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// While the store says nothing, who waits for it can be ended; what is at hand is shown; and once
/// it answers, so does the mount.
#[test]
fn a_store_that_is_slow() {
    let Some((_moto, _place, proxy, far)) = can_mount().then(served).flatten() else { return };
    queries(&far);
    let mount = Mount::new(&far, "m", &[&format!("stock={URL}")]);
    proxy.shut_after(0);
    for signal in ["INT", "TERM", "KILL"] {
        let mut reader = cat(&mount, "results/count.json");
        proxy.wait_for_one();
        let sent = Instant::now();
        Command::new("kill").args(["-s", signal, &reader.id().to_string()]).status().unwrap();
        assert!(!reader.wait().unwrap().success());
        assert!(sent.elapsed() < Duration::from_secs(2), "{signal}: {:?}", sent.elapsed());
    }
    let reader = cat(&mount, "results/count.json");
    proxy.wait_for_one();
    for file in ["README.md", "queries/count.edn", ".factfs/version"] {
        assert!(!mount.read(file).unwrap().is_empty(), "{file}");
    }
    proxy.open();
    let output = reader.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), ENTITIES.to_string());
}

/// Nothing answers any more: each call ends, and says why.
#[test]
fn a_store_that_is_cut() {
    let Some(moto) = can_mount().then(Moto::start).flatten() else { return };
    moto.bucket("team-a");
    let place = Place::new().with_s3(moto.port);
    queries(&place);
    place.ok(&["init", "s3://team-a/stock", "--schema", SCHEMA], "");
    let mount = Mount::new(&place, "m", &["stock=s3://team-a/stock"]);
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[]");
    drop(moto);
    // The head is believed for two seconds.
    thread::sleep(Duration::from_millis(2100));
    let started = Instant::now();
    let found = [
        Mount::errno(fs::read(mount.path("results/keys.csv"))),
        Mount::errno(mount.write("stock/branches/main/transact", "[{:w/key \"a\"}]")),
    ];
    assert!(started.elapsed() < BOUND * 2, "{:?}", started.elapsed());
    assert!(found.iter().all(|errno| [Errno::IO, Errno::TIMEDOUT].contains(errno)), "{found:?}");
    assert!(!mount.read(".factfs/last-error").unwrap().is_empty());
    assert!(mount.shell("ls; cat .factfs/version").stdout.contains("stock"));
    let started = Instant::now();
    drop(mount);
    assert!(started.elapsed() < BOUND, "unmounted: {:?}", started.elapsed());
}

/// What was read is let go of: nothing is left open, and the kernel gives back what it knew.
#[test]
fn nothing_is_leaked() {
    if !can_mount() {
        return;
    }
    let place = many();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    for _ in 0..3 {
        mount.shell("find . -type f -exec cat {} + > /dev/null; ls -lR . > /dev/null");
        mount.write("stock/head/transact", "[{:w/key \"again\" :w/n 1}]").unwrap();
    }
    let (_, before) = in_use(&mount);
    assert!(before > 300, "{before} inodes are known");
    all_is_let_go_of(&mount);
}

/// A place whose database has 300 entities.
fn many() -> Place {
    let place = place();
    let entities: String = (0..300).map(|n| format!("{{:w/key \"{n}\" :w/n {n}}}")).collect();
    place.ok(&["transact", "db", &format!("[{entities}]")], "");
    place
}

/// Handles and inodes.
fn in_use(mount: &Mount) -> (u64, u64) {
    let status = mount.read(".factfs/status.json").unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    (status["handles"].as_u64().unwrap(), status["inodes"].as_u64().unwrap())
}

/// Waits until nothing is in use but the file that says so, and the way to it.
#[track_caller]
fn all_is_let_go_of(mount: &Mount) {
    let has_forgotten = is_root() && fs::write("/proc/sys/vm/drop_caches", "2").is_ok();
    let is_little = |(handles, inodes)| handles <= 1 && (inodes <= 20 || !has_forgotten);
    let until = Instant::now() + Duration::from_secs(20);
    while !is_little(in_use(mount)) {
        assert!(Instant::now() < until, "{:?} are in use", in_use(mount));
        thread::sleep(Duration::from_millis(100));
    }
}

/// Writes that fail at every call, and writers that are ended while they wait for a commit.
#[test]
fn writes_that_fail_or_are_interrupted_leak_nothing() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    for script in [
        "echo '[{:w/n x}]' > stock/head/transact",
        "/bin/echo '[{:w/key' > stock/head/transact",
        "printf '\\xff' > stock/head/transact",
        "echo none > stock/head/merge",
        "printf 'w/key,w/n\\na,x\\n' > stock/head/inbox/a.csv; exit 1",
        "echo x > stock/head/inbox/a.csv.result",
        "mv stock/head/inbox/a.csv stock/head/inbox/b.csv",
        "truncate -s 0 stock/head/inbox/a.csv.err",
        "truncate -s 1T queries/count.edn",
        "e=$(ls stock/head/entities | tail -1); echo x > stock/head/entities/$e; exit 1",
        "echo x > stock/head/entities/99999.edn",
        "echo x > stock/head/schema.edn",
        "mkdir stock/branches/7d",
        "ln -s none stock/tags/v1",
        "mv queries/none.edn queries/other.edn",
    ] {
        let ran = mount.shell(&format!("set -e; {script}"));
        assert_ne!(ran.code, 0, "{script}");
    }
    // Nothing can be committed while another process has the store.
    let lock = fs::OpenOptions::new().write(true).open(place.path("db/.lock")).unwrap();
    lock.lock().unwrap();
    let writers = ["transact", "inbox/c.edn", "entities/tmp", "merge"].map(|name| {
        let text = if name == "merge" { "main" } else { "[{:w/key \"late\" :w/n 1}]" };
        let script = format!("echo '{text}' > stock/head/{name}; exec sleep 60");
        start(Command::new("bash").args(["-c", &script]).current_dir(&mount.point))
    });
    let waits = [".wait", ".events"].map(|name| {
        let script = format!("cat stock/head/{name} > /dev/null");
        start(Command::new("bash").args(["-c", &script]).current_dir(&mount.point))
    });
    thread::sleep(Duration::from_millis(500));
    for mut child in writers.into_iter().chain(waits) {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    lock.unlock().unwrap();
    mount.write("stock/head/transact", "[{:w/key \"again\" :w/n 1}]").unwrap();
    all_is_let_go_of(&mount);
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs a command as nobody.
fn as_nobody(command: &Command) -> Command {
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    other.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    let set = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
        Some((name.to_owned(), value?.to_owned()))
    };
    other.envs(command.get_envs().filter_map(set));
    other
}

/// Mounting, reading and writing need no root; others see nothing of it.
#[test]
fn a_user_other_than_root() {
    if !can_mount() || !is_root() {
        return eprintln!("skipped: only root can be somebody else");
    }
    let is_open = fs::metadata("/dev/fuse").is_ok_and(|meta| meta.permissions().mode() & 6 == 6);
    if !is_open || Command::new("fusermount3").arg("-V").output().is_err() {
        return eprintln!("skipped: /dev/fuse is closed to others, or fusermount3 is missing");
    }
    let place = Place::new();
    chown(place.path(""), Some(65534), Some(65534)).unwrap();
    let ran = |args: &[&str]| run(as_nobody(&place.factfs(args)), "");
    let made = ran(&["init", "db", "--schema", SCHEMA]);
    if made.code == 127 || made.stderr.starts_with("setpriv") {
        return eprintln!("skipped: {}", made.stderr);
    }
    assert_eq!(made.code, 0, "{made:?}");
    let mounted = ran(&["mount", "--queries", "queries", "m", "stock=db"]);
    assert_eq!(mounted.code, 0, "{mounted:?}");
    let mut shell = Command::new("bash");
    let script =
        "echo '[{:w/key \"mine\"}]' > m/stock/head/transact && cat m/stock/head/tables/w.csv
                  echo '[:find ?k :in $stock :where [$stock _ :w/key ?k]]' > m/queries/k.edn
                  cat m/results/k.csv; stat -c %u m/README.md";
    shell.args(["-c", script]).current_dir(place.path(""));
    let used = run(as_nobody(&shell), "");
    let root_sees = fs::read(place.path("m/README.md"));
    let unmounted = ran(&["umount", "m"]);
    assert!(used.stdout.ends_with("k\nmine\n65534\n") && used.code == 0, "{used:?}");
    assert_eq!(Mount::errno(root_sees), Errno::ACCESS, "another user, if it is root");
    assert_eq!(unmounted.code, 0, "{unmounted:?}");
}

/// What walks over everything comes to an end, over a mount of several databases.
#[test]
fn find_and_grep_end() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    place.ok(&["demo", "demo"], "");
    let stores: Vec<String> = fs::read_dir(place.path("demo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| place.path(&format!("demo/{name}/format")).exists())
        .map(|name| format!("{name}=demo/{name}"))
        .collect();
    assert!(stores.len() > 1, "{stores:?}");
    let stores: Vec<&str> = stores.iter().map(String::as_str).collect();
    let mount = Mount::new(&place, "m", &stores);
    let found = mount.shell("find . | sort | uniq -d; find . -type f | wc -l; find -L . | wc -l");
    let files: usize = found.stdout.lines().next().unwrap().parse().unwrap();
    assert!(files > 20, "{found:?}");
    let counted = mount.shell("grep -rc . .");
    assert_eq!(counted.stdout.lines().count(), files, "{}", counted.stderr);
}

/// The kernel asks for the attributes of the first names of any listing, and keeps what it was
/// given: of a listing that nobody wants attributes of that is a few names.
#[test]
fn a_listing_of_names_leaves_few_behind() {
    if !can_mount() {
        return;
    }
    let place = many();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let folder = mount.path("stock/branches/main/by/w/key");
    fs::metadata(&folder).unwrap();
    let (_, before) = in_use(&mount);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 300);
    let (_, after) = in_use(&mount);
    assert!(after < before + 20, "{before} names, then {after}");
}
