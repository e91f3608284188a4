//! A database in memory: for tests, and for trying the tree without storage.
//!
//! **Invariant:** each transaction is a commit with its own `t`; commits are kept for ever. The
//! clock is a counter: the n-th commit of a branch is n minutes after 2026-01-01 unless the
//! transaction says otherwise.

mod naming;

use super::{Branch, LogEntry, Make, Merging, Moment, Source, Tag};
use crate::error::{Failure, Kind, Result};
use crate::when::When;
use factfs_core::db::{Db, NoNodes, Snapshot, TxReport};
use factfs_core::edn::Form;
use factfs_core::hash::Hasher;
use factfs_core::id::{CommitId, T};
use factfs_core::schema::Schema;
use factfs_core::transact::{TxOptions, with};
use factfs_core::value::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// 2026-01-01T00:00:00Z
const START_MS: i64 = 1_767_225_600_000;

/// A database in memory.
pub struct MemorySource {
    name: String,
    uuid: Uuid,
    state: Mutex<State>,
    /// Done once, while the next transaction is under way.
    #[cfg(test)]
    meanwhile: Mutex<Option<Meanwhile>>,
}

#[cfg(test)]
type Meanwhile = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    branches: BTreeMap<String, Vec<(Moment, LogEntry)>>,
    tags: BTreeMap<String, CommitId>,
    read_only: Option<String>,
    is_away: bool,
}

impl MemorySource {
    /// An empty database with one branch, `main`.
    pub fn new(name: &str) -> Self {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&Hasher::new().update(name.as_bytes()).finish()[..16]);
        let branches = BTreeMap::from([("main".to_owned(), Vec::new())]);
        let state = Mutex::new(State { branches, ..State::default() });
        Self {
            name: name.to_owned(),
            uuid: Uuid::from_bytes(uuid),
            state,
            #[cfg(test)]
            meanwhile: Mutex::default(),
        }
    }

    /// Does this while the next transaction is under way.
    #[cfg(test)]
    pub(crate) fn meanwhile(&self, act: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(act));
    }

    /// Lets nothing be written any more.
    pub fn seal(&self, why: &str) {
        self.lock().read_only = Some(why.to_owned());
    }

    /// Answers no more, as storage that is out of reach.
    pub fn take_away(&self) {
        self.lock().is_away = true;
    }

    /// Names the newest commit of a branch.
    pub fn tag(&self, name: &str, branch: &str) {
        let mut state = self.lock();
        let commit = state.branches.get(branch).and_then(|log| log.last()).map(|(_, e)| e.commit);
        if let Some(commit) = commit {
            state.tags.insert(name.to_owned(), commit);
        }
    }

    /// Makes a branch at the head of another.
    pub fn fork(&self, from: &str, name: &str) {
        let mut state = self.lock();
        let log = state.branches.get(from).cloned().unwrap_or_default();
        state.branches.insert(name.to_owned(), log);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty(&self) -> Moment {
        let snapshot = Snapshot::empty(self.uuid, Arc::new(NoNodes), Schema::default());
        Moment { db: Db::new(snapshot), commit: None, instant_ms: None, is_fixed: false }
    }

    fn commits(&self, state: &State, branch: &str) -> Result<Vec<(Moment, LogEntry)>> {
        if state.is_away {
            return Err(Failure::new(Kind::Unavailable, "the storage is out of reach"));
        }
        let missing = || Failure::not_found(format!("{} has no branch `{branch}`", self.name));
        state.branches.get(branch).cloned().ok_or_else(missing)
    }
}

impl State {
    /// What a transaction came to is the newest commit of a branch.
    fn append(&mut self, branch: &str, report: &TxReport, parents: Vec<CommitId>) {
        let Some(commit) = report.commit else { return };
        let moment = Moment {
            db: report.db_after.clone(),
            commit: Some(commit),
            instant_ms: Some(report.instant_ms),
            is_fixed: false,
        };
        let entry = LogEntry {
            commit,
            parents,
            instant_ms: report.instant_ms,
            tx: report.tx,
            datoms: report.datoms.clone(),
            purged: 0,
        };
        self.branches.entry(branch.to_owned()).or_default().push((moment, entry));
    }
}

fn commit_id(parent: Option<&CommitId>, t: T, text: &str) -> CommitId {
    let mut hasher = Hasher::new();
    parent.into_iter().for_each(|parent| {
        hasher.update(&parent.hash);
    });
    CommitId { t, hash: hasher.update(&t.0.to_le_bytes()).update(text.as_bytes()).finish() }
}

impl Source for MemorySource {
    fn url(&self) -> String {
        format!("memory:{}", self.name)
    }

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn read_only(&self) -> Option<String> {
        self.lock().read_only.clone()
    }

    fn default_branch(&self) -> String {
        "main".to_owned()
    }

    fn head(&self, branch: &str) -> Result<Moment> {
        let commits = self.commits(&self.lock(), branch)?;
        Ok(commits.last().map_or_else(|| self.empty(), |(moment, _)| moment.clone()))
    }

