//! A transaction that was checked against one database value and is ready to be committed on it.
//!
//! **Invariant:** it means something only on the value it was prepared on; on any other it is
//! prepared again.

use super::{Db, DbError};
use crate::datom::{Datom, Order};
use crate::id::{AttrId, CommitId, EntityId, Tx};
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
    /// What it really changes, in the order it was said, its own facts included: no re-assertion,
    /// each retraction of a fact that holds.
    pub datoms: Vec<Datom>,
    /// The schema after it.
    pub schema: Schema,
    /// The next entity id to give after it.
    pub next_entity: EntityId,
    /// Which entity each tempid became.
    pub tempids: BTreeMap<Value, EntityId>,
    /// Attributes that came into AVET with facts: layers put them there by themselves, trees have
    /// to.
    pub backfill: Vec<AttrId>,
    /// Commits of other branches that this one takes in: parents beside the one before it.
    pub merged: Vec<CommitId>,
    /// The transaction that has the same id (`:db.tx/id`) and was committed before: then nothing is
    /// written.
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
            backfill: Vec::new(),
            merged: Vec::new(),
            already: Some(tx),
        }
    }
}

/// What a transaction came to.
#[derive(Clone, Debug)]
pub struct TxReport {
    /// The database it was made on.
    pub db_before: Db,
    /// The database it made.
    pub db_after: Db,
    /// The transaction.
    pub tx: Tx,
    /// The commit; `None` if it was only supposed.
    pub commit: Option<CommitId>,
    /// When, milliseconds since 1970.
    pub instant_ms: i64,
    /// What changed, in order, its own facts included.
    pub datoms: Vec<Datom>,
    /// Which entity each tempid became; empty if it was committed before.
    pub tempids: BTreeMap<Value, EntityId>,
    /// Whether it was committed before, under the same transaction id, and nothing was written now.
    pub already: bool,
}

impl TxReport {
    /// `{:t :tx :commit :instant :tempids :tx-data [[e :attribute v tx added]...]}`, and `:already
    /// true` if it was there.
    pub fn to_value(&self) -> Value {
        let schema = self.db_after.schema();
        let row = |d: &Datom| {
            let attribute = schema.get(d.a).map(|a| Value::Keyword(a.ident.clone()));
            let a = attribute.unwrap_or(Value::Long(d.a.0 as i64));
            let (e, tx) = (Value::Ref(d.e), Value::Ref(d.tx.entity()));
            Value::from(vec![e, a, d.v.clone(), tx, Value::Bool(d.added)])
        };
        let key = Value::keyword;
        let tempids = self.tempids.iter().map(|(name, e)| (name.clone(), Value::Ref(*e)));
        let mut entries = vec![
            (key("t"), Value::Long(self.tx.t().0 as i64)),
            (key("tx"), Value::Ref(self.tx.entity())),
            (key("instant"), Value::Inst(self.instant_ms)),
            (key("tempids"), Value::map(tempids.collect())),
            (key("tx-data"), self.datoms.iter().map(row).collect::<Vec<_>>().into()),
        ];
        entries.extend(self.commit.map(|c| (key("commit"), Value::str(&c.to_string()))));
        if self.already {
            entries.push((key("already"), Value::Bool(true)));
        }
        Value::map(entries)
    }
}

impl Db {
    /// The transaction that the client gave this id, if it was committed. Cost: one seek.
    pub fn tx_with_id(&self, id: &str) -> Result<Option<Tx>, DbError> {
        let found = self.datoms(Order::Avet, None, Some(builtin::TX_ID), Some(Value::str(id)))?;
        Ok(found.first().and_then(|datom| datom.e.as_tx()))
    }
}
