//! Purge: facts are erased for good, from every branch, tag and kept moment, and then from every
//! object, while everybody goes on.
//!
//! In order: look through all that is reached (`survey.rs`); announce a new generation in `refs`;
//! swap the tags of `refs` over to snapshots without the erased facts; swap into every head what it
//! is without them (`head.rs`). Then nothing reaches the facts any more, and a collection
//! deletes what held them.
//!
//! **Invariant:** a head is swapped with its trees, novelty, log and tail at once, so it is as it
//! was or without the facts, whenever the purge is stopped; the same purge again does the rest.
//! Commits keep their ids. It announces a generation as a collection does, and so nothing that was
//! made from an older head comes back: a flush, a branch or a tag begun before is refused by the
//! rules that hold for collections. Transactions are prepared again on the new head; what they say
//! anew is not erased.
//!
//! It does not reach clones, backups, and what a store keeps of deleted objects.

mod ended;
mod erased;
mod error;
mod head;
mod reach;
mod survey;
mod target;

pub use crate::db::Erase;
pub use erased::{Erased, ErasedHead};
pub use error::PurgeError;

use super::gc::{Collected, Collection, Retention};
use super::refs::Step;
use super::settle::pause_ms;
use super::{Conn, ConnError, Place, rules};
use crate::commit::{Head, Refs, Tag, snap_name};
use crate::store::{Expect, Fetch, Swap};
use erased::Known;
use head::Written;
use std::collections::{BTreeMap, BTreeSet};
use survey::Survey;
use target::Target;

/// What a purge is asked to do.
#[derive(Clone, Debug)]
pub struct Purge {
    /// What is erased.
    pub erase: Erase,
    /// How long the objects that held it are left to readers of old heads: see [`Collection`].
    pub grace_ms: u64,
}

/// How often a purge begins anew because a collection came between.
const TRIES: u32 = 5;
/// How long a head is tried that moves all the time.
const LIMIT_MS: i64 = 30_000;

type Progress<'a> = dyn FnMut(u64, &'static str) + Send + 'a;

impl Conn {
    /// Erases facts as [`Place::purge`] does, this branch last: as long as anything is left, names
    /// mean here what they meant.
    pub async fn purge(
        &self,
        asked: &Purge,
        progress: &mut Progress<'_>,
    ) -> Result<Erased, PurgeError> {
        self.place().purge_named(asked, Some(self.head_name()), progress).await
    }
}

impl Place {
    /// Erases facts. `progress` is told how many objects were looked at, rewritten or deleted, and
    /// what is being done. Cost: all packs and all of the log are read once; what holds the facts
    /// is written anew.
    pub async fn purge(
        &self,
        asked: &Purge,
        progress: &mut Progress<'_>,
    ) -> Result<Erased, PurgeError> {
        self.purge_named(asked, None, progress).await
    }

    /// The same; the head by which what is erased was `named` is the last one.
    async fn purge_named(
        &self,
        asked: &Purge,
        named: Option<&str>,
        progress: &mut Progress<'_>,
    ) -> Result<Erased, PurgeError> {
        let (mut tries, mut known) = (0, Known::default());
        loop {
            tries += 1;
            match self.purge_once(&asked.erase, named, &mut known, progress).await {
                Err(error) if tries < TRIES && may_be_old(&error) => {
                    self.host.sleep(pause_ms(self.host.as_ref(), tries)).await;
                }
                done => break done?,
            }
        }
        let mut erased = known.erased;
        let collection = Collection { grace_ms: asked.grace_ms, keep: Retention::everything() };
        erased.collected = Some(self.collect(&collection, progress).await?);
        Ok(erased)
    }

    /// What a purge would erase. Reads as much as the purge would.
    pub async fn purge_dry(
        &self,
        erase: &Erase,
        progress: &mut Progress<'_>,
    ) -> Result<Erased, PurgeError> {
        let refs = self.refs().await?;
        Ok(self.look(erase, None, &refs, progress).await?.1)
    }

    /// What is to be erased, and where that is.
    async fn look(
        &self,
        erase: &Erase,
        known: Option<&Target>,
        refs: &Refs,
        progress: &mut Progress<'_>,
    ) -> Result<(Survey, Erased), PurgeError> {
        let survey = self.survey(erase, known, refs, progress).await?;
        let erased = self.report(refs, &survey).await?;
        Ok((survey, erased))
    }

