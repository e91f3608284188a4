//! Transactions that are made of the value they are committed on.
//!
//! **Invariant:** what is committed was made of the value right before it: when another writer came
//! first, it is made again. What its maker refuses is not committed.

use crate::opening::wait;
use crate::{Database, Error, TransactOptions};
use factfs_core::db::{Db, TxReport};
use factfs_core::edn::Form;
use factfs_core::transact::{self, TxOptions};

impl Database {
    /// Commits the transaction that `make` gives for the newest value; it is asked again when
    /// another writer came first. One that erases is made of the value that is newest when it
    /// begins.
    pub fn transact_made<E>(
        &self,
        make: impl Fn(&Db) -> Result<Form, E> + Send + 'static,
        options: &TransactOptions,
    ) -> Result<TxReport, E>
    where
        E: From<Error> + Send + 'static,
    {
        self.opening.require_writable(Some(self.uuid()))?;
        let first = make(&self.db()?)?;
        if transact::erases(&first) {
            return Ok(self.transact(&first, options)?);
        }
        let tx_id = options.tx_id.clone();
        let prepare = move |db: &Db, now_ms: i64| {
            let options = TxOptions { now_ms, tx_id: tx_id.clone(), ..TxOptions::default() };
            transact::prepare(db, &make(db)?, &options).map_err(|error| Error::from(error).into())
        };
        let verdict = wait(self.conn.transact(prepare))?;
        self.flusher.begin(&self.conn);
        verdict.map_err(|error| match error.refused() {
            Ok(refused) => refused,
            Err(error) => Error::from(error).into(),
        })
    }
}
