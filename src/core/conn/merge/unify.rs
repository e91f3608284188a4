//! What the net difference of the source means in the target: facts to say, or conflicts.
//!
//! An entity that is new in the source and has an identity which an entity of the target has *is*
//! that entity: its id is mapped wherever it occurs. What the target says by itself is never looked
//! for: whether it changed a fact shows by whether it has what the common commit had.
//!
//! **Invariant:** without conflicts, the facts on top of the target are valid for both sides'
//! wording: each one-valued attribute has the value that the side which changed it gave it.

use super::conflict::{Conflict, Side};
use super::difference::Net;
use super::{MergeError, MergePlan};
use crate::commit::Opened;
use crate::datom::{KeyRange, Order, Slice};
use crate::db::{Db, DbError};
use crate::id::{AttrId, EntityId};
use crate::schema::{Attribute, Schema, Unique, builtin};
use crate::transact::Fact;
use crate::value::{Keyword, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Facts of one entity.
type About = BTreeSet<(AttrId, Value)>;

struct Unify<'a> {
    target: Db,
    source: Db,
    /// What each side has of every entity that the difference is about, or refers to.
    there: BTreeMap<EntityId, About>,
    here: BTreeMap<EntityId, About>,
    add: BTreeSet<Fact>,
    retract: BTreeSet<Fact>,
    mapped: &'a mut BTreeMap<EntityId, EntityId>,
    attrs: BTreeMap<AttrId, AttrId>,
    conflicts: BTreeSet<Conflict>,
}

/// Fills in what a plan says, maps and finds in the way.
pub(super) fn unify(
    plan: &mut MergePlan,
    target: &Opened,
    source: &Opened,
    net: &Net,
) -> Result<(), MergeError> {
    let (target, source) = (Db::new(target.snapshot.clone()), Db::new(source.snapshot.clone()));
    let mut unify = Unify {
        target,
        source,
        there: BTreeMap::new(),
        here: BTreeMap::new(),
        add: BTreeSet::new(),
        retract: BTreeSet::new(),
        mapped: &mut plan.mapped,
        attrs: BTreeMap::new(),
        conflicts: BTreeSet::new(),
    };
    unify.take(net)?;
    unify.identify()?;
    plan.facts.brought = unify.translate()?;
    unify.retracted()?;
    unify.values();
    unify.unique()?;
    plan.facts.retract = unify.retract.into_iter().collect();
    plan.facts.add = unify.add.into_iter().collect();
    plan.conflicts = unify.conflicts.into_iter().collect();
    Ok(())
}

