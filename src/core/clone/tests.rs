//! Copies: equal to their source, incremental, whole after a crash at any point.

use super::{CloneError, Cloning, Copied, replica_of};
use crate::commit::{HEAD, Head};
use crate::conn::testing::{Say, TestHost, block_on, fresh, idents, reopen, say};
use crate::conn::{Conn, ConnError, Options};
use crate::store::around::{Around, Asked, Gate, Request};
use crate::store::{Fetch, MemoryStore, Store, StoreError, StoreErrorKind};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A database with branches, tags, spills and flushes.
fn busy() -> (Arc<MemoryStore>, Conn) {
    let options = Options { tail_bytes: 300, novelty_rows: 40, ..Options::default() };
    let (store, conn) = fresh(options);
    for round in 0..60 {
        say(&conn, Say::new(&format!("x/n{round}"))).unwrap();
        if round % 20 == 10 {
            let (place, opened) = (conn.place(), conn.opened());
            let t = opened.head.tip.t();
            block_on(place.create_tag(&format!("v{round}"), &opened, t, false)).unwrap();
            block_on(place.create_branch(&format!("b{round}"), &opened, t)).unwrap();
        }
    }
    let branch = block_on(conn.on_branch(Some("b30"))).unwrap();
    (0..30).for_each(|round| drop(say(&branch, Say::new(&format!("y/n{round}"))).unwrap()));
    (store, conn)
}

fn cloning(source: &Arc<MemoryStore>, target: Arc<dyn Store>, fork: bool) -> Cloning {
    Cloning::new(source.clone(), target, Arc::new(TestHost::seeded(5)), fork)
}

fn run(source: &Arc<MemoryStore>, target: &Arc<MemoryStore>) -> Result<Copied, CloneError> {
    block_on(cloning(source, target.clone(), false).run(&mut |_| ()))
}

fn get(store: &MemoryStore, key: &str) -> Bytes {
    block_on(store.get(&Fetch { key: key.to_owned(), range: None })).unwrap()
}

#[track_caller]
fn check_equal(source: &MemoryStore, target: &MemoryStore) {
    let names: Vec<String> = target.names().into_iter().filter(|name| name != "replica").collect();
    assert_eq!(names, source.names());
    names.iter().for_each(|name| assert_eq!(get(target, name), get(source, name), "{name}"));
}

#[test]
fn a_copy_is_the_same_bytes() {
    let (source, _conn) = busy();
    let target = Arc::new(MemoryStore::new());
    let copied = run(&source, &target).unwrap();
    check_equal(&source, &target);
    let replica = block_on(replica_of(target.as_ref())).unwrap().unwrap();
    assert_eq!(replica.origin, "memory:");
    assert!(copied.objects > 30 && copied.kept == 0 && copied.moved == 5, "{copied:?}");
}

#[test]
fn a_second_run_copies_what_is_new() {
    let (source, conn) = busy();
    let target = Arc::new(MemoryStore::new());
    let first = run(&source, &target).unwrap();
    let again = run(&source, &target).unwrap();
    assert_eq!(again, Copied { kept: first.objects, ..Copied::default() });
    // The tail of this head may be full: until a transaction is in the head alone.
    let mut n = 0;
    let before = loop {
        let before = conn.opened().head.base.clone();
        say(&conn, Say::new(&format!("z/n{n}"))).unwrap();
        n += 1;
        if conn.opened().head.base == before && n > 1 {
            break run(&source, &target).unwrap();
        }
        run(&source, &target).unwrap();
    };
    assert_eq!((before.objects, before.bytes, before.moved), (0, 0, 1));
    check_equal(&source, &target);
}

#[test]
fn following_asks_for_changes_only() {
    let (source, conn) = busy();
    let target = Arc::new(MemoryStore::new());
    let mut cloning = cloning(&source, target.clone(), false);
    assert!(block_on(cloning.has_changed()).unwrap());
    block_on(cloning.run(&mut |_| ())).unwrap();
    assert!(!block_on(cloning.has_changed()).unwrap());
    say(&conn, Say::new("z/new")).unwrap();
    assert!(block_on(cloning.has_changed()).unwrap());
    block_on(cloning.run(&mut |_| ())).unwrap();
    block_on(conn.place().delete_branch("b10")).unwrap();
    block_on(cloning.run(&mut |_| ())).unwrap();
    let heads = |store: &MemoryStore| {
        store.names().into_iter().filter(|name| name.starts_with("branch/")).count()
    };
    assert_eq!(heads(&target), 2, "the deleted branch is still there");
}

