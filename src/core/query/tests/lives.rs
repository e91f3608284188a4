//! Generated lives of databases: schemas, transactions, flushes, a branch and its merge; and at
//! each of their moments generated queries, which the engine and the naive evaluator answer alike.
//!
//! What the evaluator reads is replayed from the log, so that trees, layers, views of time and
//! merges are compared with what was said. A merge changes no earlier answer: the moments before it
//! are asked for once more after it.
//!
//! `FACTFS_QUERIES` is how many queries are asked (250, or 20,000 in a release build),
//! `FACTFS_SEED` with which number the lives begin.

use super::generate::{Dice, query};
use super::naive::{Fact, fact};
use super::property::{Source, agree};
use super::*;
use crate::commit::Opened;
use crate::conn::testing::{block_on, fresh, reopen, transact};
use crate::conn::{AsOf, Conn, Flush, MergeOptions, Options};
use std::collections::BTreeSet;

/// How many queries a life is asked.
const QUERIES: u64 = 50;

/// A value of a database, and what it is to show.
struct Moment {
    name: String,
    db: Db,
    facts: Vec<Fact>,
}

/// Attributes as the queries expect them, with one value or many, indexed or not.
fn schema(dice: &mut Dice) -> String {
    let mut attribute = |name: &str, types: &[&str]| {
        let many = if dice.below(3) == 0 { "many" } else { "one" };
        let index = if dice.below(2) == 0 { ":db/index true" } else { "" };
        let value = dice.one(types);
        format!(
            "{{:db/ident :{name} :db/valueType :db.type/{value} {index}
               :db/cardinality :db.cardinality/{many}}}"
        )
    };
    let attributes = [
        attribute("a", &["long", "bigint"]),
        attribute("b", &["long", "number"]),
        attribute("s", &["string"]),
        attribute("r", &["ref"]),
    ];
    format!(
        "[{} {{:db/ident :many :db/valueType :db.type/long :db/cardinality :db.cardinality/many}}
          {{:db/ident :key :db/valueType :db.type/string :db/cardinality :db.cardinality/one
            :db/unique :db.unique/identity}}]",
        attributes.join(" ")
    )
}

/// A transaction about entities from `first` on.
fn forms(dice: &mut Dice, first: u64) -> String {
    let mut out = Vec::new();
    for _ in 0..1 + dice.below(6) {
        let e = first + dice.below(5);
        let (a, v) = match dice.below(7) {
            0 => (":a", dice.below(5).to_string()),
            1 => (":b", dice.below(5).to_string()),
            2 => (":s", format!("\"{}\"", dice.one(&["x", "y", "a text of some length"]))),
            3 => (":many", dice.below(3).to_string()),
            4 => (":key", format!("\"k{}\"", dice.below(4))),
            _ => (":r", (first + dice.below(5)).to_string()),
        };
        out.push(match dice.below(12) {
            0..=6 => format!("[:db/add {e} {a} {v}]"),
            7 | 8 => format!("[:db/retract {e} {a} {v}]"),
            9 => format!("[:db/retract {e} {a}]"),
            10 => format!("[:db/retractEntity {e}]"),
            _ => format!("[:db/add {e} :many 9] [:db/retract {e} :many 9]"),
        });
    }
    format!("[{}]", out.join(" "))
}

/// Some transactions, those that are refused included, and flushes.
fn live(conn: &Conn, dice: &mut Dice, first: u64, count: u64) {
    for _ in 0..count {
        let text = forms(dice, first);
        if let Err(error) = transact(conn, &text) {
            // One value and another of one attribute in one transaction, or a key that is taken.
            let is_known = error.contains("several") || error.contains("unique");
            assert!(is_known, "{text}: {error}");
        }
        if dice.below(5) == 0 {
            block_on(conn.flush()).unwrap();
        }
    }
}

/// The log of a branch: all datoms in the order they were said.
fn logged(conn: &Conn, opened: &Opened) -> Vec<Datom> {
    let mut log = conn.place().log(opened, T(1)..=T(u64::MAX), false);
    let mut all = Vec::new();
    while let Some((_, frame)) = block_on(log.next()).unwrap() {
        all.extend(frame.datoms());
    }
    all
}

/// What holds after `t`, said after `since`.
fn holding(said: &[Datom], t: T, since: T) -> Vec<Datom> {
    let mut now = BTreeMap::new();
    for d in said.iter().filter(|d| d.tx.t() <= t) {
        let key = (d.e, d.a, d.v.clone());
        if d.added {
            now.insert(key, d.clone())
        } else {
            now.remove(&key)
        };
    }
    now.into_values().filter(|d| d.tx.t() > since).collect()
}

