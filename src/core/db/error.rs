//! Why a database could not be read, or a reference not be resolved.
//!
//! **Invariant:** an error about a name says the name as it was written, and the most similar one
//! that is known.

use crate::catalogue::Code;
use crate::index::NodesError;
use crate::nearest::keyword_hint;

/// Why a database could not be read, or a reference not be resolved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// Nodes could not be had.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// No attribute has this name.
    #[error("unknown attribute :{ident}{}", keyword_hint(.nearest))]
    UnknownAttribute {
        /// What was written.
        ident: String,
        /// The most similar one that exists.
        nearest: Option<String>,
    },
    /// Nothing that names an attribute.
    #[error("{what} names no attribute")]
    NoSuchAttribute {
        /// What was written.
        what: String,
    },
    /// Values are asked for in order, and no index has them so.
    #[error("attribute :{ident} should be marked as :db/index true")]
    NotIndexed {
        /// The attribute.
        ident: String,
    },
    /// A lookup ref through an attribute whose values do not identify.
    #[error("lookup ref attribute :{ident} should be marked as :db/unique")]
    NotUnique {
        /// The attribute.
        ident: String,
    },
    /// Nothing has this ident, lookup ref or number.
    #[error("nothing found for entity id {what}")]
    NoSuchEntity {
        /// What was written.
        what: String,
    },
}

impl DbError {
    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::Nodes(_) => Code::DatabaseUnreadable,
            Self::UnknownAttribute { .. } => Code::AttributeUnknown,
            Self::NoSuchAttribute { .. } => Code::AttributeNone,
            Self::NotIndexed { .. } => Code::AttributeNotIndexed,
            Self::NotUnique { .. } => Code::AttributeNotUnique,
            Self::NoSuchEntity { .. } => Code::EntityUnknown,
        }
    }
}
