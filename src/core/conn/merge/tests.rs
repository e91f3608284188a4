//! Merges: each kind of conflict by itself, and random branches against a computation on sets.

use super::super::testing::*;
use super::super::{Conn, ConnError, Options};
use super::ancestor::{Ancestry, Line};
use super::difference::{by_log, by_trees};
use super::*;
use crate::conn::Flush;
use crate::datom::Order;
use crate::id::AttrId;
use crate::transact::Fact;
use crate::value::Value;
use std::collections::BTreeSet;

const SCHEMA: &str = "[
    {:db/ident :key :db/valueType :db.type/long :db/unique :db.unique/identity}
    {:db/ident :mail :db/valueType :db.type/long :db/unique :db.unique/value}
    {:db/ident :n :db/valueType :db.type/long}
    {:db/ident :tags :db/valueType :db.type/long :db/cardinality :db.cardinality/many}
    {:db/ident :to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :plain :db/valueType :db.type/long}
    {:db/ident :key+n :db/valueType :db.type/tuple :db/tupleAttrs [:key :n]}]";

fn options() -> Options {
    Options { flush: Flush::Asked, novelty_rows: u64::MAX, tail_bytes: 700, ..Options::default() }
}

/// A database with a branch `b` after these transactions.
fn forked(texts: &[&str]) -> (Conn, Conn) {
    let (_, conn) = fresh(options());
    for text in [SCHEMA].iter().chain(texts) {
        transact(&conn, text).unwrap();
    }
    let other = branch(&conn, "b");
    (conn, other)
}

fn branch(conn: &Conn, name: &str) -> Conn {
    let opened = conn.opened();
    block_on(conn.place().create_branch(name, &opened, opened.head.tip.t())).unwrap();
    block_on(conn.on_branch(Some(name))).unwrap()
}

fn merge(conn: &Conn, source: &Conn) -> Result<Merged, TransactError<MergeError>> {
    block_on(conn.merge(&source.opened(), &MergeOptions::default()))
}

/// The conflicts of a merge, as text.
fn conflicts(conn: &Conn, source: &Conn) -> Vec<String> {
    match merge(conn, source) {
        Err(TransactError::Refused(MergeError::Conflicts(plan))) => {
            assert_eq!(block_on(conn.refresh()).unwrap().snapshot().commit, plan.target);
            let row = |c: &Conflict| c.row().map(|v| text(&v)).join(" ");
            plan.conflicts.iter().map(row).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// User facts: what holds, but for facts of transactions.
fn facts(db: &Db) -> BTreeSet<Fact> {
    let all = db.datoms(Order::Eavt, None, None, None).unwrap().into_iter();
    all.filter(|d| d.e.as_tx().is_none()).map(|d| (d.e, d.a, d.v)).collect()
}

fn text(v: &Value) -> String {
    crate::edn::to_string(v)
}

fn of(db: &Db, e: u64) -> Vec<String> {
    let datoms = db.datoms(Order::Eavt, Some(EntityId(e)), None, None).unwrap();
    let name = |a| db.schema().get(a).unwrap().ident.to_string();
    let said = datoms.into_iter().filter(|d| name(d.a) != ":key+n");
    said.map(|d| format!("{} {}", name(d.a), text(&d.v))).collect()
}

#[test]
fn what_refers_to_another_entity_that_is_the_same_one_stays() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1} {:db/id 22 :to 20}]"]);
    transact(&conn, "[[:db/add 20 :key 7]]").unwrap();
    transact(&other, "[[:db/retract 22 :to 20] {:db/id \"x\" :key 7} [:db/add 22 :to \"x\"]]")
        .unwrap();
    merge(&conn, &other).unwrap();
    assert_eq!(of(&conn.db(), 22), [":to 20"]);
}

