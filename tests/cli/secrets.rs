//! A password or a token in a url is shown nowhere: not when it is wrong, not when nobody is there,
//! not when all is well.

use crate::support::Place;
use crate::support::moto::{Moto, free_port};
use crate::support::proxy::{Manner, Proxy};
use crate::support::servers::postgres::Postgres;
use std::time::{Duration, Instant};

const SECRET: &str = "s3cret";

/// Runs commands on a url with a secret; what they said, and whether the secret was in it.
#[track_caller]
fn check(place: &Place, url: &str, commands: &[&[&str]]) {
    for command in commands {
        let args: Vec<&str> =
            command.iter().map(|arg| if *arg == "URL" { url } else { *arg }).collect();
        let ran = place.ran(&args, "");
        let said = ran.stdout + &ran.stderr;
        assert!(!said.is_empty() && !said.contains(SECRET), "{command:?}: {said}");
    }
}

const COMMANDS: [&[&str]; 7] = [
    &["status", "URL"],
    &["init", "URL"],
    &["query", "[:find ?e :where [?e :w/key]]", "URL"],
    &["transact", "URL", "[{:w/key \"a\"}]"],
    &["verify", "URL"],
    &["clone", "URL", "copy"],
    &["check-store", "URL"],
];

#[test]
fn where_nobody_is_there_or_the_url_is_wrong() {
    let (place, port) = (Place::new(), free_port());
    let urls = [
        format!("postgres://ann:{SECRET}@127.0.0.1:{port}/db/x"),
        format!("postgres://ann:{SECRET}@127.0.0.1:{port}"),
        format!("postgres://ann:{SECRET}@/db?sslmode=odd"),
        format!("postgres://ann:{SECRET}/x@127.0.0.1:{port}/db/x"),
        format!("http://ann:{SECRET}@127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{port}/x?token={SECRET}"),
        format!("s3://ann:{SECRET}@bucket/x?token={SECRET}"),
        format!("file://ann:{SECRET}@host/x?token={SECRET}"),
    ];
    for url in urls {
        check(&place, &url, &COMMANDS);
    }
}

#[test]
fn where_a_web_server_is() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("team-a");
    let place = Place::new().with_s3(moto.port);
    let proxy = Proxy::start(moto.port, Manner::Authorize);
    let url = format!("http://ann:{SECRET}@127.0.0.1:{}/team-a/catalog", proxy.port);
    check(&place, &url, &COMMANDS);
    place.ok(&["init", "s3://team-a/catalog"], "");
    check(&place, &url, &COMMANDS);
    let status = place.ok(&["status", &url], "");
    assert!(status.contains(&format!("http://127.0.0.1:{}/team-a/catalog", proxy.port)));
}

#[test]
fn where_postgres_is() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, url) = (Place::new(), postgres.url("a").replace("ann@", "ann:s3cret@"));
    place.ok(&["init", &url], "");
    check(&place, &url, &COMMANDS);
    assert!(place.ok(&["status", &url], "").contains("postgres://ann@127.0.0.1"));
    let copy = std::fs::read_to_string(place.path("copy/refs"));
    assert!(!String::from_utf8_lossy(copy.unwrap_or_default().as_bytes()).contains(SECRET));
}

#[test]
fn a_service_that_is_not_there_is_told_soon() {
    let port = free_port();
    let azure = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "me".to_owned()),
        ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5".to_owned()),
        ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{port}/me")),
    ];
    let place = azure.into_iter().fold(Place::new().with_s3(port), |p, (n, v)| p.set(n, v));
    let place = place
        .set("GOOGLE_SKIP_SIGNATURE", "true")
        .set("GOOGLE_BASE_URL", format!("http://127.0.0.1:{port}"));
    let postgres = format!("postgres://ann@127.0.0.1:{port}/db");
    let web = format!("http://127.0.0.1:{port}/x");
    let unknown = "http://no-such-host.invalid/x";
    for url in ["s3://bucket/x", "gs://bucket/x", "az://box/x", &postgres, &web, unknown] {
        let before = Instant::now();
        let said = place.fails(12, &["status", url], "");
        assert!(said.contains("cannot be reached"), "{url}: {said}");
        assert!(before.elapsed() < Duration::from_secs(5), "{url}: {:?}", before.elapsed());
    }
    let before = Instant::now();
    place.fails(12, &["init", "s3://bucket/x"], "");
    assert!(before.elapsed() < Duration::from_secs(5), "init: {:?}", before.elapsed());
}