    /// One attempt. What an earlier one found to be erased stays `known`: it may have rewritten
    /// what told of it.
    async fn purge_once(
        &self,
        erase: &Erase,
        named: Option<&str>,
        known: &mut Known,
        progress: &mut Progress<'_>,
    ) -> Result<(), PurgeError> {
        let refs = self.refs().await?;
        let target = known.target.as_deref();
        let (survey, erased) = match self.look(erase, target, &refs, progress).await {
            // What these refs name may have been collected since.
            Err(PurgeError::Conn(error)) => {
                return Err(self.why_stopped(error, refs.gc_generation).await.into());
            }
            found => found?,
        };
        known.erased.add(erased);
        // Where a generation was announced and nobody got through all names, one of them may be
        // made yet from a head that is older than an erasure.
        if survey.is_clean() && refs.gc_marked >= refs.gc_generation {
            return Ok(());
        }
        known.target = Some(survey.target.clone());
        let lines = refs.branches.values().map(|branch| branch.head.clone()).collect();
        let refs = self.announce_purge().await?;
        known.erased.generation = refs.purge_generation;
        let mut run = Run::new(survey, lines, &refs);
        run.named = named.map(str::to_owned);
        let done = self.erase_everywhere(&mut run, progress).await;
        known.moments += run.moments;
        known.segments += run.written.segments.len() as u64;
        (known.erased.moments, known.erased.segments) = (known.moments, known.segments);
        match done {
            Err(PurgeError::Conn(error)) => {
                Err(self.why_stopped(error, refs.gc_generation).await.into())
            }
            done => done,
        }
    }

    /// Looks through all that branches, tags and kept moments reach.
    async fn survey(
        &self,
        erase: &Erase,
        known: Option<&Target>,
        refs: &Refs,
        progress: &mut Progress<'_>,
    ) -> Result<Survey, PurgeError> {
        progress(0, "looking for what is meant");
        let mut survey = Survey::new(self.target(erase, known, refs).await?);
        for branch in refs.branches.values() {
            progress(survey.looked_at(), "reading");
            let head = self.read_head(&branch.head).await?.0;
            survey.head(self, &branch.head, &head).await?;
        }
        for tag in refs.snapshots() {
            progress(survey.looked_at(), "reading");
            let head = self.read_snapshot(tag).await?;
            survey.head(self, &tag.snapshot, &head).await?;
        }
        Ok(survey)
    }

    /// Begins an erasure: from here on heads and tags of before are not begun at.
    async fn announce_purge(&self) -> Result<Refs, ConnError> {
        let begun = self.host.now_ms();
        loop {
            let (mut refs, version) = self.read_refs().await?;
            refs.gc_generation += u64::from(rules().announce_erasure);
            refs.purge_generation += 1;
            if let Step::Done = self.swap_refs(&version, refs.clone()).await? {
                return Ok(refs);
            }
            self.within_limit(begun)?;
        }
    }

    /// Rewrites all snapshots and heads, also those that come meanwhile. Heads come last: they tell
    /// what is erased to the purge that goes on where this one is stopped.
    async fn erase_everywhere(
        &self,
        run: &mut Run,
        progress: &mut Progress<'_>,
    ) -> Result<(), PurgeError> {
        for looks in 0.. {
            self.within_looks(looks)?;
            let (refs, version) = self.read_refs().await?;
            if refs.gc_generation != run.generation {
                return Err(ConnError::Superseded(refs.gc_generation).into());
            }
            let mut left: Vec<&str> = refs.branches.values().map(|x| x.head.as_str()).collect();
            left.retain(|head| !run.heads.contains(*head));
            if left.len() > 1 {
                left.retain(|head| run.named.as_deref() != Some(*head));
            }
            // On a branch made since, what had ended on all others may hold.
            let is_new = left.iter().any(|head| !run.lines.contains(*head));
            if is_new && run.survey.target.is_of_moment {
                return Err(PurgeError::Branched);
            }
            let mut next = refs.clone();
            for tag in next.tags.values_mut() {
                progress(run.done(), "rewriting");
                self.erase_tag(tag, false, run).await?;
            }
            for tag in &mut next.automatic {
                progress(run.done(), "rewriting");
                self.erase_tag(tag, true, run).await?;
            }
            let is_last = left.is_empty();
            if is_last {
                next.gc_marked = run.generation;
            }
            if is_last || next != refs {
                match self.swap_refs(&version, next).await? {
                    Step::Done if is_last => return Ok(()),
                    Step::Done | Step::Again => continue,
                }
            }
            for head in left {
                progress(run.done(), "rewriting");
                match self.erase_branch(head, run).await {
                    // It was deleted meanwhile, or is about to be.
                    Err(ConnError::NoBranch(_)) => {}
                    done => done?,
                }
                run.heads.insert(head.to_owned());
            }
            if !rules().erase_late_names {
                break;
            }
        }
        Ok(())
    }

