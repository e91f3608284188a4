//! Transactions that erase, through a connection.
//!
//! **Invariant:** what the forms mean is erased first, from every branch, tag and kept moment, as
//! [`Database::purge`] does; then the transaction is committed, which has nothing but itself. So
//! one that is acknowledged, or found by its id, has been done wholly; one that was stopped is
//! finished by saying it again, and what it names by a value is named so on its branch until
//! nothing of it is left on any other.

use crate::{Database, Error, Kind, TransactOptions};
use factfs_core::conn::Purge;
use factfs_core::db::TxReport;
use factfs_core::edn::Form;
use factfs_core::transact::{Purging, purging};
use factfs_core::value::Value;

/// How long what held the facts is left to readers of old heads: a day, as by `factfs purge`.
const GRACE_MS: u64 = 24 * 60 * 60 * 1000;

impl Database {
    /// Does a transaction of forms that erase.
    pub(crate) fn transact_purge(
        &self,
        tx: &Form,
        options: &TransactOptions,
    ) -> Result<TxReport, Error> {
        let db = self.db()?;
        if let Some(id) = &options.tx_id
            && db.tx_with_id(id)?.is_some()
        {
            // Nothing is written, and what it named may be gone.
            return self.commit(Form::from(Value::from(Vec::new())), options);
        }
        let Purging { erase, tx } = purging(&db, tx)?;
        let purge = Purge { erase, grace_ms: GRACE_MS };
        self.purge(&purge, &mut |_, _| ()).map_err(|error| match is_begun(error.kind) {
            true => beside(error, "not all may be erased yet: the same again does the rest"),
            false => error,
        })?;
        self.commit(tx, options).map_err(|error| {
            beside(error, "what was to be erased is; only the transaction is not committed")
        })
    }

    fn commit(&self, tx: Form, options: &TransactOptions) -> Result<TxReport, Error> {
        let mut verdicts = self.transact_all([(tx, options.clone())])?;
        verdicts.pop().unwrap_or_else(|| Err(Error::new(Kind::Interrupted, "no answer came")))
    }
}

/// Whether an erasure that ends so may have begun.
fn is_begun(kind: Kind) -> bool {
    let may = [Kind::Unavailable, Kind::Busy, Kind::Timeout, Kind::Full, Kind::Corrupt];
    may.contains(&kind)
}

fn beside(error: Error, what: &str) -> Error {
    Error { message: format!("{}\n{what}", error.message), ..error }
}
