//! Processes that write to one store at once: none of their transactions is lost, none is there
//! twice.

use crate::support::audit::audit;
use crate::support::writer::{Writer, Written};
use crate::support::{Place, number};
use std::collections::BTreeSet;

/// Races so many processes, and looks at what is there afterwards.
pub fn race(place: &Place, url: &str, processes: usize, each: usize) {
    let form = |p: usize| move |n: usize| format!("[{{:w/key \"{p}-{n}\" :w/n {n}}}]");
    let before = audit(place, url).unwrap().log.len();
    let start = |p| Writer::start(place, url, (0..each).map(form(p)).collect());
    let writers: Vec<Writer> = (0..processes).map(start).collect();
    let written: Vec<Written> = writers.into_iter().map(Writer::end).collect();
    for one in &written {
        assert_eq!((one.code, one.stderr.as_str()), (Some(0), ""));
        assert_eq!(one.acknowledged.len(), each);
    }
    let audit = audit(place, url).unwrap();
    assert_eq!(audit.log.len(), before + processes * each, "commits");
    let expected = (0..processes).flat_map(|p| (0..each).map(move |n| (format!("{p}-{n}"), 1)));
    assert_eq!(audit.keys, expected.collect(), "each key once");
    let reports = written.iter().flat_map(|one| &one.acknowledged);
    let commits: BTreeSet<_> = reports.map(|r| r["commit"].as_str().unwrap().to_owned()).collect();
    let log = audit.log[before..].iter().map(|entry| entry.commit.to_string());
    assert_eq!(commits, log.collect(), "what was reported is what the log has");
}

#[test]
fn two_processes_with_500_transactions_each() {
    let place = Place::with_database();
    race(&place, "db", 2, number("FACTFS_RACE", 500));
}

#[test]
fn four_processes_with_500_transactions_each_that_flush_meanwhile() {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 1000);
    race(&place, "db", 4, number("FACTFS_RACE", 500));
}
