//! Connections over a store that does what it is told.

mod backfill;
mod branch;
mod claim;
pub(super) mod crash;
mod long;
mod pace;
mod retire;
mod sequence;
pub(super) mod time;

use super::testing::*;
use super::{
    Collection, Conn, ConnError, CreateOptions, Flush, Keeper, Options, Place, TransactError,
    create,
};
use crate::commit::TAIL_BYTES;
use crate::datom::Order;
use crate::db::{Db, DbError, Prepared};
use crate::edn::read_one;
use crate::id::{CommitId, EntityId, T};
use crate::schema::builtin;
use crate::store::{MemoryStore, Store};
use crate::transact::{TxOptions, prepare};
use crate::value::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

fn unflushed() -> Options {
    Options { flush: Flush::Asked, novelty_rows: u64::MAX, ..Options::default() }
}

#[test]
fn what_was_committed_is_read() {
    let (store, conn) = fresh(Options::default());
    assert_eq!(t(&conn), T(0));
    let first = say(&conn, Say::new("a")).unwrap();
    let second = say(&conn, Say::new("b")).unwrap();
    assert_eq!((first.tx.t(), second.tx.t()), (T(1), T(2)));
    assert_eq!(idents(&first.db_after).len(), 1);
    let again = reopen(&store).unwrap();
    assert_eq!(idents(&again.db()), idents(&conn.db()));
    assert_eq!(again.db().snapshot().commit, second.commit);
    assert_eq!(again.opened().head.tip.parents, [first.commit.unwrap()]);
    // A small transaction is one object.
    assert_eq!(store.names(), ["format", "head", "refs"]);
}

#[test]
fn a_database_is_made_once() {
    let (store, conn) = fresh(Options::default());
    say(&conn, Say::new("a")).unwrap();
    let again = block_on(create(&place(&store), &CreateOptions::default()));
    assert!(matches!(again, Err(ConnError::Exists { .. })), "{again:?}");
    let empty = Arc::new(MemoryStore::new());
    assert!(matches!(reopen(&empty), Err(ConnError::NoDatabase { .. })));
    // A creation that stopped before the last object is finished by the next.
    block_on(store.delete("refs")).unwrap();
    let again = block_on(create(&place(&store), &CreateOptions::default()));
    assert_eq!(again.unwrap(), conn.db().database());
    assert_eq!(idents(&reopen(&store).unwrap().db()).len(), 1);
}

#[test]
fn two_writers_rebase() {
    let (store, one) = fresh(Options::default());
    let two = reopen(&store).unwrap();
    for i in 0..10 {
        say(&one, Say::new(&format!("one/{i}"))).unwrap();
        let report = say(&two, Say::new(&format!("two/{i}"))).unwrap();
        assert_eq!(report.tx.t(), T(2 * i + 2));
    }
    block_on(one.refresh()).unwrap();
    assert_eq!(idents(&one.db()).len(), 20);
    let entities = one.db().datoms(Order::Aevt, None, Some(builtin::IDENT), None).unwrap();
    assert_eq!(entities.last().unwrap().e, EntityId(20));
}

#[test]
fn a_full_tail_is_spilled() {
    let (store, conn) = fresh(unflushed());
    let (mut spills, mut last) = (0, 0);
    for i in 0..800_u64 {
        let mut words = Say::new(&format!("entity/number-{i}"));
        if i % 7 == 6 {
            let old = EntityId(i - 3);
            let ident = Value::keyword(&format!("entity/number-{}", i - 3));
            words.facts.push((old, builtin::IDENT, ident, false));
        }
        say(&conn, words).unwrap();
        let head = conn.opened().head;
        assert!(head.tail_bytes() <= TAIL_BYTES);
        spills += usize::from(head.tail.len() < last);
        last = head.tail.len();
    }
    assert!(spills >= 2 && conn.opened().head.base.log.len() == spills, "{spills}");
    let again = reopen(&store).unwrap();
    let (here, there) = (conn.db(), again.db());
    for t in [1, 6, 7, 100, 399, 400, 799, 800] {
        assert_eq!(all(&here.as_of(T(t))), all(&there.as_of(T(t))), "as of {t}");
    }
    assert_eq!(all(&here), all(&there));
    assert_eq!(all(&here.history()), all(&there.history()));
    assert_eq!(here.snapshot().counts, there.snapshot().counts);
    // The log has each transaction, chained to the one before.
    let mut parent = None;
    for t in 1..=800 {
        let (id, frame) = block_on(again.place().frame(&again.opened(), T(t))).unwrap();
        frame.follows(id, parent).unwrap();
        parent = Some(id);
    }
    assert_eq!(parent, there.snapshot().commit);
}

