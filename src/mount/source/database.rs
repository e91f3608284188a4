//! Databases of the store as sources of the tree.
//!
//! **Invariant:** a head is looked at once an interval while it is in use, by a thread where that
//! is a request, and once by whoever reads it after a quiet minute; not at all for this mount's own
//! commit, which moved it.

mod entries;
mod heads;
#[cfg(test)]
mod tests;

use super::fresh::{Looker, Pace, clock};
use super::{Activity, Branch, LogEntry, Make, Merging, Moment, Source, Tag};
use crate::error::Result;
use crate::metrics;
use factfs_core::conn::{MergeError, MergeOptions};
use factfs_core::db::{Db, Difference, TxReport};
use factfs_core::edn::Form;
use factfs_core::id::T;
use factfs_core::value::Uuid;
use factfs_store::{Database, TransactOptions};
use heads::{Heads, Open};
use std::sync::Arc;
use std::time::Duration;

/// How often the head of a store on this machine is looked at, by who reads it.
const LOCAL: Duration = Duration::from_millis(20);
/// How often one across a network is, by a thread.
const REMOTE: Duration = Duration::from_secs(1);

/// A database of the store.
pub struct DatabaseSource {
    heads: Arc<Heads>,
    read_only: Option<String>,
}

impl DatabaseSource {
    /// A database that was opened, and why nothing can be written to it, if that is known.
    pub fn new(database: Database, read_only: Option<String>) -> Result<Self> {
        let default_branch = database.refs()?.default_branch;
        let url = database.url();
        let is_local = ["file://", "sqlite:"].iter().any(|scheme| url.starts_with(scheme));
        let (interval, looker) = match is_local || !url.contains("://") {
            true => (LOCAL, Looker::User),
            false => (REMOTE, Looker::Thread),
        };
        let pace = Pace { interval, looker, clock: clock() };
        Ok(Self { heads: Arc::new(Heads::new(database, default_branch, pace)), read_only })
    }

    /// The same, with its heads looked at so often.
    #[must_use]
    pub fn polled(self, interval: Duration) -> Self {
        let pace = Pace { interval, ..self.heads.pace.clone() };
        self.paced(pace)
    }

    fn paced(self, pace: Pace) -> Self {
        let (database, branch) = (self.heads.database.clone(), self.heads.default_branch.clone());
        Self { heads: Arc::new(Heads::new(database, branch, pace)), ..self }
    }

    fn branch(&self, name: &str) -> Result<Arc<Open>> {
        self.heads.branch(name)
    }

    /// A branch that its name means now, whatever happened elsewhere: to be written to.
    fn named(&self, branch: &str) -> Result<Arc<Open>> {
        self.heads.see_names()?;
        self.branch(branch)
    }

    /// Nothing is written to a branch that has another name by now; the default one keeps its own.
    fn to_write(&self, branch: &str) -> Result<Arc<Open>> {
        if branch == self.heads.default_branch { self.branch(branch) } else { self.named(branch) }
    }

    /// Commits, counts and logs it. What the head is then is known.
    fn commit(
        &self,
        branch: &str,
        commit: impl FnOnce(&Database) -> Result<TxReport>,
    ) -> Result<TxReport> {
        let open = self.to_write(branch)?;
        let begun = (self.heads.pace.clock)();
        let report = commit(&open.database)?;
        if report.already {
            return Ok(report);
        }
        open.fresh.seen(begun);
        metrics::committed(report.datoms.len());
        let (url, commit) = (self.url(), report.commit.map(|id| id.to_string()));
        let (commit, datoms) = (commit.unwrap_or_default(), report.datoms.len());
        tracing::info!(%url, %branch, %commit, datoms, "committed");
        Ok(report)
    }
}

fn head(db: Db) -> Moment {
    let (commit, instant_ms) = (db.snapshot().commit, db.snapshot().instant_ms);
    Moment { db, commit, instant_ms, is_fixed: false }
}

impl Source for DatabaseSource {
    fn url(&self) -> String {
        self.heads.database.url().to_owned()
    }

    fn uuid(&self) -> Uuid {
        self.heads.database.uuid()
    }

