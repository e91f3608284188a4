//! A model of time: whatever was said, in whichever order it was spilled and flushed, every `t` and
//! the whole history equal a replay of the reports; by each way to read the past.

use super::*;
use crate::conn::AsOf;
use crate::datom::Datom;
use crate::db::TxReport;
use crate::hash::NodeHash;
use crate::id::{AttrId, Tx};
use crate::index::{Node, NodeRef, Nodes, NodesError};
use std::collections::{BTreeMap, BTreeSet};

const SCHEMA: &str = "[
    {:db/ident :key :db/valueType :db.type/long :db/unique :db.unique/identity}
    {:db/ident :n :db/valueType :db.type/long}
    {:db/ident :tags :db/valueType :db.type/long :db/cardinality :db.cardinality/many}
    {:db/ident :to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :part :db/valueType :db.type/ref :db/isComponent true}
    {:db/ident :plain :db/valueType :db.type/long}]";

/// A transaction: mostly facts, sometimes the schema.
fn random_tx(dice: &mut Dice, forgets: bool) -> String {
    let mut forms = Vec::new();
    for _ in 0..1 + dice.below(5) {
        let (e, v) = (20 + dice.below(6), dice.below(4));
        let a = ["key", "n", "tags", "to", "part", "plain"][dice.below(6) as usize];
        let v = if a == "to" || a == "part" { 20 + v } else { v };
        forms.push(match dice.below(14) {
            0..=6 => format!("[:db/add {e} :{a} {v}]"),
            7 | 8 => format!("[:db/retract {e} :{a} {v}]"),
            9 => format!("[:db/retract {e} :{a}]"),
            10 => format!("[:db/retractEntity {e}]"),
            11 => format!("[:db/add {e} :tags {v}] [:db/retract {e} :tags {v}]"),
            12 => format!("[:db/retract {e} :tags {v}] [:db/add {e} :tags {v}]"),
            _ => schema_change(dice, forgets).to_owned(),
        });
    }
    format!("[{}]", forms.join(" "))
}

fn schema_change(dice: &mut Dice, forgets: bool) -> &'static str {
    match dice.below(if forgets { 6 } else { 4 }) {
        0 => "[:db/add :n :db/index true]",
        1 => "[:db/retract :n :db/index true]",
        2 => "[:db/add :plain :db/cardinality :db.cardinality/many]",
        3 => "[:db/add :plain :db/doc \"plain\"]",
        4 => "[:db/add :n :db/noHistory true]",
        _ => "[:db/add :n :db/noHistory false]",
    }
}

/// What was said: the datoms of each transaction.
#[derive(Default)]
pub(in crate::conn) struct Said(pub(in crate::conn) Vec<(Tx, Vec<Datom>)>);

pub(in crate::conn) type Fact = (EntityId, AttrId, Value);

impl Said {
    /// Facts over time: from when until when.
    pub(in crate::conn) fn intervals(&self) -> Vec<(Fact, Tx, Option<Tx>)> {
        let mut all: Vec<(Fact, Tx, Option<Tx>)> = Vec::new();
        let mut open: BTreeMap<Fact, usize> = BTreeMap::new();
        for (tx, datoms) in &self.0 {
            for d in datoms {
                let fact = (d.e, d.a, d.v.clone());
                if d.added {
                    open.insert(fact.clone(), all.len());
                    all.push((fact, *tx, None));
                } else {
                    let at = open.remove(&fact).expect("a fact that holds");
                    all[at].2 = Some(*tx);
                }
            }
        }
        all
    }

    /// Facts as a database of this schema shows them: without what it has forgotten.
    fn shown(&self, db: &Db) -> Vec<(Fact, Tx, Option<Tx>)> {
        let mut all = self.intervals();
        all.retain(|(fact, _, end)| {
            let forgotten = db.schema().get(fact.1).map_or(T(0), |a| a.forgotten_to());
            end.is_none_or(|end| end.t() > forgotten)
        });
        all
    }

