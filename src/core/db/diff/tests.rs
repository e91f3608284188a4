//! The difference equals that of two sets, whichever way it is made, and costs what changed.
//!
//! Generated lives of databases: facts, retractions, long values, schemas that change, flushes, a
//! branch and its merge. `FACTFS_TIMES` is how many times as many are lived.

use super::*;
use crate::conn::testing::*;
use crate::conn::{AsOf, Conn, Erase, Flush, MergeOptions, Options, Place, Purge};
use crate::datom::{Datom, Order};
use crate::index::{Node, NodeRef, Nodes, NodesError};
use crate::store::{MemoryStore, StoreError, StoreErrorKind};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const SCHEMA: &str = "[
    {:db/ident :one :db/valueType :db.type/long}
    {:db/ident :key :db/valueType :db.type/long :db/unique :db.unique/identity}
    {:db/ident :many :db/valueType :db.type/long :db/cardinality :db.cardinality/many}
    {:db/ident :text :db/valueType :db.type/string}
    {:db/ident :to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0) % n
    }

    fn one<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

/// A transaction about entities from `first` on.
fn forms(dice: &mut Dice, first: u64, forgets: bool) -> String {
    let mut out = String::new();
    for _ in 0..1 + dice.below(5) {
        let (e, v) = (first + dice.below(6), dice.below(4));
        let a = dice.one(&["one", "key", "many", "to"]);
        let v = if a == "to" { first + v } else { v };
        let long = "long ".repeat(1_000 + dice.below(2) as usize);
        out += &match dice.below(14) {
            0..=5 => format!("[:db/add {e} :{a} {v}] "),
            6 => format!("[:db/add {e} :text {long:?}] "),
            7 | 8 => format!("[:db/retract {e} :{a} {v}] "),
            9 => format!("[:db/retract {e} :{a}] "),
            10 => format!("[:db/retractEntity {e}] "),
            11 => format!("[:db/add {e} :many 9] [:db/retract {e} :many 9] "),
            12 => "[:db/add :one :db/cardinality :db.cardinality/many] ".to_owned(),
            _ if forgets => "[:db/add :many :db/noHistory true] ".to_owned(),
            _ => "[:db/add :one :db/doc \"one\"] ".to_owned(),
        };
    }
    format!("[{out}]")
}

/// Some transactions, of which some are refused, and flushes.
fn live(conn: &Conn, dice: &mut Dice, first: u64, forgets: bool) {
    for _ in 0..dice.below(12) {
        let _ = transact(conn, &forms(dice, first, forgets));
        if dice.below(4) == 0 {
            block_on(conn.flush()).unwrap();
        }
    }
}

/// Values of a life: heads of both branches, and moments of each by all ways to read them.
fn life(dice: &mut Dice) -> (Conn, Vec<(String, Db)>) {
    let tail_bytes = 300 + 300 * dice.below(6) as usize;
    let (flush, novelty_rows) = (Flush::Asked, u64::MAX);
    let (_, conn) = fresh(Options { flush, novelty_rows, tail_bytes, ..Options::default() });
    let forgets = dice.below(4) == 0;
    transact(&conn, SCHEMA).unwrap();
    live(&conn, dice, 21, forgets);
    let opened = conn.opened();
    let t = T(1 + dice.below(opened.head.tip.t().0));
    block_on(conn.place().create_branch("b", &opened, t)).unwrap();
    block_on(conn.place().create_tag("v1", &opened, t, false)).unwrap();
    let other = block_on(conn.on_branch(Some("b"))).unwrap();
    live(&conn, dice, 21, forgets);
    live(&other, dice, 23, forgets);
    if dice.below(2) == 0 {
        let _ = block_on(conn.merge(&other.opened(), &MergeOptions::default()));
        live(&conn, dice, 21, forgets);
    }
    if dice.below(4) == 0 {
        let erase = Erase::Entity(EntityId(22));
        let erase =
            if dice.below(2) == 0 { erase } else { Erase::Before(1_000_000 + i64::MAX / 4) };
        block_on(conn.purge(&Purge { erase, grace_ms: 1 << 40 }, &mut |_, _| ())).unwrap();
        block_on(conn.refresh()).unwrap();
        block_on(other.refresh()).unwrap();
    }
    let mut all = vec![("v1".to_owned(), block_on(conn.at("v1")).unwrap().db)];
    for (name, conn) in [("main", &conn), ("b", &other)] {
        all.push((name.to_owned(), conn.db()));
        for way in [AsOf::Cheapest, AsOf::Filtered, AsOf::Retained] {
            let t = T(dice.below(conn.db().basis_t().0 + 1));
            all.push((format!("{name}@{t} {way:?}"), block_on(conn.as_of(t, way)).unwrap()));
        }
    }
    (conn, all)
}