    fn name(&self) -> Option<String> {
        let name = self.heads.database.name().ok()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn read_only(&self) -> Option<String> {
        self.read_only.clone()
    }

    fn default_branch(&self) -> String {
        self.heads.default_branch.clone()
    }

    fn head(&self, branch: &str) -> Result<Moment> {
        let open = self.branch(branch)?;
        let db = self.heads.db(&open)?;
        if !open.database.is_deleted() {
            return Ok(head(db));
        }
        self.heads.forget(&open);
        self.heads.db(&*self.branch(branch)?).map(head)
    }

    fn head_at_hand(&self, branch: &str) -> Option<Moment> {
        let open = self.heads.at_hand()?.get(branch)?.clone();
        open.fresh.is_usable(&self.heads.pace).then(|| head(open.database.cached_db()))
    }

    fn fetched(&self) -> u64 {
        self.heads.database.cache_stats().misses
    }

    fn purges(&self) -> u64 {
        let of = |database: &Database| database.cached_db().snapshot().purges;
        let others = self.heads.at_hand();
        let others = others.iter().flat_map(|open| open.values()).map(|open| of(&open.database));
        others.chain([of(&self.heads.database)]).max().unwrap_or(0)
    }

    fn activity(&self, branch: &str) -> Option<Activity> {
        let open = self.heads.at_hand().and_then(|open| open.get(branch).cloned());
        let database = &self.heads.database;
        let seen = open.as_ref().map_or(database, |open| &open.database).cached_db();
        let disk = database.disk_cache();
        Some(Activity {
            seen: head(seen),
            looked: open.map(|open| open.fresh.age(&self.heads.pace)),
            interval: self.heads.pace.interval,
            counts: database.counts(),
            unchanged: database.heads_unchanged(),
            polls: self.heads.polls(),
            nodes: database.cache_stats(),
            disk: disk.map(|disk| (disk.root().to_owned(), disk.limit_bytes(), disk.stats())),
        })
    }

    fn at(&self, branch: &str, when: &str) -> Result<Moment> {
        let moment = self.branch(branch)?.database.at(when)?;
        let (db, commit, instant_ms) = (moment.db, moment.commit, moment.instant_ms);
        Ok(Moment { db, commit, instant_ms, is_fixed: moment.fixed })
    }

    fn transact(&self, branch: &str, tx: &Form) -> Result<TxReport> {
        self.commit(branch, |db| Ok(db.transact(tx, &TransactOptions::default())?))
    }

    fn transact_made(&self, branch: &str, tx_id: Option<&str>, make: &Make) -> Result<TxReport> {
        let options = TransactOptions { tx_id: tx_id.map(str::to_owned) };
        let make = make.clone();
        self.commit(branch, |all| all.transact_made(move |db| make(db), &options))
    }

    fn log(&self, branch: &str, upto: Option<T>, limit: usize) -> Result<Vec<LogEntry>> {
        // As it is now: its name may mean another branch than when commits were read.
        let purges = self.head(branch)?.db.snapshot().purges;
        let one = upto.filter(|_| limit == 1);
        if let Some(entry) = one.and_then(|t| self.heads.entries.get(branch, t, purges)) {
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
        self.heads.entries.keep(branch, &entries, purges);
        Ok(entries)
    }

    fn difference(&self, branch: &str, from: &Moment, to: &Moment) -> Result<Difference> {
        Ok(self.branch(branch)?.database.difference(&from.db, &to.db)?)
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        let refs = self.heads.see_names()?;
        let branches = self.heads.database.branches_in(&refs)?.into_iter();
        Ok(branches.map(|info| Branch { name: info.name, commit: info.commit }).collect())
    }

    fn tags(&self) -> Result<Vec<Tag>> {
        let tags = self.heads.database.tags()?.into_iter();
        let tag = |info: factfs_store::TagInfo| Some(Tag { name: info.name, commit: info.commit? });
        Ok(tags.filter_map(tag).collect())
    }

    fn create_branch(&self, from: &str, name: &str, at: Option<&str>) -> Result<()> {
        Ok(self.named(from)?.database.create_branch(name, at)?)
    }

    fn retire_branch(&self, name: &str) -> Result<()> {
        self.heads.database.retire_branch(name)?;
        self.heads.see_names().map(drop)
    }

    fn rename_branch(&self, from: &str, to: &str) -> Result<()> {
        self.heads.database.rename_branch(from, to)?;
        self.heads.see_names().map(drop)
    }

    fn create_tag(&self, branch: &str, name: &str, at: Option<&str>) -> Result<()> {
        Ok(self.named(branch)?.database.create_tag(name, at)?)
    }

    fn delete_tag(&self, name: &str) -> Result<()> {
        Ok(self.heads.database.delete_tag(name)?)
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
