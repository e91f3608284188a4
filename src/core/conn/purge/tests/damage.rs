//! Frames of which facts were erased, altered in storage: each is named by a look through the
//! database, and read by nobody.

use super::*;
use crate::commit::{FormatError, Segment};
use crate::store::Store;
use bytes::Bytes;

/// A database whose log has purged frames, in trees' reach and not yet.
fn purged() -> (Arc<MemoryStore>, Conn) {
    let options = Options { tail_bytes: 600, flush: Flush::Asked, ..Options::default() };
    let (store, conn) = fresh(options);
    transact(&conn, SCHEMA).unwrap();
    for n in 0..30 {
        transact(
            &conn,
            &format!("[{{:db/id 20 :name \"secret {n}\" :tags {n}}} [:db/add 21 :n {n}]]"),
        )
        .unwrap();
        if n == 15 {
            block_on(conn.flush()).unwrap();
        }
    }
    let purge = Purge { erase: Erase::Entity(EntityId(20)), grace_ms: 0 };
    block_on(conn.place().purge(&purge, &mut |_, _| ())).unwrap();
    block_on(conn.refresh()).unwrap();
    (store, conn)
}

fn get(store: &MemoryStore, key: &str) -> Bytes {
    block_on(store.get(&Fetch { key: key.to_owned(), range: None })).unwrap()
}

/// Segments with the same commits, in which one purged frame says something else.
fn altered(bytes: &Bytes) -> Vec<Bytes> {
    let segment = Segment::decode(bytes).unwrap();
    let mut all = Vec::new();
    for (at, stored) in segment.frames.iter().enumerate() {
        let (id, frame) = Frame::decode(stored).unwrap();
        if frame.purged.is_none() || frame.datoms.is_empty() {
            continue;
        }
        // One datom less, the same commit, and a segment whose own hash is right.
        let (fewer, _) = Frame::without(stored, &[true]).unwrap();
        assert_eq!(fewer.id, id);
        let mut other = segment.clone();
        other.frames[at] = fewer.bytes;
        all.push(other.encode());
    }
    all
}

#[test]
fn a_purged_frame_that_was_altered_is_named() {
    let (store, conn) = purged();
    let logs: Vec<String> =
        store.names().into_iter().filter(|name| name.starts_with("log/")).collect();
    assert!(logs.len() > 4 && !conn.opened().head.base.log.is_empty());
    let mut count = 0;
    for log in &logs {
        let whole = get(&store, log);
        let mut cases = altered(&whole);
        let mut flipped = whole.to_vec();
        flipped[whole.len() / 2] ^= 4;
        cases.push(flipped.into());
        for case in cases {
            store.overwrite(log, case);
            let report = block_on(verify(&place(&store), &mut |_| ())).unwrap();
            let is_named = report.problems.iter().any(|problem| problem.object == *log);
            assert!(is_named, "{log}: {:?}", report.problems);
            count += 1;
        }
        store.overwrite(log, whole);
    }
    assert!(count > 30, "{count}");
    is_whole(&store, "as it was");
}

#[test]
fn a_purged_frame_that_was_altered_is_not_read() {
    let (store, conn) = purged();
    let t = T(conn.opened().head.base.flushed.0 - 1);
    let (_, frame) = block_on(conn.place().frame(&conn.opened(), t)).unwrap();
    assert!(frame.purged.is_some());
    // Of the same length, where only the frame is fetched: the last byte of the datoms.
    let (_, at) = conn.place().indexed(&conn.opened(), t).unwrap();
    let log = crate::commit::log_name(at.segment);
    let (mut bytes, end) = (get(&store, &log).to_vec(), at.range.end as usize);
    bytes[end - 1] ^= 1;
    store.overwrite(&log, bytes.into());
    let error = block_on(conn.place().frame(&conn.opened(), t)).unwrap_err();
    let is_damage = matches!(&error, ConnError::Damaged { object, reason, .. }
        if *object == log && !matches!(reason, FormatError::Version(_)));
    assert!(is_damage, "{error}");
}

#[test]
fn a_repair_does_not_bring_back_what_was_erased() {
    let options = Options { tail_bytes: 600, flush: Flush::Asked, ..Options::default() };
    let (store, conn) = fresh(options);
    transact(&conn, SCHEMA).unwrap();
    for n in 0..20 {
        transact(&conn, &format!("[{{:db/id 20 :name \"secret {n}\"}} [:db/add 21 :n {n}]]"))
            .unwrap();
    }
    block_on(conn.flush()).unwrap();
    // The segments that had it are still there.
    let purge = Purge { erase: Erase::Entity(EntityId(20)), grace_ms: 10_000 };
    block_on(conn.place().purge(&purge, &mut |_, _| ())).unwrap();
    let before = lines(conn.place());
    block_on(crate::verify::repair(conn.place(), "main", &mut |_| ())).unwrap();
    assert_eq!(lines(conn.place()), before);
    let asked = Collection { grace_ms: 0, keep: Retention::everything() };
    block_on(conn.place().collect(&asked, &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, "secret"), Vec::<String>::new());
    is_whole(&store, "repaired");
}
