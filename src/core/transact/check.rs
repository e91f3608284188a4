//! Whether a value fits its attribute, and the one conversion each type allows.
//!
//! **Invariant:** a conversion never changes the number that was written, but for a decimal literal
//! that becomes the nearest 32-bit float. An integer that fits is taken for long or bigint,
//! whichever way it is written, and a float for a double; nothing else is converted: `1` is no
//! double.

use super::error::{TxProblem, shown};
use crate::id::EntityId;
use crate::query::{PredicateError, holds};
use crate::schema::{Attribute, TupleKind, ValueType, builtin};
use crate::value::{Keyword, Value};
use std::sync::Arc;

/// The value as the attribute stores it. Refs outside tuples are resolved elsewhere.
pub(super) fn coerce(attribute: &Attribute, value: Value) -> Result<Value, TxProblem> {
    if matches!(value, Value::Nil) {
        return Err(TxProblem::NilValue { attribute: attribute.ident.clone() });
    }
    let value = match (attribute.value_type, &attribute.tuple) {
        (None, _) => Ok(plain(value)),
        (Some(ValueType::Tuple), Some(kind)) => tuple(kind, value),
        (Some(_), _) if is_call(attribute, &value) => Ok(value),
        (Some(wanted), _) => typed(wanted, value),
    };
    let value = value.map_err(|value| wrong(attribute, &value))?;
    if let Some((max, (len, of))) = attribute.max_length.zip(length(attribute, &value))
        && len > max
    {
        return Err(TxProblem::TooLong { attribute: attribute.ident.clone(), max, len, of });
    }
    for pred in &attribute.preds {
        satisfied(attribute, pred, &value)?;
    }
    Ok(value)
}

/// Whether it is a predicate of entities with its arguments, `(< :order/min :order/max)`.
fn is_call(attribute: &Attribute, value: &Value) -> bool {
    let named = |call: &[Value]| matches!(call.first(), Some(Value::Symbol(_)));
    attribute.id == builtin::ENTITY_PREDS && matches!(value, Value::List(call) if named(call))
}

/// How long a value is, and in what: what `:db/maxLength` is about.
fn length(attribute: &Attribute, value: &Value) -> Option<(u64, &'static str)> {
    let (len, of) = match value {
        Value::Str(text) => (text.chars().count(), "characters"),
        Value::Bytes(bytes) => (bytes.len(), "bytes"),
        Value::Vector(items) if attribute.tuple.is_none() => (items.len(), "numbers"),
        _ => return None,
    };
    Some((len as u64, of))
}

/// Entity ids that came as values of another database are just numbers.
fn plain(value: Value) -> Value {
    match value {
        Value::Ref(e) => Value::Long(e.0 as i64),
        other => other,
    }
}

/// The value as this type, or the value back.
fn typed(wanted: ValueType, value: Value) -> Result<Value, Value> {
    use ValueType as T;
    match (wanted, value) {
        (T::Ref, Value::Long(e @ 1..)) => Ok(Value::Ref(EntityId(e as u64))),
        (T::Ref, value @ Value::Ref(_)) => Ok(value),
        (wanted, Value::Ref(e)) => typed(wanted, Value::Long(e.0 as i64)),
        (T::String, value @ Value::Str(_))
        | (T::Long, value @ Value::Long(_))
        | (T::Double, value @ Value::Double(_))
        | (T::Float, value @ Value::Float(_))
        | (T::BigInt, value @ Value::BigInt(_))
        | (T::BigDec, value @ Value::BigDec(_))
        | (T::Boolean, value @ Value::Bool(_))
        | (T::Keyword, value @ Value::Keyword(_))
        | (T::Symbol, value @ Value::Symbol(_))
        | (T::Uuid, value @ Value::Uuid(_))
        | (T::Instant, value @ Value::Inst(_))
        | (T::Uri, value @ Value::Uri(_))
        | (T::Bytes, value @ Value::Bytes(_))
        | (T::Tuple, value @ Value::Vector(_)) => Ok(value),
        (T::Number, value) if value.is_number() => Ok(value),
        (T::Double, Value::Float(x)) => Ok(Value::Double(f64::from(x))),
        (T::Float, Value::Double(x)) => Ok(Value::Float(x as f32)),
        (T::FloatArray, value) => array(T::Float, value),
        (T::DoubleArray, value) => array(T::Double, value),
        (T::BigInt, Value::Long(x)) => Ok(Value::BigInt(Arc::new(x.into()))),
        (T::Long, Value::BigInt(x)) => {
            i64::try_from(x.as_ref()).map(Value::Long).map_err(|_| Value::BigInt(x))
        }
        (_, value) => Err(value),
    }
}

