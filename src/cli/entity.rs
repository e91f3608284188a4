//! Entities as they are named on the command line.
//!
//! **Invariant:** a lookup ref goes through an attribute that identifies; nothing is read here but
//! the schema.

use super::exit::Problem;
use factfs_core::db::{Db, EntityRef};
use factfs_core::edn::Form;
use factfs_core::id::EntityId;
use factfs_core::value::Value;
use factfs_store::Error;

/// What a form names: an id, an `:ident` or a lookup ref.
pub fn reference(db: &Db, form: &Form) -> anyhow::Result<EntityRef> {
    if let Some(id) = form.as_long().and_then(|id| u64::try_from(id).ok()) {
        return Ok(EntityRef::Id(EntityId(id)));
    }
    if let Some(ident) = form.as_keyword() {
        return Ok(EntityRef::Ident(ident.clone()));
    }
    if let Some([attribute, value]) = form.as_vector()
        && let Some(ident) = attribute.as_keyword()
    {
        let attribute = db.attribute(ident.as_str()).map_err(Error::from)?;
        if attribute.unique.is_none() {
            let text = format!("{ident} does not identify entities: it should be :db/unique");
            return Err(Problem::invalid(text).into());
        }
        let value = match value.to_value() {
            Value::Long(id) if attribute.is_ref() => {
                u64::try_from(id).map_or(Value::Long(id), |id| Value::Ref(EntityId(id)))
            }
            value => value,
        };
        return Ok(EntityRef::Lookup(attribute.id, value));
    }
    let text = "an id, an :ident or a lookup ref such as [:product/sku \"A1\"] is expected";
    Err(Problem::invalid(text).into())
}
