//! The database as it is in the middle of a transaction: what was read, with what was said since on
//! top.
//!
//! **Invariant:** `datoms` are what really changes, in order: no re-assertion, no retraction of
//! what does not hold, and a one-valued attribute's old value retracted before its new one is
//! added.

use super::error::{TxProblem, name, shown};
use super::reads::{Question, Reads};
use super::said::Said;
use crate::datom::Datom;
use crate::id::{AttrId, EntityId, TX_BASE, Tx};
use crate::schema::{Attribute, Schema, TupleKind, Unique, builtin};
use crate::value::Value;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

/// A fact as a key.
type Fact = (EntityId, AttrId, Value);

pub(super) struct State<'a> {
    pub(super) reads: &'a mut Reads,
    pub(super) schema: &'a Schema,
    pub(super) tx: Tx,
    /// Ids from here on have no facts in the database.
    first_new: EntityId,
    /// The next id to give.
    pub(super) next_entity: EntityId,
    pub(super) datoms: Vec<Datom>,
    /// The instant that the transaction gives itself.
    pub(super) instant_ms: Option<i64>,
    said: Said,
    /// A tuple that came to be another entity's identity: the entity that it was of, and that other
    /// one.
    pub(super) same: Option<(EntityId, EntityId)>,
    /// The composite tuples that an attribute is part of.
    tuples: &'a HashMap<AttrId, Vec<AttrId>>,
    pub(super) stale_tuples: BTreeSet<(EntityId, AttrId)>,
    log: Log,
}

/// Where in the datoms an entity occurs; made when first asked for.
#[derive(Default)]
struct Log {
    seen: usize,
    by_entity: HashMap<EntityId, Vec<u32>>,
    by_target: HashMap<EntityId, Vec<u32>>,
}

impl<'a> State<'a> {
    pub(super) fn new(
        reads: &'a mut Reads,
        schema: &'a Schema,
        tuples: &'a HashMap<AttrId, Vec<AttrId>>,
        tx: Tx,
        (first_new, next_entity): (EntityId, EntityId),
        room: usize,
    ) -> Self {
        Self {
            reads,
            schema,
            tx,
            first_new,
            next_entity,
            datoms: Vec::with_capacity(room),
            instant_ms: None,
            said: Said::with_capacity(room),
            same: None,
            tuples,
            stale_tuples: BTreeSet::new(),
            log: Log::default(),
        }
    }

    /// Whether the database can have no fact about the entity.
    fn is_new(&self, e: EntityId) -> bool {
        let entities = EntityId(self.first_new.block() * crate::id::BLOCK + TX_BASE);
        e == self.tx.entity() || (self.first_new <= e && e < entities)
    }

    /// An id that was never used.
    pub(super) fn allocate(&mut self) -> Result<EntityId, TxProblem> {
        let e = self.next_entity;
        if e.as_tx().is_some() {
            return Err(TxProblem::Full);
        }
        self.next_entity = EntityId(e.0 + 1);
        Ok(e)
    }

    /// An id that the transaction writes out is not given to something new later.
    pub(super) fn take(&mut self, e: EntityId) {
        if self.is_new(e) && e != self.tx.entity() && e >= self.next_entity {
            self.next_entity = EntityId(e.0 + 1);
        }
    }

    /// Who has a value of a unique attribute now.
    pub(super) fn owner(&mut self, a: AttrId, v: &Value) -> Result<Option<EntityId>, TxProblem> {
        if self.schema.get(a).is_some_and(|a| a.is_composite()) {
            self.keep_tuples().map_err(|(_, problem)| problem)?;
        }
        Ok(match self.said.owner(&self.datoms, a, v) {
            Some(owner) => owner,
            None => self.reads.owner(&(a, v.clone())),
        })
    }

    /// The value of a one-valued attribute now.
    pub(super) fn one(&mut self, e: EntityId, a: AttrId) -> Option<Value> {
        if let Some(said) = self.said.one(&self.datoms, e, a) {
            return said;
        }
        if self.is_new(e) { None } else { self.reads.one(e, a) }
    }

    /// Whether anything is known of an entity.
    pub(super) fn exists(&mut self, e: EntityId) -> bool {
        !self.reads.list(Question::Entity(e)).is_empty()
    }

    fn has(&mut self, e: EntityId, a: AttrId, v: &Value) -> bool {
        if let Some(said) = self.said.fact(&self.datoms, (e, a, v)) {
            return said;
        }
        if self.is_new(e) { false } else { self.reads.fact(&(e, a, v.clone())) }
    }

    /// Whether a fact holds now.
    pub(super) fn holds(&mut self, attribute: &Attribute, e: EntityId, v: &Value) -> bool {
        if attribute.many {
            self.has(e, attribute.id, v)
        } else {
            self.one(e, attribute.id).is_some_and(|now| now == *v)
        }
    }