/// An array of numbers of one type. Whole numbers are taken for that type, up to the largest below
/// which it has them all.
fn array(of: ValueType, value: Value) -> Result<Value, Value> {
    let Value::Vector(items) = &value else { return Err(value) };
    let exact =
        1 << if of == ValueType::Float { f32::MANTISSA_DIGITS } else { f64::MANTISSA_DIGITS };
    let item = |item: &Value| match item {
        Value::Long(x) if x.unsigned_abs() <= exact => typed(of, Value::Double(*x as f64)).ok(),
        item => typed(of, item.clone()).ok(),
    };
    let items: Option<Vec<Value>> = items.iter().map(item).collect();
    items.map(Value::from).ok_or(value)
}

/// The most parts of a tuple that does not say how many it has.
const MAX_TUPLE: usize = 8;

fn tuple(kind: &TupleKind, value: Value) -> Result<Value, Value> {
    let Value::Vector(items) = &value else { return Err(value) };
    let part = |wanted: ValueType, item: &Value| match item {
        Value::Nil => Some(Value::Nil),
        item => typed(wanted, item.clone()).ok(),
    };
    let parts: Option<Vec<Value>> = match kind {
        TupleKind::Composite(parts) if parts.len() == items.len() => {
            Some(items.iter().cloned().map(plain).collect())
        }
        TupleKind::Homogeneous(wanted) if items.len() <= MAX_TUPLE => {
            items.iter().map(|item| part(*wanted, item)).collect()
        }
        TupleKind::Heterogeneous(wanted) if wanted.len() == items.len() => {
            wanted.iter().zip(items.iter()).map(|(wanted, item)| part(*wanted, item)).collect()
        }
        _ => None,
    };
    parts.map(|parts| Value::Vector(parts.into())).ok_or(value)
}

/// That the value is not of the attribute's type.
pub(super) fn wrong(attribute: &Attribute, value: &Value) -> TxProblem {
    TxProblem::WrongType {
        attribute: attribute.ident.clone(),
        expected: expected(attribute),
        found: value.type_name(),
        value: shown(value),
    }
}

fn expected(attribute: &Attribute) -> String {
    match &attribute.tuple {
        Some(TupleKind::Composite(parts)) => format!("a tuple of {} values", parts.len()),
        Some(TupleKind::Homogeneous(each)) => format!("a tuple of {} (at most 8)", each.name()),
        Some(TupleKind::Heterogeneous(each)) => {
            let names: Vec<_> = each.iter().map(|t| t.name()).collect();
            format!("a tuple [{}]", names.join(" "))
        }
        None => attribute.value_type.map_or("any value".into(), |t| format!("a {}", t.name())),
    }
}

fn satisfied(attribute: &Attribute, pred: &Value, value: &Value) -> Result<(), TxProblem> {
    let Value::Symbol(symbol) = pred else { return Ok(()) };
    match predicate(symbol.as_str(), std::slice::from_ref(value)) {
        Ok(true) => Ok(()),
        Ok(false) | Err(PredicateError::Failed { .. }) => {
            let (attribute, pred): (Keyword, _) = (attribute.ident.clone(), symbol.to_string());
            Err(TxProblem::Pred { attribute, pred, value: shown(value) })
        }
        Err(error) => Err(TxProblem::NoPredicate { of: attribute.ident.to_string(), error }),
    }
}

/// Whether a predicate holds: one about the type of a value, or a built-in function.
pub(super) fn predicate(name: &str, args: &[Value]) -> Result<bool, PredicateError> {
    let bare = name.strip_prefix("clojure.core/").unwrap_or(name);
    let about_type = if let [value] = args { about_type(bare, value) } else { None };
    about_type.map_or_else(|| holds(name, args), Ok)
}

/// Predicates about the type of a value that queries do not have; `None` for another name.
fn about_type(name: &str, value: &Value) -> Option<bool> {
    let long = || if let Value::Long(x) = value { Some(*x) } else { None };
    Some(match name {
        "pos-int?" => long().is_some_and(|x| x > 0),
        "neg-int?" => long().is_some_and(|x| x < 0),
        "nat-int?" => long().is_some_and(|x| x >= 0),
        "decimal?" => matches!(value, Value::BigDec(_)),
        "uri?" => matches!(value, Value::Uri(_)),
        "bytes?" => matches!(value, Value::Bytes(_)),
        "seq" => !matches!(value, Value::Str(text) if text.is_empty()),
        _ => return None,
    })
}
