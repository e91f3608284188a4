//! What a purge came to, counted by branch and tag.
//!
//! **Invariant:** a datom that several branches share is counted for each of them, and once in all;
//! what an attempt found is counted, whichever attempt erased it.

use super::super::{ConnError, Place, commits};
use super::Collected;
use super::survey::Survey;
use super::target::Target;
use crate::commit::{Frame, Head, Refs};
use crate::id::{T, Tx};
use crate::index::rows_get;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Commits whose places are looked up at once.
const COMMITS: usize = 2_048;

/// What is erased of a branch or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedHead {
    /// Its name.
    pub name: String,
    /// Whether it is a tag.
    pub is_tag: bool,
    /// Datoms of its history that are erased.
    pub datoms: u64,
}

/// What a purge came to; of a dry run what it would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// The erasure's number; of a dry run the last one's.
    pub generation: u64,
    /// Datoms of all histories together.
    pub datoms: u64,
    /// Branches and tags that have some of them.
    pub heads: Vec<ErasedHead>,
    /// Moments kept for their age that are rewritten, as far as that is known.
    pub moments: u64,
    /// Log segments that are written anew.
    pub segments: u64,
    /// Packs that are left, since they hold erased facts.
    pub packs: u64,
    /// What was deleted, and what waits; `None` in a dry run.
    pub collected: Option<Collected>,
}

/// What earlier attempts found, and did.
#[derive(Default)]
pub(super) struct Known {
    pub(super) target: Option<Arc<Target>>,
    pub(super) erased: Erased,
    pub(super) moments: u64,
    pub(super) segments: u64,
}

impl Erased {
    /// What was found in another look: a later one no longer finds what is erased.
    pub(super) fn add(&mut self, found: Self) {
        for head in found.heads {
            let is_it =
                |known: &&mut ErasedHead| (&known.name, known.is_tag) == (&head.name, head.is_tag);
            match self.heads.iter_mut().find(is_it) {
                Some(known) => known.datoms = known.datoms.max(head.datoms),
                None => self.heads.push(head),
            }
        }
        self.generation = found.generation;
        self.datoms = self.datoms.max(found.datoms);
        self.moments = self.moments.max(found.moments);
        self.segments = self.segments.max(found.segments);
        self.packs = self.packs.max(found.packs);
    }
}

impl Place {
    /// What a survey found, by branch and tag.
    pub(super) async fn report(&self, refs: &Refs, survey: &Survey) -> Result<Erased, ConnError> {
        let mut erased = Erased { generation: refs.purge_generation, ..Erased::default() };
        let concerned = survey.segments.values().filter(|seen| !seen.erased.is_empty());
        (erased.segments, erased.packs) = (concerned.count() as u64, survey.leave.len() as u64);
        let mut all: BTreeMap<Tx, u64> = BTreeMap::new();
        let mut note = |name: &String, is_tag, found: BTreeMap<Tx, u64>| {
            let (name, datoms) = (name.clone(), found.values().sum());
            if datoms > 0 {
                erased.heads.push(ErasedHead { name, is_tag, datoms });
            }
            all.extend(found);
        };
        for (name, branch) in &refs.branches {
            let head = self.read_head(&branch.head).await?.0;
            note(name, false, self.datoms_of(&branch.head, &head, survey)?);
        }
        for (name, tag) in &refs.tags {
            let head = self.read_snapshot(tag).await?;
            note(name, true, self.datoms_of(&tag.snapshot, &head, survey)?);
        }
        erased.datoms = all.values().sum();
        Ok(erased)
    }

    /// How many datoms of each commit of a head are erased.
    fn datoms_of(
        &self,
        object: &str,
        head: &Head,
        survey: &Survey,
    ) -> Result<BTreeMap<Tx, u64>, ConnError> {
        let (mut found, base) = (BTreeMap::new(), &head.base);
        let ts: BTreeSet<T> =
            survey.segments.values().flat_map(|seen| seen.erased.keys()).copied().collect();
        let ts: Vec<T> = ts.into_iter().filter(|t| *t <= base.flushed).collect();
        for some in ts.chunks(COMMITS) {
            let keys: Vec<Vec<u8>> = some.iter().map(|t| commits::key(*t).to_vec()).collect();
            let rows = rows_get(self.nodes.as_ref(), base.commits.as_ref(), &keys)?;
            for (t, row) in some.iter().zip(rows) {
                let Some(row) = row else { continue };
                let segment = self.log_place(*t, &row)?.segment;
                let seen = survey.segments.get(&segment);
                found.extend(seen.and_then(|seen| seen.erased.get(t)).copied());
            }
        }
        for segment in &base.log {
            let seen = survey.segments.get(&segment.name).into_iter();
            let erased = seen.flat_map(|seen| seen.erased.range(segment.first..=segment.last));
            found.extend(erased.map(|(_, erased)| *erased));
        }
        for frame in &head.tail {
            let (_, frame) = Frame::decode(frame).map_err(|e| self.damaged(object, e))?;
            let erased = survey.target.datoms(&frame).iter().filter(|erased| **erased).count();
            if erased > 0 {
                found.insert(frame.tx, erased as u64);
            }
        }
        Ok(found)
    }
}
