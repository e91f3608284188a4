//! A client that dies at each request in turn, with the request applied or not.
//!
//! The place must be readable afterwards, hold all that was acknowledged, and go on.

use super::super::testing::*;
use super::super::{Collection, Conn, ConnError, CreateOptions, Options, Place, Retention, create};
use crate::conn::Flush;
use crate::id::T;
use crate::store::MemoryStore;
use crate::store::around::{Around, Asked, Gate, Request};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

/// Stops answering after some requests; the last one may still be applied.
#[derive(Debug)]
pub(in crate::conn) struct Stops {
    left: AtomicI64,
    applies_last: bool,
}

impl Gate for Stops {
    fn pass<'a, T: Send + 'a>(&'a self, _: Asked<'a>, request: Request<'a, T>) -> Request<'a, T> {
        Box::pin(async move {
            match self.left.fetch_sub(1, Ordering::Relaxed) {
                1.. => return request.await,
                0 if self.applies_last => drop(request.await),
                _ => {}
            }
            pending().await
        })
    }
}

/// A store that stops answering after so many requests.
pub(in crate::conn) fn stopping(
    store: &Arc<MemoryStore>,
    left: i64,
    applies_last: bool,
) -> Arc<Around<Stops>> {
    let gate = Stops { left: AtomicI64::new(left), applies_last };
    Arc::new(Around { store: store.clone(), gate })
}

/// Polls until the end, or until nothing goes on.
pub(in crate::conn) fn until_stopped<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..100).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

fn options() -> Options {
    Options { tail_bytes: 600, flush: Flush::Asked, ..Options::default() }
}

fn conn_over(place: Place) -> Conn {
    block_on(Conn::open(place, None, options())).unwrap()
}

/// Runs `act` on a prepared database with every stop, then looks at what is left. Returns how many
/// stops there were.
fn stop_everywhere<F>(before: u64, act: fn(Conn) -> F) -> i64
where
    F: Future<Output = Result<bool, ConnError>>,
{
    let mut stops = 0;
    for stop in 0.. {
        let mut ended = false;
        for applies_last in [false, true] {
            let store = Arc::new(MemoryStore::new());
            let near = place(&store);
            block_on(create(&near, &CreateOptions::default())).unwrap();
            let conn = conn_over(near.clone());
            for i in 0..before {
                say(&conn, Say::new(&format!("before/{i}")).id(&format!("id-{i}"))).unwrap();
            }
            let stopping = stopping(&store, 1_000, applies_last);
            let conn = conn_over(Place { store: stopping.clone(), ..near });
            stopping.gate.left.store(stop, Ordering::Relaxed);
            let answer = until_stopped(act(conn)).transpose().unwrap();
            ended = answer.is_some();
            check_after(&store, before, answer == Some(true));
        }
        if ended {
            stops = stop;
            break;
        }
    }
    stops
}

/// Whatever happened: the place is whole, and the same transaction again is there once.
fn check_after(store: &Arc<MemoryStore>, before: u64, acknowledged: bool) {
    let conn = block_on(Conn::open(place(store), None, options())).unwrap();
    let there = conn.db().tx_with_id("last").unwrap().is_some();
    assert!(there || !acknowledged, "an acknowledged transaction is gone");
    for i in 0..before {
        assert!(conn.db().tx_with_id(&format!("id-{i}")).unwrap().is_some(), "{i} is gone");
    }
    let report = say(&conn, Say::new("last/one").id("last")).unwrap();
    assert_eq!(report.already, there);
    block_on(conn.flush()).unwrap();
    let again = block_on(Conn::open(place(store), None, options())).unwrap();
    let lasts = idents(&again.db()).iter().filter(|ident| ident.contains("last/one")).count();
    assert_eq!(lasts, 1);
    let mut log = again.place().log(&again.opened(), T(1)..=T(u64::MAX), false);
    let mut parent = None;
    while let Some((id, frame)) = block_on(log.next()).unwrap() {
        frame.follows(id, parent).unwrap();
        parent = Some(id);
    }
    assert_eq!(parent, again.db().snapshot().commit);
    // The next collection goes on, and leaves nothing but what is in use.
    block_on(collect(again)).unwrap();
    let conn = block_on(Conn::open(place(store), None, options())).unwrap();
    assert_eq!(idents(&conn.db()).iter().filter(|ident| ident.contains("last/one")).count(), 1);
    let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
    let left = block_on(conn.place().collect_dry(&asked)).unwrap();
    assert_eq!(left.deleted, []);
    assert!(!store.names().iter().any(|name| name.starts_with("gc/")));
}

