//! Branches whose names are taken away: by whoever wants nothing to be lost, and as others see it.
//!
//! **Invariant:** a branch goes only when each of its commits is in the history of another branch,
//! or a tag names its newest one; and only if nothing was committed on it since that was seen, and
//! what keeps them is still there.

use crate::opening::wait;
use crate::{BranchInfo, Database, Error, Kind};
use factfs_core::commit::Refs;
use factfs_core::conn::{ConnError, Keeper};

/// How often it is looked again because the branch moved meanwhile.
const LOOKS: u32 = 10;

impl Database {
    /// All branches of refs that were read already, by name.
    pub fn branches_in(&self, refs: &Refs) -> Result<Vec<BranchInfo>, Error> {
        let mut branches = Vec::new();
        for (name, branch) in refs.branches.iter().filter(|(_, branch)| !branch.closed) {
            let commit = match wait(self.opening.place.tip(&branch.head))? {
                // Deleted since its name was read.
                Err(ConnError::NoBranch(_)) => continue,
                tip => tip?.commit,
            };
            let is_default = *name == refs.default_branch;
            branches.push(BranchInfo { name: name.clone(), commit, is_default });
        }
        Ok(branches)
    }

    /// Deletes a branch of which nothing is lost by that: merged into another, or tagged.
    pub fn retire_branch(&self, name: &str) -> Result<(), Error> {
        self.opening.require_writable(Some(self.uuid()))?;
        for _ in 0..LOOKS {
            let refs = self.refs()?;
            if refs.default_branch == name {
                return Err(ConnError::DefaultBranch(name.to_owned()).into());
            }
            if refs.branches.get(name).is_some_and(|branch| branch.closed) {
                // Somebody else is about it, or was interrupted.
                wait(self.opening.place.keep_branch(name))??;
            }
            let branch = self.on_branch(name)?;
            let commit = branch.conn.opened().head.tip.commit;
            let Some(keeper) = branch.kept_by(name, &refs)? else {
                let message = format!("{name} has commits that no other branch has, and no tag");
                return Err(Error::new(Kind::Busy, message));
            };
            if wait(self.opening.place.delete_branch_at(name, commit, &keeper))?? {
                return Ok(());
            }
        }
        Err(Error::new(Kind::Busy, format!("{name} moved all the time: nothing was deleted")))
    }

    /// By which other name the history of this branch is reached.
    fn kept_by(&self, name: &str, refs: &Refs) -> Result<Option<Keeper>, Error> {
        let opened = self.conn.opened();
        let Some(commit) = opened.head.tip.commit else { return Ok(Some(Keeper::Nothing)) };
        if refs.tags.values().any(|tag| tag.commit == Some(commit)) {
            return Ok(Some(Keeper::Tag));
        }
        let others =
            refs.branches.iter().filter(|(other, branch)| *other != name && !branch.closed);
        // Most are merged into the default one.
        let mut others: Vec<&String> = others.map(|(other, _)| other).collect();
        others.sort_by_key(|other| **other != refs.default_branch);
        for other in others {
            let other = match self.on_branch(other) {
                // It went meanwhile.
                Err(error) if error.kind == Kind::NotFound => continue,
                other => other?,
            };
            if wait(other.conn.has_merged(refs, &opened))?? {
                return Ok(Some(Keeper::Branch(other.conn.head_name().to_owned())));
            }
        }
        Ok(None)
    }

    /// Whether the branch was deleted, as far as its head was read.
    pub fn is_deleted(&self) -> bool {
        self.conn.opened().head.closed
    }

    /// Whether this is the branch of that name in `refs`: another may have it by now.
    pub fn is_called(&self, name: &str, refs: &Refs) -> bool {
        refs.branches.get(name).is_some_and(|branch| branch.head == self.conn.head_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, TransactOptions};
    use factfs_core::conn::{CreateOptions, MergeOptions};
    use factfs_core::edn;

    fn database(name: &str) -> Database {
        let url = format!("memory:{name}");
        Database::create(&url, &CreateOptions::default(), &Settings::default()).unwrap()
    }

    fn say(database: &Database, doc: &str) {
        let form = edn::read_one(&format!("[[:db/add \"x\" :db/doc \"{doc}\"]]")).unwrap();
        database.transact(&form, &TransactOptions::default()).unwrap();
    }

    #[test]
    fn a_branch_goes_when_its_commits_are_kept() {
        let main = database("retiring");
        say(&main, "main");
        // Nothing of its own; then something; then tagged; then merged.
        main.create_branch("exp", None).unwrap();
        main.retire_branch("exp").unwrap();
        main.create_branch("exp", None).unwrap();
        let exp = main.on_branch("exp").unwrap();
        say(&exp, "exp");
        assert_eq!(main.retire_branch("exp").unwrap_err().kind, Kind::Busy);
        exp.create_tag("v1", None).unwrap();
        let commit = exp.cached_db().snapshot().commit.unwrap();
        main.retire_branch("exp").unwrap();
        // Its commit is still found, now under the tag.
        assert_eq!(main.at(&commit.to_string()).unwrap().commit, Some(commit));
        main.create_branch("other", Some("v1")).unwrap();
        let other = main.on_branch("other").unwrap();
        say(&other, "other");
        assert_eq!(main.retire_branch("other").unwrap_err().kind, Kind::Busy);
        main.merge("other", &MergeOptions::default()).unwrap();
        say(&main, "later");
        main.retire_branch("other").unwrap();
        assert_eq!(main.retire_branch("other").unwrap_err().kind, Kind::NotFound);
        assert_eq!(main.retire_branch("main").unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn names_are_seen_to_move() {
        let main = database("called");
        say(&main, "main");
        main.create_branch("a", None).unwrap();
        let a = main.on_branch("a").unwrap();
        main.rename_branch("a", "b").unwrap();
        let refs = main.refs().unwrap();
        assert!(!a.is_called("a", &refs) && a.is_called("b", &refs) && !a.is_deleted());
        main.retire_branch("b").unwrap();
        a.db().unwrap();
        assert!(a.is_deleted());
    }
}