/// An entity of the source that an earlier merge found to be one of both lives on as that one.
#[test]
fn what_is_another_entity_of_the_source_by_now_is_not_retracted() {
    let (conn, other) = forked(&["[{:db/id 20 :tags 1} {:db/id 21 :n 1}]"]);
    transact(&conn, "[[:db/add 20 :key 7] [:db/add 21 :to 20]]").unwrap();
    transact(&other, "[{:key 7 :plain 9}]").unwrap();
    merge(&conn, &other).unwrap();
    assert_eq!(of(&conn.db(), 20), [":key 7", ":tags 1", ":plain 9"]);
    transact(&other, "[[:db/retractEntity 20]]").unwrap();
    merge(&conn, &other).unwrap();
    assert_eq!(of(&conn.db(), 20), [":key 7", ":plain 9"]);
    assert_eq!(of(&conn.db(), 21), [":n 1", ":to 20"]);
    // Now that one goes, too: there is nothing left of it.
    transact(&other, "[[:db/retractEntity [:key 7]]]").unwrap();
    assert_eq!(conflicts(&conn, &other).len(), 1);
}

#[test]
fn composite_tuples_are_kept() {
    let (conn, other) = forked(&["[{:db/id 20 :key 1 :n 1}]"]);
    transact(&conn, "[[:db/add 20 :key 2]]").unwrap();
    transact(&other, "[[:db/add 20 :n 2]]").unwrap();
    merge(&conn, &other).unwrap();
    let db = conn.db();
    let tuple = db.schema().attr("key+n").unwrap().id;
    let found = db.value(EntityId(20), tuple).unwrap().unwrap();
    assert_eq!(text(&found), "[2 2]");
}

#[test]
fn what_one_side_changed_comes_over() {
    let (conn, other) = forked(&["[{:db/id 20 :key 1 :n 1 :tags [1 2]} {:db/id 21 :n 1}]"]);
    transact(&conn, "[[:db/add 20 :tags 3] [:db/retract 20 :tags 1] [:db/add 21 :n 2]]").unwrap();
    transact(&other, "[[:db/add 20 :tags 4] [:db/retract 20 :tags 2] [:db/add 20 :n 5]]").unwrap();
    let made = transact(&other, "[{:n 7 :tags [7]}]").unwrap();
    let merged = merge(&conn, &other).unwrap();
    let report = merged.report.unwrap();
    assert_eq!(merged.plan.base.unwrap().t, T(2));
    assert_eq!(of(&conn.db(), 20), [":key 1", ":n 5", ":tags 3", ":tags 4"]);
    assert_eq!(of(&conn.db(), 21), [":n 2"]);
    // What is new keeps the id that its branch gave it.
    let new = made.datoms.iter().find(|d| d.e.as_tx().is_none()).unwrap().e;
    assert_eq!((new.block(), of(&conn.db(), new.0)), (1, vec![":n 7".into(), ":tags 7".into()]));
    // One transaction, two parents; and nothing of the other's transactions.
    let tip = conn.opened().head.tip.clone();
    assert_eq!((tip.tx, tip.parents.len()), (report.tx, 2));
    assert_eq!(tip.parents[1], other.opened().head.tip.commit.unwrap());
    assert!(report.datoms.iter().all(|d| d.e.as_tx().is_none_or(|tx| tx == report.tx)));
    let again = merge(&conn, &other).unwrap();
    assert!(again.plan.already && again.report.is_none());
    assert_eq!(conn.opened().head.tip, tip);
}

#[test]
fn both_changed_a_value() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1} {:db/id 21 :n 1} {:db/id 22 :n 1}]"]);
    transact(
        &conn,
        "[[:db/add 20 :n 2] [:db/add 21 :n 3] [:db/retract 22 :n 1] [:db/add 22 :tags 1]]",
    )
    .unwrap();
    transact(&other, "[[:db/add 20 :n 5] [:db/add 21 :n 3] [:db/add 22 :n 6]]").unwrap();
    assert_eq!(conflicts(&conn, &other), [":value 20 :n 1 2 5", ":value 22 :n 1 nil 6"]);
}