    pub(in crate::conn) fn as_of(&self, db: &Db, t: T) -> BTreeSet<Datom3> {
        let at = |(fact, tx, end): &(Fact, Tx, Option<Tx>)| {
            (tx.t() <= t && end.is_none_or(|end| end.t() > t)).then(|| (fact.clone(), *tx, true))
        };
        self.shown(db).iter().filter_map(at).collect()
    }

    pub(in crate::conn) fn history(&self, db: &Db, t: T) -> BTreeSet<Datom3> {
        let mut all = BTreeSet::new();
        for (fact, tx, end) in self.shown(db) {
            all.insert((fact.clone(), tx, true));
            all.extend(end.map(|end| (fact, end, false)));
        }
        all.retain(|(_, tx, _)| tx.t() <= t);
        all
    }
}

pub(in crate::conn) type Datom3 = (Fact, Tx, bool);

fn set(db: &Db, order: Order) -> BTreeSet<Datom3> {
    let datoms = db.datoms(order, None, None, None).unwrap();
    let count = datoms.len();
    let set: BTreeSet<_> = datoms.into_iter().map(|d| ((d.e, d.a, d.v), d.tx, d.added)).collect();
    assert_eq!(set.len(), count, "a datom twice");
    set
}

/// That a database shows exactly these datoms, in each of its orders.
pub(in crate::conn) fn check(db: &Db, expected: &BTreeSet<Datom3>, what: &str) {
    for order in Order::ALL {
        let (mut found, mut expected) = (set(db, order), expected.clone());
        if order == Order::Avet {
            // What an attribute left there when it went out of AVET is nobody's business.
            let there = |((_, a, _), ..): &Datom3| db.schema().get(*a).unwrap().in_avet();
            found.retain(there);
            expected.retain(there);
        }
        if found != expected {
            let missing: Vec<_> = expected.difference(&found).map(shown).collect();
            let extra: Vec<_> = found.difference(&expected).map(shown).collect();
            panic!("{what}, {order:?}: missing {missing:?}, extra {extra:?}");
        }
    }
}

/// A datom in few words.
fn shown(datom: &Datom3) -> String {
    format!("{datom:?}").chars().take(200).collect()
}

/// Random transactions, with flushes and spills wherever; what was said.
fn random_history(seed: u64, forgets: bool) -> (Arc<MemoryStore>, Conn, Said, Vec<Db>) {
    let mut dice = Dice(seed << 20);
    let options = Options { tail_bytes: 300 + 200 * dice.below(6) as usize, ..unflushed() };
    let (store, conn) = fresh(options);
    let (mut said, mut states) = (Said::default(), Vec::new());
    let mut keep = |report: TxReport| {
        said.0.push((report.tx, report.datoms));
        states.push(report.db_after);
    };
    keep(transact(&conn, SCHEMA).unwrap());
    for _ in 0..12 + dice.below(20) {
        match transact(&conn, &random_tx(&mut dice, forgets)) {
            Ok(report) => keep(report),
            // What is not allowed, such as a key that another entity has, changes nothing.
            Err(error) => assert!(error.contains("unique") || error.contains("several"), "{error}"),
        }
        if dice.below(7) == 0 {
            block_on(conn.flush()).unwrap();
        }
    }
    (store, conn, said, states)
}

#[test]
fn every_moment_equals_a_replay_by_each_way() {
    for seed in 0..cases(60) {
        let (store, conn, said, _) = random_history(seed, seed % 2 == 1);
        let again = reopen(&store).unwrap();
        check(&conn.db(), &said.as_of(&conn.db(), T(u64::MAX)), "now");
        check(&conn.db().history(), &said.history(&conn.db(), T(u64::MAX)), "history");
        for t in (0..=conn.db().basis_t().0).map(T) {
            for way in [AsOf::Cheapest, AsOf::Filtered, AsOf::Retained] {
                let what = format!("seed {seed}, as of {t}, {way:?}");
                let db = block_on(again.as_of(t, way)).unwrap();
                assert_eq!(db.basis_t(), t, "{what}");
                check(&db, &said.as_of(&db, t), &what);
                check(&db.history(), &said.history(&db, t), &what);
                let since = T(t.0 / 2);
                let mut later = said.as_of(&db, t);
                later.retain(|(_, tx, _)| tx.t() > since);
                check(&db.since(since), &later, &what);
            }
        }
    }
}

