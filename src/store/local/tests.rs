//! The contract over a directory, races of threads, and what is left when a write fails.

use super::*;
use crate::SystemHost;
use factfs_core::store::contract::{Trust, check, probe};
use std::fs;
use std::sync::Arc;

fn store(path: &Path) -> LocalStore {
    LocalStore::new(path, &Settings::default())
}

fn all_files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(name(&path)) }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn get(key: &str) -> Fetch {
    Fetch { key: key.into(), range: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("new/deep"));
    check(&store, &SystemHost).await.unwrap();
    let probed = tokio::spawn({
        let store = store.clone();
        async move { probe(&store, &SystemHost).await }
    });
    assert_eq!(probed.await.unwrap().unwrap(), Trust::Safe);
    assert_eq!(all_files(dir.path()), [lock::NAME]);
}

#[test]
fn works_without_a_runtime_and_from_a_handle() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    futures::executor_free(check(&store, &SystemHost)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let handle = runtime.handle().clone();
    std::thread::scope(|scope| {
        scope.spawn(|| handle.block_on(check(&store, &SystemHost)).unwrap());
    });
}

/// Polling until it is done: what a caller without any runtime may do.
mod futures {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    pub(super) fn executor_free<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(answer) = polled {
                return answer;
            }
        }
    }
}

#[test]
fn eight_threads_count_to_four_hundred() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            // Each with a store of its own, as processes have.
            let store = store(dir.path());
            scope.spawn(move || block(async { (0..50).for_each(|_| block_increment(&store)) }));
        }
    });
    let store = store(dir.path());
    let RefRead::Found { bytes, .. } = block(store.read_ref("head", None)).unwrap() else {
        panic!("no head");
    };
    assert_eq!(text(&bytes).split(' ').next(), Some("400"));
    assert_eq!(all_files(dir.path()), [lock::NAME, "head"]);
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn block_increment(store: &LocalStore) {
    loop {
        let (n, expect) = match store.place.read_ref("head", None).unwrap() {
            RefRead::Found { bytes, version } => {
                let n: u64 = text(&bytes).split(' ').next().unwrap().parse().unwrap();
                (n, Expect::Version(version))
            }
            _ => (0, Expect::Absent),
        };
        let body = format!("{} {:x}", n + 1, crate::host::random_bits());
        if let Swap::Swapped(_) = store.place.cas_ref("head", &expect, body.as_bytes()).unwrap() {
            return;
        }
    }
}

#[test]
fn readers_see_whole_bodies_while_it_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path()));
    block_increment(&store);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..100).for_each(|_| block_increment(&store)));
        while !writer.is_finished() {
            let RefRead::Found { bytes, .. } = store.place.read_ref("head", None).unwrap() else {
                panic!("the head was gone");
            };
            assert!(text(&bytes).contains(' '), "{bytes:?}");
        }
    });
}

#[test]
fn what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let missing = store(&dir.path().join("missing"));
    let error = block(missing.get(&get("head"))).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert!(error.reason.contains("no such directory"), "{error}");
    assert_eq!(block(missing.read_ref("head", None)).unwrap(), RefRead::Absent);
    assert_eq!(block(missing.list("")).unwrap(), []);
    block(missing.delete("pack/x")).unwrap();
    let stale = Expect::Version(Version { e_tag: Some("x".into()), version: None });
    let swap = block(missing.cas_ref("head", stale, Bytes::new())).unwrap();
    assert!(matches!(swap, Swap::Lost));
    assert!(!missing.place.root.exists(), "reading makes nothing");
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = block(store(&file).read_ref("head", None)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Invalid, "{error}");
}

#[test]
fn names_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("in"));
    for key in ["../out", "/etc/passwd", "a/../../out", ".lock", ""] {
        let error = block(store.put(key, Bytes::new())).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Invalid, "{key}");
        assert_eq!(block(store.get(&get(key))).unwrap_err().kind, StoreErrorKind::Invalid);
    }
    assert_eq!(all_files(dir.path()), Vec::<String>::new());
}

