//! A database by the transactions that made it.
//!
//! **Invariant:** each step is one transaction; its instant is the recorded one. Where no instants
//! are recorded none are added.

use super::load::{self, Recorded};
use super::transaction::masked;
use factfs_core::datom::{Datom, Order};
use factfs_core::db::{Db, NoNodes, Snapshot};
use factfs_core::edn::Form;
use factfs_core::id::{AttrId, TX_BASE};
use factfs_core::schema::builtin;
use factfs_core::transact::{TxOptions, prepare};
use factfs_core::value::{Uuid, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The database after all steps.
pub fn run(recorded: &Recorded, steps: &[Form]) -> Result<Db, String> {
    let schema = recorded.first_schema();
    let mut snapshot = Snapshot::empty(Uuid::from_u128(1), Arc::new(NoNodes), schema);
    if !recorded.names.is_empty() {
        let first = recorded.rows.iter().filter(|row| row.tx == TX_BASE);
        snapshot = load::add(snapshot, &first.collect::<Vec<_>>())?;
    }
    let instants = recorded.instants();
    for step in steps {
        snapshot = match (step.get("tx"), step.get("init-datoms").and_then(Form::as_seq)) {
            (Some(tx), _) => transact(snapshot, tx, &instants)?,
            (None, Some(datoms)) => {
                let rows = datoms.iter().map(|d| load::row(d, &recorded.names));
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                load::add(snapshot, &rows.iter().collect::<Vec<_>>())?
            }
            (None, None) => return Err(format!("{step} is no step")),
        };
    }
    Ok(Db::new(snapshot))
}

fn transact(
    snapshot: Snapshot,
    tx: &Form,
    instants: &BTreeMap<u64, i64>,
) -> Result<Snapshot, String> {
    let next = snapshot.next_tx();
    let now_ms = instants.get(&next.0).copied();
    let now_ms = now_ms.unwrap_or_else(|| snapshot.instant_ms.unwrap_or(0) + 1);
    let options = TxOptions { now_ms, ..TxOptions::default() };
    let db = Db::new(snapshot);
    let prepared = prepare(&db, tx, &options).map_err(|e| format!("{tx}\n{e}"))?;
    let keeps = !instants.is_empty();
    let own = |d: &Datom| d.a == builtin::TX_INSTANT && d.e == next.entity();
    let datoms: Vec<Datom> = prepared.datoms.into_iter().filter(|d| keeps || !own(d)).collect();
    let (schema, next_entity) = (prepared.schema, prepared.next_entity);
    Ok(db.snapshot().with(next, prepared.instant_ms, &datoms, schema, next_entity))
}

/// The database, if it holds what is recorded; else the first difference.
pub fn same(recorded: &Recorded, made: &Db, loaded: &Db) -> Result<Db, String> {
    let seen = |db: &Db| if recorded.keeps_history { db.history() } else { db.clone() };
    let (made_rows, wanted) = (rows(&seen(made))?, rows(&seen(loaded))?);
    let missing = wanted.difference(&made_rows).next().map(|row| format!("missing {row:?}"));
    let added = made_rows.difference(&wanted).next().map(|row| format!("in addition {row:?}"));
    match missing.or(added) {
        Some(difference) => Err(difference),
        None => Ok(made.clone()),
    }
}

type Told = (u64, String, Value, u64, bool);

fn rows(db: &Db) -> Result<BTreeSet<Told>, String> {
    let datoms = db.datoms(Order::Eavt, None, None, None).map_err(|e| e.to_string())?;
    let told = |d: Datom| {
        let a = ident(db, d.a);
        let v = masked(&a, d.v);
        (d.e.0, a, v, d.tx.0, d.added)
    };
    Ok(datoms.into_iter().map(told).collect())
}

/// The name of an attribute.
pub fn ident(db: &Db, a: AttrId) -> String {
    db.schema().get(a).map_or_else(|| a.to_string(), |a| a.ident.as_str().to_owned())
}
