//! What stands in the way of a merge, with what each side says.
//!
//! **Invariant:** every kind has all values of both sides; as rows they are a relation that a query
//! can read.

use crate::id::EntityId;
use crate::value::{Keyword, Value};

/// One of the two branches of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// What is merged into.
    Target,
    /// What is merged.
    Source,
}

/// Both sides say different things.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// A one-valued attribute that both changed.
    Value {
        /// The entity, by its id in the target.
        entity: EntityId,
        /// The attribute.
        attribute: Keyword,
        /// What both had.
        base: Option<Value>,
        /// What the target has; `None`: it was retracted.
        target: Option<Value>,
        /// What the source has.
        source: Option<Value>,
    },
    /// The same of a fact that describes an attribute.
    Schema {
        /// The entity that describes it.
        entity: EntityId,
        /// The attribute of the description.
        attribute: Keyword,
        /// What both had.
        base: Option<Value>,
        /// What the target has.
        target: Option<Value>,
        /// What the source has.
        source: Option<Value>,
    },
    /// An entity that one side retracted, and of which the other says something new, or to which it
    /// refers anew.
    Retracted {
        /// The entity.
        entity: EntityId,
        /// Who retracted it.
        by: Side,
        /// What the other side says: `[entity attribute value]`.
        said: (EntityId, Keyword, Value),
    },
    /// A unique value that would have two owners.
    Unique {
        /// The attribute.
        attribute: Keyword,
        /// The value.
        value: Value,
        /// Who has it in the target.
        target: EntityId,
        /// Who has it in the source.
        source: EntityId,
    },
}

impl Conflict {
    /// The names of the columns of [`Conflict::row`].
    pub const COLUMNS: [&str; 6] = ["kind", "entity", "attribute", "base", "target", "source"];

    /// The conflict as a row: kind, entity, attribute, and what each had; nil is nothing.
    pub fn row(&self) -> [Value; 6] {
        let name = |kind: &str| Value::keyword(kind);
        let or_nil = |v: &Option<Value>| v.clone().unwrap_or(Value::Nil);
        match self {
            Self::Value { entity, attribute, base, target, source }
            | Self::Schema { entity, attribute, base, target, source } => {
                let kind = if matches!(self, Self::Schema { .. }) { "schema" } else { "value" };
                let attribute = Value::Keyword(attribute.clone());
                let (base, target, source) = (or_nil(base), or_nil(target), or_nil(source));
                [name(kind), Value::Ref(*entity), attribute, base, target, source]
            }
            Self::Retracted { entity, by, said: (e, attribute, v) } => {
                let kind = if e == entity { "retracted" } else { "referred" };
                let said = if e == entity { v.clone() } else { Value::Ref(*e) };
                let (target, source) = match by {
                    Side::Target => (Value::Nil, said),
                    Side::Source => (said, Value::Nil),
                };
                let attribute = Value::Keyword(attribute.clone());
                [name(kind), Value::Ref(*entity), attribute, Value::Nil, target, source]
            }
            Self::Unique { attribute, value, target, source } => {
                let attribute = Value::Keyword(attribute.clone());
                let (target, source) = (Value::Ref(*target), Value::Ref(*source));
                [name("unique"), target.clone(), attribute, value.clone(), target, source]
            }
        }
    }
}
