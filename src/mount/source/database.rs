//! Databases of the store as sources of the tree.
//!
//! **Invariant:** one open branch is shared by all who ask; its head is read at most once an
//! interval, and not at all after this mount's own commit, which moved it.

mod entries;

use super::{Activity, Branch, LogEntry, Make, Merging, Moment, Source, Tag};
use crate::error::Result;
use crate::metrics;
use entries::Entries;
use factfs_core::commit::Refs;
use factfs_core::conn::{MergeError, MergeOptions};
use factfs_core::db::{Db, Difference, TxReport};
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
    /// When it was last seen which branch each name means.
    checked: Mutex<Instant>,
    entries: Entries,
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
        Ok(Self {
            database,
            default_branch,
            interval,
            read_only,
            branches: Mutex::default(),
            checked: Mutex::new(Instant::now()),
            entries: Entries::default(),
        })
    }

    /// The same, with its head read at most once in so long.
    #[must_use]
    pub fn polled(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Open>>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn branch(&self, name: &str) -> Result<Arc<Open>> {
        if name != self.default_branch {
            self.let_go(self.interval)?;
        }
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

impl DatabaseSource {
    /// Lets go of branches whose names were taken away, or mean another one; not again within this
    /// time.
    fn let_go(&self, interval: Duration) -> Result<()> {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.elapsed() < interval {
            return Ok(());
        }
        self.look(&mut checked).map(drop)
    }

    /// Which branch each name means now, having let go of those that are called otherwise.
    fn look(&self, checked: &mut Instant) -> Result<Refs> {
        let refs = self.database.refs()?;
        *checked = Instant::now();
        let mut branches = self.lock();
        let known = branches.len();
        branches.retain(|name, open| open.database.is_called(name, &refs));
        if branches.len() < known {
            self.entries.clear();
        }
        Ok(refs)
    }

    /// A branch that its name means now, whatever happened elsewhere: to be written to.
    fn named(&self, branch: &str) -> Result<Arc<Open>> {
        self.let_go(Duration::ZERO)?;
        self.branch(branch)
    }

    /// Nothing is written to a branch that has another name by now; the default one keeps its own.
    fn to_write(&self, branch: &str) -> Result<Arc<Open>> {
        if branch == self.default_branch { self.branch(branch) } else { self.named(branch) }
    }

    /// Counts and logs what was committed.
    fn note(&self, branch: &str, report: &TxReport) {
        if report.already {
            return;
        }
        metrics::committed(report.datoms.len());
        let (url, commit) = (self.database.url(), report.commit.map(|id| id.to_string()));
        let (commit, datoms) = (commit.unwrap_or_default(), report.datoms.len());
        tracing::info!(%url, %branch, %commit, datoms, "committed");
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
        let open = self.branch(branch)?;
        let db = open.db(self.interval)?;
        if !open.database.is_deleted() {
            return Ok(head(db));
        }
        // Another branch may have its name by now.
        self.lock().retain(|_, known| !Arc::ptr_eq(known, &open));
        self.entries.clear();
        self.branch(branch)?.db(self.interval).map(head)
    }

    fn head_at_hand(&self, branch: &str) -> Option<Moment> {
        let open = self.branches.try_lock().ok()?.get(branch)?.clone();
        let looked = *open.looked.try_lock().ok()?;
        let is_new = looked.is_some_and(|at| at.elapsed() < self.interval);
        is_new.then(|| head(open.database.cached_db()))
    }

    fn fetched(&self) -> u64 {
        self.database.cache_stats().misses
    }

    fn purges(&self) -> u64 {
        let of = |database: &Database| database.cached_db().snapshot().purges;
        let others = self.branches.try_lock().ok();
        let others = others.iter().flat_map(|open| open.values()).map(|open| of(&open.database));
        others.chain([of(&self.database)]).max().unwrap_or(0)
    }

    fn activity(&self, branch: &str) -> Option<Activity> {
        let open = self.branches.try_lock().ok().and_then(|open| open.get(branch).cloned());
        let looked = open.as_ref().and_then(|open| *open.looked.try_lock().ok()?);
        let seen = open.as_ref().map_or(&self.database, |open| &open.database).cached_db();
        let disk = self.database.disk_cache();
        Some(Activity {
            seen: head(seen),
            looked: looked.map(|at| at.elapsed()),
            interval: self.interval,
            counts: self.database.counts(),
            unchanged: self.database.heads_unchanged(),
            nodes: self.database.cache_stats(),
            disk: disk.map(|disk| (disk.root().to_owned(), disk.limit_bytes(), disk.stats())),
        })
    }

    fn at(&self, branch: &str, when: &str) -> Result<Moment> {
        let moment = self.branch(branch)?.database.at(when)?;
        let (db, commit, instant_ms) = (moment.db, moment.commit, moment.instant_ms);
        Ok(Moment { db, commit, instant_ms, is_fixed: moment.fixed })
    }

    fn transact(&self, branch: &str, tx: &Form) -> Result<TxReport> {
        let database = &self.to_write(branch)?.database;
        let report = database.transact(tx, &TransactOptions::default())?;
        self.note(branch, &report);
        Ok(report)
    }

    fn transact_made(&self, branch: &str, tx_id: Option<&str>, make: &Make) -> Result<TxReport> {
        let options = TransactOptions { tx_id: tx_id.map(str::to_owned) };
        let make = make.clone();
        let database = &self.to_write(branch)?.database;
        let report = database.transact_made(move |db| make(db), &options)?;
        self.note(branch, &report);
        Ok(report)
    }

    fn log(&self, branch: &str, upto: Option<T>, limit: usize) -> Result<Vec<LogEntry>> {
        // As it is now: its name may mean another branch than when commits were read.
        let purges = self.head(branch)?.db.snapshot().purges;
        let one = upto.filter(|_| limit == 1);
        if let Some(entry) = one.and_then(|t| self.entries.get(branch, t, purges)) {
            return Ok(vec![entry]);
        }
        let entries = self.branch(branch)?.database.log(upto, true, limit)?;
        let entry = |entry: factfs_store::LogEntry| LogEntry {
            commit: entry.commit,
            parents: entry.parents,
            instant_ms: entry.instant_ms,
            tx: entry.tx,
            datoms: entry.datoms,
            purged: entry.purged,
        };
        let entries: Vec<LogEntry> = entries.into_iter().map(entry).collect();
        self.entries.keep(branch, &entries, purges);
        Ok(entries)
    }

    fn difference(&self, branch: &str, from: &Moment, to: &Moment) -> Result<Difference> {
        Ok(self.branch(branch)?.database.difference(&from.db, &to.db)?)
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        let refs = self.look(&mut self.checked.lock().unwrap_or_else(PoisonError::into_inner))?;
        let branches = self.database.branches_in(&refs)?.into_iter();
        Ok(branches.map(|info| Branch { name: info.name, commit: info.commit }).collect())
    }

    fn tags(&self) -> Result<Vec<Tag>> {
        let tags = self.database.tags()?.into_iter();
        let tag = |info: factfs_store::TagInfo| Some(Tag { name: info.name, commit: info.commit? });
        Ok(tags.filter_map(tag).collect())
    }

    fn create_branch(&self, from: &str, name: &str, at: Option<&str>) -> Result<()> {
        Ok(self.named(from)?.database.create_branch(name, at)?)
    }

    fn retire_branch(&self, name: &str) -> Result<()> {
        self.database.retire_branch(name)?;
        self.let_go(Duration::ZERO)
    }

    fn rename_branch(&self, from: &str, to: &str) -> Result<()> {
        self.database.rename_branch(from, to)?;
        self.let_go(Duration::ZERO)
    }

    fn create_tag(&self, branch: &str, name: &str, at: Option<&str>) -> Result<()> {
        Ok(self.named(branch)?.database.create_tag(name, at)?)
    }

    fn delete_tag(&self, name: &str) -> Result<()> {
        Ok(self.database.delete_tag(name)?)
    }

    fn merge(&self, branch: &str, from: &str) -> Result<Merging> {
        match self.named(branch)?.database.merge(from, &MergeOptions::default()) {
            Ok(merged) => Ok(Merging { report: merged.report, ..Merging::from(merged.plan) }),
            Err(error) => {
                let source = error.source.as_ref().and_then(|e| e.downcast_ref::<MergeError>());
                match source {
                    Some(MergeError::Conflicts(plan)) => Ok(Merging::from((**plan).clone())),
                    _ => Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::stored;

    #[test]
    fn names_of_branches_are_read_once_for_a_list_of_them() {
        let source = stored("names-read-once");
        let reads = || source.database.counts().refs;
        let before = reads();
        assert_eq!(source.branches().unwrap().len(), 1);
        // The names, and the head of the one branch.
        assert_eq!(reads() - before, 2);
    }
}
