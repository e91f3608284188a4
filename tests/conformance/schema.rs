//! Schemas as they are recorded.
//!
//! **Invariant:** attributes are numbered by name. A database without a schema of its own is a part
//! of another one of its file, and has that one's.

use factfs_core::edn::{Form, FormKind};
use factfs_core::schema::{Schema, SchemaError};
use factfs_core::value::{Keyword, Value};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static NIL: LazyLock<Form> = LazyLock::new(|| Form::from(Value::Nil));

/// The schema of a map, with these attributes beside those that it describes.
pub fn numbered(map: &Value, used: BTreeSet<Keyword>) -> Result<Schema, SchemaError> {
    let mut entries = match map {
        Value::Map(entries) => entries.to_vec(),
        _ => Vec::new(),
    };
    for ident in used {
        let ident = Value::Keyword(ident);
        if entries.iter().all(|(known, _)| *known != ident) {
            entries.push((ident, Value::map(Vec::new())));
        }
    }
    Schema::from_map(&Value::map(entries))
}

/// The schema of the smallest database that has all these datoms.
pub fn of_whole<'f>(part: &Form, others: &[&'f Form]) -> &'f Form {
    let texts = |form: &Form| -> BTreeSet<String> {
        let datoms = form.get("datoms").and_then(Form::as_seq).unwrap_or_default();
        datoms.iter().filter_map(fact).collect()
    };
    let wanted = texts(part);
    let described = others.iter().filter(|other| {
        other.get("schema").is_some_and(|schema| matches!(schema.kind, FormKind::Map(_)))
    });
    let wholes = described.filter(|other| texts(other).is_superset(&wanted));
    let smallest = wholes.min_by_key(|other| texts(other).len());
    smallest.and_then(|whole| whole.get("schema")).unwrap_or(&NIL)
}

/// A datom as text, but for an instant, which a filter may hide or change.
fn fact(datom: &Form) -> Option<String> {
    let [e, a, v, ..] = datom.as_seq()? else { return None };
    Some(format!("{e} {a} {v}"))
}
