//! Entities: an entity's own facts, and which entities there are.
//!
//! **Invariant:** a batch of entities costs two rounds of seeks a tree level, however many they
//! are. Attributes come by name; refs are idents where the entity has one, else ids; the values of
//! a many-valued attribute are a set.

use crate::error::Result;
use crate::spool::Cancel;
use factfs_core::datom::{Datom, KeyRange, Order, Slice};
use factfs_core::db::Db;
use factfs_core::edn;
use factfs_core::id::EntityId;
use factfs_core::schema::builtin;
use factfs_core::text::{Format, write_json};
use factfs_core::value::{Keyword, Value};
use std::collections::BTreeMap;

/// The ids of all entities that have facts, in order; transactions are in the log and not here.
pub fn entity_ids(db: &Db, cancel: &Cancel) -> Result<Vec<EntityId>> {
    let mut ids = Vec::new();
    for slice in db.chunks(Order::Eavt, KeyRange::all()) {
        cancel.check()?;
        let slice = slice?;
        for row in slice.rows.clone() {
            let e = slice.facts.e(row);
            if ids.last() != Some(&e) && e.as_tx().is_none() {
                ids.push(e);
            }
        }
    }
    Ok(ids)
}

/// One entity as text; `None` if it has no facts.
pub fn entity(db: &Db, e: EntityId, format: Format) -> Result<Option<String>> {
    Ok(entities(db, &[e], format)?.pop().flatten())
}

/// Entities as text, in the order asked.
pub fn entities(db: &Db, ids: &[EntityId], format: Format) -> Result<Vec<Option<String>>> {
    let ranges: Vec<_> = ids.iter().map(|e| KeyRange::prefix(Some(*e), None, None)).collect();
    let found = db.scan(Order::Eavt, &ranges)?;
    let facts: Vec<Vec<Datom>> =
        found.iter().map(|slices| slices.iter().flat_map(Slice::datoms).collect()).collect();
    let refs = facts.iter().flatten().filter_map(|datom| datom.v.as_ref().as_entity()).collect();
    let idents = idents(db, refs)?;
    let text = |(e, facts): (&EntityId, &Vec<Datom>)| {
        (!facts.is_empty()).then(|| write(db, *e, facts, &idents, format))
    };
    Ok(ids.iter().zip(&facts).map(text).collect())
}

/// The idents of those entities that have one.
fn idents(db: &Db, mut of: Vec<EntityId>) -> Result<BTreeMap<EntityId, Keyword>> {
    of.sort();
    of.dedup();
    let range = |e: &EntityId| KeyRange::prefix(Some(*e), Some(builtin::IDENT), None);
    let ranges: Vec<_> = of.iter().map(range).collect();
    let found = db.scan(Order::Eavt, &ranges)?;
    let ident = |(e, slices): (EntityId, Vec<Slice>)| {
        let datom = slices.iter().find_map(|slice| slice.datoms().next())?;
        if let Value::Keyword(ident) = datom.v { Some((e, ident)) } else { None }
    };
    Ok(of.into_iter().zip(found).filter_map(ident).collect())
}

fn write(
    db: &Db,
    e: EntityId,
    facts: &[Datom],
    idents: &BTreeMap<EntityId, Keyword>,
    format: Format,
) -> String {
    let mut attributes: BTreeMap<Keyword, (bool, Vec<Value>)> = BTreeMap::new();
    for datom in facts {
        let Some(attribute) = db.schema().get(datom.a) else { continue };
        let named = datom.v.as_ref().as_entity().and_then(|e| idents.get(&e));
        let value = named.map_or_else(|| datom.v.clone(), |k| Value::Keyword(k.clone()));
        let entry = attributes.entry(attribute.ident.clone());
        entry.or_insert_with(|| (attribute.many, Vec::new())).1.push(value);
    }
    let mut lines = vec![(Keyword::new("db/id"), Value::Ref(e))];
    lines.extend(attributes.into_iter().map(|(ident, (many, mut values))| match values.pop() {
        Some(value) if !many && values.is_empty() => (ident, value),
        last => (ident, Value::set(values.into_iter().chain(last).collect())),
    }));
    lines.push((Keyword::new("db/basis"), Value::Long(db.basis_t().0 as i64)));
    if format == Format::Json { json(&lines) } else { edn(&lines) }
}

fn edn(lines: &[(Keyword, Value)]) -> String {
    let text = |(key, value): &(Keyword, Value)| format!("{key} {}", edn::to_string(value));
    format!("{{{}}}\n", lines.iter().map(text).collect::<Vec<_>>().join("\n "))
}

fn json(lines: &[(Keyword, Value)]) -> String {
    let text = |(key, value): &(Keyword, Value)| {
        let mut out = String::new();
        write_json(&Value::str(key.as_str()), &mut out);
        out.push_str(": ");
        write_json(value, &mut out);
        out
    };
    format!("{{{}}}\n", lines.iter().map(text).collect::<Vec<_>>().join(",\n "))
}
