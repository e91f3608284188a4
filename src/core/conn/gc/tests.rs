//! Collections one step at a time; what happens beside them is simulated.

use super::super::testing::*;
use super::super::{Conn, ConnError, Options, Retention, create};
use super::*;
use crate::conn::Flush;
use crate::datom::{KeyRange, Order, Slice};
use crate::db::{Renew, Snapshot};
use crate::id::CommitId;
use crate::index::PackId;
use crate::schema::builtin;
use crate::store::{Host, MemoryStore, Store};
use crate::value::Value;
use std::sync::Arc;

fn options() -> Options {
    Options { tail_bytes: 600, flush: Flush::Asked, ..Options::default() }
}

/// A database whose store has the clock of its place.
fn timed() -> (Arc<MemoryStore>, Arc<TestHost>, Conn) {
    let host = Arc::new(TestHost::seeded(7));
    let store = Arc::new(MemoryStore::with_clock("timed", host.clone()));
    let place = Place { host: host.clone(), ..place(&store) };
    block_on(create(&place, &Default::default())).unwrap();
    (store, host, block_on(Conn::open(place, None, options())).unwrap())
}

fn commits(conn: &Conn, names: std::ops::Range<u32>) {
    for i in names {
        say(conn, Say::new(&format!("n/{i}"))).unwrap();
    }
}

fn collect(conn: &Conn, grace_ms: u64) -> Result<Collected, ConnError> {
    let asked = Collection { grace_ms, keep: Retention::nothing() };
    block_on(conn.place().collect(&asked, &mut |_, _| ()))
}

fn count(store: &MemoryStore, kind: &str) -> usize {
    store.names().iter().filter(|name| name.starts_with(kind)).count()
}

#[test]
fn old_trees_go_and_all_facts_stay() {
    let (store, _, conn) = timed();
    for round in 0..6 {
        commits(&conn, round * 30..round * 30 + 30);
        assert!(block_on(conn.flush()).unwrap());
    }
    let (packs, logs) = (count(&store, "pack/"), count(&store, "log/"));
    let collected = collect(&conn, 0).unwrap();
    assert!(count(&store, "pack/") < packs, "{collected:?}");
    assert_eq!((count(&store, "log/"), count(&store, "snap/")), (logs, 1));
    let conn = block_on(Conn::open(place(&store), None, options())).unwrap();
    assert_eq!(idents(&conn.db()).len(), 180);
    assert_eq!(conn.opened().head.gc_generation, 1);
    assert_eq!(collect(&conn, 0).unwrap().deleted, []);
}

#[test]
fn grace_counts_from_when_garbage_was_found() {
    let (store, host, conn) = timed();
    commits(&conn, 0..30);
    block_on(host.sleep(10_000_000));
    let first = collect(&conn, 5_000).unwrap();
    assert!(first.deleted.is_empty() && !first.waiting.is_empty());
    let second = collect(&conn, 5_000).unwrap();
    assert_eq!((second.deleted.len(), &second.waiting), (0, &first.waiting));
    block_on(host.sleep(6_000));
    let third = collect(&conn, 5_000).unwrap();
    assert_eq!(third.deleted, first.waiting);
    assert_eq!(count(&store, "gc/"), 0);
}

#[test]
fn a_reader_whose_trees_are_gone_goes_on() {
    let (_, _, conn) = timed();
    commits(&conn, 0..30);
    block_on(conn.flush()).unwrap();
    let old = conn.db();
    let expected = idents(&old);
    commits(&conn, 30..60);
    block_on(conn.flush()).unwrap();
    collect(&conn, 0).unwrap();
    assert!(old.datoms(crate::datom::Order::Aevt, None, None, None).is_err());
    assert_eq!(idents(&block_on(conn.again(&old)).unwrap()), expected);
}

#[test]
fn nothing_begins_at_a_head_that_a_collection_passed() {
    let (_, _, conn) = timed();
    commits(&conn, 0..3);
    let (place, old) = (conn.place().clone(), conn.opened());
    collect(&conn, 0).unwrap();
    let t = old.head.tip.t();
    let refused = block_on(place.create_branch("exp", &old, t));
    assert!(matches!(refused, Err(ConnError::Collected)), "{refused:?}");
    let refused = block_on(place.create_tag("v1", &old, t, false));
    assert!(matches!(refused, Err(ConnError::Collected)), "{refused:?}");
    block_on(conn.refresh()).unwrap();
    block_on(place.create_branch("exp", &conn.opened(), t)).unwrap();
}

