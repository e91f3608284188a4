//! From what is asked to what is erased: parts of entities, tuples made of attributes, and what is
//! refused.
//!
//! **Invariant:** nothing is written here. An entity takes the entities that are, or were, part of
//! it on any branch or tag (`:db/isComponent`), and all that refers to any of them. An attribute
//! takes the composite tuples that are made of it.

use super::super::{ConnError, Place};
use super::ended::Ended;
use super::target::{Kind, Target};
use super::{Erase, PurgeError};
use crate::commit::{Opened, Refs};
use crate::datom::{KeyRange, Order};
use crate::db::Db;
use crate::id::{AttrId, EntityId};
use crate::schema::{TupleKind, builtin};
use crate::value::Value;
use std::collections::BTreeSet;

impl Place {
    /// What an erasure is of.
    pub(super) async fn target(
        &self,
        erase: &Erase,
        known: Option<&Target>,
        refs: &Refs,
    ) -> Result<Target, PurgeError> {
        let lines = match erase {
            Erase::Before(ms) => {
                let known = match known {
                    Some(Target::Ended(known)) => known.clone(),
                    _ => Ended::new(),
                };
                return Ok(Target::Ended(self.ended_by(refs, *ms, known).await?));
            }
            _ => self.known(refs).await?,
        };
        let mut kind = match known {
            Some(Target::All(known)) => known.clone(),
            _ => Kind::default(),
        };
        match erase {
            Erase::Entity(entity) => {
                kind.entities.insert(*entity);
                kind.entities = with_parts(&lines, kind.entities)?;
            }
            Erase::Attribute { attribute, entity } => {
                check_attribute(&lines, *attribute, *entity)?;
                kind.attributes.extend(with_tuples(&lines, *attribute));
                kind.of = *entity;
            }
            Erase::Before(_) => {}
        }
        for entity in &kind.entities {
            check_entity(&lines, *entity)?;
        }
        Ok(Target::All(kind))
    }

    /// All branches and tags, opened.
    async fn known(&self, refs: &Refs) -> Result<Vec<Opened>, ConnError> {
        let lines = self.lines(refs).await?.into_iter();
        let mut lines: Vec<Opened> = lines.map(|line| line.opened).collect();
        for tag in refs.tags.values().filter(|tag| tag.commit.is_some()) {
            if lines.iter().all(|line| line.head.tip.commit != tag.commit) {
                lines.push(self.open_tag(tag).await?);
            }
        }
        Ok(lines)
    }
}

/// Entities, and all that is or was part of them.
fn with_parts(
    lines: &[Opened],
    mut all: BTreeSet<EntityId>,
) -> Result<BTreeSet<EntityId>, PurgeError> {
    let mut new: Vec<EntityId> = all.iter().copied().collect();
    while !new.is_empty() {
        let ranges: Vec<KeyRange> =
            new.iter().map(|e| KeyRange::prefix(Some(*e), None, None)).collect();
        new.clear();
        for line in lines {
            let is_part = |a: AttrId| line.snapshot.schema.get(a).is_some_and(|a| a.component);
            let db = Db::new(line.snapshot.clone()).history();
            for datom in db.scan(Order::Eavt, &ranges)?.iter().flatten().flat_map(|s| s.datoms()) {
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

fn check_entity(lines: &[Opened], entity: EntityId) -> Result<(), PurgeError> {
    for line in lines {
        let schema = &line.snapshot.schema;
        let mut ident = schema.described_by(entity).map(|attribute| attribute.ident.clone());
        if ident.is_none() {
            // Of a definition that was taken back, the log keeps what it said.
            let db = Db::new(line.snapshot.clone()).history();
            let was = |a| db.datoms(Order::Eavt, Some(entity), Some(a), None);
            if !was(builtin::VALUE_TYPE)?.is_empty() || !was(builtin::CARDINALITY)?.is_empty() {
                let idents = was(builtin::IDENT)?;
                ident = idents.into_iter().find_map(|datom| match datom.v {
                    Value::Keyword(ident) => Some(ident),
                    _ => None,
                });
            }
        }
        if let Some(ident) = ident {
            return Err(PurgeError::Definition { entity, ident });
        }
    }
    Ok(())
}

/// Built-in attributes are what databases are made of, but for what they say of other entities.
fn check_attribute(
    lines: &[Opened],
    attribute: AttrId,
    entity: Option<EntityId>,
) -> Result<(), PurgeError> {
    let known = crate::schema::Schema::default();
    let Some(builtin) = known.get(attribute).filter(|_| attribute != builtin::TX_ID) else {
        return Ok(());
    };
    match entity {
        Some(entity) if attribute != builtin::TX_INSTANT => check_entity(lines, entity),
        _ => Err(PurgeError::BuiltIn(builtin.ident.clone())),
    }
}

/// An attribute, and the composite tuples that it is part of.
fn with_tuples(lines: &[Opened], attribute: AttrId) -> BTreeSet<AttrId> {
    let schemas = lines.iter().map(|line| &line.snapshot.schema);
    let tuples = schemas.flat_map(|schema| schema.attributes()).filter(|tuple| {
        matches!(&tuple.tuple, Some(TupleKind::Composite(parts)) if parts.contains(&attribute))
    });
    tuples.map(|tuple| tuple.id).chain([attribute]).collect()
}
