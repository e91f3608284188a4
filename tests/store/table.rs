//! One table of stores, each behind whatever serves it: what holds for one holds for all.
//!
//! `FACTFS_RACE_STORES` is how many transactions each of four processes commits (50),
//! `FACTFS_RACE_GOOGLE` the same where a name takes one write a second (5),
//! `FACTFS_FLAKY` how many go through a proxy that disturbs every third swap (20).

use super::race::race;
use crate::support::audit::audit;
use crate::support::moto::Moto;
use crate::support::proxy::{Manner, Proxy};
use crate::support::servers::azurite::{self, Azurite};
use crate::support::servers::gcs::{self, Gcs};
use crate::support::servers::postgres::Postgres;
use crate::support::servers::wire::{Wire, WireManner};
use crate::support::writer::Writer;
use crate::support::{Place, SCHEMA, number};
use factfs_core::edn::read_one;
use factfs_store::{Database, Locator, Settings, TransactOptions};
use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

/// A place with a database, its url, and what has to live as long.
struct Served {
    place: Place,
    url: String,
    /// Where HTTP is spoken, if it is.
    port: Option<u16>,
    _server: Box<dyn Any>,
}

fn served(kind: &str) -> Option<Served> {
    let place = Place::new();
    let (place, url, port, server): (Place, String, _, Box<dyn Any>) = match kind {
        "local" => (place, "db".into(), None, Box::new(())),
        "sqlite" => {
            let url = format!("sqlite://{}", place.path("facts.db/team-a").display());
            (place, url, None, Box::new(()))
        }
        "s3" => {
            let moto = Moto::start()?;
            moto.bucket("team-a");
            (place.with_s3(moto.port), "s3://team-a/db".into(), Some(moto.port), Box::new(moto))
        }
        "azure" => {
            let azurite = Azurite::start()?;
            azurite.container("team-a");
            let port = azurite.port();
            (with_azure(place, port), "az://team-a/db".into(), Some(port), Box::new(azurite))
        }
        "google" | "google, unhurried" => {
            // As slow as the client expects it to be, or nearly.
            let pace = if kind == "google" { 900 } else { 0 };
            let gcs = Gcs::start(Duration::from_millis(pace));
            let place = with(place, gcs::variables(gcs.port));
            let port = gcs.port;
            (place, "gs://team-a/db".into(), Some(port), Box::new(gcs))
        }
        _ => {
            let postgres = Postgres::start()?;
            (place, postgres.url("team-a"), None, Box::new(postgres))
        }
    };
    place.ok(&["init", &url, "--schema", SCHEMA], "");
    Some(Served { place, url, port, _server: server })
}

fn with_azure(place: Place, port: u16) -> Place {
    with(place, azurite::variables(port))
}

fn with<const N: usize>(place: Place, variables: [(&str, String); N]) -> Place {
    variables.into_iter().fold(place, |place, (name, value)| place.set(name, value))
}

/// Four processes, none of whose transactions is lost.
fn four_processes(kind: &str) {
    let Some(Served { place, url, _server, .. }) = served(kind) else { return };
    let each = match kind {
        "google" => number("FACTFS_RACE_GOOGLE", 5),
        _ => number("FACTFS_RACE_STORES", 50),
    };
    race(&place, &url, 4, each);
}

#[test]
fn four_processes_on_a_directory() {
    four_processes("local");
}

#[test]
fn four_processes_on_sqlite() {
    four_processes("sqlite");
}

#[test]
fn four_processes_on_s3() {
    four_processes("s3");
}

#[test]
fn four_processes_on_azure() {
    four_processes("azure");
}

#[test]
fn four_processes_on_google() {
    four_processes("google");
}

#[test]
fn four_processes_on_postgres() {
    four_processes("postgres");
}

/// Every third swap is applied and its answer lost in this manner: each transaction is committed
/// once, and said to be.
fn through(manner: Manner, kind: &str) {
    let Some(Served { place, url, port, _server }) = served(kind) else { return };
    let Some(port) = port else { panic!("{kind} speaks no HTTP") };
    let proxy = Proxy::start(port, manner);
    let patience = |place: Place| {
        ["AWS_TIMEOUT", "AZURE_TIMEOUT", "GOOGLE_TIMEOUT"]
            .into_iter()
            .fold(place, |place, name| place.set(name, "500ms"))
    };
    let far = match kind {
        "s3" => patience(Place::new().with_s3(proxy.port)),
        "google, unhurried" => patience(with(Place::new(), gcs::variables(proxy.port))),
        _ => patience(with_azure(Place::new(), proxy.port)),
    };
    let count = match kind {
        "google, unhurried" => number("FACTFS_FLAKY_GOOGLE", 6),
        _ => number("FACTFS_FLAKY", 20),
    };
    commits(&far, &url, &place, &url, count);
    disturbed(&format!("{kind} {manner:?}"), proxy.swaps() / 3, count);
}

