//! Transactions that are only supposed.
//!
//! **Invariant:** the database after holds exactly the datoms of the report on top of the one
//! before, without what the transaction erases.

use super::apply::already;
use super::{Purging, TxError, TxOptions, erases, prepare, purging};
use crate::db::{Db, Prepared, TxReport};
use crate::edn::Form;

/// The database as it would be after a transaction. Nothing is written.
pub fn with(db: &Db, tx: &Form, options: &TxOptions) -> Result<TxReport, TxError> {
    if already(db, options)?.is_some() || !erases(tx) {
        return Ok(report(prepare(db, tx, options)?, db));
    }
    let Purging { erase, tx } = purging(db, tx)?;
    let left = db.without(&erase)?;
    Ok(TxReport { db_before: db.clone(), ..report(prepare(&left, &tx, options)?, &left) })
}

/// The report of a transaction prepared on `db`. Its database after is not of a commit.
pub(super) fn report(prepared: Prepared, db: &Db) -> TxReport {
    let Prepared { tx, instant_ms, datoms, schema, next_entity, tempids, already, .. } = prepared;
    let already = already.is_some();
    let db_after = if already {
        db.clone()
    } else {
        Db::new(db.snapshot().with(tx, instant_ms, &datoms, schema, next_entity))
    };
    let (db_before, commit) = (db.clone(), None);
    TxReport { db_before, db_after, tx, commit, instant_ms, datoms, tempids, already }
}
