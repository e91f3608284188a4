//! Schemas as they are recorded.
//!
//! **Invariant:** attributes are numbered by name. A database without a schema of its own is a view
//! of another one of its file, and has that one's.

use factfs_core::edn::{Form, FormKind};
use factfs_core::schema::{Schema, SchemaError};
use factfs_core::value::{Keyword, Value};
use std::cmp::Reverse;
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

/// The schema of the database that has most of these datoms; the smallest one of several.
pub fn of_whole<'f>(part: &Form, others: &[&'f Form]) -> &'f Form {
    let texts = |form: &Form| -> BTreeSet<String> {
        let datoms = form.get("datoms").and_then(Form::as_seq).unwrap_or_default();
        datoms.iter().filter_map(fact).collect()
    };
    let wanted = texts(part);
    let described = others.iter().filter(|other| {
        other.get("schema").is_some_and(|schema| matches!(schema.kind, FormKind::Map(_)))
    });
    let nearest = described.max_by_key(|other| {
        let facts = texts(other);
        (facts.intersection(&wanted).count(), Reverse(facts.len()))
    });
    nearest.and_then(|whole| whole.get("schema")).unwrap_or(&NIL)
}

/// What a datom says, as text.
fn fact(datom: &Form) -> Option<String> {
    let [e, a, v, ..] = datom.as_seq()? else { return None };
    Some(format!("{e} {a} {v}"))
}