#[test]
fn what_one_side_retracted_the_other_changed() {
    let (conn, other) =
        forked(&["[{:db/id 20 :n 1} {:db/id 21 :n 1} {:db/id 22 :n 1} {:db/id 23 :n 1}]"]);
    transact(&conn, "[[:db/retractEntity 20] [:db/add 21 :tags 8] [:db/add 23 :to 22]]").unwrap();
    transact(&other, "[[:db/add 20 :n 5] [:db/retractEntity 21] [:db/retractEntity 22]]").unwrap();
    let expected = [
        ":retracted 20 :n nil nil 5",
        ":retracted 21 :tags nil 8 nil",
        ":referred 22 :to nil 23 nil",
    ];
    assert_eq!(conflicts(&conn, &other), expected);
}

#[test]
fn a_unique_value_has_one_owner() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1} {:db/id 21 :n 1}]"]);
    transact(&conn, "[[:db/add 20 :mail 1] [:db/add 20 :key 4]]").unwrap();
    transact(&other, "[[:db/add 21 :mail 1] [:db/add 21 :key 4]]").unwrap();
    assert_eq!(conflicts(&conn, &other), [":unique 20 :key 4 20 21", ":unique 20 :mail 1 20 21"]);
}

#[test]
fn a_new_entity_is_the_one_that_has_its_identity() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1}]"]);
    let here = transact(&conn, "[{:db/id \"x\" :key 7 :tags [1]}]").unwrap();
    let report =
        transact(&other, "[{:db/id \"x\" :key 7 :n 3 :tags [2]} {:db/id 20 :to \"x\"}]").unwrap();
    let (mine, theirs) = (here.tempids[&Value::str("x")], report.tempids[&Value::str("x")]);
    let merged = merge(&conn, &other).unwrap();
    assert_eq!(merged.plan.mapped, [(theirs, mine)].into());
    assert_eq!(of(&conn.db(), mine.0), [":key 7", ":n 3", ":tags 1", ":tags 2"]);
    assert_eq!(of(&conn.db(), 20), [":n 1".to_owned(), format!(":to {mine}")]);
    assert!(of(&conn.db(), theirs.0).is_empty());
}

#[test]
fn a_schema_comes_over() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1}]"]);
    let attribute = "[{:db/ident :new :db/valueType :db.type/long \
                     :db/cardinality :db.cardinality/many :db/index true} \
                     [:db/add :plain :db/cardinality :db.cardinality/many]]";
    transact(&other, attribute).unwrap();
    transact(&other, "[{:db/id 20 :new [1 2] :plain [1 2]}]").unwrap();
    merge(&conn, &other).unwrap();
    assert_eq!(of(&conn.db(), 20), [":n 1", ":plain 1", ":plain 2", ":new 1", ":new 2"]);
    let id = |conn: &Conn| conn.db().schema().attr("new").unwrap().id;
    assert_eq!(id(&conn), id(&other));
    // An attribute that both made is one.
    let (text, say) = ("[{:db/ident :two :db/valueType :db.type/long}]", "[{:db/id 20 :two 2}]");
    transact(&conn, text).unwrap();
    transact(&other, text).unwrap();
    transact(&other, say).unwrap();
    merge(&conn, &other).unwrap();
    assert!(of(&conn.db(), 20).contains(&":two 2".to_owned()));
    transact(&conn, "[[:db/add :two :db/doc \"here\"]]").unwrap();
    transact(&other, "[[:db/add :two :db/doc \"there\"]]").unwrap();
    let all = conflicts(&conn, &other);
    assert!(all.len() == 1 && all[0].starts_with(":schema"), "{all:?}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (conn, other) = forked(&["[{:db/id 20 :tags [1]}]"]);
    transact(&conn, "[{:db/id 20 :tags [2]}]").unwrap();
    transact(&other, "[[:db/add :tags :db/cardinality :db.cardinality/one]]").unwrap();
    let refused = merge(&conn, &other);
    assert!(matches!(refused, Err(TransactError::Refused(MergeError::Refused(_)))), "{refused:?}");
}

