//! Verifying databases made here: whole ones are whole, and each thing that is wrong is told with
//! its object.

use super::{Report, verify};
use crate::commit::{Head, REFS, Refs};
use crate::conn::testing::{Say, block_on, fresh, place, say};
use crate::conn::{Conn, Options};
use crate::datom::{Datom, Order};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::schema::builtin;
use crate::store::{Fetch, MemoryStore, Store};
use crate::value::Value;
use bytes::Bytes;
use std::sync::Arc;

pub(super) fn look(store: &Arc<MemoryStore>) -> Report {
    block_on(verify(&place(store), &mut |_| ())).unwrap()
}

fn small() -> Options {
    Options { tail_bytes: 300, novelty_rows: 40, ..Options::default() }
}

fn fact(e: u64, a: AttrId, v: &str, added: bool) -> (EntityId, AttrId, Value, bool) {
    (EntityId(e), a, Value::str(v), added)
}

/// Facts that begin, end and begin again, over spills and flushes; a branch and tags on the way.
pub(super) fn busy() -> (Arc<MemoryStore>, Conn) {
    let (store, conn) = fresh(small());
    for round in 0..120 {
        let mut now = Say::new(&format!("x/n{round}"));
        // Twenty-one facts in turn: each begins, ends, and begins again.
        let doc = format!("doc {} {}", round % 7, round % 3);
        now.facts.push(fact(round % 7 + 1, builtin::DOC, &doc, (round / 21) % 2 == 0));
        let said = say(&conn, now);
        if let Err(error) = said {
            panic!("{round}: {error}");
        }
        if round == 50 {
            let (place, opened) = (conn.place().clone(), conn.opened());
            let t = opened.head.tip.t();
            block_on(place.create_tag("v1", &opened, t, false)).unwrap();
            block_on(place.create_branch("exp", &opened, t)).unwrap();
        }
    }
    // The same machine, or its random names would come again.
    let exp = block_on(Conn::open(conn.place().clone(), Some("exp"), small())).unwrap();
    (0..60).for_each(|round| drop(say(&exp, Say::new(&format!("y/n{round}"))).unwrap()));
    let mut more = 0;
    while conn.opened().head.tail.is_empty() || conn.opened().head.base.novelty.is_none() {
        more += 1;
        say(&conn, Say::new(&format!("x/more{more}"))).unwrap();
    }
    (store, conn)
}

fn get(store: &MemoryStore, key: &str) -> Bytes {
    block_on(store.get(&Fetch { key: key.to_owned(), range: None })).unwrap()
}

#[test]
fn an_empty_database_is_whole() {
    let (store, _conn) = fresh(Options::default());
    let report = look(&store);
    assert_eq!((report.problems.as_slice(), report.heads), ([].as_slice(), 1));
    assert_eq!(report.orphans, Some((0, 0)));
}

#[test]
fn a_busy_database_is_whole() {
    let (store, conn) = busy();
    let report = look(&store);
    assert_eq!(report.problems, [], "{report:?}");
    assert!(report.damaged.is_empty());
    assert!(report.packs > 4 && report.segments > 20 && report.heads > 4, "{report:?}");
    let counts = conn.db().snapshot().counts.values().sum::<u64>();
    assert_eq!(report.facts, counts);
}

/// One bit anywhere in any object.
#[test]
fn each_object_is_named() {
    let (store, _conn) = busy();
    let orphan_or_unused = |name: &str| {
        // Written and replaced by a later one, as spills leave behind.
        name.starts_with("novelty/") || name.starts_with("pack/")
    };
    let mut noticed = 0;
    for (n, name) in store.names().into_iter().enumerate() {
        let bytes = get(&store, &name);
        let mut wrong = bytes.to_vec();
        let at = (n * 7919) % wrong.len();
        wrong[at] ^= 1 << (n % 8);
        store.overwrite(&name, wrong.into());
        let report = look(&store);
        match report.problems.iter().any(|problem| problem.object == name) {
            true => noticed += 1,
            false => assert!(
                orphan_or_unused(&name) && report.is_whole(),
                "{name} byte {at}: {:?}",
                report.problems
            ),
        }
        store.overwrite(&name, bytes);
    }
    assert!(noticed > 20, "{noticed}");
    assert!(look(&store).is_whole());
}