/// The difference as a set: facts, whether they came, and by which transaction.
fn naive(from: &Db, to: &Db) -> BTreeSet<(EntityId, AttrId, Value, bool, Option<Tx>)> {
    let all = |db: &Db| db.datoms(Order::Eavt, None, None, None).unwrap();
    let fact = |d: &Datom| (d.e, d.a, d.v.clone());
    let (had, has): (BTreeSet<_>, BTreeSet<_>) =
        (all(from).iter().map(fact).collect(), all(to).iter().map(fact).collect());
    let came = all(to).into_iter().filter(|d| !had.contains(&fact(d)));
    let mut out: BTreeSet<_> = came.map(|d| (d.e, d.a, d.v, true, Some(d.tx))).collect();
    let history = all(&to.history());
    for d in all(from).into_iter().filter(|d| !has.contains(&fact(d))) {
        let ended = history.iter().filter(|x| !x.added && fact(x) == fact(&d));
        let ended = ended.map(|x| x.tx).max();
        let forgotten = to.schema().forgetful();
        let is_known = |tx: &Tx| !forgotten.iter().any(|(a, t)| *a == d.a && tx.t() <= *t);
        out.insert((d.e, d.a, d.v, false, ended.filter(is_known)));
    }
    out
}

fn all(difference: Difference) -> Vec<Change> {
    difference.flat_map(Result::unwrap).collect()
}

/// The same facts of changes. One that replaced another does not say when that one ended.
fn as_set(
    changes: &[Change],
    expected: &BTreeSet<(EntityId, AttrId, Value, bool, Option<Tx>)>,
) -> BTreeSet<(EntityId, AttrId, Value, bool, Option<Tx>)> {
    let mut out = BTreeSet::new();
    for Change { kind, e, a, v, old, tx, .. } in changes {
        out.insert((*e, *a, v.clone(), *kind != ChangeKind::Retracted, *tx));
        if let Some(old) = old {
            let known = expected.iter().find(|x| (x.0, x.1, &x.2, x.3) == (*e, *a, old, false));
            out.insert((*e, *a, old.clone(), false, known.and_then(|x| x.4)));
        }
    }
    out
}

fn check(conn: &Conn, [(from_name, from), (to_name, to)]: [&(String, Db); 2], what: &str) {
    let what = format!("{what}: {from_name}..{to_name}");
    let expected = naive(from, to);
    let changes = all(from.difference(to).unwrap());
    assert_eq!(as_set(&changes, &expected), expected, "{what}");
    let sorted = |x: &Change, y: &Change| (x.e, &x.ident, &x.v) <= (y.e, &y.ident, &y.v);
    assert!(changes.is_sorted_by(sorted), "{what}");
    let scan = Walk::Scan(Box::new(Scan::new(from, to, KeyRange::all())));
    assert_eq!(all(Difference::new(from.clone(), to.clone(), scan).unwrap()), changes, "{what}");
    assert_eq!(all(block_on(conn.difference(from, to)).unwrap()), changes, "{what}, log");
    for e in [22, 23].map(EntityId) {
        let of: Vec<Change> = changes.iter().filter(|change| change.e == e).cloned().collect();
        assert_eq!(all(from.difference_of(to, e).unwrap()), of, "{what}, {e}");
    }
}

#[test]
fn it_is_that_of_two_sets() {
    let times = std::env::var("FACTFS_TIMES").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for seed in 0..40 * times {
        let mut dice = Dice(seed << 24);
        let (conn, values) = life(&mut dice);
        for _ in 0..12 {
            let pair = [0, 1].map(|_| &values[dice.below(values.len() as u64) as usize]);
            check(&conn, pair, &format!("life {seed}"));
        }
        for (name, db) in &values {
            assert_eq!(all(db.difference(db).unwrap()), [], "life {seed}, {name}");
        }
    }
}

#[test]
fn a_value_of_another_database_is_refused() {
    let [one, other] = [(); 2].map(|()| fresh(Options::default()).1.db());
    assert_eq!(one.difference(&other).err(), Some(Foreign));
}

