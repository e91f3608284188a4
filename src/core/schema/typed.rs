//! Integers as attributes store them, and tuples of them.
//!
//! **Invariant:** no value becomes equal to one that it was not equal to: only integers change
//! their type, and entity ids are integers.

use super::{Attribute, Schema, TupleKind, ValueType};
use crate::id::EntityId;
use crate::value::{BigInt, Value};

/// An integer as an attribute of this type stores it; anything else as it is.
pub fn typed(value: Value, value_type: Option<ValueType>) -> Value {
    match (&value, value_type) {
        (Value::Long(x), Some(ValueType::Ref)) => {
            u64::try_from(*x).map_or(value, |e| Value::Ref(EntityId(e)))
        }
        (Value::Long(x), Some(ValueType::BigInt)) => Value::from(BigInt::from(*x)),
        (Value::Ref(e), Some(ValueType::Ref)) => Value::Ref(*e),
        (Value::Ref(e), Some(_)) => typed(Value::Long(e.0 as i64), value_type),
        (Value::BigInt(x), Some(ValueType::Long)) => {
            i64::try_from(x.as_ref()).map_or(value, Value::Long)
        }
        _ => value,
    }
}

impl Schema {
    /// A value as this attribute stores it: integers, those in tuples as well.
    pub fn typed(&self, attribute: &Attribute, value: Value) -> Value {
        let (Some(tuple), Value::Vector(items) | Value::List(items)) = (&attribute.tuple, &value)
        else {
            return typed(value, attribute.value_type);
        };
        let type_of = |at: usize| match tuple {
            TupleKind::Composite(parts) => self.get(*parts.get(at)?)?.value_type,
            TupleKind::Homogeneous(part) => Some(*part),
            TupleKind::Heterogeneous(parts) => parts.get(at).copied(),
        };
        let items = items.iter().enumerate().map(|(at, item)| typed(item.clone(), type_of(at)));
        Value::from(items.collect::<Vec<_>>())
    }
}
