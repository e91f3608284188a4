//! Collection: what nothing refers to any more is deleted, while everybody goes on.
//!
//! In order: list what there is; announce the collection in `refs`; mark what all branches, tags
//! and automatic tags reach; swap the new generation into every head, marking again one that moved;
//! look in `refs` for names that came meanwhile, and say there that the marks are complete. What
//! was listed and is not marked is garbage: it is written down in `gc/`, and deleted by whichever
//! collection finds it there after the time of grace (`sweep.rs`).
//!
//! **Invariant:** what is written down as garbage can never be reached again. For a writer refers
//! only to what its head reaches and to what it wrote itself after it saw that head. Its swap fails
//! if the generation came between; and what it wrote after it saw the generation was not listed.
//! Branches and tags are held to the same by `refs`. Only the newest collection goes on: others may
//! have let heads move past what this one marked.
//!
//! The time of grace is for readers: whoever read a head may go on reading it that long.

mod mark;
mod retention;
mod sweep;

pub use retention::{Retention, RetentionError, span_ms};

use super::refs::Step;
use super::{ConnError, Place, rules};
use crate::commit::{FormatError, Garbage, Head, Refs};
use crate::index::PackId;
use crate::store::{BoxFuture, Expect, Listed, Swap, join_all};
use mark::Marks;
use std::collections::{BTreeMap, BTreeSet};

/// What a collection is asked to do.
#[derive(Clone, Debug)]
pub struct Collection {
    /// How long garbage is left alone after it was found, by the store's clock: as long as readers
    /// may go on reading an old head.
    pub grace_ms: u64,
    /// Which automatic tags stay.
    pub keep: Retention,
}

impl Default for Collection {
    fn default() -> Self {
        Self { grace_ms: 24 * 3_600_000, keep: Retention::default() }
    }
}

/// A number of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Total {
    fn add(&mut self, bytes: u64) {
        (self.objects, self.bytes) = (self.objects + 1, self.bytes + bytes);
    }
}

/// What a collection came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Its number; of a dry run the last one's.
    pub generation: u64,
    /// Automatic tags that were dropped.
    pub expired: usize,
    /// What is in use.
    pub live: Total,
    /// Garbage that was deleted; of a dry run what would be.
    pub deleted: Vec<(String, u64)>,
    /// Garbage that is left until its time is over.
    pub waiting: Vec<(String, u64)>,
    /// Packs that are mostly garbage: the next flush of each branch writes anew what it uses.
    pub sparse: usize,
}

impl Collected {
    /// How much was deleted.
    pub fn deleted_total(&self) -> Total {
        total(&self.deleted)
    }

    /// How much waits.
    pub fn waiting_total(&self) -> Total {
        total(&self.waiting)
    }
}

fn total(objects: &[(String, u64)]) -> Total {
    let mut total = Total::default();
    objects.iter().for_each(|(_, bytes)| total.add(*bytes));
    total
}

/// What can be garbage: the beginnings of names.
const KINDS: [&str; 5] = ["pack/", "log/", "novelty/", "snap/", "branch/"];
/// How many packs a head is told of: as much as one flush should write anew.
const SPARSE: usize = 64;