/// So many transactions from afar, each committed once, and said to be.
fn commits(far: &Place, far_url: &str, place: &Place, url: &str, count: usize) {
    let forms = (0..count).map(|n| format!("[{{:w/key \"{n}\" :w/n {n}}}]")).collect();
    let written = Writer::start(far, far_url, forms).end();
    assert_eq!((written.code, written.stderr.as_str()), (Some(0), ""));
    assert_eq!(written.acknowledged.len(), count);
    let audit = audit(place, url).unwrap();
    assert_eq!(audit.log.len(), 1 + count, "commits");
    let each_once: BTreeMap<_, _> = (0..count).map(|n| (n.to_string(), 1)).collect();
    assert_eq!(audit.keys, each_once);
    let reported = written.acknowledged.iter().map(|report| report["commit"].as_str().unwrap());
    let log: Vec<_> = audit.log[1..].iter().map(|entry| entry.commit.to_string()).collect();
    assert_eq!(reported.collect::<Vec<_>>(), log, "what was reported is what the log has");
}

fn disturbed(what: &str, disturbed: usize, count: usize) {
    assert!(disturbed * 4 > count, "too few were disturbed: {disturbed} of {count}");
    eprintln!("{what}: {count} transactions, {disturbed} swaps disturbed");
}

/// The same on PostgreSQL, whose statements a proxy of its own disturbs.
fn through_wire(manner: WireManner) {
    let Some(postgres) = Postgres::start() else { return };
    let (place, url) = (Place::new(), postgres.url("team-a"));
    place.ok(&["init", &url, "--schema", SCHEMA], "");
    let wire = Wire::start(postgres.port(), manner);
    let far_url = url.replace(&postgres.port().to_string(), &wire.port.to_string());
    let count = number("FACTFS_FLAKY", 20);
    commits(&Place::new(), &far_url, &place, &url, count);
    disturbed(&format!("postgres {manner:?}"), wire.swaps() / 3, count);
}

#[test]
fn postgres_that_drops_statements() {
    through_wire(WireManner::Drop);
}

#[test]
fn postgres_that_commits_and_cuts_the_connection() {
    through_wire(WireManner::Cut);
}

#[test]
fn postgres_that_commits_and_hangs() {
    through_wire(WireManner::Hang);
}

#[test]
fn postgres_that_commits_later_what_was_cut_off() {
    through_wire(WireManner::Late);
}

#[test]
fn s3_that_applies_and_answers_503() {
    through(Manner::Fail503, "s3");
}

#[test]
fn s3_that_applies_and_cuts_the_connection() {
    through(Manner::Cut, "s3");
}

#[test]
fn s3_that_applies_and_hangs() {
    through(Manner::Hang, "s3");
}

#[test]
fn azure_that_applies_and_answers_503() {
    through(Manner::Fail503, "azure");
}

#[test]
fn azure_that_applies_and_cuts_the_connection() {
    through(Manner::Cut, "azure");
}

#[test]
fn azure_that_applies_and_hangs() {
    through(Manner::Hang, "azure");
}

#[test]
fn google_that_applies_and_answers_503() {
    through(Manner::Fail503, "google, unhurried");
}

#[test]
fn google_that_applies_and_cuts_the_connection() {
    through(Manner::Cut, "google, unhurried");
}

#[test]
fn google_that_applies_and_hangs() {
    through(Manner::Hang, "google, unhurried");
}

/// What arrives while a name may not be written again shares the next swap: nobody has to be told
/// to come later.
#[test]
fn transactions_of_one_process_wait_for_each_other_where_swaps_are_slow() {
    let gcs = Gcs::start(Duration::from_millis(900));
    let place = with(Place::new(), gcs::variables(gcs.port));
    let url = "gs://team-a/db";
    place.ok(&["init", url, "--schema", SCHEMA], "");
    let settings = Settings { env: place.env().collect(), ..Settings::default() };
    let locator = Locator { url: url.into(), branch: None, at: None };
    let database = Database::open(&locator, &settings).unwrap();
    let transact = |key: &str| {
        let form = read_one(&format!("[{{:w/key \"{key}\"}}]")).unwrap();
        database.transact(&form, &TransactOptions::default()).unwrap();
    };
    // The place is tried out before the first one.
    transact("first");
    let (refused, heads) = (gcs.refused(), gcs.heads());
    std::thread::scope(|scope| {
        for n in 0..24 {
            let transact = &transact;
            scope.spawn(move || transact(&n.to_string()));
        }
    });
    assert_eq!(gcs.refused(), refused, "writes that came too soon");
    assert!(gcs.heads() - heads <= 4, "{} swaps for 24 transactions", gcs.heads() - heads);
    assert_eq!(audit(&place, url).unwrap().keys.len(), 25);
}
