//! What a transaction did.

use crate::datom::Datom;
use crate::db::Db;
use crate::id::{CommitId, EntityId, Tx};
use crate::value::Value;
use std::collections::BTreeMap;

/// The report of a committed transaction.
#[derive(Clone, Debug)]
pub struct TxReport {
    /// The database it was made on.
    pub db_before: Db,
    /// The database it made.
    pub db_after: Db,
    /// The transaction.
    pub tx: Tx,
    /// The commit.
    pub commit: CommitId,
    /// When.
    pub instant_ms: i64,
    /// What it changed, its own facts included.
    pub datoms: Vec<Datom>,
    /// Which entity each tempid became; empty if it was committed before.
    pub tempids: BTreeMap<Value, EntityId>,
    /// Whether it was committed before, under the same transaction id, and nothing was written now.
    pub already: bool,
}