#[test]
fn the_log_says_what_the_history_says() {
    for seed in 0..cases(30) {
        let (store, conn, said, _) = random_history(seed, false);
        let again = reopen(&store).unwrap();
        let history = set(&conn.db().history(), Order::Eavt);
        let mut logged = BTreeSet::new();
        for (tx, datoms) in &said.0 {
            let (_, frame) = block_on(again.place().frame(&again.opened(), tx.t())).unwrap();
            let frame: Vec<Datom> = frame.datoms().collect();
            assert_eq!(frame, *datoms, "seed {seed}, {tx:?}");
            logged.extend(frame.into_iter().map(|d| ((d.e, d.a, d.v), d.tx, d.added)));
        }
        assert_eq!(logged, history, "seed {seed}");
    }
}

#[test]
fn a_branch_begins_at_any_commit() {
    for seed in 0..cases(30) {
        let (_, conn, said, states) = random_history(seed, false);
        let (place, opened) = (conn.place().clone(), conn.opened());
        for t in (0..=conn.db().basis_t().0).map(T) {
            let what = format!("seed {seed}, a branch at {t}");
            let (branch, tag) = (format!("b{t}"), format!("t{t}"));
            block_on(place.create_branch(&branch, &opened, t)).unwrap();
            let there = block_on(conn.on_branch(Some(&branch))).unwrap();
            check(&there.db(), &said.as_of(&there.db(), t), &what);
            check(&there.db().history(), &said.history(&there.db(), t), &what);
            if let Some(then) = t.0.checked_sub(1).map(|i| states[i as usize].snapshot()) {
                let now = there.opened().snapshot;
                assert_eq!((now.commit, now.basis), (then.commit, then.basis), "{what}");
                assert_eq!(now.schema, then.schema, "{what}");
                let zero = |counts: &BTreeMap<AttrId, u64>| -> BTreeMap<AttrId, u64> {
                    counts.iter().filter(|(_, n)| **n > 0).map(|(a, n)| (*a, *n)).collect()
                };
                assert_eq!(zero(&now.counts), zero(&then.counts), "{what}");
                assert_eq!(now.instant_ms, then.instant_ms, "{what}");
            }
            block_on(place.create_tag(&tag, &opened, t, false)).unwrap();
            let tag = block_on(place.refs()).unwrap().tags[&tag].clone();
            let tagged = block_on(place.open_tag(&tag)).unwrap();
            assert_eq!(tagged.snapshot.commit, there.opened().snapshot.commit, "{what}");
            goes_on(&there, &said, t, &what);
        }
    }
}

/// A branch takes transactions and flushes, and its log has all of its history and no more.
fn goes_on(conn: &Conn, said: &Said, t: T, what: &str) {
    let mut mine = Said(said.0[..t.0 as usize].to_vec());
    if t == T(0) {
        let report = transact(conn, SCHEMA).unwrap();
        mine.0.push((report.tx, report.datoms));
    }
    for v in 0..3 {
        let report = transact(conn, &format!("[{{:tags [7 {v}]}}]")).unwrap();
        mine.0.push((report.tx, report.datoms));
    }
    block_on(conn.flush()).unwrap();
    check(&conn.db(), &mine.as_of(&conn.db(), T(u64::MAX)), what);
    check(&conn.db().history(), &mine.history(&conn.db(), T(u64::MAX)), what);
    let mut log = conn.place().log(&conn.opened(), T(1)..=T(u64::MAX), false);
    let mut parent = None;
    for (tx, datoms) in &mine.0 {
        let (id, frame) = block_on(log.next()).unwrap().unwrap();
        frame.follows(id, parent).unwrap();
        parent = Some(id);
        assert_eq!((frame.tx, frame.datoms().collect::<Vec<_>>()), (*tx, datoms.clone()), "{what}");
    }
    assert!(block_on(log.next()).unwrap().is_none(), "{what}");
}

