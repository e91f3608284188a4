//! A table: the entities that have an attribute of one namespace, a column an attribute.
//!
//! **Invariant:** rows come by entity id; the attributes are read side by side, each in order, and
//! nothing is held but the row.

use super::rows::{Each, write_rows};
use crate::error::{Failure, Result};
use crate::spool::Spool;
use factfs_core::datom::{Datom, KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::id::EntityId;
use factfs_core::schema::Attribute;
use factfs_core::text::{Format, Layout};
use factfs_core::value::Value;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;

/// The namespaces that people made, in order; `all` adds the database's own.
pub fn namespaces(db: &Db, all: bool) -> Vec<String> {
    let own = |ns: &str| ns == "db" || ns.starts_with("db.");
    let name = |a: &Arc<Attribute>| a.ident.namespace().map(str::to_owned);
    let names: BTreeSet<String> = db.schema().attributes().filter_map(name).collect();
    names.into_iter().filter(|ns| all || !own(ns)).collect()
}

/// About how many facts a table is made of.
pub fn table_facts(db: &Db, namespace: &str) -> Result<u64> {
    let mut facts = 0;
    for attribute in db.schema().attributes() {
        if attribute.ident.namespace() == Some(namespace) {
            let range = KeyRange::prefix(None, Some(attribute.id), None);
            facts += db.estimate(Order::Aevt, &range)?;
        }
    }
    Ok(facts)
}

/// Writes a table, and says how many rows it has.
pub fn table(db: &Db, namespace: &str, format: Format, out: &mut Spool) -> Result<u64> {
    let inside = |a: &&Arc<Attribute>| a.ident.namespace() == Some(namespace);
    let mut attributes: Vec<_> = db.schema().attributes().filter(inside).cloned().collect();
    attributes.sort_by(|a, b| a.ident.cmp(&b.ident));
    if attributes.is_empty() {
        let known = namespaces(db, false).join(" ");
        let message = format!("no attribute is in the namespace `{namespace}`");
        return Err(Failure::not_found(message).hint(format!("there are: {known}")));
    }
    let names = attributes.iter().map(|a| a.ident.as_str().to_owned());
    let layout = Layout::relation(std::iter::once("db/id".to_owned()).chain(names));
    write_rows(format, layout, out, &mut |row| each(db, &attributes, row))
}

fn each(db: &Db, attributes: &[Arc<Attribute>], row: Each<'_>) -> Result<u64> {
    let mut columns: Vec<_> = attributes.iter().map(|a| Column::new(db, a)).collect();
    let mut rows = 0;
    while let Some(e) = smallest(&mut columns)? {
        let mut values = vec![Value::Ref(e)];
        for column in &mut columns {
            values.push(column.take(e)?);
        }
        row(&values)?;
        rows += 1;
    }
    Ok(rows)
}

fn smallest(columns: &mut [Column]) -> Result<Option<EntityId>> {
    let mut smallest = None;
    for column in columns {
        if let Some(e) = column.entity()? {
            smallest = Some(smallest.map_or(e, |s: EntityId| s.min(e)));
        }
    }
    Ok(smallest)
}

/// The facts of one attribute, by entity.
struct Column {
    facts: Peekable<Box<dyn Iterator<Item = Result<Datom>>>>,
    many: bool,
}

impl Column {
    fn new(db: &Db, attribute: &Attribute) -> Self {
        let range = KeyRange::prefix(None, Some(attribute.id), None);
        let facts = db.chunks(Order::Aevt, range).flat_map(|slice| -> Vec<Result<Datom>> {
            match slice {
                Ok(slice) => slice.datoms().map(Ok).collect(),
                Err(error) => vec![Err(error.into())],
            }
        });
        let facts: Box<dyn Iterator<Item = Result<Datom>>> = Box::new(facts);
        Self { facts: facts.peekable(), many: attribute.many }
    }

    fn entity(&mut self) -> Result<Option<EntityId>> {
        match self.facts.peek() {
            None => Ok(None),
            Some(Ok(datom)) => Ok(Some(datom.e)),
            Some(Err(failure)) => Err(failure.clone()),
        }
    }

    /// What the entity has: nil, a value, or a set.
    fn take(&mut self, e: EntityId) -> Result<Value> {
        let mut values = Vec::new();
        while self.entity()? == Some(e) {
            values.extend(self.facts.next().transpose()?.map(|datom| datom.v));
        }
        Ok(match values.pop() {
            None => Value::Nil,
            Some(value) if !self.many && values.is_empty() => value,
            last => Value::set(values.into_iter().chain(last).collect()),
        })
    }
}