/// The difference by each way: of trees, side by side, of facts that are known.
fn ways(from: &Db, to: &Db) -> [Difference; 3] {
    let trees = from.difference(to).unwrap();
    assert!(matches!(trees.walk, Walk::Trees(_)));
    let scan = Walk::Scan(Box::new(Scan::new(from, to, KeyRange::all())));
    let scan = Difference::new(from.clone(), to.clone(), scan).unwrap();
    let known = naive(from, to).into_iter().map(|(e, a, v, added, tx)| {
        let tx = tx.unwrap_or(Tx(0));
        Known { e, a, v, added, tx }
    });
    [trees, scan, from.difference_known(to, known.collect()).unwrap()]
}

/// A new database whose transactions are novelty at once: all is flushed when that is asked.
fn spilling() -> (Arc<MemoryStore>, Conn) {
    let (flush, novelty_rows) = (Flush::Asked, u64::MAX);
    fresh(Options { flush, novelty_rows, tail_bytes: 0, ..Options::default() })
}

/// One entity with more facts than are enough for one answer, and some beside it.
#[test]
fn an_entity_may_differ_in_many_facts() {
    let (_, conn) = spilling();
    transact(&conn, SCHEMA).unwrap();
    transact(&conn, "[{:key 1 :one 1} {:key 2 :one 1} {:key 3 :one 1}]").unwrap();
    let before = conn.db();
    let values: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let each = [1, 2, 3].map(|key| format!("{{:key {key} :many [{}]}}", values.join(" ")));
    transact(&conn, &format!("[{}]", each.join(" "))).unwrap();
    let in_novelty = conn.db();
    block_on(conn.flush()).unwrap();
    let in_trees = conn.db();
    assert!(!in_trees.shares_trees(&in_novelty));
    for (from, to) in [(&before, &in_novelty), (&before, &in_trees), (&in_trees, &before)] {
        let expected = naive(from, to).len();
        assert!(expected > 3 * 30);
        for difference in ways(from, to) {
            let given: Vec<Vec<Change>> = difference.take(100).map(Result::unwrap).collect();
            assert_eq!(given.iter().flatten().count(), expected);
        }
    }
}

/// More entities together than their long values are held together.
#[test]
fn long_values_are_given_some_at_a_time() {
    let (_, conn) = spilling();
    transact(&conn, SCHEMA).unwrap();
    let before = conn.db();
    let long = "long ".repeat(4_000);
    let form = |n: u64| format!("{{:key {n} :text \"{n} {long}\"}}");
    transact(&conn, &format!("[{}]", (0..9).map(form).collect::<String>())).unwrap();
    block_on(conn.flush()).unwrap();
    let after = conn.db();
    assert!(!after.shares_trees(&before));
    for (from, to) in [(&before, &after), (&after, &before)] {
        let expected = all(ways(from, to).into_iter().next_back().unwrap());
        let [trees, scan, _] = ways(from, to);
        for difference in [trees, scan] {
            let given: Vec<Vec<Change>> = difference.map(Result::unwrap).collect();
            assert_eq!(given.concat(), expected);
            let long = |change: &&Change| matches!(&change.v, Value::Str(v) if v.len() > 9_999);
            let held = given.iter().map(|changes| changes.iter().filter(long).count());
            assert_eq!(held.max(), Some(3));
        }
    }
}

/// Counts what is read.
#[derive(Debug)]
struct Counting(StoreNodes, AtomicU64);

impl Nodes for Counting {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        self.1.fetch_add(nodes.len() as u64, Ordering::Relaxed);
        self.0.get(nodes)
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        false
    }
}

/// A database of many leaves, and what was read of it.
fn large() -> (Conn, Arc<Counting>) {
    let store = Arc::new(MemoryStore::new());
    let nodes = Arc::new(Counting(StoreNodes(store.clone()), AtomicU64::new(0)));
    let place = Place { nodes: nodes.clone(), ..place(&store) };
    block_on(crate::conn::create(&place, &Default::default())).unwrap();
    let options = Options { flush: Flush::Asked, novelty_rows: u64::MAX, ..Options::default() };
    let conn = block_on(Conn::open(place, None, options)).unwrap();
    transact(&conn, SCHEMA).unwrap();
    for part in 0..8u64 {
        let text = |n: u64| format!("{:x}", u128::from(mix(n)) << 64 | u128::from(mix(n + 1)));
        let form = |n: u64| format!("{{:key {n} :text \"{}\"}}", text(n).repeat(20));
        let forms: Vec<String> = (part * 1_000..(part + 1) * 1_000).map(form).collect();
        transact(&conn, &format!("[{}]", forms.join(" "))).unwrap();
    }
    block_on(conn.flush()).unwrap();
    (conn, nodes)
}

