//! Cases that read the indexes, and entities.
//!
//! **Invariant:** an answer is a vector of `[e a v tx added]`, in the order of the index; only in
//! which order attributes stand says nothing, since their numbers are each system's own. An entity
//! is a map, its references `{:db/id n}`, its many values a set.

use super::call::Stop;
use super::format::Case;
use super::steps::ident;
use factfs_core::datom::{Datom, Order};
use factfs_core::db::Db;
use factfs_core::edn::Form;
use factfs_core::value::Value;

/// The datoms that a case asks for: an index and components, or a map of them.
pub fn datoms(db: &Db, op: &str, args: &[Value]) -> Result<Value, Stop> {
    let Some((index, components)) = asked(args) else {
        return Err(Stop::runner("no index is named"));
    };
    let order = order(&index).ok_or_else(|| Stop::error("there is no such index"))?;
    let found = match op {
        "seek-datoms" => db.seek_datoms(order, &components),
        "rseek-datoms" => db.rseek_datoms(order, &components),
        _ => db.datoms_of(order, &components),
    };
    let rows = rows(db, found?);
    match (op, rows) {
        ("find-datom", rows) => Ok(rows.into_iter().next().unwrap_or(Value::Nil)),
        (_, rows) => Ok(by_attribute(order, &rows)),
    }
}

/// The index and the components.
fn asked(args: &[Value]) -> Option<(Value, Vec<Value>)> {
    let (first, rest) = args.split_first()?;
    let Value::Map(_) = first else { return Some((first.clone(), rest.to_vec())) };
    let components = match first.get(&Value::keyword("components")) {
        Some(Value::Vector(items) | Value::List(items)) => items.to_vec(),
        _ => Vec::new(),
    };
    Some((first.get(&Value::keyword("index"))?.clone(), components))
}

fn order(index: &Value) -> Option<Order> {
    let Value::Keyword(name) = index else { return None };
    [("eavt", Order::Eavt), ("aevt", Order::Aevt), ("avet", Order::Avet)]
        .into_iter()
        .find_map(|(known, order)| (known == name.as_str()).then_some(order))
}

/// The rows with attributes in the order of their names, beside the order of what stands before
/// attributes: entities in EAVT; elsewhere where one attribute ends and the next begins.
fn by_attribute(order: Order, rows: &[Value]) -> Value {
    let part = |row: &Value, at: usize| match row {
        Value::Vector(parts) => parts.get(at).cloned().unwrap_or(Value::Nil),
        _ => Value::Nil,
    };
    let mut sorted = rows.to_vec();
    let before = if order == Order::Eavt {
        sorted.sort_by_cached_key(|row| (part(row, 0), part(row, 1)));
        Value::from(rows.iter().map(|row| part(row, 0)).collect::<Vec<_>>())
    } else {
        sorted.sort_by_cached_key(|row| part(row, 1));
        let changes = |rows: &[Value]| {
            rows.windows(2).filter(|pair| part(&pair[0], 1) != part(&pair[1], 1)).count()
        };
        Value::Bool(changes(rows) == changes(&sorted))
    };
    Value::from(vec![before, Value::from(sorted)])
}

/// The datoms of an attribute between two values: three arguments, or a map of them.
pub fn range(db: &Db, args: &[Value]) -> Result<Value, Stop> {
    let part = |name: &str, at: usize| match args {
        [map @ Value::Map(_)] => map.get(&Value::keyword(name)).cloned(),
        args => args.get(at).cloned(),
    };
    let [attribute, from, to] = [part("attrid", 0), part("start", 1), part("end", 2)];
    let Some(Value::Keyword(attribute)) = attribute else {
        return Err(Stop::runner("no attribute is named"));
    };
    let given = |value: Option<Value>| value.filter(|value| !matches!(value, Value::Nil));
    let found = db.index_range(attribute.as_str(), given(from).as_ref(), given(to).as_ref());
    Ok(Value::from(rows(db, found?)))
}

fn rows(db: &Db, datoms: Vec<Datom>) -> Vec<Value> {
    let row = |d: Datom| {
        let a = ident(db, d.a);
        let (e, v, tx) = (Value::Ref(d.e), d.v, Value::Ref(d.tx.entity()));
        Value::from(vec![e, Value::keyword(&a), v, tx, Value::Bool(d.added)])
    };
    datoms.into_iter().map(row).collect()
}

/// A recorded answer, as ours is.
pub fn recorded(case: &Case, expected: &Form) -> Value {
    let value = expected.to_value();
    let is_seq = ["datoms", "seek-datoms", "rseek-datoms", "index-range"];
    let value = match value {
        // Nothing is `nil` there, as of any sequence.
        Value::Nil if is_seq.contains(&case.op.as_str()) => Value::from(Vec::new()),
        value => value,
    };
    if !is_seq[..3].contains(&case.op.as_str()) {
        return value;
    }
    let args: Vec<Value> =
        case.args.iter().filter_map(|arg| arg.get("val")).map(Form::to_value).collect();
    match (asked(&args).and_then(|(index, _)| order(&index)), &value) {
        (Some(order), Value::Vector(rows) | Value::List(rows)) => by_attribute(order, rows),
        _ => value,
    }
}

/// All that is said of an entity; nil if nothing is.
pub fn entity(db: &Db, named: &Value) -> Result<Value, Stop> {
    if matches!(named, Value::Nil | Value::Str(_)) {
        return Ok(Value::Nil);
    }
    let Some(e) = db.entity_of(named)? else { return Ok(Value::Nil) };
    let datoms = db.datoms(Order::Eavt, Some(e), None, None)?;
    if datoms.is_empty() {
        return Ok(Value::Nil);
    }
    let mut entries = vec![(Value::keyword("db/id"), Value::Ref(e))];
    let mut many: Vec<(Value, Vec<Value>)> = Vec::new();
    for datom in datoms {
        let Some(attribute) = db.schema().get(datom.a) else { continue };
        let key = Value::Keyword(attribute.ident.clone());
        let value = match datom.v {
            Value::Ref(e) => Value::map(vec![(Value::keyword("db/id"), Value::Ref(e))]),
            value => value,
        };
        match many.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None if attribute.many => many.push((key, vec![value])),
            None => entries.push((key, value)),
        }
    }
    entries.extend(many.into_iter().map(|(key, values)| (key, Value::set(values))));
    Ok(Value::map(entries))
}