async fn commit(conn: Conn) -> Result<bool, ConnError> {
    let words = Say::new("last/one").id("last");
    let verdict = conn.transact(move |db, now| words.prepare(db, now)).await;
    verdict.map(|_| true).map_err(|error| panic!("{error}"))
}

async fn flush(conn: Conn) -> Result<bool, ConnError> {
    conn.flush().await.map(|_| false)
}

/// A collection that deletes at once, of a place with garbage of every kind.
async fn collect(conn: Conn) -> Result<bool, ConnError> {
    let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
    conn.place().collect(&asked, &mut |_, _| ()).await.map(|_| false)
}

async fn branch(conn: Conn) -> Result<bool, ConnError> {
    let (opened, place) = (conn.opened(), conn.place().clone());
    let t = opened.head.tip.t();
    place.create_branch("exp", &opened, t).await?;
    let exp = conn.on_branch(Some("exp")).await?;
    assert_eq!(exp.db().snapshot().commit, opened.head.tip.commit);
    place.create_tag("v1", &opened, t, false).await?;
    place.rename_branch("exp", "exp-2").await?;
    place.delete_branch("exp-2").await?;
    Ok(false)
}

#[test]
fn a_commit_is_one_request() {
    assert_eq!(stop_everywhere(2, commit), 1);
}

#[test]
fn a_spilling_commit_is_three_requests() {
    // After so many transactions the next one does not fit.
    let full = (1..20).find(|n| stop_once(*n)).unwrap();
    assert_eq!(stop_everywhere(full, commit), 3);
}

/// Whether a commit after so many others spills.
fn stop_once(before: u64) -> bool {
    let store = Arc::new(MemoryStore::new());
    block_on(create(&place(&store), &CreateOptions::default())).unwrap();
    let conn = conn_over(place(&store));
    for i in 0..before {
        say(&conn, Say::new(&format!("before/{i}")).id(&format!("id-{i}"))).unwrap();
    }
    let segments = conn.opened().head.base.log.len();
    say(&conn, Say::new("last/one").id("last")).unwrap();
    conn.opened().head.base.log.len() > segments
}

#[test]
fn a_flush_can_stop_anywhere() {
    assert!(stop_everywhere(30, flush) > 5);
}

#[test]
fn a_collection_can_stop_anywhere() {
    // Lists, announcement, marks, heads, notes, deletions.
    let stops = stop_everywhere(30, collect);
    assert!(stops > 15, "{stops}");
}

#[test]
fn branches_and_tags_can_stop_anywhere() {
    assert!(stop_everywhere(2, branch) > 10);
}

#[test]
fn a_creation_can_stop_anywhere() {
    for stop in 0..5 {
        for applies_last in [false, true] {
            let store = Arc::new(MemoryStore::new());
            let stopping = stopping(&store, stop, applies_last);
            let far = Place { store: stopping, ..place(&store) };
            let made = until_stopped(create(&far, &CreateOptions::default())).is_some();
            let again = block_on(create(&place(&store), &CreateOptions::default()));
            assert!(again.is_ok() || !store.names().is_empty());
            assert!(!made || again.is_err(), "made twice");
            let conn = reopen(&store).unwrap();
            say(&conn, Say::new("a")).unwrap();
        }
    }
}

#[test]
fn a_claim_can_stop_anywhere() {
    async fn claim(conn: Conn) -> Result<bool, ConnError> {
        conn.claim(7, "http://one:4711").await?;
        conn.release().await?;
        Ok(false)
    }
    assert!(stop_everywhere(3, claim) >= 4);
}