    /// Asserts a fact.
    pub(super) fn add(&mut self, a: &Attribute, e: EntityId, v: Value) -> Result<(), TxProblem> {
        let old = if a.many { None } else { self.one(e, a.id) };
        let known = if a.many { self.holds(a, e, &v) } else { old.as_ref() == Some(&v) };
        if known {
            return Ok(());
        }
        if a.unique.is_some() {
            let other = self.owner(a.id, &v)?.filter(|owner| *owner != e);
            if let Some(owner) = other {
                let (attribute, value) = (a.ident.clone(), shown(&v));
                return Err(TxProblem::Unique { attribute, value, owner });
            }
        }
        if let Some(old) = old {
            self.say(a, e, old, false);
        }
        self.say(a, e, v, true);
        Ok(())
    }

    /// Retracts a fact; one that does not hold is no error.
    pub(super) fn retract(&mut self, a: &Attribute, e: EntityId, v: &Value) {
        if !self.holds(a, e, v) {
            return;
        }
        self.say(a, e, v.clone(), false);
    }

    fn say(&mut self, a: &Attribute, e: EntityId, v: Value, added: bool) {
        for tuple in self.tuples.get(&a.id).into_iter().flatten() {
            self.stale_tuples.insert((e, *tuple));
        }
        self.datoms.push(Datom { e, a: a.id, v, tx: self.tx, added });
        self.said.note(&self.datoms, a);
    }

    /// Brings composite tuples up to what their parts are now; an error is with the entity at
    /// fault.
    pub(super) fn keep_tuples(&mut self) -> Result<(), (EntityId, TxProblem)> {
        let schema = self.schema;
        for (e, tuple) in std::mem::take(&mut self.stale_tuples) {
            let Some(attribute) = schema.get(tuple) else { continue };
            let Some(TupleKind::Composite(parts)) = &attribute.tuple else { continue };
            let values: Vec<_> = parts.iter().map(|part| self.one(e, *part)).collect();
            if values.iter().any(Option::is_some) {
                let values = values.into_iter().map(|v| v.unwrap_or(Value::Nil)).collect();
                let added = self.add(attribute, e, Value::Vector(values));
                if let (Err(TxProblem::Unique { owner, .. }), Some(Unique::Identity)) =
                    (&added, attribute.unique)
                {
                    self.same = Some((e, *owner));
                }
                added.map_err(|problem| (e, problem))?;
            } else if let Some(old) = self.one(e, tuple) {
                self.retract(attribute, e, &old);
            }
        }
        Ok(())
    }

    /// That no tuple that an entity has now is unique and another one's; tuples are not written.
    pub(super) fn settle(&mut self, e: EntityId) -> Result<(), TxProblem> {
        let schema = self.schema;
        let of_it = (e, AttrId(0))..=(e, AttrId(u64::MAX));
        let stale: Vec<AttrId> = self.stale_tuples.range(of_it).map(|(_, tuple)| *tuple).collect();
        for attribute in stale.into_iter().filter_map(|tuple| schema.get(tuple)) {
            // An identity that is another's means that one; it is looked at in the end.
            let upserts = attribute.unique == Some(Unique::Identity) && self.is_new(e);
            let Some(TupleKind::Composite(parts)) = &attribute.tuple else { continue };
            if attribute.unique.is_none() || upserts {
                continue;
            }
            let parts = parts.iter().map(|part| self.one(e, *part).unwrap_or(Value::Nil));
            let v: Value = parts.collect::<Vec<_>>().into();
            let said = self.said.owner(&self.datoms, attribute.id, &v);
            let owner = said.unwrap_or_else(|| self.reads.owner(&(attribute.id, v.clone())));
            if let Some(owner) = owner.filter(|owner| *owner != e) {
                let (attribute, value) = (attribute.ident.clone(), shown(&v));
                return Err(TxProblem::Unique { attribute, value, owner });
            }
        }
        Ok(())
    }

    /// Facts that the database had and that hold still, and those that were said since.
    fn with_log(
        &mut self,
        base: Question,
        is_new: bool,
        log: impl Fn(&mut Log) -> Vec<u32>,
        matches: impl Fn(&Datom) -> bool,
    ) -> Vec<Fact> {
        let schema = self.schema;
        let mut found: Vec<Fact> = if is_new { Vec::new() } else { self.reads.list(base).to_vec() };
        self.log.catch_up(&self.datoms);
        let said = log(&mut self.log);
        let added = said.iter().map(|i| &self.datoms[*i as usize]).filter(|d| matches(d));
        let mut known: HashSet<Fact> = HashSet::new();
        if !said.is_empty() {
            known.extend(found.iter().cloned());
        }
        for datom in added.filter(|d| d.added) {
            let fact = (datom.e, datom.a, datom.v.clone());
            if known.insert(fact.clone()) {
                found.push(fact);
            }
        }
        let overlaid = !self.said.is_empty();
        found.retain(|(e, a, v)| match schema.get(*a) {
            Some(attribute) if overlaid => self.still(attribute, *e, v),
            _ => true,
        });
        found
    }