/// The nodes that are read for all of a difference.
fn read(nodes: &Counting, difference: Difference, changes: usize) -> u64 {
    nodes.1.store(0, Ordering::Relaxed);
    let found = all(difference);
    assert_eq!(found.len(), changes, "{found:?}");
    nodes.1.load(Ordering::Relaxed)
}

#[test]
fn the_cost_follows_the_change() {
    let (conn, nodes) = large();
    let before = conn.db();
    let root = before.snapshot().trees.current[0].clone().unwrap();
    transact(&conn, "[[:db/add [:key 4321] :text \"new\"]]").unwrap();
    let in_tail = conn.db();
    block_on(conn.flush()).unwrap();
    let flushed = conn.db();
    // The new text, and the instant of the transaction.
    let everything = read(
        &nodes,
        Db::new(crate::db::Snapshot::empty(
            before.database(),
            before.snapshot().nodes.clone(),
            before.schema().clone(),
        ))
        .difference(&before)
        .unwrap(),
        all(before.as_of(T(0)).difference(&before).unwrap()).len(),
    );
    assert!(everything > 40, "{everything} nodes are not many");
    let path = u64::from(root.height) + 1;
    assert_eq!(read(&nodes, before.difference(&in_tail).unwrap(), 2), 0);
    // Two leaves, and the way to each, in each of both trees.
    let trees = read(&nodes, before.difference(&flushed).unwrap(), 2);
    assert!(trees <= 4 * path, "{trees} of {everything}");
    // Back: where the older value has its text from is looked for, and where it lost the instant.
    let back = read(&nodes, flushed.difference(&before).unwrap(), 2);
    assert!(back <= 6 * path, "{back} of {everything}");
    assert_eq!(read(&nodes, flushed.difference(&flushed).unwrap(), 0), 0);
    let of_log = block_on(conn.difference(&before, &flushed)).unwrap();
    assert!(read(&nodes, of_log, 2) <= 2 * path);
    let past = conn.db().as_of(before.basis_t());
    let of_view = block_on(conn.difference(&past, &flushed)).unwrap();
    assert!(read(&nodes, of_view, 2) <= 2 * path);
}

/// A place from which everything goes, after so many nodes were read.
#[derive(Debug)]
struct Vanishing(Arc<dyn Nodes>, AtomicI64);

impl Nodes for Vanishing {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        if self.1.fetch_sub(nodes.len() as i64, Ordering::Relaxed) < nodes.len() as i64 {
            let gone = StoreError::new(StoreErrorKind::NotFound, "memory:", "pack", "collected");
            return Err(NodesError::Store(gone));
        }
        self.0.get(nodes)
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        false
    }
}

/// Who knows the head that came after.
#[derive(Debug)]
struct Newest(crate::db::Snapshot);

impl crate::db::Renew for Newest {
    fn newest(&self, _: crate::id::CommitId) -> Option<crate::db::Snapshot> {
        Some(self.0.clone())
    }
}

#[test]
fn a_difference_goes_on_where_trees_are_collected() {
    let (conn, _) = large();
    let before = conn.db();
    for part in 0..40 {
        let key = part * 200;
        transact(&conn, &format!("[[:db/add [:key {key}] :text \"new {part}\"]]")).unwrap();
    }
    block_on(conn.flush()).unwrap();
    let after = conn.db();
    let expected = all(before.difference(&after).unwrap());
    transact(&conn, "[[:db/add [:key 1] :text \"later\"]]").unwrap();
    let newest = Arc::new(Newest(conn.db().snapshot().clone()));
    for left in [0, 3, 20, 60, 90] {
        let nodes = Arc::new(Vanishing(before.snapshot().nodes.clone(), AtomicI64::new(left)));
        let [from, to] = [&before, &after].map(|db| {
            let snapshot = db.snapshot().clone();
            let snapshot = crate::db::Snapshot { nodes: nodes.clone(), ..snapshot };
            Db::new(snapshot).renewed_by(newest.clone())
        });
        assert!(matches!(from.difference(&to).unwrap().walk, Walk::Trees(_)));
        assert_eq!(all(from.difference(&to).unwrap()), expected, "after {left} nodes");
    }
}