impl Unify<'_> {
    /// Takes the difference, without facts about transactions and without tuples that the database
    /// keeps by itself, and reads what both sides have of its entities.
    fn take(&mut self, net: &Net) -> Result<(), DbError> {
        let schema = self.source.schema().clone();
        let kept = |a: AttrId| schema.get(a).is_some_and(|a| a.is_composite());
        for ((e, a, v), now) in net {
            if e.as_tx().is_none() && !kept(*a) {
                let side = if *now { &mut self.add } else { &mut self.retract };
                side.insert((*e, *a, v.clone()));
            }
        }
        let mut entities = BTreeSet::new();
        for (e, _, v) in self.add.iter().chain(&self.retract) {
            entities.insert(*e);
            entities.extend(refers(v));
        }
        self.there = about(&self.source, entities.iter().copied())?;
        self.here = about(&self.target, entities)?;
        Ok(())
    }

    /// Identities that the source gave, or took from, entities which the target never had: they are
    /// new, or were found to be entities of the target by an earlier merge.
    fn identities(&self) -> Result<Vec<Fact>, DbError> {
        let schema = self.source.schema();
        let identity =
            |a: AttrId| schema.get(a).is_some_and(|a| a.unique == Some(Unique::Identity));
        let absent = |e: &EntityId| self.here.get(e).is_none_or(|about| about.is_empty());
        let absent: Vec<EntityId> = self.there.keys().copied().filter(absent).collect();
        let past = about(&self.target.history(), absent.iter().copied())?;
        let mut told = Vec::new();
        for e in absent.into_iter().filter(|e| past[e].is_empty()) {
            let now = self.there[&e].iter().map(|(a, v)| (e, *a, v.clone()));
            let before = self.retract.range(first(e)..first(EntityId(e.0 + 1))).cloned();
            told.extend(now.chain(before).filter(|fact| identity(fact.1)));
        }
        Ok(told)
    }

    /// Finds which entities of the source are entities of the target. An identity may itself be a
    /// reference to one of them, so this goes on until nothing is found any more.
    fn identify(&mut self) -> Result<(), DbError> {
        let told = self.identities()?;
        let mut taken: BTreeMap<EntityId, EntityId> = BTreeMap::new();
        loop {
            let known = self.mapped.len();
            for (e, a, v) in &told {
                let Some(owner) = self.owner(*a, &self.value(v))? else { continue };
                if owner == *e || self.mapped.contains_key(e) {
                    continue;
                }
                // A second entity of the source that would be the same one here.
                if taken.contains_key(&owner) {
                    let (attribute, value) = (self.name(*a), v.clone());
                    let (target, source) = (owner, *e);
                    self.conflicts.insert(Conflict::Unique { attribute, value, target, source });
                    continue;
                }
                taken.insert(owner, *e);
                self.mapped.insert(*e, owner);
            }
            if self.mapped.len() == known {
                break;
            }
        }
        let owners: Vec<EntityId> = self.mapped.values().copied().collect();
        self.here.extend(about(&self.target, owners)?);
        Ok(())
    }

    /// Who has a unique value in the target, and keeps it. The attribute is the source's.
    fn owner(&self, a: AttrId, v: &Value) -> Result<Option<EntityId>, DbError> {
        let Some(a) = self.attr_here(a) else { return Ok(None) };
        if !self.target.schema().get(a).is_some_and(|a| a.in_avet()) {
            return Ok(None);
        }
        let found = self.target.datoms(Order::Avet, None, Some(a), Some(v.clone()))?;
        let owner = found.first().map(|datom| datom.e);
        Ok(owner.filter(|owner| !self.retract.contains(&(*owner, a, v.clone()))))
    }

    /// The target's number of an attribute of the source, if it has the attribute.
    fn attr_here(&self, a: AttrId) -> Option<AttrId> {
        let target = self.target.schema();
        if target.get(a).is_some() {
            return Some(a);
        }
        let attribute = self.source.schema().get(a)?;
        match attribute.entity.and_then(|e| self.mapped.get(&e)) {
            Some(entity) => target.described_by(*entity).map(|a| a.id),
            None => {
                target.attr(attribute.ident.as_str()).filter(|a| same(a, attribute)).map(|a| a.id)
            }
        }
    }

    /// Everything in the ids of the target; the attributes that it does not have.
    fn translate(&mut self) -> Result<Vec<(Keyword, AttrId)>, DbError> {
        let mut brought = BTreeMap::new();
        let used: BTreeSet<AttrId> = self.add.iter().chain(&self.retract).map(|f| f.1).collect();
        let schema = self.source.schema().clone();
        let described = |e: EntityId| schema.described_by(e).map(|a| a.id);
        let new = self.add.iter().filter(|f| f.1 == builtin::IDENT).filter_map(|f| described(f.0));
        let all: BTreeSet<AttrId> = used.into_iter().chain(new).collect();
        for a in all {
            match (self.attr_here(a), schema.get(a)) {
                (Some(here), _) => drop(self.attrs.insert(a, here)),
                (None, Some(attribute)) => drop(brought.insert(a, attribute.ident.clone())),
                (None, None) => {}
            }
        }
        let translated = |unify: &Self, facts: &BTreeSet<Fact>| -> BTreeSet<Fact> {
            facts
                .iter()
                .map(|(e, a, v)| (unify.entity(*e), unify.attr(*a), unify.value(v)))
                .collect()
        };
        let (add, retract) = (translated(self, &self.add), translated(self, &self.retract));
        // What was taken from one entity and said of another one is no change where both are one.
        self.add = add.difference(&retract).cloned().collect();
        self.retract = retract.difference(&add).cloned().collect();
        Ok(brought.into_iter().map(|(a, ident)| (ident, a)).collect())
    }

    fn entity(&self, e: EntityId) -> EntityId {
        self.mapped.get(&e).copied().unwrap_or(e)
    }

    fn attr(&self, a: AttrId) -> AttrId {
        self.attrs.get(&a).copied().unwrap_or(a)
    }

    fn value(&self, v: &Value) -> Value {
        match v {
            Value::Ref(e) => Value::Ref(self.entity(*e)),
            Value::Vector(parts) if parts.iter().any(|v| matches!(v, Value::Ref(_))) => {
                parts.iter().map(|v| self.value(v)).collect::<Vec<_>>().into()
            }
            other => other.clone(),
        }
    }

    fn attribute(&self, a: AttrId) -> Option<&Arc<Attribute>> {
        self.target.schema().get(a).or_else(|| self.source.schema().get(a))
    }

    fn name(&self, a: AttrId) -> Keyword {
        let unnamed = || Keyword::new(&a.to_string());
        self.attribute(a).map_or_else(unnamed, |attribute| attribute.ident.clone())
    }

    /// Entities that one side retracted, with what the other says of them, or to them, anew.
    fn retracted(&mut self) -> Result<(), DbError> {
        let lives = |e: &EntityId| self.there.get(e).is_some_and(|about| !about.is_empty());
        let owners = self.mapped.iter().filter(|(e, _)| lives(e));
        let owners: BTreeSet<EntityId> = owners.map(|(_, owner)| *owner).collect();
        let is_empty = |side: &BTreeMap<EntityId, About>, e: EntityId| {
            side.get(&e).is_none_or(|about| about.is_empty())
        };
        let said = self.add.iter().chain(&self.retract).map(|fact| fact.0);
        let mut gone_there: BTreeSet<EntityId> = said.collect();
        gone_there.retain(|e| is_empty(&self.there, *e) && !owners.contains(e));
        let living = self.living(&gone_there)?;
        gone_there.retain(|e| !living.contains(e));
        for e in &gone_there {
            for (a, v) in self.here.get(e).into_iter().flatten() {
                if !self.retract.contains(&(*e, *a, v.clone())) && !self.keeps(*a) {
                    let said = (*e, self.name(*a), v.clone());
                    let (entity, by) = (*e, Side::Source);
                    self.conflicts.insert(Conflict::Retracted { entity, by, said });
                }
            }
        }
        self.referred(&gone_there)?;
        let mut found = Vec::new();
        for (e, a, v) in &self.add {
            let gone = |e: EntityId| {
                is_empty(&self.here, e) && !is_empty(&self.there, e) && !self.was_made(e)
            };
            let entities = [Some(*e).filter(|e| gone(*e)), refers(v).find(|e| gone(*e))];
            for entity in entities.into_iter().flatten() {
                let said = (*e, self.name(*a), v.clone());
                found.push(Conflict::Retracted { entity, by: Side::Target, said });
            }
        }
        self.conflicts.extend(found);
        Ok(())
    }

    /// Entities that the source retracted by their own ids, while it has them as others: an earlier
    /// merge found those to be them, and the difference from there is not about those.
    fn living(&self, gone: &BTreeSet<EntityId>) -> Result<BTreeSet<EntityId>, DbError> {
        let mut owners: BTreeMap<EntityId, EntityId> = BTreeMap::new();
        for e in gone {
            for (a, v) in self.here.get(e).into_iter().flatten() {
                let is_gone = self.retract.contains(&(*e, *a, v.clone()));
                let Some(a) = self.identity_there(*a).filter(|_| !is_gone) else { continue };
                let found = self.source.datoms(Order::Avet, None, Some(a), Some(v.clone()))?;
                owners.extend(found.first().map(|datom| (datom.e, *e)));
            }
        }
        let past = about(&self.target.history(), owners.keys().copied())?;
        let is_new = |owner: &EntityId| past.get(owner).is_none_or(|about| about.is_empty());
        Ok(owners.into_iter().filter(|(owner, _)| is_new(owner)).map(|(_, e)| e).collect())
    }

    /// The source's number of an attribute of the target, if it is an identity in both.
    fn identity_there(&self, a: AttrId) -> Option<AttrId> {
        let (here, source) = (self.target.schema().get(a)?, self.source.schema());
        let named = || source.attr(here.ident.as_str()).filter(|there| same(here, there));
        let there = source.get(a).or_else(named)?;
        let is_identity = [here, there].iter().all(|a| a.unique == Some(Unique::Identity));
        is_identity.then_some(there.id)
    }

    /// Whether an entity that the target does not have was made in the source. Its facts are in the
    /// target's ids by now.
    fn was_made(&self, e: EntityId) -> bool {
        let said = |(a, v): &(AttrId, Value)| {
            self.keeps(*a) || self.add.contains(&(e, self.attr(*a), self.value(v)))
        };
        let retracted = self.retract.range(first(e)..first(EntityId(e.0 + 1))).any(|_| true);
        !retracted && self.there.get(&e).is_some_and(|about| about.iter().all(said))
    }

    /// Whether the database keeps an attribute by itself.
    fn keeps(&self, a: AttrId) -> bool {
        self.attribute(a).is_some_and(|a| a.is_composite())
    }

    /// References of the target to what the source retracted, that the source did not know.
    fn referred(&mut self, gone: &BTreeSet<EntityId>) -> Result<(), DbError> {
        let refs: Vec<AttrId> =
            self.target.schema().attributes().filter(|a| a.is_ref()).map(|a| a.id).collect();
        let pairs: Vec<(EntityId, AttrId)> =
            gone.iter().flat_map(|e| refs.iter().map(|a| (*e, *a))).collect();
        let range =
            |(e, a): &(EntityId, AttrId)| KeyRange::prefix(None, Some(*a), Some(Value::Ref(*e)));
        let ranges: Vec<KeyRange> = pairs.iter().map(range).collect();
        let here = self.target.scan(Order::Avet, &ranges)?;
        for ((e, a), slices) in pairs.into_iter().zip(here) {
            for datom in slices.iter().flat_map(Slice::datoms) {
                let known = self.retract.contains(&(datom.e, a, datom.v.clone()))
                    || gone.contains(&datom.e)
                    || self
                        .source
                        .datoms(Order::Eavt, Some(datom.e), Some(a), Some(datom.v.clone()))
                        .map(|found| !found.is_empty())?;
                if !known {
                    let said = (datom.e, self.name(a), datom.v);
                    let (entity, by) = (e, Side::Source);
                    self.conflicts.insert(Conflict::Retracted { entity, by, said });
                }
            }
        }
        Ok(())
    }

    /// Drops what the target has already, and finds one-valued attributes that both changed.
    fn values(&mut self) {
        let mut ones: BTreeMap<(EntityId, AttrId), (Option<Value>, Vec<Value>)> = BTreeMap::new();
        for (e, a, v) in self.retract.iter().filter(|fact| !self.is_many(fact.1)) {
            ones.entry((*e, *a)).or_default().0 = Some(v.clone());
        }
        for (e, a, v) in self.add.iter().filter(|fact| !self.is_many(fact.1)) {
            ones.entry((*e, *a)).or_default().1.push(v.clone());
        }
        for ((entity, a), (base, source)) in ones {
            let about = self.here.get(&entity).into_iter().flatten();
            let target = about.filter(|(at, _)| *at == a).map(|(_, v)| v.clone()).next();
            // Several, where entities of the source are one in the target.
            let several = source.len() > 1;
            let source = source.into_iter().find(|v| !several || target.as_ref() != Some(v));
            let fits = !several && (target == source || target == base);
            if fits || self.is_retracted(entity) {
                continue;
            }
            let attribute = self.name(a);
            let is_schema = Schema::describes(a)
                && [&self.target, &self.source]
                    .iter()
                    .any(|db| db.schema().described_by(entity).is_some());
            self.conflicts.insert(match is_schema {
                true => Conflict::Schema { entity, attribute, base, target, source },
                false => Conflict::Value { entity, attribute, base, target, source },
            });
        }
        let here = std::mem::take(&mut self.here);
        let has = |(e, a, v): &Fact| here.get(e).is_some_and(|x| x.contains(&(*a, v.clone())));
        self.add.retain(|fact| !has(fact));
        self.retract.retain(has);
        self.here = here;
    }

    fn is_many(&self, a: AttrId) -> bool {
        [&self.target, &self.source].iter().any(|db| db.schema().get(a).is_some_and(|a| a.many))
    }

    /// Whether an entity is told as retracted by one side.
    fn is_retracted(&self, e: EntityId) -> bool {
        let about = |c: &Conflict| matches!(c, Conflict::Retracted { entity, .. } if *entity == e);
        self.conflicts.iter().any(about)
    }

    /// Unique values that the target's entities have, and keep.
    fn unique(&mut self) -> Result<(), DbError> {
        let is_unique = |db: &Db, a: AttrId| db.schema().get(a).is_some_and(|a| a.unique.is_some());
        let said: Vec<Fact> =
            self.add.iter().filter(|fact| is_unique(&self.target, fact.1)).cloned().collect();
        for (e, a, v) in said {
            let found = self.target.datoms(Order::Avet, None, Some(a), Some(v.clone()))?;
            for owner in found.into_iter().map(|datom| datom.e) {
                if owner != e && !self.retract.contains(&(owner, a, v.clone())) {
                    let (attribute, value) = (self.name(a), v.clone());
                    let (target, source) = (owner, e);
                    self.conflicts.insert(Conflict::Unique { attribute, value, target, source });
                }
            }
        }
        Ok(())
    }
}