#[test]
fn a_full_disk_leaves_the_old_ref() {
    // /dev/full is a disk that is always full: a temporary that is a link to it fails as the write
    // would.
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    block_increment(&store);
    let before = fs::read(dir.path().join("head")).unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join(".tmp-cas-head")).unwrap();
    let RefRead::Found { version, .. } = store.place.read_ref("head", None).unwrap() else {
        panic!("no head");
    };
    let body = Bytes::from(vec![7; 100_000]);
    let error = block(store.cas_ref("head", Expect::Version(version), body)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert_eq!(fs::read(dir.path().join("head")).unwrap(), before);
    assert_eq!(all_files(dir.path()), [lock::NAME, "head"], "the temporary is gone");
}

#[test]
fn a_lock_held_for_long_is_an_error_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(50);
    let settings = Settings { lock_timeout: patience, ..Settings::default() };
    let store = LocalStore::new(dir.path(), &settings);
    let held = lock::take(dir.path(), patience).unwrap();
    let error = block(store.cas_ref("head", Expect::Absent, Bytes::new())).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.reason.contains("another process has held"), "{error}");
    drop(held);
    let swap = block(store.cas_ref("head", Expect::Absent, Bytes::new())).unwrap();
    assert!(matches!(swap, Swap::Swapped(_)));
}

#[test]
fn foreign_and_unfinished_files_are_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    block(store.put("pack/a", Bytes::from_static(b"12345"))).unwrap();
    block_increment(&store);
    for name in ["README.txt", "pack/.tmp-0-b", ".tmp-cas-head"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let found = block(store.list("")).unwrap();
    assert_eq!(found.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["head", "pack/a"]);
    assert_eq!(found[1].size_bytes, 5);
    assert!(found[1].modified_ms > 1_700_000_000_000);
    assert_eq!(store.sweep(Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(store.sweep(Duration::ZERO).unwrap(), 2);
    assert_eq!(all_files(dir.path()), [lock::NAME, "README.txt", "a", "head"]);
}

/// A small file system of its own, where we may mount one.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let dir = Self(tempfile::tempdir().unwrap());
        let made = dir.run("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs"]);
        if !made {
            eprintln!("skipped: no right to mount a tmpfs");
        }
        made.then_some(dir)
    }

    fn run(&self, program: &str, args: &[&str]) -> bool {
        let mut command = std::process::Command::new(program);
        let command = command.args(args).arg(self.0.path()).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        self.run("umount", &[]);
    }
}

#[test]
fn a_small_disk_fills_up_and_becomes_read_only() {
    let Some(disk) = Tmpfs::mount() else { return };
    let store = store(&disk.0.path().join("db"));
    block_increment(&store);
    let large = |n: u8| Bytes::from(vec![n; 100_000]);
    block(store.put("pack/a", large(1))).unwrap();
    let error = block(store.put("pack/b", Bytes::from(vec![2; 300_000]))).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    let now = block(store.read_ref("head", None)).unwrap();
    let RefRead::Found { version, .. } = now.clone() else { panic!("no head") };
    let swap =
        store.cas_ref("head", Expect::Version(version.clone()), Bytes::from(vec![3; 300_000]));
    assert_eq!(block(swap).unwrap_err().kind, StoreErrorKind::Full);
    assert_eq!(block(store.read_ref("head", None)).unwrap(), now);
    assert_eq!(all_files(disk.0.path()), [lock::NAME, "a", "head"]);
    assert!(disk.run("mount", &["-o", "remount,ro"]));
    assert_eq!(block(store.get(&get("pack/a"))).unwrap(), large(1));
    assert_eq!(block(store.read_ref("head", None)).unwrap(), now);
    let errors = [
        block(store.put("pack/c", large(4))).unwrap_err(),
        block(store.delete("pack/a")).unwrap_err(),
        block(store.cas_ref("head", Expect::Version(version), large(5))).unwrap_err(),
        block(store.cas_ref("refs", Expect::Absent, large(5))).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::ReadOnly, "{error}");
    }
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("head")).unwrap();
    let error = block(store.read_ref("head", None)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("refs"), 0o600.into()).unwrap();
    let error = block(store.read_ref("refs", None)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
}