    fn head_at_hand(&self, branch: &str) -> Option<Moment> {
        self.head(branch).ok()
    }

    fn at(&self, branch: &str, when: &str) -> Result<Moment> {
        let state = self.lock();
        let commits = self.commits(&state, branch)?;
        let now = commits.last().map_or(START_MS, |(_, entry)| entry.instant_ms);
        let newest = |accept: &dyn Fn(&LogEntry) -> bool| {
            commits.iter().rev().find(|(_, entry)| accept(entry)).map(|(moment, _)| moment.clone())
        };
        let before = |end: i64| newest(&|entry| entry.instant_ms < end);
        let found = match When::read(when) {
            When::T(T(0)) => Some(self.empty()),
            When::T(t) => newest(&|entry| entry.commit.t == t),
            When::Age(age) => Some(before(now - age + 1).unwrap_or_else(|| self.empty())),
            When::Before(end) => Some(before(end).unwrap_or_else(|| self.empty())),
            When::Name(name) => match state.tags.get(&name) {
                Some(commit) => newest(&|entry| entry.commit == *commit),
                None if state.branches.contains_key(&name) => {
                    let other = self.commits(&state, &name)?;
                    Some(other.last().map_or_else(|| self.empty(), |(moment, _)| moment.clone()))
                }
                None => When::commit_prefix(&name)
                    .and_then(|prefix| newest(&|entry| prefix.matches(&entry.commit))),
            },
        };
        let missing = || Failure::not_found(format!("{} has nothing at `{when}`", self.name));
        let is_fixed = match When::read(when) {
            When::T(_) => true,
            When::Before(end) => now >= end,
            When::Age(_) | When::Name(_) => false,
        };
        Ok(Moment { is_fixed, ..found.ok_or_else(missing)? })
    }

    fn transact(&self, branch: &str, tx: &Form) -> Result<TxReport> {
        let tx = tx.clone();
        self.transact_made(branch, None, &(Arc::new(move |_: &Db| Ok(tx.clone())) as Make))
    }

    fn transact_made(&self, branch: &str, tx_id: Option<&str>, make: &Make) -> Result<TxReport> {
        #[cfg(test)]
        if let Some(act) = self.meanwhile.lock().ok().and_then(|mut act| act.take()) {
            act();
        }
        let mut state = self.lock();
        if let Some(why) = &state.read_only {
            return Err(Failure::new(Kind::ReadOnly, why.clone()));
        }
        let commits = self.commits(&state, branch)?;
        let before = commits.last().map_or_else(|| self.empty(), |(moment, _)| moment.clone());
        let now_ms = START_MS + 60_000 * (commits.len() as i64 + 1);
        let tx = make(&before.db)?;
        let tx_id = tx_id.map(str::to_owned);
        let options = TxOptions { now_ms, tx_id, ..TxOptions::default() };
        let mut report = with(&before.db, &tx, &options)?;
        if report.already {
            return Ok(report);
        }
        let commit = commit_id(before.commit.as_ref(), report.tx.t(), &tx.to_string());
        report.commit = Some(commit);
        state.append(branch, &report, before.commit.into_iter().collect());
        Ok(report)
    }

    fn log(&self, branch: &str, upto: Option<T>, limit: usize) -> Result<Vec<LogEntry>> {
        let commits = self.commits(&self.lock(), branch)?;
        let entries = commits.into_iter().rev().map(|(_, entry)| entry);
        let wanted = entries.filter(|entry| upto.is_none_or(|t| entry.commit.t <= t));
        Ok(wanted.take(limit).collect())
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        let state = self.lock();
        let branch = |(name, log): (&String, &Vec<(Moment, LogEntry)>)| Branch {
            name: name.clone(),
            commit: log.last().map(|(_, entry)| entry.commit),
        };
        Ok(state.branches.iter().map(branch).collect())
    }

    fn tags(&self) -> Result<Vec<Tag>> {
        let state = self.lock();
        let tag =
            |(name, commit): (&String, &CommitId)| Tag { name: name.clone(), commit: *commit };
        Ok(state.tags.iter().map(tag).collect())
    }

    fn create_branch(&self, from: &str, name: &str, at: Option<&str>) -> Result<()> {
        self.make_branch(from, name, at)
    }

    fn retire_branch(&self, name: &str) -> Result<()> {
        self.retire(name)
    }

    fn rename_branch(&self, from: &str, to: &str) -> Result<()> {
        self.rename(from, to)
    }

    fn create_tag(&self, branch: &str, name: &str, at: Option<&str>) -> Result<()> {
        self.make_tag(branch, name, at)
    }

    fn delete_tag(&self, name: &str) -> Result<()> {
        self.remove_tag(name)
    }

    fn merge(&self, branch: &str, from: &str) -> Result<Merging> {
        self.merge_in(branch, from)
    }
}