/// Few rows that are many bytes are flushed, too: else the head would run out of room for the names
/// of log segments, and novelty out of bounds.
#[test]
fn large_values_are_flushed_by_their_bytes() {
    let (store, conn) = fresh(Options::default());
    let text =
        |seed: u64| -> String { (0..2_500).map(|i| mix(seed << 16 | i).to_string()).collect() };
    for i in 0..150 {
        let mut large = Say::default();
        large.new.push((builtin::DOC, Value::str(&text(i))));
        say(&conn, large).unwrap();
        let base = &conn.opened().head.base;
        assert!(base.log.len() < 128 && base.novelty.is_none_or(|n| n.len < 1 << 20), "{i}");
    }
    let docs = |conn: &Conn| conn.db().datoms(Order::Aevt, None, Some(builtin::DOC), None).unwrap();
    assert_eq!(docs(&conn).len(), 150);
    assert_eq!(docs(&reopen(&store).unwrap()), docs(&conn));
}

/// Text that packs well is bounded by what it unpacks to.
#[test]
fn what_packs_well_does_not_pile_up() {
    let (store, conn) = fresh(Options::default());
    for i in 0..6 {
        let mut large = Say::default();
        large.new.push((builtin::DOC, Value::str(&"ab".repeat((12 << 20) + i))));
        say(&conn, large).unwrap();
        assert!(conn.opened().head.tail_raw_bytes() <= crate::commit::TAIL_RAW_BYTES);
    }
    let mut small = Say::default();
    small.new.push((
        builtin::DOC,
        Value::str(&(0..9_000).map(|i| mix(i).to_string()).collect::<String>()),
    ));
    (0..3)
        .for_each(|_| drop(say(&conn, Say { new: small.new.clone(), ..Say::default() }).unwrap()));
    assert_eq!(t(&reopen(&store).unwrap()), T(9));
}

#[test]
fn a_large_transaction_does_not_fit_a_tail() {
    let (store, conn) = fresh(unflushed());
    say(&conn, Say::new("small")).unwrap();
    let mut large = Say::default();
    for i in 0..20_000_u64 {
        large.new.push((builtin::DOC, Value::str(&format!("text {}", mix(i)))));
    }
    assert_eq!(say(&conn, large).unwrap().datoms.len(), 20_001);
    say(&conn, Say::new("after")).unwrap();
    let again = reopen(&store).unwrap();
    assert_eq!(again.db().datoms(Order::Eavt, None, None, None).unwrap().len(), 20_005);
    assert_eq!(again.db().snapshot().counts.get(&builtin::DOC), Some(&20_000));
}

fn all(db: &Db) -> [Vec<crate::datom::Datom>; 3] {
    Order::ALL.map(|order| db.datoms(order, None, None, None).unwrap())
}

/// Says many things, of which some are changed and some retracted and said again.
fn say_much(conn: &Conn, from: u64, to: u64) {
    for i in from..to {
        let mut words = Say::new(&format!("entity/number-{i}"));
        let fact = |e: u64, n: u64, added| {
            (EntityId(e), builtin::IDENT, Value::keyword(&format!("entity/number-{n}")), added)
        };
        match i % 10 {
            5 => words.facts.push(fact(i - 3, i - 4, false)),
            6 => words.facts.push(fact(i - 4, i - 5, true)),
            9 if i > 40 => words.facts.push(fact(i - 32, i - 33, false)),
            _ => {}
        }
        say(conn, words).unwrap();
    }
}

