//! What a transaction has to know of the database, fetched for the whole transaction at once.
//!
//! **Invariant:** a question that was not fetched yet is answered "nothing there" and noted; once
//! nothing is noted in a whole pass, all answers of that pass were true. So reads cost one scan for
//! each level of dependency, never one a datom.

use crate::datom::{KeyRange, Order, Slice};
use crate::db::{Db, DbError};
use crate::id::{AttrId, EntityId};
use crate::value::Value;
use hashbrown::HashMap;
use std::sync::Arc;

/// A set of facts of the database before the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// All facts of an entity.
    Entity(EntityId),
    /// All values of an attribute of an entity.
    Values(EntityId, AttrId),
    /// All facts of an attribute with this value.
    Incoming(AttrId, EntityId),
}

/// Facts as `(e a v)`.
pub(super) type Found = Arc<[(EntityId, AttrId, Value)]>;

/// Answers so far.
#[derive(Debug, Default)]
pub(super) struct Reads {
    owners: HashMap<(AttrId, Value), Option<EntityId>>,
    ones: HashMap<(EntityId, AttrId), Option<Value>>,
    facts: HashMap<(EntityId, AttrId, Value), bool>,
    lists: HashMap<Question, Found>,
    wanted_owners: Vec<(AttrId, Value)>,
    wanted_ones: Vec<(EntityId, AttrId)>,
    wanted_facts: Vec<(EntityId, AttrId, Value)>,
    wanted_lists: Vec<Question>,
}

impl Reads {
    /// With room for so many unique values.
    pub(super) fn with_capacity(owners: usize) -> Self {
        let wanted_owners = Vec::with_capacity(owners);
        Self { owners: HashMap::with_capacity(owners), wanted_owners, ..Self::default() }
    }

    /// Who has a value of a unique attribute.
    pub(super) fn owner(&mut self, key: &(AttrId, Value)) -> Option<EntityId> {
        if let Some(known) = self.owners.get(key) {
            return *known;
        }
        self.wanted_owners.push(key.clone());
        self.owners.insert(key.clone(), None);
        None
    }

    /// The value of a one-valued attribute.
    pub(super) fn one(&mut self, e: EntityId, a: AttrId) -> Option<Value> {
        if let Some(known) = self.ones.get(&(e, a)) {
            return known.clone();
        }
        self.wanted_ones.push((e, a));
        self.ones.insert((e, a), None);
        None
    }

    /// Whether a fact holds.
    pub(super) fn fact(&mut self, key: &(EntityId, AttrId, Value)) -> bool {
        if let Some(known) = self.facts.get(key) {
            return *known;
        }
        self.wanted_facts.push(key.clone());
        self.facts.insert(key.clone(), false);
        false
    }

    /// All facts that a question is about.
    pub(super) fn list(&mut self, question: Question) -> Found {
        if let Some(known) = self.lists.get(&question) {
            return known.clone();
        }
        self.wanted_lists.push(question.clone());
        let nothing: Found = Arc::new([]);
        self.lists.insert(question, nothing.clone());
        nothing
    }

    /// Whether an answer since the last fetch was a guess.
    pub(super) fn is_guessing(&self) -> bool {
        !(self.wanted_owners.is_empty()
            && self.wanted_ones.is_empty()
            && self.wanted_facts.is_empty()
            && self.wanted_lists.is_empty())
    }

    /// Fetches all that was asked for: at most one scan an index.
    pub(super) fn fetch(&mut self, db: &Db) -> Result<(), DbError> {
        let owners = std::mem::take(&mut self.wanted_owners);
        let ones = std::mem::take(&mut self.wanted_ones);
        let facts = std::mem::take(&mut self.wanted_facts);
        let (incoming, entities): (Vec<_>, Vec<_>) = std::mem::take(&mut self.wanted_lists)
            .into_iter()
            .partition(|q| matches!(q, Question::Incoming(..)));
        let range = |e, a, v| KeyRange::prefix(e, a, v);
        let by_value = owners.iter().map(|(a, v)| range(None, Some(*a), Some(v.clone())));
        let by_value = by_value.chain(incoming.iter().map(Question::range));
        let mut avet = scan(db, Order::Avet, by_value)?.into_iter();
        let by_entity = ones.iter().map(|(e, a)| range(Some(*e), Some(*a), None));
        let by_fact = facts.iter().map(|(e, a, v)| range(Some(*e), Some(*a), Some(v.clone())));
        let by_entity = by_entity.chain(by_fact).chain(entities.iter().map(Question::range));
        let mut eavt = scan(db, Order::Eavt, by_entity)?;
        // Whether a fact is there needs no long value.
        let known: Vec<_> = eavt.splice(ones.len()..ones.len() + facts.len(), []).collect();
        let mut eavt = db.whole(eavt)?.into_iter();
        for key in owners {
            let found = avet.next().unwrap_or_default();
            self.owners.insert(key, found.first().map(|s| s.facts.e(s.rows.start)));
        }
        for key in ones {
            let found = eavt.next().unwrap_or_default();
            self.ones.insert(key, found.first().map(|s| s.facts.v(s.rows.start).to_value()));
        }
        for (key, found) in facts.into_iter().zip(known) {
            self.facts.insert(key, !found.is_empty());
        }
        for (questions, answers) in [(incoming, &mut avet), (entities, &mut eavt)] {
            for question in questions {
                let found = answers.next().unwrap_or_default();
                let datoms = found.iter().flat_map(Slice::datoms);
                self.lists.insert(question, datoms.map(|d| (d.e, d.a, d.v)).collect());
            }
        }
        Ok(())
    }
}

impl Question {
    fn range(&self) -> KeyRange {
        match self {
            Self::Entity(e) => KeyRange::prefix(Some(*e), None, None),
            Self::Values(e, a) => KeyRange::prefix(Some(*e), Some(*a), None),
            Self::Incoming(a, e) => KeyRange::prefix(None, Some(*a), Some(Value::Ref(*e))),
        }
    }
}

fn scan(
    db: &Db,
    order: Order,
    ranges: impl Iterator<Item = KeyRange>,
) -> Result<Vec<Vec<Slice>>, DbError> {
    let ranges: Vec<_> = ranges.collect();
    if ranges.is_empty() { Ok(Vec::new()) } else { db.scan_references(order, &ranges) }
}
