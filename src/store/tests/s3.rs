//! The object store against a real S3 protocol: moto's server, if it is there, and in front of it a
//! proxy that refuses, lies and drops as services do.
//!
//! Where `moto_server` is not on the PATH the tests that need it say so and pass (`pip install
//! 'moto[server]'`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[allow(dead_code, reason = "another test uses the rest")]
mod servers;

use bytes::Bytes;
use factfs_core::store::contract::{Trust, check, probe};
use factfs_core::store::{Expect, Fetch, RefRead, Store, StoreErrorKind, Swap};
use factfs_store::{Counted, Settings, SystemHost, open};
use servers::moto::{self, Moto};
use servers::once::OneObject;
use servers::proxy::{Manner, Proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Credentials that moto takes, an endpoint, and little patience.
fn settings(port: u16) -> Settings {
    let vars = [
        ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
    ];
    let env = vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Settings { env, retry_timeout: Duration::from_secs(2), retries: 3, ..Settings::default() }
}

fn store(port: u16, url: &str) -> Arc<dyn Store> {
    open(url, &settings(port)).unwrap()
}

fn get(key: &str) -> Fetch {
    Fetch { key: key.to_owned(), range: None }
}

/// A nonce makes every body another one, as in a head.
fn body(text: &str) -> Bytes {
    use factfs_core::store::Host;
    Bytes::from(format!("{text} {:x}", SystemHost.random()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("contract");
    for url in ["s3://contract", "s3://contract/team a/catalog"] {
        let store = store(moto.port, url);
        check(&*store, &SystemHost).await.unwrap();
        assert_eq!(probe(&*store, &SystemHost).await.unwrap(), Trust::Safe);
        assert_eq!(store.list("").await.unwrap(), []);
    }
    let missing = store(moto.port, "s3://no-such-bucket");
    let errors = [
        missing.get(&get("head")).await.unwrap_err(),
        missing.read_ref("head", None).await.unwrap_err(),
        missing.cas_ref("head", Expect::Absent, body("1")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::NotFound);
        assert_eq!(error.reason, "there is no such bucket");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_race_loses_nothing() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("race");
    let racers = (0..4).map(|_| {
        // Each with connections of its own.
        let store = store(moto.port, "s3://race/db");
        tokio::spawn(async move {
            for _ in 0..25 {
                increment(&*store).await;
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap();
    }
    let (n, _) = read_number(&*store(moto.port, "s3://race/db")).await;
    assert_eq!(n, 100);
}

async fn read_number(store: &dyn Store) -> (u64, Expect) {
    match store.read_ref("head", None).await.unwrap() {
        RefRead::Found { bytes, version } => {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            (text.split(' ').next().unwrap().parse().unwrap(), Expect::Version(version))
        }
        _ => (0, Expect::Absent),
    }
}

async fn increment(store: &dyn Store) {
    loop {
        let (n, expect) = read_number(store).await;
        match store.cas_ref("head", expect, body(&format!("{}", n + 1))).await.unwrap() {
            Swap::Swapped(_) => return,
            Swap::Lost => {}
            Swap::Unknown(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_come_in_one_request() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("ranges");
    let proxy = Proxy::start(moto.port, Manner::Honest);
    let store = Counted::new(store(proxy.port, "s3://ranges/db"));
    store.put("pack/a", Bytes::from(vec![7; 2_000_000])).await.unwrap();
    let before = proxy.requests();
    let range = |from| Fetch { key: "pack/a".into(), range: Some(from..from + 20_000) };
    let asked: Vec<_> = [0, 20_000, 70_000, 1_500_000].map(range).into();
    let found = store.get_many(&asked).await.unwrap();
    assert!(found.iter().all(|bytes| bytes.len() == 20_000));
    assert_eq!(proxy.requests() - before, 2, "the first three are neighbours");
    assert_eq!((store.counts().gets, store.counts().rounds), (4, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_may_only_be_read() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("shared");
    let writer = store(moto.port, "s3://shared/db");
    writer.cas_ref("head", Expect::Absent, body("1")).await.unwrap();
    let proxy = Proxy::start(moto.port, Manner::RefusePut);
    let reader = store(proxy.port, "s3://shared/db");
    let early = reader.put("pack/a", body("x")).await.unwrap_err();
    assert_eq!(early.kind, StoreErrorKind::Denied, "nothing is known of reading yet: {early}");
    let RefRead::Found { version, .. } = reader.read_ref("head", None).await.unwrap() else {
        panic!("no head");
    };
    let put = reader.put("pack/a", body("x")).await.unwrap_err();
    let swap = reader.cas_ref("head", Expect::Version(version), body("2")).await.unwrap_err();
    for error in [put, swap] {
        assert_eq!(error.kind, StoreErrorKind::ReadOnly, "{error}");
        assert!(error.reason.contains("may read here, and not write"), "{error}");
    }
    let probed = probe(&*reader, &SystemHost).await.unwrap_err();
    assert_eq!(probed.kind, StoreErrorKind::ReadOnly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ignores_conditions_is_found_out() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("liar");
    let proxy = Proxy::start(moto.port, Manner::DropConditions);
    let trust = probe(&*store(proxy.port, "s3://liar/db"), &SystemHost).await.unwrap();
    let Trust::Unsafe { why } = trust else { panic!("it was trusted") };
    assert!(why.contains("creating what exists is refused: it was accepted"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_whose_answer_is_lost_is_never_called_failed() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("lost");
    let proxy = Proxy::start(moto.port, Manner::DropAnswer);
    let bytes = body("1");
    let far = store(proxy.port, "s3://lost/db");
    let swap = far.cas_ref("head", Expect::Absent, bytes.clone()).await.unwrap();
    // Unknown, or Lost where the client below repeated it: both make the caller read back.
    assert!(!matches!(swap, Swap::Swapped(_)), "{swap:?}");
    let found = store(moto.port, "s3://lost/db").read_ref("head", None).await.unwrap();
    assert!(matches!(found, RefRead::Found { bytes: there, .. } if there == bytes));
}

#[tokio::test]
async fn nobody_there_is_told_soon() {
    let port = moto::free_port();
    let store = store(port, "s3://bucket/db");
    let before = Instant::now();
    let error = store.read_ref("head", None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.reason.starts_with("cannot be reached"), "{error}");
    let swap = store.cas_ref("head", Expect::Absent, body("1")).await.unwrap();
    assert!(matches!(swap, Swap::Unknown(_)), "{swap:?}");
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let time = Duration::from_millis(300);
    let settings = Settings { request_timeout: time, retries: 1, ..settings(port) };
    let store = open("s3://bucket/db", &settings).unwrap();
    let before = Instant::now();
    let error = store.read_ref("head", None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert_eq!(error.reason, "did not answer in time");
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_can_be_read() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("web");
    let writer = store(moto.port, "s3://web/db");
    writer.put("pack/a", Bytes::from_static(b"0123456789")).await.unwrap();
    writer.cas_ref("head", Expect::Absent, Bytes::from_static(b"one")).await.unwrap();
    let proxy = Proxy::start(moto.port, Manner::Authorize);
    let web = open(&format!("http://127.0.0.1:{}/web/db", proxy.port), &Settings::default());
    let web = web.unwrap();
    let range = Fetch { key: "pack/a".into(), range: Some(2..5) };
    assert_eq!(web.get(&range).await.unwrap(), Bytes::from_static(b"234"));
    let RefRead::Found { version, bytes } = web.read_ref("head", None).await.unwrap() else {
        panic!("no head");
    };
    assert_eq!(bytes, Bytes::from_static(b"one"));
    let again = web.read_ref("head", Some(&version)).await.unwrap();
    assert_eq!(again, RefRead::Unchanged);
    assert_eq!(web.read_ref("refs", None).await.unwrap(), RefRead::Absent);
    let error = web.put("pack/b", Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ReadOnly);
    let error = web.cas_ref("head", Expect::Version(version), Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ReadOnly);
    assert_eq!(web.list("").await.unwrap_err().kind, StoreErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_head_is_one_conditional_get_answered_304() {
    let server = OneObject::start();
    let store = Counted::new(store(server.port, "s3://bucket/db"));
    let RefRead::Found { version, .. } = store.read_ref("head", None).await.unwrap() else {
        panic!("there is a head");
    };
    store.take();
    assert_eq!(store.read_ref("head", Some(&version)).await.unwrap(), RefRead::Unchanged);
    let request = "GET /bucket/db/head".to_owned();
    assert_eq!(server.asked(), [(request.clone(), 200), (request, 304)]);
    let counts = store.take();
    assert_eq!((counts.refs, counts.rounds, counts.bytes_in), (1, 1, 0));
}
