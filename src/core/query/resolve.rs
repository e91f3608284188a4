//! Names of entities to entities: numbers, idents and lookup refs, for one source, many at once.
//!
//! **Invariant:** all names of a call are resolved in one round a level; what names nobody is
//! `None`, what cannot be a name (a lookup ref through an attribute that is not unique) is an
//! error.

use super::align::typed;
use super::bind::Source;
use super::error::QueryError;
use super::logical::Logical;
use crate::db::{Db, DbError, EntityRef};
use crate::id::EntityId;
use crate::value::Value;

/// The entities of the constants of a query, a round for each source.
pub fn constants(logical: &Logical) -> Result<Vec<Option<EntityId>>, QueryError> {
    let mut entities = vec![None; logical.refs.len()];
    for (number, source) in logical.sources.iter().enumerate() {
        let Source::Db(db) = source else { continue };
        let mine = logical.refs.iter().enumerate().filter(|(_, r)| r.source == number);
        let (mut places, mut refs) = (Vec::new(), Vec::new());
        for (index, constant) in mine {
            let named = reference(db, &constant.value).map_err(|source| QueryError::Resolve {
                source,
                at: constant.place.as_ref().clone(),
            })?;
            if let Some(reference) = named {
                places.push(index);
                refs.push(reference);
            }
        }
        for (index, entity) in places.into_iter().zip(db.entids(&refs)?) {
            entities[index] = entity;
        }
    }
    Ok(entities)
}

/// What a value names, if it can be a name.
pub fn reference(db: &Db, value: &Value) -> Result<Option<EntityRef>, DbError> {
    Ok(match value {
        Value::Ref(e) => Some(EntityRef::Id(*e)),
        Value::Long(e) => u64::try_from(*e).ok().map(|e| EntityRef::Id(EntityId(e))),
        Value::Keyword(ident) => Some(EntityRef::Ident(ident.clone())),
        Value::Vector(pair) | Value::List(pair) => match pair.as_ref() {
            [Value::Keyword(ident), value] => {
                let Some(attr) = db.schema().attr(ident.as_str()) else { return Ok(None) };
                if attr.unique.is_none() {
                    return Err(DbError::NotUnique { ident: ident.as_str().to_owned() });
                }
                let value = typed(value.clone(), attr.value_type);
                Some(EntityRef::Lookup(attr.id, value))
            }
            _ => None,
        },
        _ => None,
    })
}