#[test]
fn merges_go_both_ways_and_through_others() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1}]"]);
    let third = branch(&other, "c");
    transact(&other, "[[:db/add 20 :n 2]]").unwrap();
    let at = |conn: &Conn| conn.opened().head.tip.commit;
    // From b to c, and from c to the main branch.
    let from_other = at(&other);
    merge(&third, &other).unwrap();
    merge(&conn, &third).unwrap();
    assert_eq!(of(&conn.db(), 20), [":n 2"]);
    transact(&conn, "[[:db/add 20 :n 3]]").unwrap();
    transact(&other, "[[:db/add 20 :tags 1]]").unwrap();
    // That b's 2 came before 3 is known through c.
    let merged = merge(&conn, &other).unwrap();
    assert_eq!(merged.plan.base, from_other);
    assert_eq!(of(&conn.db(), 20), [":n 3", ":tags 1"]);
    // And back: what is common now is what b was when it was merged.
    let back = merge(&other, &conn).unwrap();
    assert_eq!(facts(&other.db()), facts(&conn.db()));
    assert_eq!(back.plan.base, merged.plan.source);
    // With c's branch gone, and the empty database.
    block_on(conn.place().delete_branch("c")).unwrap();
    assert!(merge(&conn, &other).unwrap().report.is_some());
    let nothing = block_on(conn.source("0")).unwrap();
    assert!(block_on(conn.merge_plan(&nothing)).unwrap().already);
}

#[test]
fn a_branch_that_moved_is_merged_into_anew() {
    let (conn, other) = forked(&["[{:db/id 20 :n 1}]"]);
    transact(&other, "[[:db/add 20 :tags 1]]").unwrap();
    let same = block_on(conn.on_branch(None)).unwrap();
    let plan = block_on(conn.merge_plan(&other.opened())).unwrap();
    transact(&same, "[[:db/add 20 :n 2]]").unwrap();
    let late = block_on(conn.transact(commit_of(&plan, None)));
    assert!(matches!(late, Err(TransactError::Refused(MergeError::Moved))), "{late:?}");
    merge(&conn, &other).unwrap();
    assert_eq!(of(&conn.db(), 20), [":n 2", ":tags 1"]);
}

#[test]
fn what_cannot_be_merged_says_so() {
    let (conn, _) = forked(&[]);
    let (_, empty) = fresh(options());
    let refused = merge(&empty, &conn);
    assert!(matches!(refused, Err(TransactError::Refused(MergeError::Foreign))), "{refused:?}");
    let missing = block_on(conn.source("nobody"));
    assert!(matches!(missing, Err(ConnError::NoCommit(_))), "{missing:?}");
}

/// A transaction on a branch: of entities that both have, and of new ones.
fn random_tx(dice: &mut Dice) -> String {
    let mut forms = Vec::new();
    for i in 0..1 + dice.below(4) {
        let (e, v) = (20 + dice.below(5), dice.below(4));
        let a = ["mail", "n", "tags", "to", "key"][dice.below(5) as usize];
        let v = if a == "to" { 20 + v } else { v };
        forms.push(match dice.below(10) {
            0..=4 => format!("[:db/add {e} :{a} {v}]"),
            5 => format!("[:db/retract {e} :{a} {v}]"),
            6 => format!("[:db/retract {e} :{a}]"),
            7 => format!("[:db/retractEntity {e}]"),
            8 => format!("{{:db/id \"x{i}\" :{a} {v} :plain 9}} [:db/add {e} :to \"x{i}\"]"),
            _ if a == "key" => format!("{{:key {} :n {v}}}", 10 + v),
            _ => format!("{{:key {} :{a} {v}}}", 10 + dice.below(4)),
        });
    }
    format!("[{}]", forms.join(" "))
}

/// What a merge is, on sets of facts: the result, or the entities in conflict.
struct Naive<'a> {
    base: &'a BTreeSet<Fact>,
    source: &'a BTreeSet<Fact>,
    target: &'a BTreeSet<Fact>,
    /// All entities that the target ever had.
    ever: &'a BTreeSet<EntityId>,
    attrs: [AttrId; 6],
}

const KEY: usize = 0;
const MAIL: usize = 1;
const TAGS: usize = 3;
const TO: usize = 4;