/// Says of packs what a collection would say of those that are mostly garbage.
fn call_sparse(conn: &Conn, packs: Vec<PackId>) {
    let (mut head, version) = block_on(conn.place().read_head("head")).unwrap();
    head = head.next(1);
    head.sparse = packs;
    let bytes = head.encode().unwrap();
    block_on(conn.place().store.cas_ref("head", Expect::Version(version), bytes)).unwrap();
}

#[test]
fn a_sparse_pack_is_written_anew_by_the_next_flush() {
    let (_, _, conn) = timed();
    commits(&conn, 0..200);
    block_on(conn.flush()).unwrap();
    block_on(conn.refresh()).unwrap();
    let before = conn.opened();
    let pack = before.head.base.trees.current[0].as_ref().unwrap().node.pack;
    call_sparse(&conn, vec![pack]);
    commits(&conn, 200..230);
    assert!(block_on(conn.flush()).unwrap());
    let after = conn.opened();
    assert_eq!(after.head.sparse, []);
    let mut marks = Marks::default();
    marks.head(conn.place(), &after.head).unwrap();
    assert!(!marks.has(&super::super::flush::pack_name(pack)));
    assert_eq!(idents(&conn.db()).len(), 230);
}

#[test]
fn a_damaged_note_is_named_and_nothing_is_deleted() {
    let (store, _, conn) = timed();
    commits(&conn, 0..30);
    collect(&conn, 5_000).unwrap();
    let note = store.names().into_iter().find(|name| name.starts_with("gc/")).unwrap();
    store.overwrite(&note, bytes::Bytes::from_static(b"ffsg"));
    let before = store.names();
    let error = collect(&conn, 0).unwrap_err().to_string();
    assert!(error.contains(&note), "{error}");
    assert_eq!(store.names(), before);
}

#[test]
fn long_values_are_in_use_where_a_fact_refers_to_them() {
    let (store, _, conn) = timed();
    let mut dice = Dice(3);
    let long: String = (0..60_000).map(|_| char::from(b'!' + dice.below(90) as u8)).collect();
    say(&conn, Say { new: vec![(builtin::DOC, Value::str(&long))], ..Say::default() }).unwrap();
    assert!(block_on(conn.flush()).unwrap());
    collect(&conn, 0).unwrap();
    let mut marks = Marks::default();
    marks.head(conn.place(), &conn.opened().head).unwrap();
    let listed = block_on(store.list("pack/")).unwrap();
    let sizes = listed.iter().map(|pack| (pack.key.as_str(), pack.size_bytes)).collect();
    // The packs are mostly this value; were it not counted, they would be called sparse.
    assert_eq!(marks.sparse(&sizes), []);
    assert!(listed.iter().all(|pack| marks.has(&pack.key)));
    assert!(listed.iter().map(|pack| pack.size_bytes).sum::<u64>() > 40_000);
}

/// Knows the newest head of a branch.
#[derive(Debug)]
struct Newest(Conn);

impl Renew for Newest {
    fn newest(&self, commit: CommitId) -> Option<Snapshot> {
        block_on(self.0.newest_with(commit)).ok()
    }
}

#[test]
fn long_values_are_found_again_where_they_were_moved_to() {
    let (store, _, conn) = timed();
    let long = |i: u8| Value::str(&String::from(char::from(b'a' + i)).repeat(5_000));
    let docs = (0..20).map(|i| (builtin::DOC, long(i))).collect();
    say(&conn, Say { new: docs, ..Say::default() }).unwrap();
    commits(&conn, 0..30);
    assert!(block_on(conn.flush()).unwrap());
    let old = conn.db().renewed_by(Arc::new(Newest(conn.clone())));
    let range = KeyRange::prefix(None, Some(builtin::DOC), None);
    let references = old.scan_references(Order::Aevt, std::slice::from_ref(&range)).unwrap();
    let (chunks, pieces) = (old.chunks(Order::Aevt, range), references.concat());
    let expected = old.datoms(Order::Aevt, None, Some(builtin::DOC), None).unwrap();
    let packs = store.names().into_iter().filter_map(|name| {
        let hex = name.strip_prefix("pack/")?;
        Some(PackId(u128::from_str_radix(hex, 16).unwrap()))
    });
    call_sparse(&conn, packs.collect());
    commits(&conn, 30..60);
    assert!(block_on(conn.flush()).unwrap());
    collect(&conn, 0).unwrap();
    let datoms = |slices: Vec<Slice>| slices.iter().flat_map(Slice::datoms).collect::<Vec<_>>();
    assert!(datoms(old.whole(references).unwrap().concat()) == expected, "at once");
    assert!(datoms(old.pieces(pieces).flat_map(Result::unwrap).collect()) == expected);
    assert!(datoms(chunks.map(Result::unwrap).collect()) == expected, "in chunks");
}
