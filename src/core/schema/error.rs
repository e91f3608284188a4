//! Why a schema cannot be what a transaction says of it.
//!
//! **Invariant:** the message names the attribute that is described; what could be written instead
//! is said with it.

use crate::catalogue::Code;
use crate::nearest::hint;
use crate::value::Keyword;

/// A schema change that is not possible, by attribute and reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A built-in attribute was described anew.
    #[error("{ident} is built in and cannot be changed")]
    BuiltIn {
        /// The attribute.
        ident: Keyword,
    },
    /// Something every attribute needs is not said.
    #[error("attribute {ident}: {missing} is missing")]
    Incomplete {
        /// The attribute, or the entity that has no ident.
        ident: String,
        /// What has to be said.
        missing: &'static str,
    },
    /// A schema attribute has a value that means nothing.
    #[error("attribute {ident}: {value} is no {key}{}; there are {expected}", hint(.nearest))]
    BadValue {
        /// The attribute that is described.
        ident: String,
        /// The schema attribute.
        key: &'static str,
        /// What was written.
        value: String,
        /// What could be written.
        expected: &'static str,
        /// What of that is most like it, if anything is alike.
        nearest: Option<String>,
    },
    /// A change that existing facts, or the rest of the description, forbid.
    #[error("attribute {ident}: {reason}")]
    Forbidden {
        /// The attribute.
        ident: Keyword,
        /// Why not.
        reason: &'static str,
    },
    /// The ident belongs to another attribute.
    #[error("{ident} is the name of another attribute")]
    NameTaken {
        /// The ident.
        ident: Keyword,
    },
    /// A part of a composite tuple does not exist or has several values.
    #[error("attribute {ident}: {source_ident} cannot be part of a tuple: {reason}")]
    TuplePart {
        /// The tuple attribute.
        ident: Keyword,
        /// The part.
        source_ident: Keyword,
        /// Why not.
        reason: &'static str,
    },
    /// All attribute numbers of the block are used.
    #[error("no attribute numbers are left")]
    Full,
}

impl SchemaError {
    /// The name of the attribute at fault, if it has one.
    pub fn ident(&self) -> Option<&str> {
        match self {
            Self::BuiltIn { ident }
            | Self::Forbidden { ident, .. }
            | Self::NameTaken { ident }
            | Self::TuplePart { ident, .. } => Some(ident.as_str()),
            Self::Incomplete { ident, .. } | Self::BadValue { ident, .. } => {
                ident.strip_prefix(':')
            }
            Self::Full => None,
        }
    }

    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::BuiltIn { .. } => Code::SchemaBuiltIn,
            Self::Incomplete { .. } => Code::SchemaIncomplete,
            Self::BadValue { .. } => Code::SchemaValue,
            Self::Forbidden { .. } => Code::SchemaForbidden,
            Self::NameTaken { .. } => Code::SchemaNameTaken,
            Self::TuplePart { .. } => Code::SchemaTuplePart,
            Self::Full => Code::TxFull,
        }
    }
}
