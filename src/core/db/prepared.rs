//! A transaction that was checked against one database value and is ready to be committed on it.
//!
//! **Invariant:** it means something only on the value it was prepared on; on any other it is prepared again.

use super::{Db, DbError};
use crate::datom::{Datom, Order};
use crate::id::{EntityId, Tx};
use crate::schema::{Schema, builtin};
use crate::value::Value;
use std::collections::BTreeMap;

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The transaction that follows the value it was prepared on.
    pub tx: Tx,
    /// When, later than all before it.
    pub instant_ms: i64,
    /// What it really changes, in the order it was said, its own facts included: no re-assertion, each retraction of a
    /// fact that holds.
    pub datoms: Vec<Datom>,
    /// The schema after it.
    pub schema: Schema,
    /// The next entity id to give after it.
    pub next_entity: EntityId,
    /// Which entity each tempid became.
    pub tempids: BTreeMap<Value, EntityId>,
    /// The transaction that has the same id (`:db.tx/id`) and was committed before: then nothing is written.
    pub already: Option<Tx>,
}

impl Prepared {
    /// Nothing to do: the transaction was committed before.
    pub fn already(db: &Db, tx: Tx) -> Self {
        Self {
            tx,
            instant_ms: 0,
            datoms: Vec::new(),
            schema: db.schema().clone(),
            next_entity: db.snapshot().next_entity,
            tempids: BTreeMap::new(),
            already: Some(tx),
        }
    }
}

impl Db {
    /// The transaction that the client gave this id, if it was committed. Cost: one seek.
    pub fn tx_with_id(&self, id: &str) -> Result<Option<Tx>, DbError> {
        let found = self.datoms(Order::Avet, None, Some(builtin::TX_ID), Some(Value::str(id)))?;
        Ok(found.first().and_then(|datom| datom.e.as_tx()))
    }
}
