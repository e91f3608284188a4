//! Values against the type of an attribute: what a constant is in an index, and which range holds
//! what compares so.
//!
//! **Invariant:** aligning never makes values equal that do not join: only integers change their
//! type.

use super::functions::Comparison;
use crate::datom::{KeyRange, Probe, Side};
use crate::id::EntityId;
use crate::schema::Attribute;
use crate::value::{LONG_BYTES, PREFIX_BYTES, Value};
use std::sync::Arc;

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
        return text_edge(value, side);
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

/// Long values that begin with the same bytes are not sorted further by them in an index: there
/// the range holds all that begin so.
fn text_edge(value: &Value, side: Side) -> Option<Value> {
    let bytes = match value {
        Value::Str(x) | Value::Uri(x) => x.as_bytes(),
        Value::Bytes(x) => x,
        _ => return Some(value.clone()),
    };
    match side {
        Side::Before if bytes.len() > PREFIX_BYTES => Some(first_of(value)),
        Side::After if bytes.len() > LONG_BYTES => after(&first_of(value)),
        _ => Some(value.clone()),
    }
}

/// A value that is not long, is not after the given one, and that it begins with.
fn first_of(value: &Value) -> Value {
    let text = |x: &str| -> Arc<str> {
        let at = (0..=PREFIX_BYTES).rev().find(|at| x.is_char_boundary(*at));
        x[..at.unwrap_or_default()].into()
    };
    match value {
        Value::Str(x) => Value::Str(text(x)),
        Value::Uri(x) => Value::Uri(text(x)),
        Value::Bytes(x) => Value::Bytes(x.get(..PREFIX_BYTES).unwrap_or(x).into()),
        other => other.clone(),
    }
}

/// A value after all that begin with the given one; `None` if there is none.
fn after(value: &Value) -> Option<Value> {
    let text = |x: &str| {
        let rest = x.trim_end_matches(char::MAX);
        let last = rest.chars().next_back()?;
        let next = (last..).nth(1)?;
        let kept = &rest[..rest.len() - last.len_utf8()];
        Some(Arc::from(format!("{kept}{next}")))
    };
    match value {
        Value::Str(x) => text(x).map(Value::Str),
        Value::Uri(x) => text(x).map(Value::Uri),
        Value::Bytes(x) => {
            let len = x.iter().rposition(|byte| *byte != u8::MAX)?;
            let next = [&x[..len], &[x[len] + 1]].concat();
            Some(Value::Bytes(next.into()))
        }
        other => Some(other.clone()),
    }
}
