//! What can be erased, of a value here and of all of a database by whoever commits.
//!
//! **Invariant:** whether a fact of some kind is erased depends on the fact and on what was asked,
//! and on no head. It does not say what had ended by a moment: of a value [`Db::without`] does, of
//! all branches together only who knows them can.

mod kind;
mod value;

pub(crate) use kind::{Kind, fact_key};

use super::{Db, DbError};
use crate::catalogue::Code;
use crate::id::{AttrId, EntityId};
use crate::value::{Keyword, Value};

/// What is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// All about an entity and what is, or was, part of it; and all that refers to them. Of a
    /// transaction its instant stays.
    Entity(EntityId),
    /// What an attribute says, with composite tuples that are made of it: of all entities, or of
    /// one.
    Attribute {
        /// The attribute.
        attribute: AttrId,
        /// The entity; `None` is all.
        entity: Option<EntityId>,
    },
    /// One value of an attribute of an entity, whenever it had that, with composite tuples of the
    /// entity in which it stands.
    Fact {
        /// The entity.
        entity: EntityId,
        /// The attribute.
        attribute: AttrId,
        /// The value.
        value: Value,
    },
    /// What had ended by this instant, milliseconds since 1970, on every branch that has it. What
    /// held then, and since, stays; and so does the history of definitions of attributes.
    Before(i64),
    /// Several together.
    Several(Vec<Erase>),
}

impl Erase {
    /// Whether facts of some kind are meant, whenever they held.
    pub fn is_of_kind(&self) -> bool {
        match self {
            Self::Before(_) => false,
            Self::Several(all) => all.iter().any(Self::is_of_kind),
            Self::Entity(_) | Self::Attribute { .. } | Self::Fact { .. } => true,
        }
    }

    /// The moment by which facts had ended that are meant, whatever they are.
    pub fn moment(&self) -> Option<i64> {
        match self {
            Self::Before(ms) => Some(*ms),
            Self::Several(all) => all.iter().filter_map(Self::moment).max(),
            Self::Entity(_) | Self::Attribute { .. } | Self::Fact { .. } => None,
        }
    }
}

/// Why something is not erased.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EraseError {
    /// An attribute is defined by this entity.
    #[error(
        "entity {entity} defines {ident}, and a definition cannot be erased: \
         erase what the attribute says"
    )]
    Definition {
        /// The entity.
        entity: EntityId,
        /// The attribute that it defines, or defined.
        ident: Keyword,
    },
    /// Facts of a built-in attribute, which databases are made of.
    #[error("{0} cannot be erased: the database is made of it")]
    BuiltIn(Keyword),
    /// The database could not be read.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl EraseError {
    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::Definition { .. } | Self::BuiltIn(_) => Code::TxErase,
            Self::Db(error) => error.code(),
        }
    }
}
