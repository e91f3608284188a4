//! Collections, tuples, names and types.
//!
//! **Invariant:** no result is longer than [`MAX_ITEMS`]; an endless `(range)` cannot be asked for.

use super::math::{Op, arithmetic, to_long};
use super::{FnError, Function, MANY, pure};
use crate::value::{Keyword, Value};
use std::cmp::Ordering;

/// The most items a collection may be computed to have.
pub const MAX_ITEMS: usize = 1 << 20;

/// The items of a collection as a sequence; of a map its entries; of nil none.
pub fn items(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Vector(x) | Value::List(x) | Value::Set(x) => Some(x.to_vec()),
        Value::Map(x) => {
            Some(x.iter().map(|(k, v)| Value::from(vec![k.clone(), v.clone()])).collect())
        }
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// How many items or characters; `None` for what has none.
pub fn len(value: &Value) -> Option<usize> {
    match value {
        Value::Str(x) => Some(x.chars().count()),
        Value::Bytes(x) => Some(x.len()),
        Value::Map(x) => Some(x.len()),
        Value::Vector(x) | Value::List(x) | Value::Set(x) => Some(x.len()),
        Value::Nil => Some(0),
        _ => None,
    }
}

fn counted(value: &Value) -> Result<usize, FnError> {
    len(value).ok_or_else(|| FnError::expected("a collection or a string", value))
}

fn index(value: &Value) -> Option<usize> {
    to_long(value).ok().and_then(|i| usize::try_from(i).ok())
}

fn lookup(collection: &Value, key: &Value) -> Option<Value> {
    match collection {
        Value::Map(x) => x.iter().find(|(k, _)| k.equals(key)).map(|(_, v)| v.clone()),
        Value::Vector(x) => x.get(index(key)?).cloned(),
        Value::Set(x) => x.iter().find(|v| v.equals(key)).cloned(),
        Value::Str(x) => x.chars().nth(index(key)?).map(Value::Char),
        _ => None,
    }
}

fn contains(collection: &Value, key: &Value) -> Result<bool, FnError> {
    match collection {
        Value::Nil => Ok(false),
        Value::Map(_) | Value::Set(_) => Ok(lookup(collection, key).is_some()),
        Value::Vector(_) | Value::Str(_) => {
            Ok(index(key).is_some_and(|i| i < len(collection).unwrap_or(0)))
        }
        other => Err(FnError::expected("a map, a set, a vector or a string", other)),
    }
}

fn is_member(value: &Value, collection: &Value) -> Result<bool, FnError> {
    match items(collection) {
        Some(items) => Ok(items.iter().any(|item| item.equals(value))),
        None => Err(FnError::expected("a collection", collection)),
    }
}

fn empty(value: &Value) -> Result<Value, FnError> {
    Ok(match value {
        Value::Vector(_) => Value::Vector([].into()),
        Value::List(_) => Value::List([].into()),
        Value::Set(_) => Value::Set([].into()),
        Value::Map(_) => Value::Map([].into()),
        _ => Value::Nil,
    })
}

fn range(args: &[Value]) -> Result<Value, FnError> {
    let (start, end, step) = match args {
        [end] => (Value::Long(0), end.clone(), Value::Long(1)),
        [start, end] => (start.clone(), end.clone(), Value::Long(1)),
        [start, end, step, ..] => (start.clone(), end.clone(), step.clone()),
        [] => return Err(FnError::TooLarge { limit: MAX_ITEMS, unit: "items" }),
    };
    let mut out = Vec::new();
    let down = super::compare(&step, &Value::Long(0)) == Ordering::Less;
    let stop = if down { Ordering::Greater } else { Ordering::Less };
    let mut next = arithmetic(Op::Add, &start, &Value::Long(0), false)?;
    while super::compare(&next, &end) == stop {
        if out.len() == MAX_ITEMS {
            return Err(FnError::TooLarge { limit: MAX_ITEMS, unit: "items" });
        }
        out.push(next.clone());
        next = arithmetic(Op::Add, &next, &step, false)?;
    }
    Ok(Value::List(out.into()))
}

fn map_of(args: &[Value]) -> Result<Value, FnError> {
    match args.len() % 2 {
        0 => Ok(Value::map(args.chunks(2).map(|kv| (kv[0].clone(), kv[1].clone())).collect())),
        _ => Err(FnError::expected("a value for each key", &args[args.len() - 1])),
    }
}

fn name(value: &Value) -> Result<Value, FnError> {
    match value {
        Value::Keyword(k) => Ok(Value::str(k.name())),
        Value::Symbol(s) => Ok(Value::str(s.name())),
        Value::Str(_) => Ok(value.clone()),
        other => Err(FnError::expected("a keyword, a symbol or a string", other)),
    }
}

fn namespace(value: &Value) -> Result<Value, FnError> {
    let namespace = match value {
        Value::Keyword(k) => k.namespace(),
        Value::Symbol(s) => s.namespace(),
        other => return Err(FnError::expected("a keyword or a symbol", other)),
    };
    Ok(namespace.map_or(Value::Nil, Value::str))
}

fn keyword(args: &[Value]) -> Result<Value, FnError> {
    Ok(match args {
        [Value::Keyword(k)] => Value::Keyword(k.clone()),
        [Value::Symbol(s)] => Value::keyword(s.as_str()),
        [Value::Str(s)] => Value::Keyword(Keyword::new(s)),
        [Value::Nil, Value::Str(name)] => Value::keyword(name),
        [Value::Str(ns), Value::Str(name)] => Value::keyword(&format!("{ns}/{name}")),
        [.., other] => return Err(FnError::expected("a string", other)),
        [] => Value::Nil,
    })
}

fn untuple(value: &Value) -> Result<Value, FnError> {
    match value {
        Value::Vector(_) | Value::List(_) => Ok(value.clone()),
        other => Err(FnError::expected("a tuple", other)),
    }
}

fn truth(test: bool) -> Result<Value, FnError> {
    Ok(Value::Bool(test))
}

pub static TABLE: &[Function] = &[
    pure("vector", 0, MANY, |a, _| Ok(Value::from(a.to_vec()))),
    pure("tuple", 0, MANY, |a, _| Ok(Value::from(a.to_vec()))),
    pure("untuple", 1, 1, |a, _| untuple(&a[0])),
    pure("list", 0, MANY, |a, _| Ok(Value::List(a.into()))),
    pure("set", 1, 1, |a, _| match items(&a[0]) {
        Some(items) => Ok(Value::set(items)),
        None => Err(FnError::expected("a collection", &a[0])),
    }),
    pure("hash-map", 0, MANY, |a, _| map_of(a)),
    pure("array-map", 0, MANY, |a, _| map_of(a)),
    pure("count", 1, 1, |a, _| Ok(Value::Long(counted(&a[0])? as i64))),
    pure("length", 1, 1, |a, _| Ok(Value::Long(counted(&a[0])? as i64))),
    pure("range", 1, 3, |a, _| range(a)),
    pure("empty?", 1, 1, |a, _| truth(counted(&a[0])? == 0)),
    pure("not-empty", 1, 1, |a, _| {
        Ok(if counted(&a[0])? == 0 { Value::Nil } else { a[0].clone() })
    }),
    pure("empty", 1, 1, |a, _| empty(&a[0])),
    pure("contains?", 2, 2, |a, _| truth(contains(&a[0], &a[1])?)),
    pure("get", 2, 3, |a, _| {
        Ok(lookup(&a[0], &a[1]).or_else(|| a.get(2).cloned()).unwrap_or(Value::Nil))
    }),
    pure("in", 2, 2, |a, _| truth(is_member(&a[0], &a[1])?)),
    pure("not-in", 2, 2, |a, _| truth(!is_member(&a[0], &a[1])?)),
    pure("keyword", 1, 2, |a, _| keyword(a)),
    pure("name", 1, 1, |a, _| name(&a[0])),
    pure("namespace", 1, 1, |a, _| namespace(&a[0])),
    pure("type", 1, 1, |a, _| Ok(Value::keyword(&format!("db.type/{}", a[0].type_name())))),
    pure("int?", 1, 1, |a, _| truth(matches!(a[0], Value::Long(_) | Value::Ref(_)))),
    pure("integer?", 1, 1, |a, _| {
        truth(matches!(a[0], Value::Long(_) | Value::Ref(_) | Value::BigInt(_)))
    }),
    pure("number?", 1, 1, |a, _| truth(a[0].is_number())),
    pure("double?", 1, 1, |a, _| truth(matches!(a[0], Value::Double(_)))),
    pure("float?", 1, 1, |a, _| truth(matches!(a[0], Value::Double(_) | Value::Float(_)))),
    pure("boolean?", 1, 1, |a, _| truth(matches!(a[0], Value::Bool(_)))),
    pure("string?", 1, 1, |a, _| truth(matches!(a[0], Value::Str(_)))),
    pure("keyword?", 1, 1, |a, _| truth(matches!(a[0], Value::Keyword(_)))),
    pure("symbol?", 1, 1, |a, _| truth(matches!(a[0], Value::Symbol(_)))),
    pure("inst?", 1, 1, |a, _| truth(matches!(a[0], Value::Inst(_)))),
    pure("uuid?", 1, 1, |a, _| truth(matches!(a[0], Value::Uuid(_)))),
    pure("vector?", 1, 1, |a, _| truth(matches!(a[0], Value::Vector(_)))),
    pure("set?", 1, 1, |a, _| truth(matches!(a[0], Value::Set(_)))),
    pure("map?", 1, 1, |a, _| truth(matches!(a[0], Value::Map(_)))),
    pure("meta", 1, 1, |_, _| Ok(Value::Nil)),
];
