//! Branches and tags: the names in `refs`.
//!
//! **Invariant:** `refs` moves by compare-and-swap, after the object that it is to name exists. A
//! name is a letter, then letters, digits, `.`, `_` and `-`, and cannot be taken for a hash, for a
//! file in some format, or for two names with `..` between. A block is claimed in the same swap
//! that lists its branch. How names go is `retire`.

use super::past::Past;
use super::refs::Step;
use super::{Conn, ConnError, Options, Place, rules};
use crate::commit::{Branch, FormatError, Head, Opened, Refs, Tag, branch_head, snap_name};
use crate::db::Db;
use crate::id::{BLOCK, CommitId, EntityId, T};
use crate::store::Fetch;

/// Ends of names that say a format.
const FORMATS: [&str; 14] = [
    "csv", "tsv", "json", "jsonl", "edn", "txt", "md", "explain", "parquet", "arrow", "err",
    "meta", "wait", "events",
];

/// Checks the name of a branch or a tag.
pub(super) fn check_name(name: &str) -> Result<(), ConnError> {
    let letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let hash = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let format = name.rsplit_once('.').is_some_and(|(_, end)| FORMATS.contains(&end));
    // Two dots stand between the names of two moments.
    let is_one = !name.contains("..");
    if letter && is_one && name.len() <= 200 && name.bytes().all(plain) && !hash && !format {
        Ok(())
    } else {
        Err(ConnError::BadName(name.to_owned()))
    }
}

fn check_free(refs: &Refs, name: &str) -> Result<(), ConnError> {
    let taken = refs.branches.contains_key(name) || refs.tags.contains_key(name);
    if taken { Err(ConnError::NameTaken(name.to_owned())) } else { Ok(()) }
}

/// Whether all that a head reaches is there as long as `refs` do not move: no collection whose
/// marks are complete came after it was read.
pub(super) fn check_living(refs: &Refs, from: &Opened) -> Result<(), ConnError> {
    let living = from.head.gc_generation >= refs.gc_marked || !rules().living_source;
    if living { Ok(()) } else { Err(ConnError::Collected) }
}

impl Place {
    /// Makes a branch at any `t` of the history of an opened head. Since the last spill: two
    /// writes. Before: the log since the newest snapshot that is kept is replayed.
    pub async fn create_branch(&self, name: &str, from: &Opened, t: T) -> Result<(), ConnError> {
        check_name(name)?;
        let (mut made, mut frozen): (Vec<String>, Option<((u64, u64), Head)>) = (Vec::new(), None);
        let begun = self.host.now_ms();
        loop {
            let (refs, version) = self.read_refs().await?;
            check_living(&refs, from)?;
            // An earlier attempt that seemed to fail.
            if refs.branches.get(name).is_some_and(|branch| made.contains(&branch.head)) {
                return Ok(());
            }
            check_free(&refs, name)?;
            let (block, object) = (refs.next_block, branch_head(self.host.random()));
            // What was kept when a collection began may be gone now.
            let mut head = match frozen.take() {
                Some((collections, head)) if collections == refs.collections() => head,
                _ => self.past_head(&refs, from, t).await?,
            };
            frozen = Some((refs.collections(), head.clone()));
            head.tip.next_entity = EntityId(block * BLOCK + 1);
            (head.block, head.revision, head.nonce) = (block, 1, self.host.random());
            (head.writer, head.closed) = (None, false);
            // Not that of `refs`: a collection under way has yet to mark what it reaches.
            (head.gc_generation, head.sparse) = (from.head.gc_generation, Vec::new());
            head.purge_generation = from.head.purge_generation;
            let bytes = head.encode().map_err(|e| self.damaged(&object, e))?;
            super::create::create_ref(self.store.as_ref(), self.host.as_ref(), &object, bytes)
                .await?;
            made.push(object.clone());
            let mut next = refs.clone();
            next.next_block += 1;
            next.branches.insert(name.to_owned(), Branch { head: object, block, closed: false });
            if let Step::Done = self.swap_refs(&version, next).await? {
                return Ok(());
            }
            self.within_limit(begun)?;
        }
    }

    /// Gives a branch another name.
    pub async fn rename_branch(&self, from: &str, to: &str) -> Result<(), ConnError> {
        check_name(to)?;
        let none = || ConnError::NoBranch(from.to_owned());
        let branch = self.refs().await?.branches.get(from).cloned().ok_or_else(none)?;
        self.update_refs(|refs| {
            // An earlier attempt that seemed to fail.
            if refs.branches.get(to) == Some(&branch) {
                return Ok(());
            }
            check_free(refs, to)?;
            let branch = refs.branches.remove(from).ok_or_else(none)?;
            refs.branches.insert(to.to_owned(), branch);
            if refs.default_branch == from {
                refs.default_branch = to.to_owned();
            }
            Ok(())
        })
        .await
    }

