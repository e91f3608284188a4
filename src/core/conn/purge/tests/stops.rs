//! A purge that dies at each request in turn, with the request applied or not, beside a writer that
//! goes on with the head it knows. The same purge again does the rest.

use super::*;
use crate::conn::tests::crash::{stopping, until_stopped};

pub(super) const SECRET: &str = "secret";

pub(super) fn small() -> Options {
    Options { tail_bytes: 600, flush: Flush::Asked, novelty_rows: u64::MAX, ..Options::default() }
}

/// Facts of every kind of place: trees, novelty, tail, log; on a branch, on a tag, on a moment.
pub(super) fn prepared() -> (Arc<MemoryStore>, Conn) {
    let (store, conn) = fresh(small());
    transact(&conn, SCHEMA).unwrap();
    for n in 0..3 {
        transact(&conn, &format!("[{{:db/id 20 :name \"{SECRET} {n}\" :tags {n}}}]")).unwrap();
        transact(&conn, &format!("[{{:db/id 21 :key {n} :to 20}}]")).unwrap();
        if n == 0 {
            let part = format!("[[:db/add 20 :part 30] [:db/add 30 :name \"{SECRET} part\"]]");
            transact(&conn, &part).unwrap();
            block_on(conn.flush()).unwrap();
        }
    }
    let (place, opened) = (conn.place().clone(), conn.opened());
    block_on(place.create_tag("v1", &opened, T(3), false)).unwrap();
    block_on(place.create_branch("exp", &opened, T(5))).unwrap();
    let exp = block_on(conn.on_branch(Some("exp"))).unwrap();
    transact(&exp, &format!("[{{:db/id 20 :name \"{SECRET} there\"}}]")).unwrap();
    transact(&conn, &format!("[{{:db/id 20 :name \"{SECRET} here\"}}]")).unwrap();
    (store, conn)
}

pub(super) fn purge(grace_ms: u64) -> Purge {
    Purge { erase: Erase::Entity(EntityId(20)), grace_ms }
}

/// Whatever the writer wrote meanwhile is there; of the rest what is left.
fn check_rest(now: &[Line], left: &[Line], what: &str) {
    for line in left.iter().filter(|line| !line.name.starts_with("moment")) {
        let found = now.iter().find(|found| found.name == line.name).unwrap();
        let shared = found.log.get(..line.log.len());
        assert_eq!(shared, Some(&line.log[..]), "{what}, {}", line.name);
    }
}

/// Nothing of `secret` is left in the end.
fn stop_at(stop: i64, applies_last: bool, erase: &Erase, secret: &str) -> bool {
    let what = format!("{erase:?} stopped after {stop}, {applies_last}");
    let purge = |grace_ms| Purge { erase: erase.clone(), grace_ms };
    let (store, writer) = prepared();
    let near = writer.place().clone();
    let before = lines(&near);
    let left = erased(&before, erase);
    let stopping = stopping(&store, stop, applies_last);
    let far = Place { store: stopping, ..near.clone() };
    let first = purge(0);
    let done = until_stopped(far.purge(&first, &mut |_, _| ())).transpose().unwrap().is_some();
    // Each head is as it was, or as it is to be.
    for line in lines(&near) {
        let is = |all: &[Line]| all.iter().any(|x| x.name == line.name && x.log == line.log);
        assert!(is(&before) || is(&left), "{what}, {}", line.name);
    }
    is_whole(&store, &what);
    // The writer has an old head in its hands.
    let old = writer.opened();
    transact(&writer, "[{:db/id 22 :key 9}]").unwrap();
    let _ = block_on(near.create_branch("late", &old, old.head.tip.t()));
    block_on(writer.flush()).unwrap();
    block_on(near.purge(&purge(0), &mut |_, _| ())).unwrap();
    check_rest(&lines(&near), &left, &what);
    assert_eq!(holders(&store, secret), Vec::<String>::new(), "{what}");
    is_whole(&store, &what);
    let main = block_on(Conn::open(near, None, small())).unwrap();
    assert_eq!(main.db().basis_t().0, before.iter().map(|l| l.log.len()).max().unwrap() as u64 + 1);
    done
}

#[test]
fn a_purge_can_stop_anywhere() {
    // An entity with a part; and what had ended, which tags and moments show as if it held.
    let ended = Erase::Before(i64::MAX);
    for (erase, secret) in [(Erase::Entity(EntityId(20)), SECRET), (ended, "secret 0")] {
        let stops = (0..).take_while(|stop| {
            let done = [false, true].map(|applied| stop_at(*stop, applied, &erase, secret));
            !done[0]
        });
        let stops = stops.count();
        assert!(stops > 30, "{stops}");
    }
}

