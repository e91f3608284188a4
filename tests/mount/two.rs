//! Two mounts of one store, in two processes.

use super::{Mount, can_mount, place, queries};
use crate::support::audit::audit;
use crate::support::moto::Moto;
use crate::support::{Place, SCHEMA, number};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Writes transactions, one a write, through one open file.
fn write_many(path: PathBuf, who: usize, count: usize) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    for n in 0..count {
        file.write_all(format!("[{{:w/key \"{who}-{n}\" :w/n {n}}}]\n").as_bytes()).unwrap();
    }
}

/// Both write at once; all of it is there, in both mounts and in the store.
fn race(place: &Place, url: &str, each: usize) {
    let stock = format!("stock={url}");
    let mounts = [Mount::new(place, "m1", &[&stock]), Mount::new(place, "m2", &[&stock])];
    std::thread::scope(|scope| {
        for (who, mount) in mounts.iter().enumerate() {
            let path = mount.path("stock/head/transact");
            scope.spawn(move || write_many(path, who, each));
        }
    });
    let audit = audit(place, url).unwrap();
    let expected = (0..2).flat_map(|who| (0..each).map(move |n| (format!("{who}-{n}"), 1)));
    assert_eq!(audit.keys, expected.collect(), "each transaction once");
    assert_eq!(audit.log.len(), 2 * each + 1);
    for mount in &mounts {
        shows(mount, &(2 * each).to_string());
    }
}

/// The result is this by the time that is promised: a head of a remote store is two seconds old at
/// most.
fn shows(mount: &Mount, count: &str) {
    let read = || mount.read("results/count.json").unwrap().trim().to_owned();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2100) {
        if read() == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(read(), count, "after the time that is promised");
}

fn see_each_other(place: &Place, url: &str, rounds: usize) {
    let stock = format!("stock={url}");
    let mounts = [Mount::new(place, "m1", &[&stock]), Mount::new(place, "m2", &[&stock])];
    for round in 1..=rounds {
        let (writer, other) = (&mounts[round % 2], &mounts[(round + 1) % 2]);
        writer.write("stock/head/transact", &format!("[{{:w/key \"{round}\"}}]")).unwrap();
        shows(other, &round.to_string());
        shows(writer, &round.to_string());
    }
}

#[test]
fn a_transaction_in_one_shows_in_the_other() {
    if can_mount() {
        see_each_other(&place(), "db", 20);
    }
}

#[test]
fn both_write_500_transactions_at_once() {
    if can_mount() {
        race(&place(), "db", number("FACTFS_RACE", 500));
    }
}

/// A place with a database on S3.
fn on_s3() -> Option<(Moto, Place)> {
    let moto = can_mount().then(Moto::start)??;
    moto.bucket("team-a");
    let place = Place::new().with_s3(moto.port);
    queries(&place);
    place.ok(&["init", "s3://team-a/stock", "--schema", SCHEMA], "");
    Some((moto, place))
}

#[test]
fn a_transaction_in_one_shows_in_the_other_on_s3() {
    let Some((_moto, place)) = on_s3() else { return };
    see_each_other(&place, "s3://team-a/stock", 6);
}

#[test]
fn both_write_at_once_on_s3() {
    let Some((_moto, place)) = on_s3() else { return };
    race(&place, "s3://team-a/stock", number("FACTFS_RACE_S3", 60));
}
