//! Whether a value fits its attribute, and the one conversion each type allows.
//!
//! **Invariant:** a conversion never changes the number that was written, but for a decimal literal
//! that becomes the nearest 32-bit float of a `:db.type/float`. Long literals are taken for double,
//! float, bigint and bigdec where they are exact, bigint literals for long where they fit; nothing
//! else is converted.

use super::error::{TxProblem, shown};
use crate::id::EntityId;
use crate::schema::{Attribute, TupleKind, ValueType};
use crate::value::{BigDec, BigInt, Keyword, Value};
use std::sync::Arc;

/// The largest integer below which a double has all.
const EXACT: u64 = 1 << 53;

/// The value as the attribute stores it. Refs outside tuples are resolved elsewhere.
pub(super) fn coerce(attribute: &Attribute, value: Value) -> Result<Value, TxProblem> {
    if matches!(value, Value::Nil) {
        return Err(TxProblem::NilValue { attribute: attribute.ident.clone() });
    }
    let value = match (attribute.value_type, &attribute.tuple) {
        (None, _) => Ok(plain(value)),
        (Some(ValueType::Tuple), Some(kind)) => tuple(kind, value),
        (Some(wanted), _) => typed(wanted, value),
    };
    let value = value.map_err(|value| wrong(attribute, &value))?;
    if let (Some(max), Value::Str(text)) = (attribute.max_length, &value) {
        let len = text.chars().count() as u64;
        if len > max {
            return Err(TxProblem::TooLong { attribute: attribute.ident.clone(), max, len });
        }
    }
    for pred in &attribute.preds {
        satisfied(attribute, pred, &value)?;
    }
    Ok(value)
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
        (T::Double, Value::Long(x)) if x.unsigned_abs() <= EXACT => Ok(Value::Double(x as f64)),
        (T::Double, Value::Float(x)) => Ok(Value::Double(f64::from(x))),
        (T::Float, Value::Long(x)) if x.unsigned_abs() <= 1 << 24 => Ok(Value::Float(x as f32)),
        (T::Float, Value::Double(x)) => Ok(Value::Float(x as f32)),
        (T::BigInt, Value::Long(x)) => Ok(Value::BigInt(Arc::new(x.into()))),
        (T::BigDec, Value::Long(x)) => Ok(decimal(x.into())),
        (T::BigDec, Value::BigInt(x)) => Ok(decimal(x.as_ref().clone())),
        (T::Long, Value::BigInt(x)) => {
            i64::try_from(x.as_ref()).map(Value::Long).map_err(|_| Value::BigInt(x))
        }
        (_, value) => Err(value),
    }
}

/// The most parts of a tuple that does not say how many it has.
const MAX_TUPLE: usize = 8;

fn decimal(unscaled: BigInt) -> Value {
    BigDec { unscaled, scale: 0 }.into()
}

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
    let name = symbol.as_str().strip_prefix("clojure.core/").unwrap_or(symbol.as_str());
    let Some(holds) = predicate(name, value) else {
        let what = format!("the predicate {symbol} of {}", attribute.ident);
        return Err(TxProblem::Unsupported { what });
    };
    if holds {
        return Ok(());
    }
    let (attribute, pred): (Keyword, _) = (attribute.ident.clone(), symbol.to_string());
    Err(TxProblem::Pred { attribute, pred, value: shown(value) })
}

/// The predicates that need no host; `None` for another name.
fn predicate(name: &str, value: &Value) -> Option<bool> {
    let zero = Value::Long(0);
    let sign = || crate::value::cmp_exact(value, &zero);
    let long = || if let Value::Long(x) = value { Some(*x) } else { None };
    Some(match name {
        "pos?" => value.is_number() && sign().is_gt(),
        "neg?" => value.is_number() && sign().is_lt(),
        "zero?" => value.is_number() && sign().is_eq(),
        "even?" => long().is_some_and(|x| x % 2 == 0),
        "odd?" => long().is_some_and(|x| x % 2 != 0),
        "number?" => value.is_number(),
        "integer?" | "int?" => matches!(value, Value::Long(_) | Value::BigInt(_)),
        "pos-int?" => long().is_some_and(|x| x > 0),
        "nat-int?" => long().is_some_and(|x| x >= 0),
        "string?" => matches!(value, Value::Str(_)),
        "keyword?" => matches!(value, Value::Keyword(_)),
        "symbol?" => matches!(value, Value::Symbol(_)),
        "boolean?" => matches!(value, Value::Bool(_)),
        "uuid?" => matches!(value, Value::Uuid(_)),
        "inst?" => matches!(value, Value::Inst(_)),
        "some?" => true,
        "not-empty" | "seq" => !matches!(value, Value::Str(text) if text.is_empty()),
        _ => return None,
    })
}
