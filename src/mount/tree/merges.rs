//! What the last merges came to, and the files of a branch that are about merging and waiting.
//!
//! **Invariant:** a merge that wrote something leaves no conflicts behind. What is kept is bounded;
//! it is of this mount alone.

use super::node::{BranchPart, Name, Node};
use super::resolve::resolved;
use super::{Entry, Key, Resolved, Tree};
use crate::error::{Failure, Result};
use crate::source::{Merging, Mounted};
use crate::spool::Content;
use factfs_core::conn::Conflict;
use factfs_core::text::Format;
use factfs_core::value::Value;
use lru::LruCache;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Branches whose last merge is remembered.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

type Branches = LruCache<(Name, Name), Stopped>;

/// What stopped the last merges, by branch.
pub(super) struct Merges(Mutex<Branches>);

/// What stopped a merge, and the texts that were made of it.
struct Stopped {
    merging: Arc<Merging>,
    texts: BTreeMap<Format, Content>,
}

impl Default for Merges {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Merges {
    fn lock(&self) -> MutexGuard<'_, Branches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, store: &Name, branch: &Name, merging: Merging) {
        let key = (store.clone(), branch.clone());
        if merging.conflicts.is_empty() {
            self.lock().pop(&key);
        } else {
            let (merging, texts) = (Arc::new(merging), BTreeMap::new());
            self.lock().put(key, Stopped { merging, texts });
        }
    }

    fn forget(&self, store: &Name, branch: &Name) {
        self.lock().pop(&(store.clone(), branch.clone()));
    }

    /// What stopped the last merge into a branch, if something did.
    fn stopped(&self, key: &(Name, Name)) -> Arc<Merging> {
        self.lock().get(key).map(|kept| kept.merging.clone()).unwrap_or_default()
    }

    /// Its conflicts in a format; made once, while it is the last one.
    fn text(&self, key: &(Name, Name), merging: &Arc<Merging>, format: Format) -> Content {
        let is_last = |kept: &&mut Stopped| Arc::ptr_eq(&kept.merging, merging);
        let made = |kept: &mut Stopped| kept.texts.get(&format).cloned();
        if let Some(content) = self.lock().get_mut(key).filter(is_last).and_then(made) {
            return content;
        }
        let content = Content::of(merging.conflicts_as(format).as_bytes());
        if let Some(kept) = self.lock().get_mut(key).filter(is_last) {
            kept.texts.insert(format, content.clone());
        }
        content
    }
}

impl Tree {
    /// What stopped the last merge into a branch, as rows of a query, and their hash. A pattern has
    /// five places: entity, attribute, what the branch has, what the other has, what both had.
    pub(super) fn conflict_rows(&self, store: &Name, branch: &Name) -> (String, Value) {
        let key = (store.clone(), branch.clone());
        let merging = self.merges.stopped(&key);
        let row = |conflict: &Conflict| {
            let [_, entity, attribute, base, target, source] = conflict.row();
            Value::from(vec![entity, attribute, target, source, base])
        };
        let rows: Vec<Value> = merging.conflicts.iter().map(row).collect();
        (self.merges.text(&key, &merging, Format::Edn).hash_hex(), Value::from(rows))
    }

    /// Merges what a name means into a branch: its report on a line. With conflicts nothing is
    /// written, and they are kept to be read.
    pub fn merge(&self, store: &Name, branch: &Name, from: &str) -> Result<String> {
        let mounted = self.mounted(store)?;
        self.check_writable(mounted)?;
        let merging = mounted.source.merge(branch, from)?;
        let (line, number) = (merging.line(from), merging.conflicts.len());
        self.merges.note(store, branch, merging);
        if number == 0 {
            return Ok(line);
        }
        let conflicts = if number == 1 { "conflict" } else { "conflicts" };
        let message =
            format!("{number} {conflicts} between {branch} and {from}: nothing was written");
        let file =
            Node::Branch(store.clone(), branch.clone(), BranchPart::MergeConflicts(Format::Txt));
        let hint = format!("{} has them; change one side, then merge again", file.path());
        Err(Failure::new(crate::error::Kind::Conflict, message).hint(hint))
    }