/// A target that takes so many more writes and then none.
struct Dying(AtomicI64);

impl Gate for Dying {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        asked: Asked<'a>,
        request: Request<'a, T>,
    ) -> Request<'a, T> {
        if asked == Asked::Other || self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            return request;
        }
        Box::pin(async { Err(StoreError::new(StoreErrorKind::Denied, "dying", "x", "dead")) })
    }
}

/// At every write of a first and of a second run: an older whole replica, or none yet.
#[test]
fn a_crash_leaves_an_older_whole_replica() {
    let (source, conn) = busy();
    for fork in [false, true] {
        let target = Arc::new(MemoryStore::new());
        for writes in 0.. {
            let dying: Arc<dyn Store> =
                Arc::new(Around { store: target.clone(), gate: Dying(AtomicI64::new(writes)) });
            let done = block_on(cloning(&source, dying, fork).run(&mut |_| ())).is_ok();
            if target.names().iter().any(|name| name == HEAD) {
                let seen = idents(&reopen(&target).unwrap().db());
                assert!(seen.len() >= 60);
            }
            if done {
                break;
            }
            if writes % 8 == 3 {
                say(&conn, Say::new(&format!("c/n{fork}{writes}"))).unwrap();
            }
        }
        let (there, here) = (reopen(&target).unwrap(), reopen(&source).unwrap());
        assert_eq!(idents(&there.db()), idents(&here.db()));
        if !fork {
            check_equal(&source, &target);
        }
    }
}

#[test]
fn a_fork_is_a_database_of_its_own() {
    let (source, _conn) = busy();
    let target = Arc::new(MemoryStore::new());
    block_on(cloning(&source, target.clone(), true).run(&mut |_| ())).unwrap();
    assert!(block_on(replica_of(target.as_ref())).unwrap().is_none());
    let (here, there) = (reopen(&source).unwrap(), reopen(&target).unwrap());
    assert_ne!(here.db().database(), there.db().database());
    assert_eq!(idents(&here.db()), idents(&there.db()));
    assert_eq!(here.db().snapshot().commit, there.db().snapshot().commit);
    let identity = block_on(there.place().identity()).unwrap();
    assert_eq!(identity.origins, [here.db().database()]);
    say(&there, Say::new("z/own")).unwrap();
    let tag = block_on(there.at("v30")).unwrap();
    assert_eq!(tag.db.database(), there.db().database());
    let again = block_on(cloning(&source, target, true).run(&mut |_| ()));
    assert!(matches!(again, Err(CloneError::Conn(ConnError::Exists { .. }))), "{again:?}");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let (source, _conn) = busy();
    let (other, _other) = fresh(Options::default());
    assert!(matches!(run(&source, &other), Err(CloneError::Another { .. })));
    assert!(matches!(run(&source, &source), Err(CloneError::NotReplica { .. })));
    let target = Arc::new(MemoryStore::new());
    run(&source, &target).unwrap();
    let mut newer = Head::decode(&get(&target, HEAD)).unwrap();
    newer.revision += 1;
    target.overwrite(HEAD, newer.encode().unwrap());
    assert!(matches!(run(&source, &target), Err(CloneError::Newer { .. })));
}

#[test]
fn damage_is_not_copied() {
    let (source, _conn) = busy();
    for name in source.names() {
        let bytes = get(&source, &name);
        let mut wrong = bytes.to_vec();
        let at = wrong.len() / 2;
        wrong[at] ^= 4;
        source.overwrite(&name, wrong.into());
        let target = Arc::new(MemoryStore::new());
        let error = run(&source, &target).unwrap_err().to_string();
        assert!(error.contains(&name), "{name}: {error}");
        assert!(!target.names().iter().any(|name| name == "refs"), "{name}");
        source.overwrite(&name, bytes);
    }
}
