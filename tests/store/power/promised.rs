//! What was promised by a moment, and whether a database that lost power then keeps it.
//!
//! **Invariant:** the first promise is the database itself: before it was made nothing else may be
//! wrong than that there is none, or half of one, and making it anew makes it whole.

use super::workload::{Note, open, settings};
use crate::support::Place;
use crate::support::audit::audit;
use factfs_core::conn::CreateOptions;
use factfs_store::Database;
use std::collections::BTreeMap;

/// Whether a branch or a tag is there: `None` while it is being made or deleted.
type Names = BTreeMap<String, Option<bool>>;

/// All promises up to a moment.
#[derive(Debug, Default)]
pub struct Promised {
    created: bool,
    /// By branch and `t`.
    commits: BTreeMap<String, BTreeMap<u64, String>>,
    branches: Names,
    tags: Names,
}

impl Promised {
    /// One more thing is known.
    pub fn add(&mut self, note: &Note) {
        match note {
            Note::Created => self.created = true,
            Note::Committed { branch, t, commit } => {
                let of_branch = self.commits.entry(branch.clone()).or_default();
                of_branch.insert(*t, commit.clone());
            }
            Note::Begun { name, is_branch } => self.name(name, *is_branch, None),
            Note::Done { name, is_branch, exists } => self.name(name, *is_branch, Some(*exists)),
        }
    }

    fn name(&mut self, name: &str, is_branch: bool, exists: Option<bool>) {
        let names = if is_branch { &mut self.branches } else { &mut self.tags };
        names.insert(name.to_owned(), exists);
    }

    /// How many commits were acknowledged.
    pub fn commits(&self) -> usize {
        self.commits.values().map(BTreeMap::len).sum()
    }

    /// Whether the database at `name` of a place keeps them all, and goes on; what it breaks.
    pub fn broken(&self, place: &Place, name: &str) -> Option<String> {
        if !self.created {
            // What was begun can be made, unless it was made.
            let url = place.path(name).to_string_lossy().into_owned();
            let _ = Database::create(&url, &CreateOptions::default(), &settings());
        }
        let audit = match audit(place, name) {
            Err(error) => return Some(format!("it does not open: {error}")),
            Ok(audit) => audit,
        };
        if let Some((key, times)) = audit.keys.iter().find(|(_, times)| **times != 1) {
            return Some(format!("{key} is there {times} times"));
        }
        let main = match open(&place.path(name), None) {
            Err(error) => return Some(format!("it does not open again: {error}")),
            Ok(main) => main,
        };
        self.broken_name(&main).or_else(|| self.broken_commit(&main)).or_else(|| ended(&main))
    }

    fn broken_name(&self, main: &Database) -> Option<String> {
        let refs = match main.refs() {
            Err(error) => return Some(format!("its names cannot be read: {error}")),
            Ok(refs) => refs,
        };
        let is_branch = |name: &String| refs.branches.get(name).is_some_and(|b| !b.closed);
        let is_tag = |name: &String| refs.tags.contains_key(name);
        let wrong = |promised: &Option<bool>, found| promised.is_some_and(|it| it != found);
        let branches = self.branches.iter().map(|(name, it)| (name, wrong(it, is_branch(name))));
        let tags = self.tags.iter().map(|(name, it)| (name, wrong(it, is_tag(name))));
        let found = branches.chain(tags).find(|(_, is_wrong)| *is_wrong);
        found.map(|(name, _)| format!("{name} was made or deleted, and is not"))
    }

    fn broken_commit(&self, main: &Database) -> Option<String> {
        self.commits.iter().find_map(|(branch, commits)| {
            // What is being deleted, or was, keeps nothing.
            if self.branches.get(branch).is_some_and(|exists| *exists != Some(true)) {
                return None;
            }
            let log = main.on_branch(branch).and_then(|it| it.log(None, false, usize::MAX));
            let log = match log {
                Err(error) => return Some(format!("branch {branch} cannot be read: {error}")),
                Ok(log) => log,
            };
            let found = |t: u64| log.iter().find(|entry| entry.commit.t.0 == t);
            let is_lost = |(t, commit): &(&u64, &String)| {
                found(**t).is_none_or(|entry| entry.commit.to_string() != **commit)
            };
            let lost = commits.iter().find(is_lost);
            lost.map(|(t, _)| format!("acknowledged at {t} of {branch}, and lost"))
        })
    }
}

/// A database goes on after it lost power.
fn ended(main: &Database) -> Option<String> {
    let form = factfs_core::edn::read_one("[[:db/add \"new\" :db/doc \"after\"]]").unwrap();
    let error = main.transact(&form, &Default::default()).err()?;
    Some(format!("nothing can be written: {error}"))
}
