//! Connections over a store that does what it is told.

use super::testing::*;
use super::{ConnError, CreateOptions, Options, TransactError, create};
use crate::commit::TAIL_BYTES;
use crate::datom::Order;
use crate::db::{Db, DbError, NoNodes, Prepared};
use crate::id::{EntityId, T};
use crate::schema::builtin;
use crate::store::{MemoryStore, Store};
use crate::value::Value;
use std::sync::Arc;

fn unflushed() -> Options {
    Options { flush: false, novelty_rows: u64::MAX, ..Options::default() }
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
    let again = block_on(create(&place(&store, Arc::new(NoNodes)), &CreateOptions::default()));
    assert!(matches!(again, Err(ConnError::Exists { .. })), "{again:?}");
    let empty = Arc::new(MemoryStore::new());
    assert!(matches!(reopen(&empty), Err(ConnError::NoDatabase { .. })));
    // A creation that stopped before the last object is finished by the next.
    block_on(store.delete("refs")).unwrap();
    let again = block_on(create(&place(&store, Arc::new(NoNodes)), &CreateOptions::default()));
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
    let all = |db: &Db| Order::ALL.map(|order| db.datoms(order, None, None, None).unwrap());
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
    // All are queued before the first is polled to its end: a sleeping leader takes those behind it.
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut all: Vec<Pin<Box<dyn Future<Output = _> + Send>>> = Vec::new();
    for i in 0..5 {
        let (conn, gate) = (conn.clone(), gate.clone());
        all.push(Box::pin(async move {
            let words = Say::new(&format!("g/{i}"));
            let slot = conn.inner.queue.push(move |db: &Db, now| words.prepare(db, now));
            poll_fn(|_| match gate.load(std::sync::atomic::Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            if let Some(lead) = conn.inner.queue.lead() {
                conn.commit_group(lead.jobs()).await;
            }
            slot.take()
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