#[test]
fn a_flush_changes_nothing_that_is_read() {
    let options = Options { tail_bytes: 2_000, ..unflushed() };
    let (store, conn) = fresh(options);
    for round in 0..4 {
        say_much(&conn, round * 150, round * 150 + 150);
        let (before, opened) = (conn.db(), conn.opened());
        let entries: Vec<_> = (1..=before.basis_t().0)
            .map(|t| block_on(conn.place().entry(&opened, T(t))).unwrap())
            .collect();
        assert!(block_on(conn.flush()).unwrap());
        assert!(!block_on(conn.flush()).unwrap(), "nothing to flush");
        let again = reopen(&store).unwrap();
        assert_eq!(again.opened().head.base.novelty, None);
        assert!(again.opened().head.base.log.is_empty());
        let packs =
            again.opened().head.base.roots().map(|root| root.node.pack).collect::<BTreeSet<_>>();
        assert_eq!(packs.len(), 1, "roots lie together");
        for after in [conn.db(), again.db()] {
            assert_eq!(all(&before), all(&after));
            assert_eq!(all(&before.history()), all(&after.history()));
            for t in [1, 6, 90, 149, 150, 151, 333, 450] {
                assert_eq!(all(&before.as_of(T(t))), all(&after.as_of(T(t))), "as of {t}");
            }
        }
        for entry in entries {
            let t = entry.id.t;
            assert_eq!(block_on(again.place().entry(&again.opened(), t)).unwrap(), entry);
            let (id, frame) = block_on(again.place().frame(&again.opened(), t)).unwrap();
            frame.follows(id, entry.parents.first().copied()).unwrap();
        }
    }
}

#[test]
fn a_flush_applies_to_later_heads() {
    let options = Options { tail_bytes: 1_000, ..unflushed() };
    let (store, conn) = fresh(options.clone());
    say_much(&conn, 0, 60);
    let other = block_on(Conn::open(place(&store), None, options)).unwrap();
    // The other one flushes from an old head: a spill and more came since.
    let from = other.seen();
    say_much(&conn, 60, 120);
    let before = conn.db();
    assert!(block_on(other.flush_from(&from.opened, None)).unwrap());
    let again = reopen(&store).unwrap();
    let head = again.opened().head;
    assert!(head.base.flushed == from.opened.head.base.commit.unwrap().t);
    assert!(head.base.novelty.is_some() && !head.tail.is_empty() && !head.base.log.is_empty());
    assert_eq!(all(&before.history()), all(&again.db().history()));
    assert_eq!(all(&before), all(&again.db()));
    // The same flush a second time finds that it lost.
    assert!(!block_on(conn.flush_from(&from.opened, None)).unwrap());
    assert!(block_on(conn.flush()).unwrap());
    assert_eq!(all(&before.history()), all(&reopen(&store).unwrap().db().history()));
}

#[test]
fn a_commit_flushes_when_it_is_due() {
    let options = Options { tail_bytes: 1_000, novelty_rows: 100, ..Options::default() };
    let (store, conn) = fresh(options);
    say_much(&conn, 0, 300);
    assert!(conn.flush_error().is_none());
    let head = conn.opened().head;
    assert!(head.base.flushed > T(200), "{:?}", head.base);
    assert!(head.base.novelty.is_none_or(|novelty| novelty.rows < 200));
    assert!(store.names().iter().any(|name| name.starts_with("pack/")));
    assert_eq!(idents(&reopen(&store).unwrap().db()), idents(&conn.db()));
}

