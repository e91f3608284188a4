//! What a transaction came to, and transactions that are only supposed.
//!
//! **Invariant:** the database after holds exactly the datoms of the report on top of the one before.

use super::{Prepared, TxError, TxOptions, prepare};
use crate::datom::Datom;
use crate::db::Db;
use crate::edn::Form;
use crate::id::{EntityId, Tx};
use crate::value::Value;

/// What a transaction came to.
#[derive(Clone, Debug)]
pub struct TxReport {
    /// The database it was made on.
    pub db_before: Db,
    /// The database with it.
    pub db_after: Db,
    /// What changed, in order.
    pub datoms: Vec<Datom>,
    /// The entity of each tempid.
    pub tempids: Vec<(Value, EntityId)>,
    /// The transaction.
    pub tx: Tx,
    /// When, milliseconds since 1970.
    pub instant_ms: i64,
    /// It was there already and nothing was done.
    pub already: bool,
}

/// The database as it would be after a transaction. Nothing is written.
pub fn with(db: &Db, tx: &Form, options: &TxOptions) -> Result<TxReport, TxError> {
    let prepared = prepare(db, tx, options)?;
    Ok(prepared.report(db))
}

impl Prepared {
    /// The report of a transaction prepared on `db`. Its database after is not of a commit.
    pub fn report(self, db: &Db) -> TxReport {
        let Prepared { tx, instant_ms, datoms, schema, next_entity, tempids, already, .. } = self;
        let db_after = if already {
            db.clone()
        } else {
            Db::new(db.snapshot().with(tx, instant_ms, &datoms, schema, next_entity))
        };
        TxReport { db_before: db.clone(), db_after, datoms, tempids, tx, instant_ms, already }
    }
}

impl TxReport {
    /// `{:t :tx :instant :tempids :tx-data [[e :attribute v tx added]...]}`, and `:already true` if it was there.
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
        if self.already {
            entries.push((key("already"), Value::Bool(true)));
        }
        Value::map(entries)
    }
}
