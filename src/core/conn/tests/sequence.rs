//! Transactions that are given together: in order, and none after one that is not committed.

use super::super::queue::Queue;
use super::super::testing::*;
use super::super::{Conn, Options, TransactError};
use super::unflushed;
use crate::db::{Db, DbError, TxReport};

type Verdict = Result<TxReport, TransactError<String>>;

/// Says idents, one after the other; `!` is refused, and so is what is there already.
fn say_all(conn: &Conn, idents: &'static [&'static str]) -> Vec<Verdict> {
    let make = |ident: &'static str| {
        move |db: &Db, now: i64| -> Result<_, String> {
            let wrong = |e: DbError| e.to_string();
            match ident == "!"
                || super::super::testing::idents(db).iter().any(|x| x.contains(ident))
            {
                true => Err(ident.to_owned()),
                false => Say::new(ident).prepare(db, now).map_err(wrong),
            }
        }
    };
    block_on(conn.transact_all(idents.iter().map(|ident| make(ident))))
}

/// A letter for each verdict: committed, refused, skipped.
fn letters(verdicts: &[Verdict]) -> String {
    let letter = |verdict: &Verdict| match verdict {
        Ok(_) => 'c',
        Err(TransactError::Refused(_)) => 'r',
        Err(TransactError::Skipped) => 's',
        Err(_) => '?',
    };
    verdicts.iter().map(letter).collect()
}

#[track_caller]
fn check(options: Options, unseen: &[&str], idents: &'static [&'static str], expected: &str) {
    let (store, conn) = fresh(options.clone());
    // Another writer comes first: all are prepared again.
    let other = reopen(&store).unwrap();
    unseen.iter().for_each(|ident| drop(say(&other, Say::new(ident)).unwrap()));
    let verdicts = say_all(&conn, idents);
    assert_eq!(letters(&verdicts), expected);
    let ts: Vec<u64> = verdicts.iter().flatten().map(|report| report.tx.t().0).collect();
    let first = unseen.len() as u64 + 1;
    assert_eq!(ts, (first..first + ts.len() as u64).collect::<Vec<_>>());
    assert_eq!(t(&reopen(&store).unwrap()).0, unseen.len() as u64 + ts.len() as u64);
}

#[test]
fn a_sequence_is_committed_in_order() {
    check(unflushed(), &[], &["a/a", "a/b", "a/c"], "ccc");
    check(unflushed(), &["x/x"], &["a/a", "a/b", "a/c"], "ccc");
}

#[test]
fn what_follows_a_refusal_is_skipped() {
    for unseen in [&[][..], &["x/x"], &["x/x", "x/y"]] {
        check(unflushed(), unseen, &["a/a", "!", "a/b", "a/c"], "crss");
        check(unflushed(), unseen, &["!", "a/a"], "rs");
    }
}

#[test]
fn what_another_writer_says_may_end_a_sequence() {
    check(unflushed(), &["x/x"], &["a/a", "x/x", "a/b"], "crs");
}

#[test]
fn a_sequence_is_one_swap() {
    let (_, conn) = fresh(unflushed());
    let before = conn.opened().head.revision;
    assert_eq!(letters(&say_all(&conn, &["a/a", "a/b", "a/c", "a/d"])), "cccc");
    assert_eq!(conn.opened().head.revision, before + 1);
}

#[test]
fn a_sequence_that_spills_is_committed() {
    let (store, conn) = fresh(unflushed());
    let unique = |i: u64| (0..400u64).map(move |n| format!("{:016x}", mix(i * 1_000 + n)));
    let make = |i: u64| {
        let text: String = unique(i).collect();
        move |db: &Db, now: i64| Say::new(&format!("a/x{i}{text}")).prepare(db, now)
    };
    let verdicts = block_on(conn.transact_all((0..5).map(make)));
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert_eq!(t(&reopen(&store).unwrap()).0, 5);
}

#[test]
fn each_of_a_sequence_can_be_prepared_again_alone() {
    let (_, conn) = fresh(unflushed());
    let (queue, db) = (Queue::default(), conn.db());
    let make = |ident: &'static str| move |db: &Db, now: i64| Say::new(ident).prepare(db, now);
    let _slots = queue.push(["a/a", "a/b", "a/c"].map(make));
    let mut jobs = queue.lead().unwrap().jobs();
    assert!(jobs.iter_mut().all(|job| job.prepare(&db, 0).is_some()));
    // Together they were too much: one by one, and each loses a swap.
    jobs.iter().rev().for_each(|job| job.begin_anew());
    for job in &mut jobs {
        assert!(job.prepare(&db, 0).is_some());
        job.begin_anew();
        assert!(job.prepare(&db, 0).is_some());
    }
    // None before those before it.
    jobs.iter().rev().for_each(|job| job.begin_anew());
    assert!(jobs[1].prepare(&db, 0).is_none());
}