    /// Names a commit: any `t` of the history of an opened head, at the cost of
    /// [`Place::create_branch`]. `replace` moves a tag of that name.
    pub async fn create_tag(
        &self,
        name: &str,
        of: &Opened,
        t: T,
        replace: bool,
    ) -> Result<(), ConnError> {
        check_name(name)?;
        self.list_snapshot(of, t, |refs, tag| {
            if refs.tags.get(name) == Some(tag) {
                return Ok(());
            }
            if !(replace && refs.tags.contains_key(name)) {
                check_free(refs, name)?;
            }
            refs.tags.insert(name.to_owned(), tag.clone());
            Ok(())
        })
        .await
    }

    /// Writes a snapshot and lists it; again, if a collection came between, which may take the
    /// snapshot for garbage.
    pub(super) async fn list_snapshot(
        &self,
        of: &Opened,
        t: T,
        list: impl Fn(&mut Refs, &Tag) -> Result<(), ConnError>,
    ) -> Result<(), ConnError> {
        let begun = self.host.now_ms();
        loop {
            let before = self.refs().await?;
            check_living(&before, of)?;
            let (tag, mut kept) = (self.freeze(&before, of, t).await?, true);
            let change = |refs: &mut Refs| {
                // An earlier attempt that seemed to fail.
                let listed = refs.snapshots().any(|listed| *listed == tag);
                let same = refs.collections() == before.collections();
                kept = listed || same || !rules().fresh_snapshot;
                if kept { list(refs, &tag) } else { Ok(()) }
            };
            self.update_refs(change).await?;
            if kept {
                return Ok(());
            }
            self.within_limit(begun)?;
        }
    }

    /// Forgets a tag.
    pub async fn delete_tag(&self, name: &str) -> Result<(), ConnError> {
        let none = || ConnError::NoTag(name.to_owned());
        let tag = self.refs().await?.tags.get(name).cloned().ok_or_else(none)?;
        self.update_refs(|refs| {
            if refs.tags.get(name) == Some(&tag) {
                refs.tags.remove(name);
            }
            Ok(())
        })
        .await
    }

    /// The head at `t`, with what it needs written.
    async fn past_head(&self, refs: &Refs, from: &Opened, t: T) -> Result<Head, ConnError> {
        let Past { head, objects } = self.past(refs, from, t).await?;
        self.put_all(&objects).await?;
        Ok(head)
    }

    /// Writes a snapshot object of a head at `t`.
    pub(super) async fn freeze(&self, refs: &Refs, of: &Opened, t: T) -> Result<Tag, ConnError> {
        let head = self.past_head(refs, of, t).await?;
        let snapshot = snap_name(self.host.random());
        let bytes = head.encode().map_err(|e| self.damaged(&snapshot, e))?;
        self.store.put(&snapshot, bytes).await?;
        Ok(Tag { snapshot, commit: head.tip.commit, instant_ms: head.tip.instant_ms })
    }

    /// The database that a tag names. Two rounds.
    pub async fn open_tag(&self, tag: &Tag) -> Result<Opened, ConnError> {
        let fetch = Fetch { key: tag.snapshot.clone(), range: None };
        let bytes = self.store.get(&fetch).await?;
        let head = Head::decode(&bytes).map_err(|e| self.damaged(&tag.snapshot, e))?;
        if head.tip.commit != tag.commit {
            let shown = |commit: Option<CommitId>| match commit {
                Some(commit) => commit.to_string(),
                None => "the empty database".to_owned(),
            };
            let (found, expected) = (shown(head.tip.commit), shown(tag.commit));
            return Err(self.damaged(&tag.snapshot, FormatError::Another { found, expected }));
        }
        self.open_head(&tag.snapshot, head).await
    }
}

impl Conn {
    /// The same place, another branch (`None`: the default one).
    pub async fn on_branch(&self, branch: Option<&str>) -> Result<Self, ConnError> {
        let options: Options = self.inner.options.clone();
        Self::open(self.inner.place.clone(), branch, options).await
    }
}

/// The database of an opened head.
pub(super) fn db_of(opened: &Opened) -> Db {
    Db::new(opened.snapshot.clone())
}
