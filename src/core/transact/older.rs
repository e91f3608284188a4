//! Composite tuples of what is older than they are.
//!
//! **Invariant:** after the transaction that defines a composite tuple, each entity that has one of
//! its parts has it. Cost: all facts of its parts are read, a tuple of each entity is held at once,
//! and each is a datom of the transaction.

use super::error::{TxProblem, name, shown};
use crate::datom::{Datom, KeyRange, Order};
use crate::db::{Db, DbError, Prepared};
use crate::id::{AttrId, EntityId};
use crate::schema::{Attribute, TupleKind};
use crate::value::Value;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Adds the tuples that the next schema has and this one had not to what has no such tuple yet.
pub(super) fn fill_tuples(db: &Db, prepared: &mut Prepared) -> Result<(), TxProblem> {
    let was = |a: &Attribute| db.schema().get(a.id).is_some_and(|old| old.tuple == a.tuple);
    let new = prepared.schema.attributes().filter(|a| a.is_composite() && !was(a));
    let new: Vec<Arc<Attribute>> = new.cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    let Prepared { tx, instant_ms, datoms, schema, next_entity, .. } = &*prepared;
    let after = db.snapshot().with(*tx, *instant_ms, datoms, schema.clone(), *next_entity);
    let (after, tx) = (Db::new(after), *tx);
    for tuple in new {
        let Some(TupleKind::Composite(parts)) = &tuple.tuple else { continue };
        let tuples = tuples(&after, parts)?;
        if tuple.unique.is_some() {
            distinct(&after, &tuple, &tuples)?;
        }
        let known = entities(&after, tuple.id)?;
        let missing = tuples.into_iter().filter(|(e, _)| !known.contains(e));
        let datom = |(e, v)| Datom { e, a: tuple.id, v: Value::from(v), tx, added: true };
        prepared.datoms.extend(missing.map(datom));
    }
    Ok(())
}

/// What each entity has of the parts; nil of what it has not.
fn tuples(db: &Db, parts: &[AttrId]) -> Result<BTreeMap<EntityId, Vec<Value>>, DbError> {
    let mut tuples: BTreeMap<EntityId, Vec<Value>> = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        for slice in db.chunks(Order::Aevt, KeyRange::prefix(None, Some(*part), None)) {
            for datom in slice?.datoms() {
                let tuple = tuples.entry(datom.e).or_insert_with(|| vec![Value::Nil; parts.len()]);
                tuple[at] = datom.v;
            }
        }
    }
    Ok(tuples)
}

fn entities(db: &Db, a: AttrId) -> Result<BTreeSet<EntityId>, DbError> {
    let mut entities = BTreeSet::new();
    for slice in db.chunks(Order::Aevt, KeyRange::prefix(None, Some(a), None)).references() {
        let slice = slice?;
        entities.extend(slice.rows.clone().map(|row| slice.facts.e(row)));
    }
    Ok(entities)
}

/// That no two entities have one tuple.
fn distinct(
    db: &Db,
    tuple: &Attribute,
    tuples: &BTreeMap<EntityId, Vec<Value>>,
) -> Result<(), TxProblem> {
    let mut owners: HashMap<&[Value], EntityId> = HashMap::with_capacity(tuples.len());
    for (e, values) in tuples {
        if let Some(first) = owners.insert(values, *e) {
            let attribute = name(db.schema(), tuple.id);
            let value = shown(&Value::from(values.clone()));
            return Err(TxProblem::SharedTuple { attribute, value, first, second: *e });
        }
    }
    Ok(())
}