#[test]
fn an_id_is_committed_once() {
    let (store, conn) = fresh(Options::default());
    let first = say(&conn, Say::new("a").id("x")).unwrap();
    say(&conn, Say::new("b")).unwrap();
    let again = say(&conn, Say::new("a").id("x")).unwrap();
    assert!(!first.already && again.already);
    assert_eq!((first.commit, first.tx), (again.commit, again.tx));
    assert_eq!(first.datoms, again.datoms);
    assert_eq!(idents(&again.db_after).len(), 1);
    let other = reopen(&store).unwrap();
    assert!(say(&other, Say::new("a").id("x")).unwrap().already);
    assert_eq!(idents(&other.db()).len(), 2);
}

#[test]
fn a_refusal_is_made_on_the_newest_head() {
    let (store, one) = fresh(Options::default());
    let two = reopen(&store).unwrap();
    say(&one, Say::new("there")).unwrap();
    let exists = |db: &Db, now: i64| -> Result<Prepared, String> {
        if idents(db).is_empty() {
            return Err("nothing is there".to_owned());
        }
        Say::new("next").prepare(db, now).map_err(|e| e.to_string())
    };
    assert_eq!(block_on(two.transact(exists)).unwrap().tx.t(), T(2));
    let refuse = |_: &Db, _: i64| -> Result<Prepared, String> { Err("no".to_owned()) };
    let refused = block_on(two.transact(refuse));
    assert!(matches!(refused, Err(TransactError::Refused(ref no)) if no == "no"));
    assert_eq!(t(&two), T(2));
}

#[test]
fn a_transaction_that_does_not_fit_is_no_commit() {
    let (_, conn) = fresh(Options::default());
    say(&conn, Say::new("a")).unwrap();
    let late = |db: &Db, _: i64| -> Result<Prepared, DbError> {
        let mut p = Say::new("b").prepare(db, 0)?;
        p.instant_ms = 5;
        Ok(p)
    };
    let answer = block_on(conn.transact(late));
    assert!(matches!(answer, Err(TransactError::Failed(ConnError::Unfit(_)))), "{answer:?}");
    assert_eq!(t(&conn), T(1));
}

