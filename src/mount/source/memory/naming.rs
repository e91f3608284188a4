//! Branches, tags and merges of a database in memory.
//!
//! **Invariant:** nothing is forgotten that only one name leads to. All branches share their ids,
//! so entities that two of them made after they parted are taken for one: a merge says where they
//! differ, and never guesses.

use super::{MemorySource, START_MS, State, commit_id};
use crate::error::{Failure, Kind, Result};
use crate::source::{LogEntry, Merging, Moment};
use factfs_core::conn::Conflict;
use factfs_core::datom::Datom;
use factfs_core::db::{Db, TxReport};
use factfs_core::edn;
use factfs_core::id::{AttrId, CommitId, EntityId};
use factfs_core::transact::{TxOptions, with};
use factfs_core::value::Value;
use std::collections::BTreeMap;

type Commits = Vec<(Moment, LogEntry)>;
/// What holds of an entity's attribute since two branches parted: value, and whether it was added.
type Changes = BTreeMap<(EntityId, AttrId), Vec<(Value, bool)>>;

fn tip(commits: &Commits) -> Option<CommitId> {
    commits.last().map(|(_, entry)| entry.commit)
}

fn taken(name: &str) -> Failure {
    Failure::new(Kind::Exists, format!("{name} exists"))
}

impl State {
    fn check_free(&self, name: &str) -> Result<()> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let is_format = crate::name::has_extension(name);
        if !is_letter || is_format || !name.bytes().all(is_plain) {
            let message =
                format!("{name}: a name is a letter, then letters, digits, `.`, `_`, `-`");
            return Err(Failure::new(Kind::Invalid, message));
        }
        let is_taken = self.branches.contains_key(name) || self.tags.contains_key(name);
        if is_taken { Err(taken(name)) } else { Ok(()) }
    }

    fn check_writable(&self) -> Result<()> {
        match &self.read_only {
            None => Ok(()),
            Some(why) => Err(Failure::new(Kind::ReadOnly, why.clone())),
        }
    }

    /// The history up to a commit that some branch has.
    fn upto(&self, commit: &str) -> Result<Commits> {
        if commit == "0" {
            return Ok(Vec::new());
        }
        let found = self.branches.values().find_map(|commits| {
            let at = commits.iter().position(|(_, e)| e.commit.to_string() == commit)?;
            Some(commits[..=at].to_vec())
        });
        found.ok_or_else(|| Failure::not_found(format!("{commit}: no such commit")))
    }
}