    /// Swaps a head for what is left of it.
    async fn erase_branch(&self, name: &str, run: &mut Run) -> Result<(), ConnError> {
        let (mut tries, mut begun) = (0, None);
        loop {
            let (head, version) = self.read_head(name).await?;
            if head.gc_generation > run.generation {
                return Err(ConnError::Superseded(head.gc_generation));
            }
            run.survey.head(self, name, &head).await?;
            let left = self.erased_from(name, &head, &run.survey, &mut run.written).await?;
            // Nothing can be committed on a closed one.
            let is_done = head.gc_generation == run.generation || head.closed;
            if left.is_none() && is_done {
                return Ok(());
            }
            let mut next = left.unwrap_or(head).next(self.host.random());
            (next.gc_generation, next.purge_generation) = (run.generation, run.purge);
            let bytes = next.encode().map_err(ConnError::TooLarge)?;
            match self.store.cas_ref(name, Expect::Version(version), bytes).await? {
                Swap::Swapped(_) => return Ok(()),
                // Read again: it was swapped, or it moved.
                Swap::Lost | Swap::Unknown(_) => {}
            }
            // The first attempt took as long as the database is large.
            let begun = *begun.get_or_insert_with(|| self.host.now_ms());
            let waited_ms = self.host.now_ms() - begun;
            // Where swaps have a pace, most of the time is spent waiting.
            let chances = (LIMIT_MS as u64).checked_div(self.store.pace_ms()).unwrap_or(0);
            if waited_ms > LIMIT_MS && u64::from(tries) >= chances {
                return Err(ConnError::Contended { waited_ms: waited_ms as u64 });
            }
            tries += 1;
            self.stand_by(name, tries).await?;
        }
    }

    /// Makes a tag name a snapshot without the erased facts. Also where it had none: each snapshot
    /// says how many erasures it has seen, and what is behind its branch is not used for its past.
    async fn erase_tag(
        &self,
        tag: &mut Tag,
        is_moment: bool,
        run: &mut Run,
    ) -> Result<(), ConnError> {
        if let Some(known) = run.snapshots.get(&tag.snapshot) {
            tag.snapshot.clone_from(known);
            return Ok(());
        }
        let head = self.read_snapshot(tag).await?;
        run.survey.head(self, &tag.snapshot, &head).await?;
        let left = self.erased_from(&tag.snapshot, &head, &run.survey, &mut run.written).await?;
        let before = tag.snapshot.clone();
        if left.is_none() && head.purge_generation == run.purge {
            run.snapshots.insert(before.clone(), before);
            return Ok(());
        }
        run.moments += u64::from(is_moment && left.is_some());
        let mut next = left.unwrap_or(head);
        tag.snapshot = snap_name(self.host.random());
        (next.nonce, next.gc_generation) = (self.host.random(), run.generation);
        next.purge_generation = run.purge;
        let bytes = next.encode().map_err(ConnError::TooLarge)?;
        self.store.put(&tag.snapshot, bytes).await?;
        run.snapshots.insert(tag.snapshot.clone(), tag.snapshot.clone());
        run.snapshots.insert(before, tag.snapshot.clone());
        Ok(())
    }

    async fn read_snapshot(&self, tag: &Tag) -> Result<Head, ConnError> {
        let fetch = Fetch { key: tag.snapshot.clone(), range: None };
        let bytes = self.store.get(&fetch).await?;
        Head::decode(&bytes).map_err(|e| self.damaged(&tag.snapshot, e))
    }
}

/// Whether it comes of refs or a head that others have passed since.
fn may_be_old(error: &PurgeError) -> bool {
    match error {
        PurgeError::Conn(error) => error.is_missing() || matches!(error, ConnError::Superseded(_)),
        error => matches!(error, PurgeError::Branched),
    }
}

/// A purge under way.
struct Run {
    survey: Survey,
    /// Of collections, and of erasures.
    generation: u64,
    purge: u64,
    written: Written,
    /// The heads of the branches that were looked at for what is meant.
    lines: BTreeSet<String>,
    /// The head that is to be the last one.
    named: Option<String>,
    /// Heads that are done.
    heads: BTreeSet<String>,
    /// Snapshots that are done, and what is named in their place.
    snapshots: BTreeMap<String, String>,
    moments: u64,
}

impl Run {
    fn new(survey: Survey, lines: BTreeSet<String>, refs: &Refs) -> Self {
        let (generation, purge) = (refs.gc_generation, refs.purge_generation);
        let (written, heads, snapshots) = (Written::default(), BTreeSet::new(), BTreeMap::new());
        let named = None;
        Self { survey, generation, purge, written, lines, named, heads, snapshots, moments: 0 }
    }

    fn done(&self) -> u64 {
        (self.heads.len() + self.snapshots.len()) as u64
    }
}

#[cfg(test)]
mod tests;
