//! Which facts had ended by a moment, on every line of commits that has them.
//!
//! A *line* is the history of a branch, or of a tag or kept moment that is in the history of none
//! and of no later one. A tag that is in the history of a line that has seen more erasures is
//! *behind*: it was made while one went on that was stopped, and loses what that line lost. The log
//! is read from the newest commit of the moment to the first: a retraction waits for the assertion
//! that it ended.
//!
//! **Invariant:** what is found held on no line at the moment or after it: what a line shows as of
//! the moment, and of any later one, is the same without it. Definitions of attributes keep their
//! history. Memory: about 200 bytes for each fact that is found.

use super::super::{ConnError, Place};
use super::target::parts;
use crate::commit::{Opened, Refs, Tag};
use crate::datom::Facts;
use crate::db::fact_key;
use crate::id::{EntityId, T, Tx};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A history, and one that has all of its commits and has seen more erasures.
pub(super) struct Line {
    pub(super) opened: Opened,
    ahead: Option<Opened>,
}

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
        let (behind, lines): (Vec<_>, Vec<_>) =
            self.lines(refs).await?.into_iter().partition(|line| line.ahead.is_some());
        let lines: Vec<Opened> = lines.into_iter().map(|line| line.opened).collect();
        let (is_first, mut all) = (known.is_empty() && behind.is_empty(), known);
        for Line { opened, ahead } in &behind {
            let Some(ahead) = ahead else { continue };
            self.lost(opened, ahead, |key, span| all.entry(key).or_default().push(span)).await?;
        }
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
    pub(super) async fn lines(&self, refs: &Refs) -> Result<Vec<Line>, ConnError> {
        let mut lines = Vec::new();
        for branch in refs.branches.values() {
            let opened = self.open_newest(&branch.head, None).await?.opened;
            lines.push(Line { opened, ahead: None });
        }
        let mut tags: Vec<&Tag> = refs.snapshots().collect();
        tags.sort_by_key(|tag| Reverse(tag.commit.map(|commit| commit.t)));
        'tags: for tag in tags {
            let Some(commit) = tag.commit else { continue };
            let erasures = self.read_snapshot(tag).await?.purge_generation;
            let mut ahead = None;
            for Line { opened: line, .. } in &lines {
                let is_later = commit.t <= line.head.tip.t();
                let seen = line.head.purge_generation;
                if !is_later || seen < erasures || self.entry(line, commit.t).await?.id != commit {
                    continue;
                }
                if seen == erasures {
                    continue 'tags;
                }
                ahead.get_or_insert_with(|| line.clone());
            }
            lines.push(Line { opened: self.open_tag(tag).await?, ahead });
        }
        Ok(lines)
    }

    /// Each fact of a line that another one, which has all of its commits, lost to an erasure: from
    /// when, and to when it held; where it still does, to the end of time.
    async fn lost(
        &self,
        line: &Opened,
        ahead: &Opened,
        mut see: impl FnMut(Vec<u8>, (Tx, Tx)),
    ) -> Result<(), ConnError> {
        let range = T(1)..=line.head.tip.t();
        let mut logs = [line, ahead].map(|line| self.log(line, range.clone(), false));
        let mut open: BTreeMap<Vec<u8>, Tx> = BTreeMap::new();
        loop {
            let [Some((_, all)), Some((_, left))] = [logs[0].next().await?, logs[1].next().await?]
            else {
                break;
            };
            if left.purged == all.purged {
                continue;
            }
            let row_of = |facts: &Facts, row| (fact_key(&facts.key(row)), facts.added(row));
            let mut kept: BTreeMap<_, usize> = BTreeMap::new();
            for row in 0..left.datoms.len() {
                *kept.entry(row_of(&left.datoms, row)).or_default() += 1;
            }
            for row in 0..all.datoms.len() {
                let (key, is_added) = row_of(&all.datoms, row);
                let tx = all.datoms.tx(row);
                match kept.get_mut(&(key.clone(), is_added)).filter(|count| **count > 0) {
                    Some(count) => *count -= 1,
                    None if is_added => drop(open.insert(key, tx)),
                    None => {
                        let from = open.remove(&key);
                        from.into_iter().for_each(|from| see(key.clone(), (from, tx)));
                    }
                }
            }
        }
        open.into_iter().for_each(|(key, from)| see(key, (from, Tx(u64::MAX))));
        Ok(())
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
