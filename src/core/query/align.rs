//! Values against the type of an attribute: what a constant is in an index, and which range holds
//! what compares so.
//!
//! **Invariant:** aligning never makes values equal that do not join: only integers change their
//! type.

use super::functions::Comparison;
use crate::datom::{KeyRange, Probe, Side};
use crate::id::EntityId;
use crate::schema::{Attribute, ValueType};
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

/// The range of AVET that holds every value within the bounds, and perhaps more; `None` if the
/// index is of no use.
pub fn range(attr: &Attribute, bounds: &[(Comparison, Value)]) -> Option<KeyRange> {
    if bounds.is_empty() || !attr.in_avet() || attr.value_type.is_none() || attr.is_ref() {
        return None;
    }
    let of = |low: bool| {
        let wanted = |comparison: &Comparison| match comparison {
            Comparison::Greater | Comparison::AtLeast => low,
            Comparison::Less | Comparison::AtMost => !low,
            Comparison::Same => true,
            _ => false,
        };
        let values = bounds.iter().filter(|(c, _)| wanted(c)).map(|(_, v)| v);
        if low { values.max() } else { values.min() }
    };
    let probe = |value: Option<&Value>, side| Probe {
        e: None,
        a: Some(attr.id),
        v: value.and_then(|v| edge(v, side)),
        side,
    };
    Some(KeyRange { from: probe(of(true), Side::Before), to: probe(of(false), Side::After) })
}

/// Numbers of one exact value lie together in the index, ordered by type from long to ref: a bound
/// stands before the first of them or after the last. `None` where no such neighbour can be
/// written: then the range is open there.
fn edge(value: &Value, side: Side) -> Option<Value> {
    if !value.is_number() {
        return Some(value.clone());
    }
    let whole = match value {
        Value::Long(x) => Some(*x),
        Value::Double(x) if (*x as i64) as f64 == *x && x.abs() < 9e15 => Some(*x as i64),
        _ => None,
    };
    match (whole, side) {
        (Some(x), Side::Before) => Some(Value::Long(x)),
        (Some(x), Side::After) => u64::try_from(x).ok().map(|e| Value::Ref(EntityId(e))),
        (None, _) => match value {
            // A fraction has no integer beside it; its neighbours are floats, doubles, ratios and
            // decimals.
            Value::Double(x) if x.is_finite() && side == Side::After => Some(Value::Double(*x)),
            _ => None,
        },
    }
}
