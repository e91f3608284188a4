//! Why facts were not erased.
//!
//! **Invariant:** what is refused is refused before anything was written.

use super::super::ConnError;
use crate::db::DbError;
use crate::id::EntityId;
use crate::index::{NodesError, TreeError};
use crate::store::StoreError;
use crate::value::Keyword;

/// Why facts were not erased.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PurgeError {
    /// The database could not be read or written. What was done stays done, and the same purge
    /// again goes on with the rest.
    #[error(transparent)]
    Conn(#[from] ConnError),
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
    /// A branch was made on which what had ended elsewhere may hold, each time that all of them
    /// were looked at.
    #[error(
        "branches were made all the time while it was found out what had ended on all of them: \
         try again"
    )]
    Branched,
    /// Facts of a built-in attribute, which databases are made of.
    #[error("{0} cannot be erased: the database is made of it")]
    BuiltIn(Keyword),
}

macro_rules! from {
    ($($error:ty),*) => {
        $(
            impl From<$error> for PurgeError {
                fn from(error: $error) -> Self {
                    Self::Conn(error.into())
                }
            }
        )*
    };
}

from!(StoreError, NodesError, TreeError, DbError);
