//! Names of entities to entities: numbers, idents and lookup refs, for one source, many at once.
//!
//! **Invariant:** all names of a call are resolved in one round a level; what names nobody is
//! `None`, what cannot be a name (a lookup ref through an attribute that is not unique) is an
//! error.

use super::bind::Source;
use super::error::QueryError;
use super::logical::Logical;
use crate::id::EntityId;

/// The entities of the constants of a query, a round for each source.
pub fn constants(logical: &Logical) -> Result<Vec<Option<EntityId>>, QueryError> {
    let mut entities = vec![None; logical.refs.len()];
    for (number, source) in logical.sources.iter().enumerate() {
        let Source::Db(db) = source else { continue };
        let mine = logical.refs.iter().enumerate().filter(|(_, r)| r.source == number);
        let (mut places, mut refs) = (Vec::new(), Vec::new());
        for (index, constant) in mine {
            let named = db.reference(&constant.value).map_err(|source| QueryError::Resolve {
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