impl Naive<'_> {
    fn about<'b>(&self, all: &'b BTreeSet<Fact>, e: EntityId) -> BTreeSet<&'b Fact> {
        let kept = self.attrs[5];
        all.iter().filter(|f| f.0 == e && f.1 != kept).collect()
    }

    /// Which entities that the target never had are entities of it, and whether two are the same.
    fn mapping(&self) -> (BTreeMap<EntityId, EntityId>, bool) {
        let (mut map, mut twice) = (BTreeMap::new(), false);
        let keys = self.source.union(self.base).filter(|f| f.1 == self.attrs[KEY]);
        for (e, a, v) in keys.filter(|f| !self.ever.contains(&f.0)) {
            for owner in self.target.iter().filter(|f| (&f.1, &f.2) == (a, v)).map(|f| f.0) {
                let given_up = |facts: &BTreeSet<Fact>| facts.contains(&(owner, *a, v.clone()));
                if given_up(self.base) && !given_up(self.source) {
                    continue;
                }
                twice |= map.iter().any(|(from, known)| *known == owner && from != e);
                map.entry(*e).or_insert(owner);
            }
        }
        (map, twice)
    }

    fn merge(&self) -> Option<BTreeSet<Fact>> {
        let (map, twice) = self.mapping();
        let to = |e: EntityId| map.get(&e).copied().unwrap_or(e);
        let here = |(e, a, v): &Fact| {
            let v = if let Value::Ref(e) = v { Value::Ref(to(*e)) } else { v.clone() };
            (to(*e), *a, v)
        };
        let user = |f: &&Fact| f.1 != self.attrs[5];
        let add: BTreeSet<Fact> =
            self.source.difference(self.base).filter(user).map(here).collect();
        let gone: BTreeSet<Fact> =
            self.base.difference(self.source).filter(user).map(here).collect();
        let mut result: BTreeSet<Fact> =
            self.target.iter().filter(|f| user(f) && !gone.contains(*f)).cloned().collect();
        result.extend(add.iter().cloned());
        let one = |f: &Fact| f.1 != self.attrs[TAGS] && f.1 != self.attrs[TO];
        let unique = |f: &Fact| f.1 == self.attrs[KEY] || f.1 == self.attrs[MAIL];
        let clash = |x: &Fact| {
            let same_one = |y: &&Fact| one(x) && (x.0, x.1) == (y.0, y.1) && x.2 != y.2;
            let same_owner = |y: &&Fact| unique(x) && (x.1, &x.2) == (y.1, &y.2) && x.0 != y.0;
            result.iter().any(|y| same_one(&y) || same_owner(&y))
        };
        // One side took a value away, the other gave another one in its place.
        let taken = |f: &Fact| {
            let has = |all: &BTreeSet<Fact>| all.iter().any(|x| (x.0, x.1) == (f.0, f.1));
            one(f) && !self.target.contains(f) && (has(&add) != has(self.target))
        };
        let changed = gone.iter().any(taken);
        let broken =
            twice || changed || result.iter().any(clash) || self.orphans(&add, &gone, &map);
        (!broken).then_some(result)
    }

    /// Whether something was said of, or to, what the other side retracted.
    fn orphans(
        &self,
        add: &BTreeSet<Fact>,
        gone: &BTreeSet<Fact>,
        map: &BTreeMap<EntityId, EntityId>,
    ) -> bool {
        let has = |all: &BTreeSet<Fact>, e: EntityId| !self.about(all, e).is_empty();
        let left = |one: &BTreeSet<Fact>, other: &BTreeSet<Fact>, e: EntityId| {
            has(self.base, e) && !has(one, e) && has(other, e)
        };
        let about = |f: &Fact| {
            let to = if let Value::Ref(e) = f.2 { Some(e) } else { None };
            std::iter::once(f.0).chain(to).collect::<Vec<_>>()
        };
        let froms = |e: EntityId| -> Vec<EntityId> {
            let from = map.iter().filter(|(_, owner)| **owner == e).map(|(from, _)| *from);
            from.chain([e]).collect()
        };
        let in_any = |all: &BTreeSet<Fact>, e: EntityId| froms(e).into_iter().any(|e| has(all, e));
        let by_source = |e: EntityId| in_any(self.base, e) && !in_any(self.source, e);
        let said_here = self.target.iter().any(|f| {
            let known = gone.contains(f) || self.source.contains(f) || f.1 == self.attrs[5];
            let of = by_source(f.0);
            let to = matches!(f.2, Value::Ref(e) if by_source(e)) && !by_source(f.0);
            !known && (of || to)
        });
        let said_there =
            add.iter().any(|f| about(f).into_iter().any(|e| left(self.target, self.source, e)));
        said_here || said_there
    }
}