fn change_head(store: &MemoryStore, change: impl FnOnce(&mut Head)) {
    let mut head = Head::decode(&get(store, "head")).unwrap();
    change(&mut head);
    store.overwrite("head", head.encode().unwrap());
}

/// What no hash tells: a writer's mistake.
#[track_caller]
fn check(change: impl FnOnce(&mut Head), expected: &str) {
    let (store, _conn) = busy();
    change_head(&store, change);
    let report = look(&store);
    let texts: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains(expected)), "{expected}: {texts:#?}");
    assert_eq!(report.damaged, ["main"]);
}

#[test]
fn trees_that_do_not_follow_from_the_log_are_told() {
    check(|head| head.base.trees.current[1] = None, "head: AEVT: 0 facts of");
    check(|head| head.base.trees.superseded[0] = None, "head: EAVT: ");
    check(|head| head.base.trees.current.swap(0, 1), "rows that are not in order");
    check(|head| head.base.commits = None, "head: COMMITS does not end at");
    let more = |head: &mut Head| {
        let root = head.base.trees.current[0].as_mut().unwrap();
        root.count += 1;
    };
    check(more, "head: EAVT of current facts: the root says");
    check(|head| head.tip.instant_ms = head.tip.instant_ms.map(|ms| ms + 1), "of its commit");
    check(|head| drop(head.tail.pop()), "its commit is not what the log says");
    check(|head| head.base.log.clear(), "does not end where it says");
}

#[test]
fn orphans_are_counted() {
    let (store, _conn) = busy();
    let (count, bytes) = look(&store).orphans.unwrap();
    block_on(store.put("pack/00000000000000000000000000000001", Bytes::from_static(b"x"))).unwrap();
    assert_eq!(look(&store).orphans, Some((count + 1, bytes + 1)));
}

#[test]
fn a_missing_object_is_told() {
    let (store, _conn) = busy();
    let refs = Refs::decode(&get(&store, REFS)).unwrap();
    let snapshot = &refs.tags["v1"].snapshot;
    block_on(store.delete(snapshot)).unwrap();
    let report = look(&store);
    let texts: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, [format!("{snapshot}: there is no such object")]);
    assert!(report.damaged.is_empty());
}

/// Damages objects, repairs, and looks again; the log is not touched.
#[track_caller]
fn check_repair(damage: impl FnOnce(&MemoryStore, &Head)) {
    let (store, conn) = busy();
    let before = all(&conn.db());
    let basis = conn.db().basis_t();
    let logs = |store: &MemoryStore| -> Vec<(String, Bytes)> {
        let names = store.names().into_iter().filter(|name| name.starts_with("log/"));
        names.map(|name| (name.clone(), get(store, &name))).collect()
    };
    let log = logs(&store);
    damage(&store, &Head::decode(&get(&store, "head")).unwrap());
    assert!(look(&store).damaged.contains(&"main".to_owned()));
    block_on(super::repair(conn.place(), "main", &mut |_| ())).unwrap();
    let report = look(&store);
    assert!(!report.damaged.contains(&"main".to_owned()), "{:?}", report.problems);
    assert_eq!(logs(&store), log);
    let after = crate::conn::testing::reopen(&store).unwrap().db();
    assert_eq!((all(&after), after.basis_t()), (before, basis));
}

fn all(db: &Db) -> [Vec<Datom>; 2] {
    [db.clone(), db.history()].map(|db| db.datoms(Order::Eavt, None, None, None).unwrap())
}

