//! Transactions that are made of the value they are committed on.
//!
//! **Invariant:** what is committed was made of the value right before it: when another writer came
//! first, it is made again. What its maker refuses is not committed.

use crate::opening::wait;
use crate::{Database, Error, TransactOptions};
use factfs_core::db::{Db, TxReport};
use factfs_core::edn::Form;
use factfs_core::id::CommitId;
use factfs_core::transact::{self, TxOptions};
use std::sync::{Mutex, PoisonError};

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
        let db = self.db()?;
        let first = make(&db)?;
        if transact::erases(&first) {
            return Ok(self.transact(&first, options)?);
        }
        let (made_of, first) = (version(&db), Mutex::new(Some(first)));
        let tx_id = options.tx_id.clone();
        let prepare = move |db: &Db, now_ms: i64| {
            let options = TxOptions { now_ms, tx_id: tx_id.clone(), ..TxOptions::default() };
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let form = match first.filter(|_| version(db) == made_of) {
                Some(form) => form,
                None => make(db)?,
            };
            transact::prepare(db, &form, &options).map_err(|error| Error::from(error).into())
        };
        let verdict = wait(self.conn.transact(prepare))?;
        self.flusher.begin(&self.conn);
        verdict.map_err(|error| match error.refused() {
            Ok(refused) => refused,
            Err(error) => Error::from(error).into(),
        })
    }
}

/// Which value it is: after facts were erased a commit is less than it was.
fn version(db: &Db) -> (Option<CommitId>, u64) {
    let snapshot = db.snapshot();
    (snapshot.commit, snapshot.purges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use factfs_core::conn::CreateOptions;
    use factfs_core::edn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_transaction_is_made_once_unless_another_writer_came_first() {
        let options = CreateOptions::default();
        let database = Database::create("memory:made-once", &options, &Settings::default());
        let database = database.unwrap();
        let times = Arc::new(AtomicUsize::new(0));
        let (other, counted) = (database.clone(), times.clone());
        let say = |text: &str| edn::read_one(text).unwrap();
        let make = move |_: &Db| {
            // The second one comes late when it is made the first time.
            if counted.fetch_add(1, Ordering::SeqCst) == 1 {
                other.transact(&say("[[:db/add \"y\" :db/doc \"y\"]]"), &Default::default())?;
            }
            Ok::<_, Error>(say("[[:db/add \"x\" :db/doc \"x\"]]"))
        };
        database.transact_made(make.clone(), &TransactOptions::default()).unwrap();
        assert_eq!(times.load(Ordering::SeqCst), 1);
        database.transact_made(make, &TransactOptions::default()).unwrap();
        assert_eq!(times.load(Ordering::SeqCst), 3);
    }
}
