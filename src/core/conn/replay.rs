//! Applying the log to a head of the past.
//!
//! **Invariant:** frames are applied in the order of their commits, each checked to follow the one
//! before it. After each stretch the snapshot equals the branch at its last frame; the head's log
//! lists every frame that is in no COMMITS tree of it, and none after.

use super::backfill::Backfilled;
use super::build::Objects;
use super::commits::{self, LogPlace};
use super::flush::Flushed;
use super::past::tip_of;
use super::{ConnError, Place};
use crate::commit::{Frame, Head, Opened, Segment, SegmentRef, log_name};
use crate::datom::Datom;
use crate::hash::NodeHash;
use crate::id::{CommitId, T};
use crate::index::rows_get;
use crate::store::Fetch;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of novelty from which a replay makes trees; few in tests, so that they do.
const ROWS: usize = if cfg!(test) { 40 } else { 64 << 10 };
/// Commits whose places are looked up at once.
const COMMITS: u64 = 2_048;
/// Segments that are fetched at once.
const SEGMENTS: usize = 32;

/// A frame of the log, and where it lies.
pub(super) struct Logged {
    pub(super) id: CommitId,
    pub(super) frame: Frame,
    place: LogPlace,
}

/// Consecutive frames, and the segments they are in.
#[derive(Default)]
pub(super) struct Stretch {
    pub(super) frames: Vec<Logged>,
    segments: Vec<SegmentRef>,
}

impl Stretch {
    /// Takes the frames of a segment that are wanted.
    pub(super) fn add(
        &mut self,
        place: &Place,
        name: u128,
        bytes: &Bytes,
        first: T,
        last: T,
    ) -> Result<(), ConnError> {
        let damaged = |e| place.damaged(&log_name(name), e);
        let segment = Segment::decode(bytes).map_err(damaged)?;
        for (frame, range) in segment.frames.iter().zip(segment.places()) {
            let (id, frame) = Frame::decode(frame).map_err(damaged)?;
            if first <= id.t && id.t <= last {
                let place = LogPlace::new(name, range, &frame);
                self.frames.push(Logged { id, frame, place });
            }
        }
        let (hash, len) = (NodeHash::of(bytes), bytes.len() as u64);
        self.segments.push(SegmentRef { name, hash, len, first: segment.first, last });
        Ok(())
    }

    /// The last commit.
    pub(super) fn last(&self) -> T {
        self.frames.last().map_or(T(0), |frame| frame.id.t)
    }
}

impl Place {
    /// The names of the segments that hold the frames from `first` on, in order, each with the last
    /// frame of this history in it: as many as one round fetches.
    pub(super) fn segments(
        &self,
        from: &Opened,
        first: T,
        last: T,
    ) -> Result<Vec<(u128, T)>, ConnError> {
        let base = &from.head.base;
        let mut names: Vec<(u128, T)> = Vec::new();
        let indexed = last.min(base.flushed).min(T(first.0 + COMMITS - 1));
        if first <= indexed {
            let keys: Vec<_> = (first.0..=indexed.0).map(|t| commits::key(T(t)).into()).collect();
            let rows = rows_get(self.nodes.as_ref(), base.commits.as_ref(), &keys)?;
            for (t, row) in (first.0..).zip(rows) {
                let row = row.ok_or_else(|| ConnError::NoCommit(t.to_string()))?;
                let name = self.log_place(T(t), &row)?.segment;
                match names.last_mut() {
                    Some((known, last)) if *known == name => *last = T(t),
                    _ => names.push((name, T(t))),
                }
            }
        }
        if indexed == last.min(base.flushed) {
            let wanted = base.log.iter().filter(|s| s.last >= first && s.first <= last);
            names.extend(wanted.map(|s| (s.name, s.last.min(last))));
        }
        names.truncate(SEGMENTS);
        Ok(names)
    }

    /// How many bytes of log a range of commits takes; those that are in no COMMITS tree yet count
    /// as whole segments.
    pub(super) fn log_bytes(&self, from: &Opened, first: T, last: T) -> Result<u64, ConnError> {
        let base = &from.head.base;
        let indexed = last.min(base.flushed);
        let keys: Vec<_> = (first.0..=indexed.0).map(|t| commits::key(T(t)).into()).collect();
        let rows = rows_get(self.nodes.as_ref(), base.commits.as_ref(), &keys)?;
        let mut bytes = 0;
        for (t, row) in (first.0..).zip(rows) {
            let row = row.ok_or_else(|| ConnError::NoCommit(t.to_string()))?;
            let range = self.log_place(T(t), &row)?.range;
            bytes += range.end - range.start;
        }
        let wanted = base.log.iter().filter(|s| s.last >= first && s.first <= last);
        Ok(bytes + wanted.map(|s| s.len).sum::<u64>())
    }