/// Moments of a branch: now, its history, and a few of the past by each way to read it.
fn moments(conn: &Conn, said: &[Datom], dice: &mut Dice, branch: &str) -> Vec<Moment> {
    let (now, head) = (conn.db(), conn.db().basis_t());
    let uuid = now.database().as_u128();
    let moment = |name: String, db: Db, datoms: Vec<Datom>| {
        let facts = datoms.iter().map(|d| fact(uuid, &now, d)).collect();
        Moment { name: format!("{branch} {name}"), db, facts }
    };
    let mut out = vec![moment("now".into(), now.clone(), holding(said, head, T(0)))];
    for _ in 0..2 {
        let t = T(dice.below(head.0 + 1));
        let way = [AsOf::Cheapest, AsOf::Filtered, AsOf::Retained][dice.below(3) as usize];
        let db = block_on(conn.as_of(t, way)).unwrap();
        let since = T(dice.below(t.0 + 1));
        let until: Vec<Datom> = said.iter().filter(|d| d.tx.t() <= t).cloned().collect();
        out.push(moment(format!("at {t}, {way:?}"), db.clone(), holding(said, t, T(0))));
        out.push(moment(
            format!("at {t}, since {since}"),
            db.since(since),
            holding(said, t, since),
        ));
        out.push(moment(format!("at {t}, history"), db.history(), until));
    }
    out
}

/// A life: its moments before and after a branch is merged.
fn life(dice: &mut Dice) -> Vec<Moment> {
    let options = Options {
        flush: Flush::Asked,
        novelty_rows: u64::MAX,
        tail_bytes: 300 + 200 * dice.below(6) as usize,
        ..Options::default()
    };
    let (store, conn) = fresh(options);
    transact(&conn, &schema(dice)).unwrap();
    let count = 2 + dice.below(12);
    live(&conn, dice, 21, count);
    let opened = conn.opened();
    let t = T(1 + dice.below(opened.head.tip.t().0));
    block_on(conn.place().create_branch("b", &opened, t)).unwrap();
    let other = block_on(conn.on_branch(Some("b"))).unwrap();
    let (here, there) = (dice.below(4), 1 + dice.below(4));
    live(&conn, dice, 21, here);
    // The branch speaks of some entities of its own, so that some merges have no conflict.
    live(&other, dice, 24, there);
    let said = logged(&conn, &conn.opened());
    let mut all = moments(&conn, &said, dice, "main");
    all.extend(moments(&other, &logged(&other, &other.opened()), dice, "b"));
    let merged = block_on(conn.merge(&other.opened(), &MergeOptions::default())).is_ok();
    if merged {
        let again = reopen(&store).unwrap();
        let now = logged(&again, &again.opened());
        assert_eq!(now[..said.len()], said, "a merge changed what was said before it");
        all.extend(moments(&again, &now, dice, "merged"));
    }
    all
}

#[test]
fn lives_are_answered_as_they_were_said() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let usual = if cfg!(debug_assertions) { 250 } else { 20_000 };
    let count = number("FACTFS_QUERIES").unwrap_or(usual);
    let first = number("FACTFS_SEED").unwrap_or_default();
    let lives = count.div_ceil(QUERIES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut seen = BTreeSet::new();
    let some = |thread: u64| {
        let mut names = BTreeSet::new();
        for seed in (first + thread..first + lives).step_by(threads as usize) {
            let mut dice = Dice(seed << 24);
            let moments = life(&mut dice);
            for n in 0..QUERIES {
                let text = query(&mut dice);
                let [a, b] = [0, 1].map(|_| &moments[dice.below(moments.len() as u64) as usize]);
                let what = || format!("life {seed}, query {n}, {} and {}", a.name, b.name);
                agree(&text, [a, b].map(|m| Source { db: &m.db, facts: &m.facts }), &what);
            }
            names
                .extend(moments.iter().filter_map(|m| m.name.split(' ').next()).map(str::to_owned));
        }
        names
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|n| scope.spawn(move || some(n))).collect();
        all.into_iter().for_each(|thread| seen.extend(thread.join().unwrap()));
    });
    println!("{} queries of {lives} lives", lives * QUERIES);
    // What never happens proves nothing.
    assert!(lives < 50 || seen.contains("merged"), "{seen:?}");
}
