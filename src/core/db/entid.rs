//! Names of entities: numbers, idents and lookup refs.
//!
//! **Invariant:** many references are resolved in one round per tree level.

use super::{Db, DbError};
use crate::datom::{KeyRange, Order};
use crate::id::{AttrId, EntityId};
use crate::schema::builtin;
use crate::value::{Keyword, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A way to name an entity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntityRef {
    /// By number.
    Id(EntityId),
    /// By `:db/ident`.
    Ident(Keyword),
    /// By the value of a unique attribute.
    Lookup(AttrId, Value),
}

impl Db {
    /// What a value names, if it can be a name: a number, an ident, a lookup ref.
    pub fn reference(&self, value: &Value) -> Result<Option<EntityRef>, DbError> {
        Ok(match value {
            Value::Ref(e) => Some(EntityRef::Id(*e)),
            Value::Long(e) => u64::try_from(*e).ok().map(|e| EntityRef::Id(EntityId(e))),
            Value::Keyword(ident) => Some(EntityRef::Ident(ident.clone())),
            Value::Vector(pair) | Value::List(pair) => match pair.as_ref() {
                [Value::Keyword(ident), value] => {
                    let Some(attr) = self.schema().attr(ident.as_str()) else { return Ok(None) };
                    if attr.unique.is_none() {
                        return Err(DbError::NotUnique { ident: ident.as_str().to_owned() });
                    }
                    let value = self.schema().typed(attr, value.clone());
                    Some(EntityRef::Lookup(attr.id, value))
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// The entity of each reference; `None` where nothing has that ident or value. A number is
    /// taken as it is.
    pub fn entids(&self, refs: &[EntityRef]) -> Result<Vec<Option<EntityId>>, DbError> {
        let ident = builtin::IDENT;
        let key = |r: &EntityRef| match r {
            EntityRef::Id(_) => None,
            EntityRef::Ident(k) => Some((ident, Value::Keyword(k.clone()))),
            EntityRef::Lookup(a, v) => Some((*a, v.clone())),
        };
        let keys: Vec<_> = refs.iter().map(key).collect();
        let range = |(a, v): (AttrId, Value)| KeyRange::prefix(None, Some(a), Some(v));
        let ranges: Vec<_> = keys.iter().flatten().cloned().map(range).collect();
        let mut found = self.scan_references(Order::Avet, &ranges)?.into_iter();
        let mut resolve = |r: &EntityRef| match r {
            EntityRef::Id(e) => Some(*e),
            _ => found.next().and_then(|slices| slices.first().map(|s| s.facts.e(s.rows.start))),
        };
        Ok(refs.iter().map(&mut resolve).collect())
    }

    /// The entity of one reference.
    pub fn entid(&self, reference: &EntityRef) -> Result<Option<EntityId>, DbError> {
        Ok(self.entids(std::slice::from_ref(reference))?.pop().flatten())
    }

    /// The entities that a reference names; where it names none now, all that it ever named. For
    /// who means something that may be retracted.
    pub fn entids_ever(&self, reference: &EntityRef) -> Result<Vec<EntityId>, DbError> {
        if let Some(now) = self.entid(reference)? {
            return Ok(vec![now]);
        }
        let (a, v) = match reference {
            EntityRef::Id(id) => return Ok(vec![*id]),
            EntityRef::Ident(ident) => (builtin::IDENT, Value::Keyword(ident.clone())),
            EntityRef::Lookup(a, v) => (*a, v.clone()),
        };
        let past = self.history().datoms(Order::Avet, None, Some(a), Some(v))?;
        let ids: BTreeSet<EntityId> = past.iter().map(|datom| datom.e).collect();
        Ok(ids.into_iter().collect())
    }

    /// The ident of an entity, if it has one.
    pub fn ident(&self, e: EntityId) -> Result<Option<Keyword>, DbError> {
        Ok(match self.value(e, builtin::IDENT)? {
            Some(Value::Keyword(k)) => Some(k),
            _ => None,
        })
    }

    /// The attribute with this name, or an error that names the most similar one.
    pub fn attribute(&self, ident: &str) -> Result<&Arc<crate::schema::Attribute>, DbError> {
        self.schema().attr(ident).ok_or_else(|| DbError::UnknownAttribute {
            ident: ident.to_owned(),
            nearest: self.schema().nearest(ident),
        })
    }
}
