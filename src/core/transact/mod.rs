//! Transactions: from forms to the datoms they change, without writing anything.
//!
//! **Invariant:** [`prepare`] is a function of the database, the forms and the options alone; running it again on a newer
//! database is how a transaction is rebased. What it gives is net: no re-assertion, nothing retracted that did not hold.
//!
//! The stages are files in the order of the work: `parse` and `maps` make operations of forms, `check` fits values to their
//! attributes, `reads` fetches what has to be known, `resolve` finds who is meant and does the operations on `state`, `apply`
//! adds the transaction's own facts and the next schema.

mod apply;
mod check;
mod error;
mod maps;
mod parse;
mod reads;
mod report;
mod resolve;
mod state;

#[cfg(test)]
mod tests;

pub use error::{TxError, TxErrorKind, TxProblem};
pub use report::{TxReport, with};

use crate::datom::Datom;
use crate::db::Db;
use crate::edn::Form;
use crate::id::{AttrId, EntityId, Tx};
use crate::schema::Schema;
use crate::value::Value;

/// What comes from outside the forms.
#[derive(Clone, Debug, Default)]
pub struct TxOptions {
    /// The clock, milliseconds since 1970.
    pub now_ms: i64,
    /// The client's id of the transaction, `:db.tx/id`.
    pub tx_id: Option<String>,
}

/// A transaction that can be committed on the database it was prepared on.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The transaction.
    pub tx: Tx,
    /// Its instant, milliseconds since 1970: later than the one before.
    pub instant_ms: i64,
    /// What changes, in order; the transaction's own facts first.
    pub datoms: Vec<Datom>,
    /// The schema after it.
    pub schema: Schema,
    /// The next entity id after it.
    pub next_entity: EntityId,
    /// The entity of each tempid, in the order of the text.
    pub tempids: Vec<(Value, EntityId)>,
    /// Attributes with facts that have to be put into AVET: layers do it by themselves, trees have to.
    pub backfill: Vec<AttrId>,
    /// A transaction with this client's id is there already: `tx` is it, and nothing changes.
    pub already: bool,
}

/// Reads, checks and resolves a transaction.
pub fn prepare(db: &Db, tx: &Form, options: &TxOptions) -> Result<Prepared, TxError> {
    apply::prepare(db, tx, options)
}
