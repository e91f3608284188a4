//! Random transactions against a model that is a plain set of facts.
//!
//! The model does each operation at once on a set; the transactor batches reads, unifies tempids
//! and nets what it says. Both have to come to the same facts, the same refusals, and a history
//! that replays to every state on the way.

use super::*;
use crate::datom::Order;
use crate::db::{NoNodes, Snapshot, TxReport};
use crate::edn::read_one;
use crate::id::{AttrId, EntityId, T};
use crate::schema::Schema;
use crate::value::{Uuid, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const SCHEMA: &str =
    "{:key {:db/unique :db.unique/identity} :mail {:db/unique :db.unique/value} :n {}
    :tags {:db/cardinality :db.cardinality/many}
    :to {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    :part {:db/valueType :db.type/ref :db/isComponent true}}";

/// Attributes by their place here.
const NAMES: [&str; 6] = ["key", "mail", "n", "tags", "to", "part"];

const KEY: usize = 0;
const MAIL: usize = 1;
const TAGS: usize = 3;
const TO: usize = 4;
const PART: usize = 5;

/// Entity, attribute, value; values and entities are small numbers.
type Fact = (u64, usize, u64);

#[derive(Clone, Debug)]
enum Op {
    Add(u64, usize, u64),
    Retract(u64, usize, u64),
    RetractAll(u64, usize),
    RetractEntity(u64),
    Cas(u64, usize, u64, u64),
    /// A map with a key, which upserts, and another attribute.
    Upsert(u64, usize, u64),
}

fn many(a: usize) -> bool {
    a == TAGS || a == TO
}

#[derive(Clone, Debug, Default)]
struct Model {
    facts: BTreeSet<Fact>,
    next: u64,
}

impl Model {
    fn take(&mut self, e: u64) {
        self.next = self.next.max(e + 1);
    }

    fn add(&mut self, e: u64, a: usize, v: u64) -> Option<()> {
        self.take(e);
        if a == TO || a == PART {
            self.take(v);
        }
        let unique = a == KEY || a == MAIL;
        if unique && self.facts.iter().any(|fact| fact.0 != e && (fact.1, fact.2) == (a, v)) {
            return None;
        }
        if !many(a) {
            self.facts.retain(|fact| (fact.0, fact.1) != (e, a));
        }
        self.facts.insert((e, a, v));
        Some(())
    }

    fn retract_entity(&mut self, e: u64, seen: &mut Vec<u64>) {
        if seen.contains(&e) {
            return;
        }
        seen.push(e);
        let parts: Vec<u64> =
            self.facts.iter().filter(|f| (f.0, f.1) == (e, PART)).map(|f| f.2).collect();
        self.facts.retain(|f| f.0 != e && !((f.1 == TO || f.1 == PART) && f.2 == e));
        parts.into_iter().for_each(|part| self.retract_entity(part, seen));
    }

    /// `None` is a refusal.
    fn apply(&mut self, op: &Op) -> Option<()> {
        match *op {
            Op::Add(e, a, v) => self.add(e, a, v)?,
            Op::Retract(e, a, v) => {
                self.facts.remove(&(e, a, v));
            }
            Op::RetractAll(e, a) => self.facts.retain(|fact| (fact.0, fact.1) != (e, a)),
            Op::RetractEntity(e) => self.retract_entity(e, &mut Vec::new()),
            Op::Cas(e, a, old, new) => {
                self.facts.contains(&(e, a, old)).then_some(())?;
                self.add(e, a, new)?;
            }
            Op::Upsert(key, a, v) => {
                let owner = self.facts.iter().find(|f| (f.1, f.2) == (KEY, key)).map(|f| f.0);
                let e = owner.unwrap_or(self.next);
                self.add(e, KEY, key)?;
                self.add(e, a, v)?;
            }
        }
        Some(())
    }
}

fn written(op: &Op) -> String {
    let name = |a: &usize| NAMES[*a];
    match op {
        Op::Add(e, a, v) => format!("[:db/add {e} :{} {v}]", name(a)),
        Op::Retract(e, a, v) => format!("[:db/retract {e} :{} {v}]", name(a)),
        Op::RetractAll(e, a) => format!("[:db/retract {e} :{}]", name(a)),
        Op::RetractEntity(e) => format!("[:db/retractEntity {e}]"),
        Op::Cas(e, a, old, new) => format!("[:db/cas {e} :{} {old} {new}]", name(a)),
        Op::Upsert(key, a, v) => format!("{{:key {key} :{} {v}}}", name(a)),
    }
}

fn facts(db: &Db) -> BTreeSet<Fact> {
    let all = db.datoms(Order::Eavt, None, None, None).unwrap();
    let user = all.into_iter().filter(|d| d.e.as_tx().is_none());
    let number = |v: &Value| match v {
        Value::Long(v) => *v as u64,
        Value::Ref(e) => e.0,
        other => panic!("{other:?}"),
    };
    user.map(|d| {
        let ident = &db.schema().get(d.a).unwrap().ident;
        (d.e.0, NAMES.iter().position(|n| *n == ident.as_str()).unwrap(), number(&d.v))
    })
    .collect()
}

fn op() -> impl Strategy<Value = Op> {
    let (e, a, v) = (1..5u64, 0..6usize, 1..5u64);
    prop_oneof![
        6 => (e.clone(), a.clone(), v.clone()).prop_map(|(e, a, v)| Op::Add(e, a, v)),
        3 => (e.clone(), a.clone(), v.clone()).prop_map(|(e, a, v)| Op::Retract(e, a, v)),
        1 => (e.clone(), a.clone()).prop_map(|(e, a)| Op::RetractAll(e, a)),
        1 => e.clone().prop_map(Op::RetractEntity),
        1 => (e, a, v.clone(), v.clone()).prop_map(|(e, a, x, y)| Op::Cas(e, a, x, y)),
        3 => (v.clone(), 2..6usize, v).prop_map(|(key, a, v)| Op::Upsert(key, a, v)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn transactions_do_what_a_set_of_facts_does(
        all in prop::collection::vec(prop::collection::vec(op(), 1..6), 1..8)
    ) {
        let schema = Schema::from_map(&read_one(SCHEMA).unwrap().to_value()).unwrap();
        let mut db = Db::new(Snapshot::empty(Uuid::nil(), Arc::new(NoNodes), schema));
        let mut model = Model { next: 1, ..Model::default() };
        let mut states = vec![BTreeSet::new()];
        for ops in &all {
            let text = ops.iter().map(written).collect::<Vec<_>>().join("\n");
            let form = read_one(&format!("[{text}]")).unwrap();
            let mut after = model.clone();
            let expected = ops.iter().try_for_each(|op| after.apply(op).ok_or(()));
            match (with(&db, &form, &TxOptions::default()), expected) {
                (Ok(report), Ok(())) => {
                    prop_assert_eq!(facts(&report.db_after), after.facts.clone(), "{}", text);
                    net_changes(&report);
                    (db, model) = (report.db_after, after);
                    prop_assert_eq!(db.snapshot().next_entity, EntityId(model.next), "{}", text);
                    states.push(model.facts.clone());
                }
                (Err(error), Err(())) => {
                    let kind = error.kind();
                    let refusal = matches!(kind, TxErrorKind::Conflict | TxErrorKind::Cas);
                    prop_assert!(refusal, "{error}");
                }
                (ours, expected) => prop_assert!(false, "{text}: {ours:?}, not {expected:?}"),
            }
        }
        for (t, state) in states.iter().enumerate() {
            prop_assert_eq!(&facts(&db.as_of(T(t as u64))), state);
        }
    }
}

/// Each assertion is of something that did not hold, each retraction of something that did.
fn net_changes(report: &TxReport) {
    let mut held: BTreeSet<(EntityId, AttrId, Value)> = report
        .db_before
        .datoms(Order::Eavt, None, None, None)
        .unwrap()
        .into_iter()
        .map(|d| (d.e, d.a, d.v))
        .collect();
    for d in &report.datoms {
        let fact = (d.e, d.a, d.v.clone());
        let changed = if d.added { held.insert(fact) } else { held.remove(&fact) };
        assert!(changed, "{d:?}");
    }
}