#[test]
fn a_merge_equals_a_computation_on_sets() {
    let (mut merges, mut conflicts) = (0, 0);
    for seed in 0..cases(1_000) {
        let mut dice = Dice(seed << 20);
        let (conn, other) = forked(&["[{:db/id 20 :key 1 :n 1} {:db/id 21 :tags [1 2] :mail 1} \
                                      {:db/id 22 :to 20} {:db/id 23 :n 3}]"]);
        let mut base = facts(&conn.db());
        for _ in 0..2 {
            for _ in 0..1 + dice.below(3) {
                let _ = transact(&conn, &random_tx(&mut dice));
                let _ = transact(&other, &random_tx(&mut dice));
            }
            for conn in [&conn, &other] {
                if dice.below(3) == 0 {
                    block_on(conn.flush()).unwrap();
                }
            }
            let attr = |name: &str| conn.db().schema().attr(name).unwrap().id;
            let attrs = ["key", "mail", "n", "tags", "to", "key+n"].map(attr);
            let (target, source) = (facts(&conn.db()), facts(&other.db()));
            let ever = facts(&conn.db().history()).into_iter().map(|f| f.0).collect();
            let naive = Naive { base: &base, source: &source, target: &target, ever: &ever, attrs };
            check_difference(&conn, &other, &base, &source, seed);
            match (merge(&conn, &other), naive.merge()) {
                (Ok(_), Some(expected)) => {
                    let mut found = facts(&conn.db());
                    found.retain(|f| f.1 != attrs[5]);
                    assert_eq!(found, expected, "seed {seed}");
                    (base, merges) = (source, merges + 1);
                }
                (Err(TransactError::Refused(MergeError::Conflicts(_))), None) => {
                    assert_eq!(facts(&conn.db()), target, "seed {seed}");
                    conflicts += 1;
                }
                (found, expected) => panic!("seed {seed}: {found:?}, not {expected:?}"),
            }
        }
    }
    assert!(merges > 100 && conflicts > 100, "{merges} merges, {conflicts} conflicts");
}

/// That the log and the trees give the difference which the sets have.
fn check_difference(
    conn: &Conn,
    other: &Conn,
    base: &BTreeSet<Fact>,
    source: &BTreeSet<Fact>,
    seed: u64,
) {
    let (place, target, from) = (conn.place(), conn.opened(), other.opened());
    let refs = block_on(place.refs()).unwrap();
    let mut ancestry = block_on(Ancestry::new(place, &refs, &target, &from)).unwrap();
    let point = block_on(ancestry.nearest()).unwrap().unwrap();
    let line = Line { opened: from.clone(), upto: from.head.tip.t() };
    let by_log = block_on(by_log(place, Some(&point), &line)).unwrap();
    let then = block_on(place.open_past(&refs, &point.line.opened, point.id.t)).unwrap();
    let by_trees = by_trees(&then, &from).unwrap();
    assert_eq!(by_log, by_trees, "seed {seed}");
    let mut expected: Net = source.difference(base).map(|f| (f.clone(), true)).collect();
    expected.extend(base.difference(source).map(|f| (f.clone(), false)));
    let mut found = by_log;
    found.retain(|(e, ..), _| e.as_tx().is_none());
    assert_eq!(found, expected, "seed {seed}");
}