impl MemorySource {
    pub(super) fn make_branch(&self, from: &str, name: &str, at: Option<&str>) -> Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        state.check_free(name)?;
        let commits = match at {
            Some(commit) => state.upto(commit)?,
            None => self.commits(&state, from)?,
        };
        state.branches.insert(name.to_owned(), commits);
        Ok(())
    }

    pub(super) fn retire(&self, name: &str) -> Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        let tip = tip(&self.commits(&state, name)?);
        let has = |(_, entry): &(Moment, LogEntry)| {
            Some(entry.commit) == tip || tip.is_some_and(|tip| entry.parents.contains(&tip))
        };
        let others = state.branches.iter().filter(|(other, _)| *other != name);
        let is_kept = tip.is_none()
            || state.tags.values().any(|commit| Some(*commit) == tip)
            || others.map(|(_, commits)| commits).any(|commits| commits.iter().any(has));
        if !is_kept {
            let message = format!("{name} has commits that no other branch has, and no tag");
            return Err(Failure::new(Kind::Busy, message));
        }
        state.branches.remove(name);
        Ok(())
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        state.check_free(to)?;
        let commits = self.commits(&state, from)?;
        state.branches.remove(from);
        state.branches.insert(to.to_owned(), commits);
        Ok(())
    }

    pub(super) fn make_tag(&self, branch: &str, name: &str, at: Option<&str>) -> Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        state.check_free(name)?;
        let commits = match at {
            Some(commit) => state.upto(commit)?,
            None => self.commits(&state, branch)?,
        };
        let empty = || Failure::new(Kind::Invalid, "there is nothing to be tagged");
        state.tags.insert(name.to_owned(), tip(&commits).ok_or_else(empty)?);
        Ok(())
    }

    pub(super) fn remove_tag(&self, name: &str) -> Result<()> {
        let mut state = self.lock();
        state.check_writable()?;
        let missing = || Failure::not_found(format!("no tag {name}"));
        state.tags.remove(name).map(drop).ok_or_else(missing)
    }

    pub(super) fn merge_in(&self, branch: &str, from: &str) -> Result<Merging> {
        let mut state = self.lock();
        state.check_writable()?;
        let ours = self.commits(&state, branch)?;
        let theirs = match state.tags.get(from) {
            Some(commit) => state.upto(&commit.to_string())?,
            None => self.commits(&state, from)?,
        };
        let merged = |commits: &Commits| tip(&theirs).is_none_or(|tip| has(commits, tip));
        let base = parted(&ours, &theirs);
        let mut merging = Merging {
            base: base.checked_sub(1).map(|last| ours[last].1.commit),
            target: tip(&ours),
            source: tip(&theirs),
            already: merged(&ours),
            ..Merging::default()
        };
        let Some((before, _)) = ours.last().filter(|_| !merging.already) else {
            return Ok(merging);
        };
        let (mine, other) = (changes(&ours[base..]), changes(&theirs[base..]));
        merging.conflicts = conflicts(&before.db, &mine, &other);
        if !merging.conflicts.is_empty() {
            return Ok(merging);
        }
        let schema = theirs.last().map(|(moment, _)| moment.db.schema()).cloned();
        let name = |a: AttrId| Some(schema.as_ref()?.get(a)?.ident.to_string());
        let parents = merging.target.into_iter().chain(merging.source).collect();
        let mut forms = String::new();
        for ((e, a), values) in &other {
            for (value, added) in values {
                let (op, count) = match added {
                    true => ("add", &mut merging.added),
                    false => ("retract", &mut merging.retracted),
                };
                *count += 1;
                let attribute = name(*a).unwrap_or_default();
                forms.push_str(&format!("[:db/{op} {e} {attribute} {}]", edn::to_string(value)));
            }
        }
        let text = format!("[{forms}]");
        let report = commit(&before.db, &text, &ours, tip(&theirs))?;
        state.append(branch, &report, parents);
        merging.report = Some(report);
        Ok(merging)
    }
}

fn has(commits: &Commits, tip: CommitId) -> bool {
    commits.iter().any(|(_, entry)| entry.commit == tip || entry.parents.contains(&tip))
}

/// How many commits both begin with; what was merged before counts.
fn parted(ours: &Commits, theirs: &Commits) -> usize {
    ours.iter().zip(theirs).take_while(|(a, b)| a.1.commit == b.1.commit).count()
}

fn changes(commits: &[(Moment, LogEntry)]) -> Changes {
    let mut changes = Changes::new();
    for (_, entry) in commits {
        let own = |datom: &&Datom| datom.e != datom.tx.entity();
        for datom in entry.datoms.iter().filter(own) {
            let values = changes.entry((datom.e, datom.a)).or_default();
            values.retain(|(value, _)| *value != datom.v);
            values.push((datom.v.clone(), datom.added));
        }
    }
    changes
}

/// Where both say different things of an attribute that has one value.
fn conflicts(db: &Db, mine: &Changes, other: &Changes) -> Vec<Conflict> {
    let added = |values: &[(Value, bool)]| {
        values.iter().find(|(_, added)| *added).map(|(value, _)| value.clone())
    };
    let both = other.iter().filter_map(|(key, theirs)| Some((key, mine.get(key)?, theirs)));
    let conflict = |((e, a), ours, theirs): (&(EntityId, AttrId), &Vec<_>, &Vec<_>)| {
        let attribute = db.schema().get(*a).filter(|a| !a.many)?;
        let (target, source) = (added(ours), added(theirs));
        let base = ours.iter().find(|(_, added)| !*added).map(|(value, _)| value.clone());
        let (entity, attribute) = (*e, attribute.ident.clone());
        let conflict = Conflict::Value { entity, attribute, base, target, source };
        (added(ours) != added(theirs)).then_some(conflict)
    };
    both.filter_map(conflict).collect()
}

/// A transaction on what a branch has.
fn commit(db: &Db, text: &str, ours: &Commits, merged: Option<CommitId>) -> Result<TxReport> {
    let now_ms = START_MS + 60_000 * (ours.len() as i64 + 1);
    let options = TxOptions { now_ms, any_ids: true, ..TxOptions::default() };
    let mut report = with(db, &edn::read_one(text)?, &options)?;
    report.commit = Some(commit_id(tip(ours).or(merged).as_ref(), report.tx.t(), text));
    Ok(report)
}