#[test]
fn what_the_log_says_is_made_again() {
    check_repair(|store, head| {
        for name in store.names().iter().filter(|name| name.starts_with("pack/")) {
            store.overwrite(name, Bytes::from_static(b"gone"));
        }
        assert!(head.base.roots().count() > 5);
    });
    check_repair(|store, head| {
        let name = crate::commit::novelty_name(head.base.novelty.unwrap().name);
        block_on(store.delete(&name)).unwrap();
    });
    check_repair(|store, _| change_head(store, |head| head.base.trees.current[2] = None));
}

#[test]
fn a_log_that_is_damaged_is_not_repaired() {
    let (store, conn) = busy();
    for name in store.names().iter().filter(|name| name.starts_with("log/")) {
        store.overwrite(name, Bytes::from_static(b"gone"));
    }
    let head = get(&store, "head");
    let error = block_on(super::repair(conn.place(), "main", &mut |_| ())).unwrap_err();
    assert!(error.to_string().contains("the log has no"), "{error}");
    assert_eq!(get(&store, "head"), head);
}

/// A form of the forms that follow from a seed: facts of attributes whose index, history and number
/// of values change on the way.
fn form(random: &mut u64) -> String {
    let mut below = |end: u64| {
        *random = crate::conn::testing::mix(*random);
        *random % end
    };
    let a = format!(":a/n{}", below(6));
    let subject = format!("[:db/ident :e/n{}]", below(12));
    match below(20) {
        0 => format!("[{{:db/ident {a} :db/index {}}}]", below(2) == 0),
        1 => format!("[{{:db/ident {a} :db/noHistory {}}}]", below(2) == 0),
        2 => format!("[[:db/retractEntity {subject}]]"),
        3 => format!("[{{:db/ident :e/n{}}}]", below(12)),
        4..=7 => format!("[[:db/retract {subject} {a} {}]]", below(4)),
        _ => {
            let more: String =
                (0..below(12)).map(|_| format!(" {{:db/id {subject} {a} {}}}", below(4))).collect();
            format!("[[:db/add {subject} {a} {}]{more}]", below(4))
        }
    }
}

#[test]
fn whatever_is_transacted_verifies() {
    use crate::transact::{TxOptions, prepare};
    let schema = |n: u64| {
        let many = if n.is_multiple_of(2) { "many" } else { "one" };
        format!(
            "{{:db/ident :a/n{n} :db/valueType :db.type/long
               :db/cardinality :db.cardinality/{many} :db/index {}}}",
            n.is_multiple_of(3)
        )
    };
    for seed in 0..4 {
        let (store, main) = fresh(Options { tail_bytes: 900, novelty_rows: 60, ..small() });
        let attributes: String = (0..6).map(schema).collect();
        let entities: String = (0..12).map(|n| format!("{{:db/ident :e/n{n}}}")).collect();
        let (mut random, mut done) = (seed, 0);
        let mut conn = main.clone();
        for round in 0..150 {
            let text =
                if round == 0 { format!("[{attributes} {entities}]") } else { form(&mut random) };
            let form = crate::edn::read_one(&text).unwrap();
            let make = move |db: &Db, now_ms: i64| {
                prepare(db, &form, &TxOptions { now_ms, ..TxOptions::default() })
            };
            // What is not valid is refused: part of the mixture.
            done += usize::from(block_on(conn.transact(make)).is_ok());
            if round == 70 {
                let (place, opened) = (main.place().clone(), main.opened());
                let t = opened.head.tip.t();
                block_on(place.create_tag("v1", &opened, t, false)).unwrap();
                block_on(place.create_branch("exp", &opened, t)).unwrap();
            }
            if round >= 70 {
                let branch = (round % 2 == 0).then_some("exp");
                conn = block_on(main.on_branch(branch)).unwrap();
            }
        }
        assert!(done > 90, "{done}");
        let report = look(&store);
        assert_eq!(report.problems, [], "seed {seed}");
        for branch in ["main", "exp"] {
            block_on(super::repair(main.place(), branch, &mut |_| ())).unwrap();
        }
        let again = look(&store);
        assert_eq!(again.problems, [], "seed {seed}, repaired");
        assert_eq!((again.facts, again.datoms), (report.facts, report.datoms));
    }
}
