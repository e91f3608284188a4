//! SQLite as a store: the contract, several stores in a file, what is no store, and durability as
//! far as the settings of the connection say it.

#![cfg(feature = "sqlite")]

use super::*;
use crate::host::SystemHost;
use crate::settings::Settings;
use crate::url::open;
use factfs_core::store::contract::{Trust, check, probe};
use std::sync::Arc;

fn sqlite(directory: &tempfile::TempDir, rest: &str) -> Arc<dyn Store> {
    let url = format!("sqlite://{}/{rest}", directory.path().display());
    open(&url, &Settings::default()).unwrap()
}

fn fetch(key: &str, range: Option<std::ops::Range<u64>>) -> Fetch {
    Fetch { key: key.to_owned(), range }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    for rest in ["facts.db", "facts.db/team-a/catalog", "other.sqlite3"] {
        let store = sqlite(&directory, rest);
        check(&*store, &SystemHost).await.unwrap();
        assert_eq!(probe(&*store, &SystemHost).await.unwrap(), Trust::Safe);
        assert_eq!(store.list("").await.unwrap(), []);
    }
}

#[tokio::test]
async fn places_of_one_file_are_strangers() {
    let directory = tempfile::tempdir().unwrap();
    let [whole, a, b] = ["x.db", "x.db/a", "x.db/b"].map(|rest| sqlite(&directory, rest));
    for (store, text) in [(&whole, "0"), (&a, "1"), (&b, "2")] {
        let created = store.cas_ref("head", Expect::Absent, Bytes::from(text)).await.unwrap();
        assert!(matches!(created, Swap::Swapped(_)), "{created:?}");
    }
    whole.delete("head").await.unwrap();
    assert_eq!(a.get(&fetch("head", None)).await.unwrap(), "1");
    assert_eq!(b.list("").await.unwrap().len(), 1);
    assert_eq!(whole.list("").await.unwrap(), []);
}

#[tokio::test]
async fn reading_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(&directory, "none.db");
    assert_eq!(store.read_ref("head", None).await.unwrap(), RefRead::Absent);
    let error = store.get(&fetch("pack/a", None)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    store.delete("head").await.unwrap();
    assert_eq!(store.list("").await.unwrap(), []);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let write = async |rest: &str| {
        sqlite(&directory, rest).put("pack/a", Bytes::from("x")).await.unwrap_err()
    };
    let error = write("none/x.db").await;
    assert_eq!(error.kind, StoreErrorKind::Invalid, "{error}");
    assert!(error.reason.starts_with("there is no directory"), "{error}");
    std::fs::write(directory.path().join("text.db"), "no database\n".repeat(100)).unwrap();
    let error = write("text.db").await;
    assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
    assert_eq!(error.reason, "this is no SQLite file");
    let error = sqlite(&directory, "text.db").read_ref("head", None).await.unwrap_err();
    assert_eq!(error.reason, "this is no SQLite file");
}

#[tokio::test]
async fn another_programs_writer_is_waited_for_so_long() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/x.db", directory.path().display());
    let busy = std::time::Duration::from_millis(10);
    let store = open(&url, &Settings { lock_timeout: busy, ..Settings::default() }).unwrap();
    store.put("pack/a", Bytes::from("x")).await.unwrap();
    let other = rusqlite::Connection::open(directory.path().join("x.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.cas_ref("head", Expect::Absent, Bytes::from("1")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.reason.starts_with("other writers held the file"), "{error}");
    assert_eq!(store.get(&fetch("pack/a", None)).await.unwrap(), "x", "readers do not wait");
}

#[tokio::test]
async fn the_file_is_what_it_should_be() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(&directory, "x.db");
    store.put("pack/a", Bytes::from(vec![7; 3_000_000])).await.unwrap();
    let middle = store.get(&fetch("pack/a", Some(2_000_000..2_000_010))).await.unwrap();
    assert_eq!(middle, vec![7; 10]);
    let file = rusqlite::Connection::open(directory.path().join("x.db")).unwrap();
    let pragma = |name: &str| -> String {
        file.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("page_size"), "Integer(8192)");
    assert_eq!(pragma("auto_vacuum"), "Integer(2)");
}