#[test]
fn what_was_said_and_taken_back_at_once_is_history() {
    let (_, conn) = fresh(unflushed());
    transact(&conn, SCHEMA).unwrap();
    let report = transact(&conn, "[[:db/add 20 :n 1] [:db/retract 20 :n 1]]").unwrap();
    let said: Vec<bool> = report.datoms.iter().map(|d| d.added).collect();
    assert_eq!(said, [true, true, false]);
    for _ in 0..2 {
        let db = conn.db();
        let of = |db: &Db| db.datoms(Order::Eavt, Some(EntityId(20)), None, None).unwrap();
        assert_eq!((of(&db).len(), of(&db.history()).len()), (0, 2));
        assert!(of(&db.as_of(T(2))).is_empty());
        block_on(conn.flush()).unwrap();
    }
}

#[test]
fn what_keeps_no_history_is_gone_when_it_ends() {
    let (_, conn) = fresh(unflushed());
    transact(&conn, SCHEMA).unwrap();
    transact(&conn, "[[:db/add :n :db/noHistory true] [:db/add 20 :n 1]]").unwrap();
    transact(&conn, "[[:db/add 20 :n 2] [:db/add 20 :plain 1]]").unwrap();
    transact(&conn, "[[:db/add 20 :plain 2]]").unwrap();
    let of = |db: &Db| db.datoms(Order::Eavt, Some(EntityId(20)), None, None).unwrap().len();
    // Before and after the flush that leaves it out of the trees.
    for _ in 0..2 {
        let db = conn.db();
        assert_eq!(
            (of(&db), of(&db.history()), of(&db.as_of(T(2))), of(&db.as_of(T(3)))),
            (2, 4, 0, 2)
        );
        block_on(conn.flush()).unwrap();
    }
    // The log is the record of what was said.
    let (_, frame) = block_on(conn.place().frame(&conn.opened(), T(3))).unwrap();
    assert_eq!(frame.datoms().count(), 4);
}

/// Nodes that remember what was read.
#[derive(Debug)]
pub(super) struct Watched(pub(super) StoreNodes, pub(super) std::sync::Mutex<Vec<NodeHash>>);

impl Nodes for Watched {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        self.1.lock().unwrap().extend(nodes.iter().map(|node| node.hash));
        self.0.get(nodes)
    }

    fn is_resident(&self, node: &NodeRef) -> bool {
        self.0.is_resident(node)
    }
}

#[test]
fn a_retained_root_reads_nothing_superseded() {
    let (store, conn) = fresh(Options { tail_bytes: 600, ..unflushed() });
    transact(&conn, SCHEMA).unwrap();
    for v in 0..90 {
        transact(&conn, &format!("[[:db/add 20 :n {v}] [:db/add 21 :n {v}]]")).unwrap();
        if v % 30 == 29 {
            block_on(conn.flush()).unwrap();
        }
    }
    let nodes = Arc::new(Watched(StoreNodes(store.clone()), Default::default()));
    let place = crate::conn::Place { nodes: nodes.clone(), ..place(&store) };
    let conn = block_on(Conn::open(place, None, unflushed())).unwrap();
    let refs = block_on(conn.place().refs()).unwrap();
    let roots = |opened: &crate::commit::Opened| -> Vec<NodeHash> {
        let roots = opened.head.base.trees.superseded.iter().flatten();
        roots.map(|root| root.node.hash).collect()
    };
    let mut superseded = roots(&conn.opened());
    for tag in &refs.automatic {
        superseded.extend(roots(&block_on(conn.place().open_tag(tag)).unwrap()));
    }
    assert!(!superseded.is_empty());
    let reads_superseded = |way, t| {
        let db = block_on(conn.as_of(T(t), way)).unwrap();
        nodes.1.lock().unwrap().clear();
        all(&db);
        nodes.1.lock().unwrap().iter().any(|read| superseded.contains(read))
    };
    for t in [31, 40, 62, 70] {
        assert!(reads_superseded(AsOf::Filtered, t), "{t}");
        assert!(!reads_superseded(AsOf::Cheapest, t), "{t}");
    }
    // What ended before the last flush does not hold after it: filtering reads none of it either.
    assert!(!reads_superseded(AsOf::Filtered, conn.opened().head.base.flushed.0));
}
