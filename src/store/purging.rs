//! Transactions that erase, through a connection.
//!
//! **Invariant:** what is refused is refused before anything is erased. Then what the forms mean is
//! erased, from every branch, tag and kept moment, as [`Database::purge`] does; and at last the
//! transaction is committed, which has nothing but itself. So one that is acknowledged, or found by
//! its id, has been done wholly. One that was stopped is finished by saying it again: what it names
//! by a value is named so on its branch until nothing of it is left on any other, and errors after
//! that say it by ids.

use crate::{Database, Error, Kind, TransactOptions};
use factfs_core::conn::{Erase, Purge};
use factfs_core::db::{Db, TxReport};
use factfs_core::edn::{self, Form};
use factfs_core::id::AttrId;
use factfs_core::instant;
use factfs_core::transact::{Purging, TxError, TxOptions, prepare, purging};
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
        self.opening.require_writable(Some(self.uuid()))?;
        let db = self.db()?;
        if let Some(id) = &options.tx_id
            && db.tx_with_id(id)?.is_some()
        {
            // Nothing is written, and what it named may be gone.
            return self.commit(Form::from(Value::from(Vec::new())), options);
        }
        let Purging { erase, tx: rest } = purging(&db, tx)?;
        let (now_ms, tx_id) = (self.opening.place.host.now_ms(), options.tx_id.clone());
        let left = db.without(&erase).map_err(TxError::from)?;
        prepare(&left, &rest, &TxOptions { now_ms, tx_id, ..TxOptions::default() })?;
        let again = format!("say it again by ids: [{}]", said(&erase, &db));
        let purge = Purge { erase, grace_ms: GRACE_MS };
        self.purge(&purge, &mut |_, _| ()).map_err(|error| match error.kind {
            Kind::Invalid => error,
            _ => beside(error, &format!("some of it may be erased, and some not yet: {again}")),
        })?;
        self.commit(rest, options).map_err(|error| {
            let what = match error.kind {
                Kind::Timeout => "whether the transaction is committed is not known",
                _ => "the transaction is not committed",
            };
            beside(error, &format!("what was to be erased is; {what}: {again}"))
        })
    }

    fn commit(&self, tx: Form, options: &TransactOptions) -> Result<TxReport, Error> {
        let mut verdicts = self.transact_all([(tx, options.clone())])?;
        verdicts.pop().unwrap_or_else(|| Err(Error::new(Kind::Interrupted, "no answer came")))
    }
}

/// How many forms are said again by an error.
const FORMS: usize = 20;

/// The forms that mean this, whoever has which names by then.
fn said(erase: &Erase, db: &Db) -> String {
    let ident = |a: AttrId| match db.schema().get(a) {
        Some(attribute) => attribute.ident.to_string(),
        None => a.to_string(),
    };
    match erase {
        Erase::Entity(e) => format!("[:db.purge/entity {e}]"),
        Erase::Attribute { attribute, entity: Some(e) } => {
            format!("[:db.purge/attribute {e} {}]", ident(*attribute))
        }
        Erase::Attribute { attribute, entity: None } => ident(*attribute),
        Erase::Fact { entity, attribute, value } => {
            let value = match value {
                Value::Ref(e) => e.to_string(),
                value => edn::to_string(value),
            };
            format!("[:db/purge {entity} {} {value}]", ident(*attribute))
        }
        Erase::Before(ms) => {
            format!("[:db.history.purge/before #inst \"{}\"]", instant::format(ms + 1))
        }
        Erase::Several(all) => {
            let forms = all.iter().take(FORMS).map(|erase| said(erase, db));
            let more = (all.len() > FORMS).then(|| format!("and {} more", all.len() - FORMS));
            forms.chain(more).collect::<Vec<_>>().join(" ")
        }
    }
}

fn beside(error: Error, what: &str) -> Error {
    Error { message: format!("{}\n{what}", error.message), ..error }
}
