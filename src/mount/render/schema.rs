//! The attributes that people made: type, cardinality, uniqueness, doc, and how many facts each
//! has.

use crate::error::Result;
use crate::spool::Cancel;
use factfs_core::datom::{KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::edn;
use factfs_core::id::{ATTR_USER, BLOCK};
use factfs_core::schema::{Attribute, Unique};
use factfs_core::text::{Format, write_json};
use factfs_core::value::{Keyword, Value};
use std::sync::Arc;

/// The schema as text.
pub fn schema(db: &Db, format: Format, cancel: &Cancel) -> Result<String> {
    let made = |a: &&Arc<Attribute>| a.id.0 % BLOCK >= ATTR_USER;
    let mut attributes: Vec<_> = db.schema().attributes().filter(made).cloned().collect();
    attributes.sort_by(|a, b| a.ident.cmp(&b.ident));
    let mut maps = Vec::new();
    for attribute in &attributes {
        maps.push(describe(attribute, count(db, attribute, cancel)?));
    }
    let text = |fields: &Vec<(&'static str, Value)>| match format {
        Format::Json => object(fields),
        _ => map(fields),
    };
    let separator = if format == Format::Json { ",\n " } else { "\n " };
    Ok(format!("[{}]\n", maps.iter().map(text).collect::<Vec<_>>().join(separator)))
}

fn count(db: &Db, attribute: &Attribute, cancel: &Cancel) -> Result<u64> {
    if db.view().is_now() {
        return Ok(db.snapshot().counts.get(&attribute.id).copied().unwrap_or(0));
    }
    let mut count = 0;
    for slice in db.chunks(Order::Aevt, KeyRange::prefix(None, Some(attribute.id), None)) {
        cancel.check()?;
        count += slice?.len() as u64;
    }
    Ok(count)
}

fn describe(attribute: &Attribute, count: u64) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("db/ident", Value::Keyword(attribute.ident.clone()))];
    if let Some(value_type) = attribute.value_type {
        let name = format!("db.type/{}", value_type.name());
        fields.push(("db/valueType", Value::keyword(&name)));
    }
    let many = if attribute.many { "many" } else { "one" };
    fields.push(("db/cardinality", Value::keyword(&format!("db.cardinality/{many}"))));
    match attribute.unique {
        Some(Unique::Identity) => fields.push(("db/unique", Value::keyword("db.unique/identity"))),
        Some(Unique::Value) => fields.push(("db/unique", Value::keyword("db.unique/value"))),
        None => {}
    }
    let flags = [
        ("db/index", attribute.index),
        ("db/isComponent", attribute.component),
        ("db/noHistory", attribute.no_history),
    ];
    fields.extend(flags.into_iter().filter(|(_, set)| *set).map(|(k, _)| (k, Value::Bool(true))));
    fields.extend(attribute.doc.iter().map(|doc| ("db/doc", Value::Str(doc.clone()))));
    fields.push(("count", Value::Long(count as i64)));
    fields
}

fn map(fields: &[(&'static str, Value)]) -> String {
    let field = |(key, value): &(&'static str, Value)| {
        format!("{} {}", Keyword::new(key), edn::to_string(value))
    };
    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}

fn object(fields: &[(&'static str, Value)]) -> String {
    let field = |(key, value): &(&'static str, Value)| {
        let mut out = format!("\"{key}\": ");
        write_json(value, &mut out);
        out
    };
    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}
