//! Transactions: from forms to the datoms they change, without writing anything.
//!
//! **Invariant:** [`prepare`] is a function of the database, the forms and the options alone;
//! running it again on a newer database is how a transaction is rebased. What it gives is net: no
//! re-assertion, nothing retracted that did not hold.
//!
//! The stages are files in the order of the work: `parse` and `maps` make operations of forms,
//! `check` fits values to their attributes, `reads` fetches what has to be known, `resolve` finds
//! who is meant and does the operations on `state`, `apply` adds the transaction's own facts and
//! the next schema, `older` the tuples of facts that are older than the tuple. `rows` is another
//! beginning, for what is read by column already. `purge` reads the forms that erase, which are no
//! datoms.

mod apply;
mod check;
mod composite;
mod error;
mod facts;
mod maps;
mod older;
mod parse;
mod purge;
mod reads;
mod report;
mod resolve;
mod rows;
mod said;
mod state;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use error::{TxError, TxErrorKind, TxProblem};
pub use facts::{Fact, Facts, prepare_facts};
pub use purge::{Purging, erases, purging};
pub use report::with;
pub use rows::{Row, RowColumn, Rows, Statement, prepare_rows};

use crate::db::{Db, Prepared};
use crate::edn::Form;

/// What comes from outside the forms.
#[derive(Clone, Debug, Default)]
pub struct TxOptions {
    /// The clock, milliseconds since 1970.
    pub now_ms: i64,
    /// The client's id of the transaction, `:db.tx/id`.
    pub tx_id: Option<String>,
    /// Take ids that other branches made, or will make, as they are: for merges and imports.
    /// Without it an id of a block after this branch's own has to be in the database.
    pub any_ids: bool,
}

/// Reads, checks and resolves a transaction.
pub fn prepare(db: &Db, tx: &Form, options: &TxOptions) -> Result<Prepared, TxError> {
    apply::prepare(db, tx, options)
}
