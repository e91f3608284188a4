//! From what is asked to a kind of facts: parts of entities, tuples made of attributes, and what is
//! refused.
//!
//! **Invariant:** an entity takes the entities that are, or were, part of it on any of the lines
//! that are looked at (`:db/isComponent`), and all that refers to any of them. An attribute takes
//! the composite tuples that are made of it, and so does a value.

use super::{Db, Erase, EraseError};
use crate::datom::{KeyRange, Order, RowKey};
use crate::id::{AttrId, EntityId, Tx};
use crate::schema::{Schema, TupleKind, builtin};
use crate::value::{Tag, ValRef, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of facts, whenever they held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kind {
    /// All about these, and all that refers to them.
    pub(super) entities: BTreeSet<EntityId>,
    /// All of these attributes.
    pub(super) attributes: BTreeSet<AttrId>,
    /// All of an attribute of one entity.
    pub(super) said: BTreeSet<(EntityId, AttrId)>,
    /// Single facts, by [`fact_key`].
    pub(super) facts: BTreeMap<(EntityId, AttrId), BTreeSet<Vec<u8>>>,
    /// Composite tuples that have one of these values at its place.
    pub(super) tuples: BTreeMap<(EntityId, AttrId), BTreeSet<(usize, Value)>>,
}

/// The key of a fact without its transaction, by EAVT.
pub(crate) fn fact_key(key: &RowKey<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    key.encode(Order::Eavt, &mut bytes);
    bytes.truncate(bytes.len() - 8);
    bytes
}

impl Kind {
    /// Takes in what is asked. `lines` are all that names are understood by, with their histories:
    /// of a database its branches and tags, of a value that one.
    pub(crate) fn add(&mut self, erase: &Erase, lines: &[Db]) -> Result<(), EraseError> {
        self.note(erase, lines)?;
        let entities = std::mem::take(&mut self.entities);
        self.entities = with_parts(lines, entities)?;
        self.entities.iter().try_for_each(|entity| check_entity(lines, *entity))
    }

    /// All of it but parts of entities, which are looked for once.
    fn note(&mut self, erase: &Erase, lines: &[Db]) -> Result<(), EraseError> {
        match erase {
            Erase::Entity(entity) => {
                self.entities.insert(*entity);
            }
            Erase::Attribute { attribute, entity } => {
                check_attribute(lines, *attribute, *entity)?;
                let all = std::iter::once(*attribute)
                    .chain(tuples(lines, *attribute).map(|(tuple, _)| tuple));
                match entity {
                    None => self.attributes.extend(all),
                    Some(entity) => self.said.extend(all.map(|a| (*entity, a))),
                }
            }
            Erase::Fact { entity, attribute, value } => {
                check_attribute(lines, *attribute, Some(*entity))?;
                let (e, a, v) = (*entity, *attribute, value.as_ref());
                let key = fact_key(&RowKey { e, a, v, tx: Tx(0) });
                self.facts.entry((e, a)).or_default().insert(key);
                for (tuple, at) in tuples(lines, a) {
                    let known = self.tuples.entry((e, tuple)).or_default();
                    known.insert((at, value.clone()));
                }
            }
            Erase::Several(all) => all.iter().try_for_each(|erase| self.note(erase, lines))?,
            Erase::Before(_) => {}
        }
        Ok(())
    }

    /// Whether a fact is of the kind.
    pub(crate) fn has(&self, key: &RowKey<'_>) -> bool {
        let (of, is_some) = ((key.e, key.a), !self.entities.is_empty());
        let about = is_some && key.a != builtin::TX_INSTANT && self.entities.contains(&key.e);
        about
            || self.attributes.contains(&key.a)
            || self.said.contains(&of)
            || self.facts.get(&of).is_some_and(|keys| keys.contains(&fact_key(key)))
            || self.tuples.get(&of).is_some_and(|parts| has_part(key.v, parts))
            || is_some && self.is_in(key.v)
    }

    /// Whether a value refers to one of the entities.
    fn is_in(&self, value: ValRef<'_>) -> bool {
        match value {
            ValRef::Ref(entity) => self.entities.contains(&entity),
            ValRef::Owned(value) => self.is_within(value),
            ValRef::Encoded(tag, _) if is_collection(tag) => self.is_within(&value.to_value()),
            _ => false,
        }
    }

    fn is_within(&self, value: &Value) -> bool {
        match value {
            Value::Ref(entity) => self.entities.contains(entity),
            Value::Vector(items) | Value::List(items) => {
                items.iter().any(|item| self.is_within(item))
            }
            Value::Set(items) => items.iter().any(|item| self.is_within(item)),
            Value::Map(entries) => {
                entries.iter().any(|(key, value)| self.is_within(key) || self.is_within(value))
            }
            _ => false,
        }
    }
}

fn is_collection(tag: Tag) -> bool {
    matches!(tag, Tag::Vector | Tag::List | Tag::Set | Tag::Map)
}

/// Whether a tuple has one of these values at its place.
fn has_part(tuple: ValRef<'_>, parts: &BTreeSet<(usize, Value)>) -> bool {
    let Value::Vector(items) = tuple.to_value() else { return false };
    parts.iter().any(|(at, value)| items.get(*at) == Some(value))
}

/// Entities, and all that is or was part of them.
fn with_parts(lines: &[Db], mut all: BTreeSet<EntityId>) -> Result<BTreeSet<EntityId>, EraseError> {
    let mut new: Vec<EntityId> = all.iter().copied().collect();
    while !new.is_empty() {
        let ranges: Vec<KeyRange> =
            new.iter().map(|e| KeyRange::prefix(Some(*e), None, None)).collect();
        new.clear();
        for line in lines {
            let is_part = |a: AttrId| line.schema().get(a).is_some_and(|a| a.component);
            let found = line.scan(Order::Eavt, &ranges)?;
            for datom in found.iter().flatten().flat_map(|s| s.datoms()) {
                if let (Value::Ref(part), true) = (datom.v, is_part(datom.a))
                    && all.insert(part)
                {
                    new.push(part);
                }
            }
        }
    }
    Ok(all)
}

fn check_entity(lines: &[Db], entity: EntityId) -> Result<(), EraseError> {
    for line in lines {
        let described = line.schema().described_by(entity);
        let mut ident = described.map(|attribute| attribute.ident.clone());
        if ident.is_none() {
            // Of a definition that was taken back, the log keeps what it said.
            let was = |a| line.datoms(Order::Eavt, Some(entity), Some(a), None);
            if !was(builtin::VALUE_TYPE)?.is_empty() || !was(builtin::CARDINALITY)?.is_empty() {
                let idents = was(builtin::IDENT)?;
                ident = idents.into_iter().find_map(|datom| match datom.v {
                    Value::Keyword(ident) => Some(ident),
                    _ => None,
                });
            }
        }
        if let Some(ident) = ident {
            return Err(EraseError::Definition { entity, ident });
        }
    }
    Ok(())
}

/// Built-in attributes are what databases are made of, but for what they say of other entities.
fn check_attribute(
    lines: &[Db],
    attribute: AttrId,
    entity: Option<EntityId>,
) -> Result<(), EraseError> {
    let known = Schema::default();
    let Some(builtin) = known.get(attribute).filter(|_| attribute != builtin::TX_ID) else {
        return Ok(());
    };
    match entity {
        Some(entity) if attribute != builtin::TX_INSTANT => check_entity(lines, entity),
        _ => Err(EraseError::BuiltIn(builtin.ident.clone())),
    }
}

/// The composite tuples that an attribute is part of, and at which place.
fn tuples(lines: &[Db], attribute: AttrId) -> impl Iterator<Item = (AttrId, usize)> {
    let all = lines.iter().flat_map(|line| line.schema().attributes());
    all.flat_map(move |tuple| {
        let parts = match &tuple.tuple {
            Some(TupleKind::Composite(parts)) => &parts[..],
            _ => &[],
        };
        let places = parts.iter().enumerate().filter(move |(_, part)| **part == attribute);
        places.map(|(at, _)| (tuple.id, at))
    })
}