impl Place {
    /// Collects garbage. `progress` is told how many objects were looked at or deleted, and what is
    /// being done.
    pub async fn collect(
        &self,
        asked: &Collection,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<Collected, ConnError> {
        progress(0, "listing");
        let mut listed = match rules().list_first {
            true => self.list_kinds().await?,
            false => Vec::new(),
        };
        let (refs, expired) = self.announce(&asked.keep).await?;
        let generation = refs.gc_generation;
        let mut marks = Marks::default();
        progress(listed.len() as u64, "marking");
        if let Err(error) = self.complete_marks(refs.clone(), &mut marks, &listed).await {
            return Err(self.why_stopped(error, generation).await);
        }
        if !rules().list_first {
            listed = self.list_kinds().await?;
        }
        let (live, garbage) = divide(&marks, &listed);
        let sparse = marks.sparse(&sizes(&listed)).len();
        let noted = Garbage { database: refs.database, generation, objects: garbage };
        let swept = self.sweep(noted, asked.grace_ms, progress).await?;
        let (deleted, waiting) = (swept.deleted, swept.waiting);
        Ok(Collected { generation, expired, live, deleted, waiting, sparse })
    }

    /// What a collection would do, as far as can be known without writing: the age of garbage that
    /// waits is measured by this machine's clock.
    pub async fn collect_dry(&self, asked: &Collection) -> Result<Collected, ConnError> {
        let listed = self.list_kinds().await?;
        let mut refs = self.refs().await?;
        let before = refs.automatic.len();
        refs.automatic = asked.keep.kept(&refs.automatic, self.host.now_ms());
        let mut marks = Marks::default();
        marks.refs(self, &refs).await?;
        for branch in refs.branches.values() {
            marks.head(self, &self.read_head(&branch.head).await?.0)?;
        }
        let (live, garbage) = divide(&marks, &listed);
        let due = self.due(asked.grace_ms).await?;
        let is_due = |name: &String| asked.grace_ms == 0 || due.contains(name);
        let (deleted, waiting) = garbage.into_iter().partition(|(name, _)| is_due(name));
        let (generation, expired) = (refs.gc_generation, before - refs.automatic.len());
        let sparse = marks.sparse(&sizes(&listed)).len();
        Ok(Collected { generation, expired, live, deleted, waiting, sparse })
    }

    async fn list_kinds(&self) -> Result<Vec<Listed>, ConnError> {
        let lists: Vec<BoxFuture<'_, _>> = KINDS.iter().map(|kind| self.store.list(kind)).collect();
        let lists: Result<Vec<_>, _> = join_all(lists).await.into_iter().collect();
        Ok(lists?.concat())
    }

    /// Begins a collection: its number, and the automatic tags that stay, in `refs`. From here on
    /// nothing that was listed comes back to life but by what these refs reach.
    async fn announce(&self, keep: &Retention) -> Result<(Refs, usize), ConnError> {
        let begun = self.host.now_ms();
        loop {
            let (mut refs, version) = self.read_refs().await?;
            let before = refs.automatic.len();
            refs.gc_generation += 1;
            refs.automatic = keep.kept(&refs.automatic, self.host.now_ms());
            let expired = before - refs.automatic.len();
            if let Step::Done = self.swap_refs(&version, refs.clone()).await? {
                return Ok((refs, expired));
            }
            self.within_limit(begun)?;
        }
    }

    /// Marks all that can be reached, and moves every head to this generation; then no head or tag
    /// can name anything else that was listed.
    async fn complete_marks(
        &self,
        mut refs: Refs,
        marks: &mut Marks,
        listed: &[Listed],
    ) -> Result<(), ConnError> {
        let generation = refs.gc_generation;
        let mut renewed = BTreeSet::new();
        for looks in 0.. {
            self.within_looks(looks)?;
            marks.refs(self, &refs).await?;
            let heads = refs.branches.values().map(|branch| branch.head.clone());
            let heads: Vec<String> = heads.filter(|head| !renewed.contains(head)).collect();
            for head in &heads {
                marks.head(self, &self.read_head(head).await?.0)?;
            }
            let mut sparse = marks.sparse(&sizes(listed));
            sparse.truncate(SPARSE);
            for head in heads {
                self.renew(&head, generation, marks, &sparse).await?;
                renewed.insert(head);
            }
            let (now, version) = self.read_refs().await?;
            if now.gc_generation != generation && rules().supersede {
                return Err(ConnError::Superseded(now.gc_generation));
            }
            if now.gc_marked >= generation || !rules().late_names {
                return Ok(());
            }
            let known = |refs: &Refs| {
                refs.branches.values().all(|branch| renewed.contains(&branch.head))
                    && refs.snapshots().all(|tag| marks.has(&tag.snapshot))
            };
            if known(&now) {
                let complete = Refs { gc_marked: generation, ..now.clone() };
                if let Step::Done = self.swap_refs(&version, complete).await? {
                    return Ok(());
                }
            }
            refs = now;
        }
        Ok(())
    }

    /// Swaps the generation into a head, after marking what it reaches.
    async fn renew(
        &self,
        name: &str,
        generation: u64,
        marks: &mut Marks,
        sparse: &[PackId],
    ) -> Result<(), ConnError> {
        if !rules().renew_heads {
            return Ok(());
        }
        let begun = self.host.now_ms();
        for tries in 1.. {
            let (head, version) = self.read_head(name).await?;
            if head.gc_generation > generation && rules().supersede {
                return Err(ConnError::Superseded(head.gc_generation));
            }
            if rules().mark_again {
                marks.head(self, &head)?;
            }
            if head.gc_generation >= generation {
                return Ok(());
            }
            let mut next = head.next(self.host.random());
            (next.gc_generation, next.sparse) = (generation, sparse.to_vec());
            let bytes = encode(next).map_err(|e| self.damaged(name, e))?;
            match self.store.cas_ref(name, Expect::Version(version), bytes).await? {
                Swap::Swapped(_) => return Ok(()),
                // Read again: it was swapped, or it moved.
                Swap::Lost | Swap::Unknown(_) => {}
            }
            self.within_limit(begun)?;
            self.stand_by(name, tries).await?;
        }
        Ok(())
    }

    /// A newer collection may have deleted what this one was about to read.
    pub(in super::super) async fn why_stopped(
        &self,
        error: ConnError,
        generation: u64,
    ) -> ConnError {
        let gone = error.is_missing() || matches!(error, ConnError::NoBranch(_));
        match self.refs().await {
            Ok(refs) if gone && refs.gc_generation > generation => {
                ConnError::Superseded(refs.gc_generation)
            }
            // Whether it was collected or lost cannot be told.
            Err(unknown) if gone => unknown,
            _ => error,
        }
    }
}

/// A head as bytes; one that is full is not told of packs.
fn encode(mut head: Head) -> Result<bytes::Bytes, FormatError> {
    match head.encode() {
        Err(FormatError::TooLarge(_)) => {
            head.sparse.clear();
            head.encode()
        }
        encoded => encoded,
    }
}

fn sizes(listed: &[Listed]) -> BTreeMap<&str, u64> {
    listed.iter().map(|object| (object.key.as_str(), object.size_bytes)).collect()
}

/// What is in use, and what is not.
fn divide(marks: &Marks, listed: &[Listed]) -> (Total, Vec<(String, u64)>) {
    let (mut live, mut garbage) = (Total::default(), Vec::new());
    for object in listed {
        match marks.has(&object.key) {
            true => live.add(object.size_bytes),
            false => garbage.push((object.key.clone(), object.size_bytes)),
        }
    }
    (live, garbage)
}

#[cfg(test)]
mod tests;