    /// Whether a fact that was there, or was said, was not taken back since.
    fn still(&self, attribute: &Attribute, e: EntityId, v: &Value) -> bool {
        if attribute.many {
            self.said.fact(&self.datoms, (e, attribute.id, v)).unwrap_or(true)
        } else {
            let said = self.said.one(&self.datoms, e, attribute.id);
            said.is_none_or(|now| now.as_ref() == Some(v))
        }
    }

    /// All values of an attribute of an entity now.
    pub(super) fn values(&mut self, a: &Attribute, e: EntityId) -> Vec<Value> {
        if !a.many {
            return self.one(e, a.id).into_iter().collect();
        }
        let (new, log) = (self.is_new(e), move |log: &mut Log| log.about(e));
        let found = self.with_log(Question::Values(e, a.id), new, log, |d| d.a == a.id);
        found.into_iter().map(|(_, _, v)| v).collect()
    }

    /// All facts of an entity now.
    pub(super) fn about(&mut self, e: EntityId) -> Vec<(AttrId, Value)> {
        let (new, log) = (self.is_new(e), move |log: &mut Log| log.about(e));
        let found = self.with_log(Question::Entity(e), new, log, |_| true);
        found.into_iter().map(|(_, a, v)| (a, v)).collect()
    }

    /// Entities that refer to this one now, by attribute.
    fn referring(&mut self, a: &Attribute, e: EntityId) -> Vec<EntityId> {
        let log = move |log: &mut Log| log.to(e);
        let matches = |d: &Datom| d.a == a.id && d.v == Value::Ref(e);
        let found = self.with_log(Question::Incoming(a.id, e), false, log, matches);
        found.into_iter().map(|(from, _, _)| from).collect()
    }

    /// Retracts all values of an attribute of an entity, and what is part of it by that.
    pub(super) fn retract_attribute(
        &mut self,
        a: &Attribute,
        e: EntityId,
    ) -> Result<(), TxProblem> {
        let values = self.values(a, e);
        values.iter().for_each(|v| self.retract(a, e, v));
        let part = |v: &Value| if let Value::Ref(part) = v { Some(*part) } else { None };
        let parts = values.iter().filter(|_| a.component).filter_map(part);
        self.retract_entities(parts.collect())
    }

    /// Retracts all facts of entities and of their parts, and all that refer to them.
    pub(super) fn retract_entities(&mut self, all: Vec<EntityId>) -> Result<(), TxProblem> {
        let schema = self.schema;
        let refs: Vec<_> = schema.attributes().filter(|a| a.is_ref()).cloned().collect();
        let mut seen = HashSet::new();
        let mut rest = all;
        rest.reverse();
        while let Some(e) = rest.pop() {
            if !seen.insert(e) {
                continue;
            }
            let facts = self.about(e);
            if let Some((a, _)) = facts.iter().find(|(a, _)| is_reserved(*a)) {
                return Err(TxProblem::Reserved { attribute: name(schema, *a) });
            }
            let mut parts = Vec::new();
            for (a, v) in facts {
                let Some(attribute) = schema.get(a) else { continue };
                if let (true, Value::Ref(part)) = (attribute.component, &v) {
                    parts.push(*part);
                }
                self.retract(attribute, e, &v);
            }
            rest.extend(parts.into_iter().rev());
            for attribute in &refs {
                for from in self.referring(attribute, e) {
                    self.retract(attribute, from, &Value::Ref(e));
                }
            }
        }
        Ok(())
    }
}

/// Whether facts of an attribute belong to a transaction itself.
pub(super) fn is_reserved(a: AttrId) -> bool {
    a == builtin::TX_INSTANT
}

impl Log {
    fn catch_up(&mut self, datoms: &[Datom]) {
        for (i, datom) in datoms.iter().enumerate().skip(self.seen) {
            self.by_entity.entry(datom.e).or_default().push(i as u32);
            if let Value::Ref(target) = datom.v {
                self.by_target.entry(target).or_default().push(i as u32);
            }
        }
        self.seen = datoms.len();
    }

    fn about(&mut self, e: EntityId) -> Vec<u32> {
        self.by_entity.get(&e).cloned().unwrap_or_default()
    }

    fn to(&mut self, e: EntityId) -> Vec<u32> {
        self.by_target.get(&e).cloned().unwrap_or_default()
    }
}