/// Whether two attributes with one name and different numbers are one: where neither is described,
/// the name is all there is.
fn same(one: &Attribute, other: &Attribute) -> bool {
    one.ident == other.ident && (one.entity.is_none() || other.entity.is_none())
}

/// Where the facts of an entity begin.
fn first(e: EntityId) -> Fact {
    (e, AttrId(0), Value::Nil)
}

/// Entities that a value refers to; transactions are not among them.
fn refers(v: &Value) -> impl Iterator<Item = EntityId> {
    let parts: Vec<EntityId> = match v {
        Value::Ref(e) => vec![*e],
        Value::Vector(parts) => parts.iter().filter_map(reference).collect(),
        _ => Vec::new(),
    };
    parts.into_iter().filter(|e| e.as_tx().is_none())
}

fn reference(v: &Value) -> Option<EntityId> {
    if let Value::Ref(e) = v { Some(*e) } else { None }
}

/// All facts of entities, in one scan.
fn about(
    db: &Db,
    entities: impl IntoIterator<Item = EntityId>,
) -> Result<BTreeMap<EntityId, About>, DbError> {
    let entities: Vec<EntityId> = entities.into_iter().collect();
    let ranges: Vec<KeyRange> =
        entities.iter().map(|e| KeyRange::prefix(Some(*e), None, None)).collect();
    let scanned = db.scan(Order::Eavt, &ranges)?;
    let facts = |slices: Vec<Slice>| -> About {
        slices.iter().flat_map(Slice::datoms).map(|d| (d.a, d.v)).collect()
    };
    Ok(entities.into_iter().zip(scanned.into_iter().map(facts)).collect())
}