#[test]
fn what_waits_shares_a_swap() {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::task::Poll;
    let (_, conn) = fresh(Options::default());
    // All are queued before the first is polled to its end: a sleeping leader takes those behind
    // it.
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut all: Vec<Pin<Box<dyn Future<Output = _> + Send>>> = Vec::new();
    for i in 0..5 {
        let (conn, gate) = (conn.clone(), gate.clone());
        all.push(Box::pin(async move {
            let words = Say::new(&format!("g/{i}"));
            let slot = conn.inner.queue.push([move |db: &Db, now| words.prepare(db, now)]);
            poll_fn(|_| match gate.load(std::sync::atomic::Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            if let Some(lead) = conn.inner.queue.lead() {
                conn.commit_group(lead.jobs(), 0).await;
            }
            slot[0].take()
        }));
    }
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(all.iter_mut().all(|f| f.as_mut().poll(&mut cx).is_pending()));
    gate.store(true, std::sync::atomic::Ordering::Relaxed);
    let reports: Vec<_> = all.into_iter().map(|f| block_on(f).unwrap().unwrap()).collect();
    let ts: Vec<u64> = reports.iter().map(|r| r.tx.t().0).collect();
    assert_eq!(ts, [1, 2, 3, 4, 5]);
    // Five commits, each with its own `t`, and one swap.
    assert_eq!(conn.opened().head.revision, 2);
    assert_eq!(reports[4].db_before.basis_t(), T(4));
}

#[test]
fn a_damaged_object_is_an_error_that_names_it() {
    let (store, conn) = fresh(unflushed());
    for i in 0..400 {
        say(&conn, Say::new(&format!("entity/number-{i}"))).unwrap();
    }
    let names = store.names();
    let damageable = names.iter().filter(|n| *n != "format" && *n != "refs");
    for name in damageable {
        let fetch = crate::store::Fetch { key: name.clone(), range: None };
        let bytes = block_on(store.get(&fetch)).unwrap();
        for place in [5, 40, bytes.len() / 2, bytes.len() - 1] {
            let mut wrong = bytes.to_vec();
            wrong[place] ^= 4;
            store.overwrite(name, wrong.into());
            match reopen(&store) {
                Err(error) => assert!(error.to_string().contains(name.as_str()), "{error}"),
                // The log is read only when it is asked for.
                Ok(conn) => {
                    let read = block_on(conn.place().frame(&conn.opened(), T(1)));
                    let used = conn
                        .opened()
                        .head
                        .base
                        .log
                        .iter()
                        .any(|s| name.contains(&format!("{:x}", s.name)));
                    assert_eq!(read.is_err(), used, "{name}");
                }
            }
        }
        store.overwrite(name, bytes);
    }
    assert!(reopen(&store).is_ok());
}

#[test]
fn a_conn_is_shared_by_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let (_, conn) = fresh(Options::default());
    shared(&conn);
    sent(&conn.transact(|db, now| Say::default().prepare(db, now)));
}

#[test]
fn a_when_finds_its_commit() {
    let options = Options { tail_bytes: 1_000, novelty_rows: 100, ..Options::default() };
    let (_, conn) = fresh(options);
    let place = conn.place().clone();
    let mut instants = vec![0];
    for i in 0..120 {
        instants.push(say(&conn, Say::new(&format!("e/{i}"))).unwrap().instant_ms);
    }
    let opened = conn.opened();
    let at = |when: &str| block_on(conn.at(when));
    for t in [1, 2, 50, 99, 118, 120] {
        let entry = block_on(place.entry(&opened, T(t))).unwrap();
        let hex: String = entry.id.hash.iter().map(|b| format!("{b:02x}")).collect();
        for when in [t.to_string(), entry.id.to_string(), hex[..16].to_owned()] {
            if when.len() > 5 && when.bytes().all(|b| b.is_ascii_digit()) {
                continue;
            }
            let moment = at(&when).unwrap();
            assert_eq!((moment.commit, moment.fixed), (Some(entry.id), true), "{when}");
            assert_eq!(idents(&moment.db).len(), t as usize);
        }
        let before = block_on(conn.t_before(&opened, instants[t as usize])).unwrap();
        assert_eq!(before, T(t - 1));
    }
    assert_eq!(at("0").unwrap().commit, None);
    assert!(!at("0d").unwrap().fixed);
    assert_eq!(at("365d").unwrap().commit, None);
    assert_eq!(at("2999-12").unwrap().commit, opened.head.tip.commit);
    for wrong in ["121", "1-00000000", "deadbeefdeadbeef", "nobody"] {
        assert!(matches!(at(wrong), Err(ConnError::NoCommit(_))), "{wrong}");
    }
    block_on(place.create_tag("v1", &opened, T(120), false)).unwrap();
    say(&conn, Say::new("later")).unwrap();
    block_on(conn.flush()).unwrap();
    assert_eq!(idents(&at("v1").unwrap().db).len(), 120);
    assert_eq!(idents(&at("main").unwrap().db).len(), 121);
    let twice = block_on(place.create_tag("v1", &conn.opened(), T(121), false));
    assert!(matches!(twice, Err(ConnError::NameTaken(_))));
    block_on(place.create_tag("v1", &conn.opened(), T(121), true)).unwrap();
    assert_eq!(idents(&at("v1").unwrap().db).len(), 121);
    block_on(place.create_tag("v0", &conn.opened(), T(1), false)).unwrap();
    assert_eq!(idents(&at("v0").unwrap().db).len(), 1);
    block_on(place.delete_tag("v1")).unwrap();
    assert!(matches!(at("v1"), Err(ConnError::NoCommit(_))));
    assert!(!block_on(place.refs()).unwrap().automatic.is_empty());
}

#[test]
fn the_log_is_read_both_ways() {
    let options = Options { tail_bytes: 1_000, novelty_rows: 100, ..Options::default() };
    let (_, conn) = fresh(options);
    say_much(&conn, 0, 130);
    let read = |from, to, newest_first| {
        let mut log = conn.place().log(&conn.opened(), T(from)..=T(to), newest_first);
        let mut ts = Vec::new();
        while let Some((id, frame)) = block_on(log.next()).unwrap() {
            assert_eq!(frame.tx.t(), id.t);
            ts.push(id.t.0);
        }
        ts
    };
    assert_eq!(read(1, 130, false), (1..=130).collect::<Vec<_>>());
    assert_eq!(read(0, 999, true), (1..=130).rev().collect::<Vec<_>>());
    assert_eq!(read(7, 9, true), [9, 8, 7]);
    assert!(read(131, 140, false).is_empty());
}

/// Commits a transaction as text.
fn tell(conn: &Conn, text: &'static str) {
    let make = move |db: &Db, now_ms: i64| {
        let options = TxOptions { now_ms, allow_backfill: true, ..TxOptions::default() };
        prepare(db, &read_one(text).unwrap(), &options)
    };
    block_on(conn.transact(make)).unwrap();
}

#[test]
fn an_attribute_that_comes_into_avet_is_found_there() {
    let options = Options { tail_bytes: 500, ..unflushed() };
    let (store, conn) = fresh(options);
    tell(
        &conn,
        "[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    );
    // Facts in trees (some of them ended), in the novelty, and in the tail.
    tell(&conn, "[{:db/id 100 :a/n 1} {:db/id 101 :a/n 2} {:db/id 102 :a/n 3}]");
    tell(&conn, "[[:db/add 101 :a/n 20]]");
    (0..20).for_each(|i| drop(say(&conn, Say::new(&format!("x/{i}"))).unwrap()));
    assert!(block_on(conn.flush()).unwrap());
    tell(&conn, "[{:db/id 103 :a/n 4} [:db/add 100 :a/n 10]]");
    (0..20).for_each(|i| drop(say(&conn, Say::new(&format!("y/{i}"))).unwrap()));
    tell(&conn, "[{:db/id 104 :a/n 5}]");
    tell(&conn, "[{:db/ident :a/n :db/index true}]");
    let check = |conn: &Conn| {
        let db = conn.db();
        let a = db.schema().attr("a/n").map(|a| a.id);
        for view in [db.clone(), db.as_of(T(3)), db.history()] {
            let sorted = |order| {
                let mut datoms = view.datoms(order, None, a, None).unwrap();
                datoms.sort_by(|x, y| x.key().cmp_in(Order::Aevt, &y.key()));
                datoms
            };
            assert_eq!(sorted(Order::Avet), sorted(Order::Aevt));
            assert!(!sorted(Order::Avet).is_empty());
        }
    };
    check(&conn);
    check(&reopen(&store).unwrap());
    tell(&conn, "[{:db/id 105 :a/n 6}]");
    (0..20).for_each(|i| drop(say(&conn, Say::new(&format!("z/{i}"))).unwrap()));
    assert!(block_on(conn.flush()).unwrap());
    check(&conn);
    check(&reopen(&store).unwrap());
    // Out of AVET, changed meanwhile, and in again: what it left there is no more.
    tell(&conn, "[{:db/ident :a/n :db/index false}]");
    tell(&conn, "[[:db/add 101 :a/n 21] [:db/add 106 :a/n 7] [:db/retract 102 :a/n 3]]");
    (0..20).for_each(|i| drop(say(&conn, Say::new(&format!("w/{i}"))).unwrap()));
    assert!(block_on(conn.flush()).unwrap());
    tell(&conn, "[{:db/ident :a/n :db/index true}]");
    check(&conn);
    check(&reopen(&store).unwrap());
}
