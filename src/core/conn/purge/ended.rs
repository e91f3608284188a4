//! Which facts had ended by a moment, on every line of commits that has them.
//!
//! A *line* is the history of a branch, or of a tag or kept moment that is in the history of none
//! and of no later one. The log is read from the newest commit of the moment to the first: a
//! retraction waits for the assertion that it ended.
//!
//! **Invariant:** what is found held on no line at the moment or after it: what a line shows as of
//! the moment, and of any later one, is the same without it. Definitions of attributes keep their
//! history. Memory: about 200 bytes for each fact that is found.

use super::super::{ConnError, Place};
use super::target::{fact_key, parts};
use crate::commit::{Opened, Refs, Tag};
use crate::id::{EntityId, T, Tx};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Facts by key, and from when to when they held.
pub(super) type Ended = BTreeMap<Vec<u8>, Vec<(Tx, Tx)>>;

impl Place {
    /// What had ended on all lines with the commits up to `ms`; with what was `known` to have, as
    /// long as it holds on none.
    pub(super) async fn ended_by(
        &self,
        refs: &Refs,
        ms: i64,
        known: Ended,
    ) -> Result<Ended, ConnError> {
        let lines = self.lines(refs).await?;
        let (is_first, mut all) = (known.is_empty(), known);
        let mut each = Vec::with_capacity(lines.len());
        for line in &lines {
            let last = self.last_by(line, ms).await?;
            let mut found = Ended::new();
            self.look_back(line, last, |key, span| {
                if let (from, Some(to)) = span {
                    found.entry(key).or_default().push((from, to));
                }
            })
            .await?;
            each.push((last, found));
        }
        for (_, found) in &each {
            for (key, spans) in found {
                let known = all.entry(key.clone()).or_default();
                let new: Vec<_> = spans.iter().filter(|x| !known.contains(x)).copied().collect();
                known.extend(new);
            }
        }
        if lines.len() > 1 || !is_first {
            for (line, (last, _)) in lines.iter().zip(&each) {
                self.look_back(line, *last, |key, (from, to)| {
                    if let (None, Some(spans)) = (to, all.get_mut(&key)) {
                        spans.retain(|(began, ended)| *began != from || began == ended);
                    }
                })
                .await?;
            }
        }
        let defining: BTreeSet<EntityId> = lines.iter().flat_map(definitions).collect();
        all.retain(|key, spans| !spans.is_empty() && !defining.contains(&parts(key).0));
        Ok(all)
    }

    /// The branches, opened, and tags and kept moments that are in the history of no other, or of
    /// one that has seen another number of erasures.
    pub(super) async fn lines(&self, refs: &Refs) -> Result<Vec<Opened>, ConnError> {
        let mut lines = Vec::new();
        for branch in refs.branches.values() {
            lines.push(self.open_newest(&branch.head, None).await?.opened);
        }
        let mut tags: Vec<&Tag> = refs.snapshots().collect();
        tags.sort_by_key(|tag| Reverse(tag.commit.map(|commit| commit.t)));
        'tags: for tag in tags {
            let Some(commit) = tag.commit else { continue };
            let erasures = self.read_snapshot(tag).await?.purge_generation;
            for line in &lines {
                let is_later = commit.t <= line.head.tip.t();
                let is_like = line.head.purge_generation == erasures;
                if is_later && is_like && self.entry(line, commit.t).await?.id == commit {
                    continue 'tags;
                }
            }
            lines.push(self.open_tag(tag).await?);
        }
        Ok(lines)
    }

    /// The newest `t` of a line with an instant up to `ms`.
    async fn last_by(&self, line: &Opened, ms: i64) -> Result<T, ConnError> {
        let (mut low, mut high) = (0, line.head.tip.t().0 + 1);
        // The commit of `low` is not after `ms`, that of `high` is.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let entry = self.entry(line, T(middle)).await?;
            if entry.instant_ms <= ms { low = middle } else { high = middle }
        }
        Ok(T(low))
    }

    /// Each fact that a line had up to a commit: from when, and to when if it had ended.
    async fn look_back(
        &self,
        line: &Opened,
        last: T,
        mut see: impl FnMut(Vec<u8>, (Tx, Option<Tx>)),
    ) -> Result<(), ConnError> {
        let mut log = self.log(line, T(1)..=last, true);
        let mut waiting: BTreeMap<Vec<u8>, Vec<Tx>> = BTreeMap::new();
        while let Some((_, frame)) = log.next().await? {
            let facts = &frame.datoms;
            for row in (0..facts.len()).rev() {
                let (key, tx) = (fact_key(&facts.key(row)), facts.tx(row));
                if !facts.added(row) {
                    waiting.entry(key).or_default().push(tx);
                    continue;
                }
                let end = waiting.get_mut(&key).and_then(Vec::pop);
                if waiting.get(&key).is_some_and(Vec::is_empty) {
                    waiting.remove(&key);
                }
                see(key, (tx, end));
            }
        }
        Ok(())
    }
}

/// The entities that define attributes.
fn definitions(line: &Opened) -> impl Iterator<Item = EntityId> + use<'_> {
    line.snapshot.schema.attributes().filter_map(|attribute| attribute.entity)
}