    /// Log segments by name, in one round.
    pub(super) async fn read_segments(&self, names: &[(u128, T)]) -> Result<Vec<Bytes>, ConnError> {
        let fetch = |(name, _): &(u128, T)| Fetch { key: log_name(*name), range: None };
        let fetches: Vec<Fetch> = names.iter().map(fetch).collect();
        Ok(self.store.get_many(&fetches).await?)
    }
}

/// A head of the past on its way to a later commit.
pub(super) struct Replay {
    pub(super) place: Place,
    pub(super) opened: Opened,
    pub(super) head: Head,
    /// Frames up to here are in the snapshot.
    done: T,
    /// Rows of COMMITS for the frames that no tree has, from the base on.
    rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Replay {
    /// From an opened head. Its tail becomes part of what is below: the log has it.
    pub(super) fn new(place: Place, opened: Opened) -> Self {
        let mut head = opened.head.as_ref().clone();
        head.tail.clear();
        (head.closed, head.writer) = (false, None);
        let done = opened.head.tip.t();
        Self { place, opened, head, done, rows: Vec::new() }
    }

    /// The first frame that the replay needs to see.
    pub(super) fn first(&self) -> T {
        T(self.head.base.commit.map_or(0, |commit| commit.t.0) + 1)
    }

    /// Applies frames that follow what was applied before.
    pub(super) async fn apply(&mut self, stretch: Stretch) -> Result<(), ConnError> {
        let place = self.place.clone();
        let before = self.opened.snapshot.schema.clone();
        let (mut schema, mut datoms): (_, Vec<Datom>) = (before.clone(), Vec::new());
        let mut parent = self.head.base.commit;
        for Logged { id, frame, place: at } in &stretch.frames {
            let damaged = |e| place.damaged(&log_name(at.segment), e);
            frame.follows(*id, parent).map_err(damaged)?;
            parent = Some(*id);
            self.rows.push((commits::key(id.t).to_vec(), Some(commits::value(*id, frame, at))));
            if id.t > self.done {
                let changed = frame.schema_after(&schema);
                schema = changed.map_err(|e| place.damaged(&log_name(at.segment), e))?;
                datoms.extend(frame.datoms());
            }
        }
        if let Some(Logged { id, frame, .. }) = stretch.frames.last() {
            self.head.tip = tip_of(*id, frame);
            self.head.base.commit = Some(*id);
            self.head.block = frame.tx.entity().block();
        }
        for segment in stretch.segments {
            match self.head.base.log.last_mut() {
                Some(known) if known.name == segment.name => known.last = segment.last,
                _ => self.head.base.log.push(segment),
            }
        }
        let snapshot = &mut self.opened.snapshot;
        let newest = snapshot.layers.pop().unwrap_or_default();
        snapshot.layers.push(Arc::new(newest.apply(&datoms, &schema, &before)));
        snapshot.schema = schema;
        snapshot.counts = Arc::new(crate::commit::count(&snapshot.counts, &datoms));
        self.done = self.done.max(self.head.tip.t());
        place.backfill(&before, snapshot, &mut Backfilled::default()).await?;
        self.head.base.trees = snapshot.trees.clone();
        if snapshot.layers.iter().map(|layer| layer.len()).sum::<usize>() >= ROWS {
            self.flush().await?;
        }
        Ok(())
    }

    /// Merges what is in no tree into the trees.
    async fn flush(&mut self) -> Result<(), ConnError> {
        let snapshot = &mut self.opened.snapshot;
        let layers = std::mem::take(&mut snapshot.layers);
        let all = layers.into_iter().reduce(|below, above| Arc::new(below.stack(&above)));
        let mut rows = self.place.commit_rows(&self.opened.head.base.log).await?;
        rows.append(&mut self.rows);
        let base = &self.head.base;
        let none = BTreeSet::new();
        let all = all.unwrap_or_default();
        let flushed = self.place.merge(base, &all, &snapshot.schema, &rows, &none).await?;
        let Flushed { trees, commits, inlined, packs } = flushed;
        let packs: Objects = packs;
        self.place.put_all(&packs).await?;
        self.place.nodes.offer(&inlined);
        let base = &mut self.head.base;
        snapshot.layers = vec![Arc::default(), Arc::default()];
        (snapshot.trees, snapshot.flushed) = (trees.clone(), self.head.tip.t());
        (base.trees, base.commits, base.inlined) = (trees, commits, inlined);
        base.log.clear();
        base.flushed = self.head.tip.t();
        // Their rows are in the tree now.
        let mut head = self.opened.head.as_ref().clone();
        head.base.log.clear();
        self.opened.head = Arc::new(head);
        Ok(())
    }
}