#[test]
fn what_waits_for_readers_is_deleted_by_a_later_collection() {
    let (store, writer) = prepared();
    let place = writer.place().clone();
    let reader = writer.db();
    let before = reader.datoms(crate::datom::Order::Eavt, None, None, None).unwrap();
    let done = block_on(place.purge(&purge(10_000), &mut |_, _| ())).unwrap();
    let collected = done.collected.unwrap();
    assert!(collected.deleted.is_empty() && !collected.waiting.is_empty());
    // Whoever read an old head goes on reading it.
    assert_eq!(reader.datoms(crate::datom::Order::Eavt, None, None, None).unwrap(), before);
    assert!(!holders(&store, SECRET).is_empty());
    let asked = Collection { grace_ms: 0, keep: Retention::everything() };
    block_on(place.collect(&asked, &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
}

#[test]
fn a_flush_made_from_an_older_head_is_not_applied() {
    let (store, writer) = prepared();
    let place = writer.place().clone();
    let old = writer.opened();
    block_on(place.purge(&purge(0), &mut |_, _| ())).unwrap();
    assert!(!block_on(writer.flush_from(&old, None)).unwrap_or(false));
    let asked = Collection { grace_ms: 0, keep: Retention::everything() };
    block_on(place.collect(&asked, &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
    is_whole(&store, "after a late flush");
}

#[test]
fn definitions_and_what_databases_are_made_of_are_refused() {
    let (store, conn) = prepared();
    let names = store.names();
    let purge = |erase| {
        let purge = Purge { erase, grace_ms: 0 };
        block_on(conn.place().purge(&purge, &mut |_, _| ())).unwrap_err().to_string()
    };
    let name = conn.db().schema().attr("name").unwrap().clone();
    let error = purge(Erase::Entity(name.entity.unwrap()));
    assert!(error.contains("defines :name"), "{error}");
    use crate::schema::builtin;
    let all = |attribute| Erase::Attribute { attribute, entity: None };
    assert!(purge(all(builtin::TX_INSTANT)).contains(":db/txInstant cannot be erased"));
    assert!(purge(all(builtin::IDENT)).contains(":db/ident cannot be erased"));
    let doc = Erase::Attribute { attribute: builtin::DOC, entity: name.entity };
    assert!(purge(doc).contains("defines :name"));
    assert_eq!(store.names(), names);
}

#[test]
fn a_transaction_keeps_its_instant() {
    let (store, conn) = fresh(small());
    transact(&conn, SCHEMA).unwrap();
    let report = say(&conn, Say::new("x/y").id("tx secret")).unwrap();
    let erase = Erase::Entity(report.tx.entity());
    block_on(conn.place().purge(&Purge { erase, grace_ms: 0 }, &mut |_, _| ())).unwrap();
    let db = block_on(conn.refresh()).unwrap();
    let left = db.datoms(crate::datom::Order::Eavt, Some(report.tx.entity()), None, None).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].v, Value::Inst(report.instant_ms));
    assert_eq!(holders(&store, "tx secret"), Vec::<String>::new());
    // The same id again is a new transaction: nothing knows of the first.
    assert!(!say(&conn, Say::new("x/z").id("tx secret")).unwrap().already);
}

#[test]
fn a_merge_does_not_bring_back_what_was_erased() {
    let (store, conn) = prepared();
    let source = block_on(conn.source("exp")).unwrap();
    block_on(conn.place().purge(&purge(10_000), &mut |_, _| ())).unwrap();
    let merged = block_on(conn.merge(&source, &Default::default()));
    let error = merged.unwrap_err().to_string();
    assert!(error.contains("read the head again"), "{error}");
    let source = block_on(conn.source("exp")).unwrap();
    block_on(conn.merge(&source, &Default::default())).unwrap();
    let asked = Collection { grace_ms: 0, keep: Retention::everything() };
    block_on(conn.place().collect(&asked, &mut |_, _| ())).unwrap();
    assert_eq!(holders(&store, SECRET), Vec::<String>::new());
}

#[test]
fn a_head_that_has_become_too_large_is_spilled() {
    let (store, conn) = fresh(Options { flush: Flush::Asked, ..Options::default() });
    transact(&conn, SCHEMA).unwrap();
    let mut n = 0;
    while conn.opened().head.tail_bytes() < 28 << 10 {
        n += 1;
        transact(&conn, &format!("[{{:db/id {} :name \"{n}\"}}]", 100 + n)).unwrap();
    }
    let (place, opened) = (conn.place().clone(), conn.opened());
    let mut head = opened.head.as_ref().clone();
    // As large as frames can become whose datoms were erased.
    head.sparse = (0..2_300).map(crate::index::PackId).collect();
    assert!(head.encode().is_err());
    let (about, facts) = (
        opened.about.as_ref().clone(),
        opened.novelty.facts(crate::datom::Order::Eavt).as_ref().clone(),
    );
    let (head, objects) = place.with_novelty("head", head, about, facts).unwrap();
    assert!(head.tail.is_empty() && head.encode().is_ok());
    block_on(place.put_all(&objects)).unwrap();
    let spilled = block_on(place.open_head("head", head)).unwrap();
    let all = |opened: &crate::commit::Opened| {
        let db = Db::new(opened.snapshot.clone());
        db.datoms(crate::datom::Order::Eavt, None, None, None).unwrap()
    };
    assert_eq!(all(&spilled), all(&opened));
    assert_eq!(spilled.snapshot.counts, opened.snapshot.counts);
    assert!(store.names().iter().any(|name| name.starts_with("log/")));
}

#[test]
fn a_tag_made_of_an_old_head_loses_what_that_head_lost() {
    // "secret 0" had ended, but not yet at the tag: after the purge was stopped it is the tag alone
    // that knows of it.
    let erase = Erase::Before(i64::MAX);
    let mut behind = 0;
    for stop in 0.. {
        let (store, writer) = prepared();
        let (near, old) = (writer.place().clone(), writer.opened());
        let stopping = stopping(&store, stop, true);
        let far = Place { store: stopping, ..near.clone() };
        let purge = Purge { erase: erase.clone(), grace_ms: 0 };
        let done = until_stopped(far.purge(&purge, &mut |_, _| ())).transpose().unwrap().is_some();
        if block_on(near.create_tag("late", &old, T(2), false)).is_ok() {
            let head = block_on(near.read_head("head")).unwrap().0;
            behind += u32::from(head.purge_generation > 0);
        }
        block_on(near.purge(&purge, &mut |_, _| ())).unwrap();
        assert_eq!(holders(&store, "secret 0"), Vec::<String>::new(), "stopped after {stop}");
        is_whole(&store, &format!("stopped after {stop}"));
        if done {
            break;
        }
    }
    assert!(behind > 0, "no tag was made after its branch was rewritten");
}
