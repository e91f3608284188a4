//! Attributes that other databases have built in and that are made here when they are first used:
//! when facts are valid, and references from one database to another.
//!
//! **Invariant:** a description of one's own is what counts; these are for databases that give
//! none. They get numbers as any attribute does.

use super::{Attribute, ValueType};
use crate::id::AttrId;
use crate::value::Keyword;

/// From when what a transaction says is valid.
pub const VALID_FROM: &str = "db.valid/from";
/// Until when what a transaction says is valid.
pub const VALID_TO: &str = "db.valid/to";

/// Name, type, whether values can be looked up, and what it is for.
const KNOWN: [(&str, Option<ValueType>, bool, &str); 7] = [
    (VALID_FROM, Some(ValueType::Instant), true, "from when a transaction's facts are valid"),
    (VALID_TO, Some(ValueType::Instant), true, "until when a transaction's facts are valid"),
    ("dh.ref/db", Some(ValueType::Uuid), true, "the database that a reference points into"),
    ("dh.ref/attr", Some(ValueType::Keyword), false, "the attribute of a reference"),
    ("dh.ref/value", None, true, "the value that the attribute has there"),
    ("dh.ref/temporal", Some(ValueType::String), false, "the moment of a reference"),
    ("dh.ref/type", Some(ValueType::Keyword), false, "what kind of reference it is"),
];

impl Attribute {
    /// Whether an attribute of this name is known without a description.
    pub fn is_known(ident: &Keyword) -> bool {
        KNOWN.iter().any(|(name, ..)| *name == ident.as_str())
    }

    /// The attribute that the first use of a name makes.
    pub fn at_first_use(id: AttrId, ident: Keyword) -> Self {
        let known = KNOWN.iter().find(|(name, ..)| *name == ident.as_str());
        let made = Self::undescribed(id, ident);
        match known {
            None => made,
            Some((_, value_type, index, doc)) => {
                Self { value_type: *value_type, index: *index, doc: Some((*doc).into()), ..made }
            }
        }
    }
}
