//! Databases of the store as sources of the tree.
//!
//! **Invariant:** one open branch is shared by all who ask; its head is read at most once an
//! interval, and not at all after this mount's own commit, which moved it.

use super::{Branch, LogEntry, Make, Moment, Source, Tag};
use crate::error::Result;
use factfs_core::db::{Db, TxReport};
use factfs_core::edn::Form;
use factfs_core::id::T;
use factfs_core::value::Uuid;
use factfs_store::{Database, TransactOptions};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the head of a store on this machine is read.
const LOCAL: Duration = Duration::from_millis(20);
/// How often one across a network is.
const REMOTE: Duration = Duration::from_secs(1);

/// A database of the store.
pub struct DatabaseSource {
    /// On its default branch.
    database: Database,
    default_branch: String,
    interval: Duration,
    read_only: Option<String>,
    branches: Mutex<BTreeMap<String, Arc<Open>>>,
}

/// A branch that is open.
struct Open {
    database: Database,
    looked: Mutex<Option<Instant>>,
}

impl DatabaseSource {
    /// A database that was opened, and why nothing can be written to it, if that is known.
    pub fn new(database: Database, read_only: Option<String>) -> Result<Self> {
        let default_branch = database.refs()?.default_branch;
        let is_local = !database.url().contains("://") || database.url().starts_with("file://");
        let interval = if is_local { LOCAL } else { REMOTE };
        let branches = Mutex::default();
        Ok(Self { database, default_branch, interval, read_only, branches })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Open>>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn branch(&self, name: &str) -> Result<Arc<Open>> {
        if let Some(open) = self.lock().get(name) {
            return Ok(open.clone());
        }
        let database = if name == self.database.branch()? {
            self.database.clone()
        } else {
            self.database.on_branch(name)?
        };
        let open = Arc::new(Open { database, looked: Mutex::new(Some(Instant::now())) });
        Ok(self.lock().entry(name.to_owned()).or_insert(open).clone())
    }
}

impl Open {
    /// The newest value; the one that was seen last if that is not long ago.
    fn db(&self, interval: Duration) -> Result<Db> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at.elapsed() < interval) {
            return Ok(self.database.cached_db());
        }
        // Who comes meanwhile waits for this look instead of looking, too.
        let db = self.database.db()?;
        *looked = Some(Instant::now());
        Ok(db)
    }
}

fn head(db: Db) -> Moment {
    let (commit, instant_ms) = (db.snapshot().commit, db.snapshot().instant_ms);
    Moment { db, commit, instant_ms, is_fixed: false }
}

impl Source for DatabaseSource {
    fn url(&self) -> String {
        self.database.url().to_owned()
    }

    fn uuid(&self) -> Uuid {
        self.database.uuid()
    }

    fn name(&self) -> Option<String> {
        let name = self.database.name().ok()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn read_only(&self) -> Option<String> {
        self.read_only.clone()
    }

    fn default_branch(&self) -> String {
        self.default_branch.clone()
    }

    fn head(&self, branch: &str) -> Result<Moment> {
        self.branch(branch)?.db(self.interval).map(head)
    }

    fn head_at_hand(&self, branch: &str) -> Option<Moment> {
        let open = self.branches.try_lock().ok()?.get(branch)?.clone();
        let looked = *open.looked.try_lock().ok()?;
        let is_new = looked.is_some_and(|at| at.elapsed() < self.interval);
        is_new.then(|| head(open.database.cached_db()))
    }

    fn purges(&self) -> u64 {
        let of = |database: &Database| database.cached_db().snapshot().purges;
        let others = self.branches.try_lock().ok();
        let others = others.iter().flat_map(|open| open.values()).map(|open| of(&open.database));
        others.chain([of(&self.database)]).max().unwrap_or(0)
    }

    fn at(&self, branch: &str, when: &str) -> Result<Moment> {
        let moment = self.branch(branch)?.database.at(when)?;
        let (db, commit, instant_ms) = (moment.db, moment.commit, moment.instant_ms);
        Ok(Moment { db, commit, instant_ms, is_fixed: moment.fixed })
    }

    fn transact(&self, branch: &str, tx: &Form) -> Result<TxReport> {
        Ok(self.branch(branch)?.database.transact(tx, &TransactOptions::default())?)
    }

    fn transact_made(&self, branch: &str, tx_id: Option<&str>, make: &Make) -> Result<TxReport> {
        let options = TransactOptions { tx_id: tx_id.map(str::to_owned) };
        let make = make.clone();
        self.branch(branch)?.database.transact_made(move |db| make(db), &options)
    }

    fn log(&self, branch: &str, upto: Option<T>, limit: usize) -> Result<Vec<LogEntry>> {
        let entries = self.branch(branch)?.database.log(upto, true, limit)?;
        let entry = |entry: factfs_store::LogEntry| LogEntry {
            commit: entry.commit,
            parents: entry.parents,
            instant_ms: entry.instant_ms,
            datoms: entry.datoms,
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        let branches = self.database.branches()?.into_iter();
        Ok(branches.map(|info| Branch { name: info.name, commit: info.commit }).collect())
    }

    fn tags(&self) -> Result<Vec<Tag>> {
        let tags = self.database.tags()?.into_iter();
        let tag = |info: factfs_store::TagInfo| Some(Tag { name: info.name, commit: info.commit? });
        Ok(tags.filter_map(tag).collect())
    }
}
