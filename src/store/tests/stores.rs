//! The contract over real servers other than S3: Azurite, PostgreSQL; and s3rver, which does not
//! keep it.
//!
//! A server whose program is missing is skipped, and said so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[allow(dead_code, reason = "another test uses the rest")]
mod servers;

use bytes::Bytes;
use factfs_core::store::contract::{Trust, check, probe};
use factfs_core::store::{Expect, Fetch, RefRead, Store, StoreErrorKind, Swap};
use factfs_store::{CheckOptions, Settings, SystemHost, check_store, open};
use servers::azurite::{self, Azurite};
use servers::gcs::{self, Gcs};
use servers::postgres::Postgres;
use servers::s3rver::S3rver;
use std::sync::Arc;
use std::time::Duration;

fn settings(variables: &[(&str, String)]) -> Settings {
    let env = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Settings { env, retry_timeout: Duration::from_secs(2), retries: 3, ..Settings::default() }
}

async fn keeps_the_contract(urls: &[String], settings: &Settings) {
    for url in urls {
        let store = open(url, settings).unwrap();
        check(&*store, &SystemHost).await.unwrap();
        assert_eq!(probe(&*store, &SystemHost).await.unwrap(), Trust::Safe, "{url}");
        assert_eq!(store.list("").await.unwrap(), [], "{url}");
    }
    let options = CheckOptions { race_ms: 60_000, swaps: 25, ..CheckOptions::default() };
    let checked = check_store(&urls[0], options, settings).await.unwrap();
    assert!(checked.is_safe(), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn azurite_keeps_the_contract() {
    let Some(azurite) = Azurite::start() else { return };
    azurite.container("lab");
    let settings = settings(&azurite::variables(azurite.port()));
    keeps_the_contract(&["az://lab".into(), "az://lab/team a/catalog".into()], &settings).await;
    let missing = open("az://none/x", &settings).unwrap();
    let error = missing.read_ref("head", None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound, "{error}");
    assert_eq!(error.reason, "there is no such bucket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn google_keeps_the_contract() {
    let server = Gcs::start(Duration::ZERO);
    let settings = settings(&gcs::variables(server.port));
    keeps_the_contract(&["gs://team-a".into(), "gs://team-a/team b/catalog".into()], &settings)
        .await;
    let missing = open("gs://none/x", &settings).unwrap();
    let error = missing.read_ref("head", None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound, "{error}");
    assert_eq!(error.reason, "there is no such bucket");
}

/// What writes too often is asked to come later, and does; who is asked too often says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn google_that_takes_few_writes_to_one_name() {
    let server = Gcs::start(Duration::from_millis(100));
    let settings = settings(&gcs::variables(server.port));
    let store = open("gs://team-a/x", &settings).unwrap();
    let mut expect = Expect::Absent;
    for n in 0..4 {
        match store.cas_ref("head", expect, Bytes::from(format!("{n}"))).await.unwrap() {
            Swap::Swapped(version) => expect = Expect::Version(version),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(server.refused() > 0);
    let hurried = Settings { retries: 0, ..settings };
    let store = open("gs://team-a/x", &hurried).unwrap();
    let swap = store.cas_ref("head", expect, Bytes::from_static(b"5")).await.unwrap();
    let Swap::Unknown(error) = swap else { panic!("{swap:?}") };
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.reason.starts_with("asks to be asked later"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_contract() {
    let Some(postgres) = Postgres::start() else { return };
    let urls = [postgres.url(""), postgres.url("team-a/catalog")];
    keeps_the_contract(&urls, &Settings::default()).await;
    places_are_strangers(&postgres).await;
    what_it_refuses(&postgres).await;
}

/// Whom a client trusts, and what it says where it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_over_tls() {
    let Some(postgres) = Postgres::start_secured("localhost") else { return };
    let root = postgres.authority().display().to_string();
    let url = |host: &str, query: &str| {
        format!("{}?{query}", postgres.url("a").replace("127.0.0.1", host))
    };
    let read = async |url: &str, settings: &Settings| {
        open(url, settings).unwrap().read_ref("head", None).await
    };
    let none = Settings::default();
    for mode in ["require", "verify-ca", "verify-full"] {
        let trusting = url("localhost", &format!("sslmode={mode}&sslrootcert={root}"));
        assert_eq!(read(&trusting, &none).await.unwrap(), RefRead::Absent, "{mode}");
        let strange = read(&url("localhost", &format!("sslmode={mode}")), &none).await;
        let strange = strange.unwrap_err();
        assert_eq!(strange.kind, StoreErrorKind::Denied, "{mode}: {strange}");
        assert!(strange.reason.contains("PGSSLROOTCERT"), "{strange}");
        let other = url("127.0.0.1", &format!("sslmode={mode}&sslrootcert={root}"));
        let error = read(&other, &none).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Denied, "a certificate of another name: {error}");
    }
    let named = settings(&[("PGSSLROOTCERT", root.clone()), ("PGSSLMODE", "require".into())]);
    assert_eq!(read(&url("localhost", ""), &named).await.unwrap(), RefRead::Absent);
    assert_eq!(read(&url("localhost", "sslmode=disable"), &none).await.unwrap(), RefRead::Absent);
    let store = open(&url("localhost", &format!("sslmode=require&sslrootcert={root}")), &none);
    check(&*store.unwrap(), &SystemHost).await.unwrap();
}

async fn places_are_strangers(postgres: &Postgres) {
    let store = |place: &str| -> Arc<dyn Store> {
        open(&postgres.url(place), &Settings::default()).unwrap()
    };
    for place in ["", "a", "a/b"] {
        let body = Bytes::from(format!("in {place}"));
        let created = store(place).cas_ref("head", Expect::Absent, body).await.unwrap();
        assert!(matches!(created, Swap::Swapped(_)), "{created:?}");
    }
    store("").delete("head").await.unwrap();
    assert_eq!(store("").list("").await.unwrap(), []);
    let head = Fetch { key: "head".into(), range: None };
    assert_eq!(store("a/b").get(&head).await.unwrap(), "in a/b");
}

/// What a role may not do, databases and servers that are not there.
async fn what_it_refuses(postgres: &Postgres) {
    postgres.sql("facts", "CREATE ROLE bob LOGIN; GRANT SELECT ON factfs_objects TO bob");
    postgres.sql("facts", "CREATE ROLE eve LOGIN");
    let as_role = |role: &str| postgres.url("a").replace("ann", role);
    let error = async |url: &str| {
        let store = open(url, &Settings::default()).unwrap();
        let read = store.read_ref("head", None).await;
        let put = store.put("pack/a", Bytes::new()).await;
        (read.map(|found| matches!(found, RefRead::Found { .. })), put.unwrap_err())
    };
    let (read, put) = error(&as_role("bob")).await;
    assert!(read.unwrap());
    assert_eq!(put.kind, StoreErrorKind::ReadOnly, "{put}");
    let (read, put) = error(&as_role("eve")).await;
    assert_eq!(
        (read.unwrap_err().kind, put.kind),
        (StoreErrorKind::Denied, StoreErrorKind::Denied)
    );
    let (read, _) = error(&as_role("nobody-there")).await;
    assert_eq!(read.unwrap_err().kind, StoreErrorKind::Denied);
    let (read, _) = error(&postgres.url("").replace("facts", "none")).await;
    let read = read.unwrap_err();
    assert_eq!(read.kind, StoreErrorKind::NotFound);
    assert!(read.reason.contains("createdb"), "{read}");
    let (read, _) = error(&format!("{}?sslmode=require", postgres.url("a"))).await;
    assert!(read.unwrap_err().reason.contains("add ?sslmode=disable"));
    let free = servers::moto::free_port();
    let (read, put) = error(&format!("postgres://ann@127.0.0.1:{free}/facts")).await;
    assert_eq!(put.kind, StoreErrorKind::Unavailable);
    assert!(read.unwrap_err().reason.starts_with("cannot be reached"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3rver_is_refused() {
    let Some(server) = S3rver::start() else { return };
    let settings = settings(&[
        ("AWS_ACCESS_KEY_ID", "S3RVER".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "S3RVER".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port())),
    ]);
    let store = open("s3://bucket/db", &settings).unwrap();
    let trust = probe(&*store, &SystemHost).await.unwrap();
    let Trust::Unsafe { why } = trust else { panic!("it was trusted") };
    assert!(why.contains("creating what exists is refused: it was accepted"), "{why}");
    let options = CheckOptions { race_ms: 60_000, swaps: 25, ..CheckOptions::default() };
    let checked = check_store("s3://bucket/db", options, &settings).await.unwrap();
    assert!(!checked.is_safe());
}