    /// A branch of that name may be another one from now on.
    pub fn forget_merges(&self, store: &Name, branch: &Name) {
        self.merges.forget(store, branch);
    }

    /// What reading `merge` alone says.
    fn about_merging(&self, mounted: &Mounted, branch: &str) -> String {
        let folder = format!("{}/branches/{branch}", mounted.name);
        let writable = match self.check_writable(mounted) {
            Ok(()) => String::new(),
            Err(failure) => format!("# {}\n", failure.to_string().replace('\n', "\n# ")),
        };
        format!(
            "# Write the name of a branch here, or of a tag or a commit: it is merged into \
             {branch}.\n\
             #   echo NAME > {folder}/merge\n\
             # Where both changed the same nothing is written, the write fails, and\n\
             # merge.conflicts.csv (or .json, .txt and so on) has what stands in the way;\n\
             # merge.err says why. Opened for reading and writing, reports can be read back.\n\
             {writable}"
        )
    }

    /// Files of a branch that are about merging and waiting.
    pub(super) fn merge_part(
        &self,
        node: &Node,
        mounted: &Mounted,
        branch: &str,
        part: &BranchPart,
    ) -> Result<Resolved> {
        let moment = self.head(mounted, branch)?;
        let mtime_ms = moment.instant_ms.unwrap_or(self.started_ms);
        let key = Key::of(&node.path());
        match part {
            BranchPart::MergeConflicts(format) => {
                let of = (mounted.name.clone(), branch.into());
                let content = self.merges.text(&of, &self.merges.stopped(&of), *format);
                let key = Key::of(&format!("{} {}", node.path(), content.hash_hex()));
                Ok(resolved(node, key, Entry::Bytes(content), self.now_ms(), false))
            }
            BranchPart::Merge => {
                let about = self.about_merging(mounted, branch);
                let entry = Entry::Transact(Content::of(about.as_bytes()));
                let mode = if self.check_writable(mounted).is_ok() { 0o600 } else { 0o400 };
                Ok(Resolved { mode, ..resolved(node, key, entry, mtime_ms, false) })
            }
            _ => Ok(resolved(node, key, Entry::Heads, mtime_ms, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::tree;
    use crate::source::Source;
    use factfs_core::edn;

    #[test]
    fn why_a_merge_failed_is_told_without_the_store() {
        let (tree, [catalog, _]) = tree();
        let failure = tree.merge(&"catalog".into(), &"main".into(), "none").unwrap_err();
        tree.failures.note("/catalog/branches/main/merge", Some(&failure));
        catalog.take_away();
        assert!(tree.walk("/catalog/branches/main/merge").is_err());
        match tree.walk("/catalog/branches/main/merge.err").unwrap().entry {
            Entry::Bytes(content) => assert_eq!(content.size_bytes(), failure.text().len() as u64),
            other => panic!("{other:?}"),
        }
    }

    /// Rows were once kept under the hash of a merge that came meanwhile.
    #[test]
    fn the_hash_is_of_the_rows_beside_it() {
        let (tree, [catalog, _]) = tree();
        let say = |branch: &str, price: u8| {
            let tx = format!("[{{:product/sku \"c1\" :product/price {price}}}]");
            catalog.transact(branch, &edn::read_one(&tx).unwrap()).unwrap();
        };
        catalog.fork("main", "exp");
        say("exp", 1);
        let merges = [2, 3].map(|price| {
            say("main", price);
            catalog.merge("main", "exp").unwrap()
        });
        let key: (Name, Name) = ("catalog".into(), "main".into());
        let [before, meanwhile] = merges;
        let expected = before.conflicts_as(Format::Edn);
        tree.merges.note(&key.0, &key.1, before);
        let held = tree.merges.stopped(&key);
        tree.merges.note(&key.0, &key.1, meanwhile);
        for _ in 0..2 {
            let made = tree.merges.text(&key, &held, Format::Edn);
            assert_eq!(made.hash_hex(), Content::of(expected.as_bytes()).hash_hex());
        }
        let (hash, _) = tree.conflict_rows(&key.0, &key.1);
        assert_ne!(hash, Content::of(expected.as_bytes()).hash_hex(), "those of the last merge");
    }
}
