//! The whole program on S3: moto's server on 127.0.0.1, where it is installed.

use super::race::race;
use crate::support::audit::audit;
use crate::support::moto::{Moto, free_port};
use crate::support::proxy::{Manner, Proxy};
use crate::support::{Place, SCHEMA, number};

const URL: &str = "s3://team-a/catalog";
const KEYS: &str = "[:find ?k ?n :where [?w :w/key ?k] [?w :w/n ?n]]";

/// A server with a bucket, and a database in it.
fn served() -> Option<(Moto, Place)> {
    let moto = Moto::start()?;
    moto.bucket("team-a");
    let place = Place::new().with_s3(moto.port);
    place.ok(&["init", URL, "--schema", SCHEMA], "");
    Some((moto, place))
}

#[test]
fn what_is_written_is_read() {
    let Some((_moto, place)) = served() else { return };
    let report = place.ok(&["transact", URL, "-", "-f", "json"], "[{:w/key \"a\" :w/n 1}]");
    assert!(report.starts_with("{\"t\": 2, "), "{report}");
    assert_eq!(place.ok(&["query", KEYS, URL], ""), "k,n\na,1\n");
    assert_eq!(place.ok(&["query", KEYS, &format!("{URL}@1")], ""), "k,n\n");
    place.ok(&["branch", "create", URL, "exp"], "");
    place.ok(&["transact", &format!("{URL}#exp"), "[{:w/key \"a\" :w/n 2}]"], "");
    assert_eq!(place.ok(&["query", KEYS, &format!("{URL}#exp")], ""), "k,n\na,2\n");
    assert_eq!(place.ok(&["query", KEYS, URL], ""), "k,n\na,1\n");
    place.fails(5, &["init", URL], "");
    audit(&place, URL).unwrap();
}

#[test]
fn two_processes_race() {
    let Some((_moto, place)) = served() else { return };
    race(&place, URL, 2, number("FACTFS_RACE_S3", 100));
}

#[test]
fn who_may_only_read_reads_and_is_told_when_writing() {
    let Some((moto, place)) = served() else { return };
    place.ok(&["transact", URL, "[{:w/key \"a\" :w/n 1}]"], "");
    let proxy = Proxy::start(moto.port, Manner::RefusePut);
    let reader = Place::new().with_s3(proxy.port);
    assert_eq!(reader.ok(&["query", KEYS, URL], ""), "k,n\na,1\n");
    assert_eq!(reader.ok(&["log", URL, "-f", "jsonl"], "").lines().count(), 2);
    let commands: [&[&str]; 3] = [
        &["transact", URL, "[{:w/key \"b\"}]"],
        &["branch", "create", URL, "exp"],
        &["tag", "create", URL, "v1"],
    ];
    for args in commands {
        let said = reader.fails(15, args, "");
        assert!(said.contains("may read here, and not write"), "{said}");
    }
    assert_eq!(audit(&place, URL).unwrap().log.len(), 2);
}

#[test]
fn a_place_that_ignores_conditions_is_not_written() {
    let Some((moto, place)) = served() else { return };
    let proxy = Proxy::start(moto.port, Manner::DropConditions);
    let other = Place::new().with_s3(proxy.port);
    let said = other.fails(15, &["transact", URL, "[{:w/key \"a\" :w/n 1}]"], "");
    assert!(said.contains("cannot be written safely"), "{said}");
    assert_eq!(audit(&place, URL).unwrap().log.len(), 1);
}

#[test]
fn a_server_bucket_or_database_that_is_not_there() {
    let Some((_moto, place)) = served() else { return };
    let said = place.fails(4, &["query", KEYS, "s3://team-b/catalog"], "");
    assert!(said.contains("s3://team-b/catalog") && said.contains("no such bucket"), "{said}");
    let said = place.fails(4, &["query", KEYS, "s3://team-a/inventory"], "");
    assert!(said.contains("s3://team-a/inventory: no database here"), "{said}");
    let nobody = Place::new().with_s3(free_port());
    let said = nobody.fails(12, &["query", KEYS, URL], "");
    assert!(said.contains("cannot be reached"), "{said}");
}
