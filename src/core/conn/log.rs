//! The transaction log: from the tail, then segments, newest to oldest.
//!
//! **Invariant:** what is given for `t` is the commit that the head's history has there; a frame is verified against the
//! id that the head, the commit after it or the COMMITS tree says.

use super::{ConnError, Place};
use crate::commit::{FormatError, Frame, Opened, Segment, log_name};
use crate::id::{CommitId, T};
use crate::store::Fetch;
use std::ops::RangeInclusive;

/// What is known of a commit without its datoms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitEntry {
    /// The commit.
    pub id: CommitId,
    /// What it was made on: the commit before it first.
    pub parents: Vec<CommitId>,
    /// When it was made, milliseconds since 1970.
    pub instant_ms: i64,
}

impl CommitEntry {
    fn of(id: CommitId, frame: &Frame) -> Self {
        Self { id, parents: frame.parents.clone(), instant_ms: frame.instant_ms }
    }
}

/// Where the log has a commit.
enum Where {
    Tail(usize),
    Segment(usize),
    Indexed,
}

impl Place {
    fn find(&self, opened: &Opened, t: T) -> Result<Where, ConnError> {
        let (head, base) = (&opened.head, &opened.head.base);
        let none = || ConnError::NoCommit(t.to_string());
        let first = base.commit.map_or(0, |commit| commit.t.0) + 1;
        if t.0 == 0 || t > head.tip.t() {
            return Err(none());
        }
        if let Some(index) = t.0.checked_sub(first) {
            return usize::try_from(index).map(Where::Tail).map_err(|_| none());
        }
        let segment = base.log.iter().position(|s| s.first <= t && t <= s.last);
        match segment {
            Some(index) => Ok(Where::Segment(index)),
            None if t <= base.flushed => Ok(Where::Indexed),
            None => Err(none()),
        }
    }

    /// The commit at `t` of the history of a head.
    pub async fn entry(&self, opened: &Opened, t: T) -> Result<CommitEntry, ConnError> {
        if let Where::Indexed = self.find(opened, t)? {
            return Ok(self.indexed(opened, t)?.0);
        }
        let (id, frame) = self.frame(opened, t).await?;
        Ok(CommitEntry::of(id, &frame))
    }

    /// The transaction at `t` of the history of a head. At most one request beside nodes of the COMMITS tree.
    pub async fn frame(&self, opened: &Opened, t: T) -> Result<(CommitId, Frame), ConnError> {
        let head = &opened.head;
        let none = || ConnError::NoCommit(t.to_string());
        match self.find(opened, t)? {
            Where::Tail(index) => {
                let bytes = head.tail.get(index).ok_or_else(none)?;
                Frame::decode(bytes).map_err(|e| self.damaged("head", e))
            }
            Where::Segment(index) => {
                let segment = head.base.log.get(index).ok_or_else(none)?;
                let frames = self.segment(segment).await?;
                let bytes = frames.frame(t).ok_or_else(none)?;
                Frame::decode(bytes).map_err(|e| self.damaged(&log_name(segment.name), e))
            }
            Where::Indexed => {
                let (entry, place) = self.indexed(opened, t)?;
                let key = log_name(place.segment);
                let fetch = Fetch { key: key.clone(), range: Some(place.range) };
                let bytes = self.store.get(&fetch).await?;
                let (id, frame) = Frame::decode(&bytes).map_err(|e| self.damaged(&key, e))?;
                if id == entry.id {
                    return Ok((id, frame));
                }
                let (found, expected) = (id.to_string(), entry.id.to_string());
                Err(self.damaged(&key, FormatError::Chain { found, expected }))
            }
        }
    }

    /// The transactions of a range of `t`, oldest or newest first.
    pub fn log(&self, opened: &Opened, range: RangeInclusive<T>, newest_first: bool) -> LogReader {
        let (from, to) = (range.start().0.max(1), range.end().0.min(opened.head.tip.t().0));
        let left = if from > to { None } else { Some((from, to)) };
        let (place, opened) = (self.clone(), opened.clone());
        LogReader { place, opened, left, newest_first, segment: None }
    }
}

/// Reads the log, a segment at a time.
#[derive(Debug)]
pub struct LogReader {
    place: Place,
    opened: Opened,
    /// First and last `t` that were not given yet.
    left: Option<(u64, u64)>,
    newest_first: bool,
    segment: Option<(u128, Segment)>,
}

impl LogReader {
    /// The next transaction; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(CommitId, Frame)>, ConnError> {
        let Some(t) = self.step() else { return Ok(None) };
        let bytes = match self.place.find(&self.opened, t)? {
            Where::Tail(_) => return self.place.frame(&self.opened, t).await.map(Some),
            Where::Segment(index) => {
                let named = self.opened.head.base.log.get(index).copied();
                let named = named.ok_or_else(|| ConnError::NoCommit(t.to_string()))?;
                self.frame_in(named.name, t).await?
            }
            Where::Indexed => {
                let segment = self.place.indexed(&self.opened, t)?.1.segment;
                self.frame_in(segment, t).await?
            }
        };
        Ok(Some(bytes))
    }

    /// The next commit without its datoms: from the COMMITS tree where it is there.
    pub async fn next_entry(&mut self) -> Result<Option<CommitEntry>, ConnError> {
        let Some((from, to)) = self.left else { return Ok(None) };
        let t = T(if self.newest_first { to } else { from });
        if let Where::Indexed = self.place.find(&self.opened, t)? {
            self.step();
            return Ok(Some(self.place.indexed(&self.opened, t)?.0));
        }
        Ok(self.next().await?.map(|(id, frame)| CommitEntry::of(id, &frame)))
    }

    fn step(&mut self) -> Option<T> {
        let (from, to) = self.left?;
        self.left = match from == to {
            true => None,
            false if self.newest_first => Some((from, to - 1)),
            false => Some((from + 1, to)),
        };
        Some(T(if self.newest_first { to } else { from }))
    }

    async fn frame_in(&mut self, name: u128, t: T) -> Result<(CommitId, Frame), ConnError> {
        let key = log_name(name);
        let segment = match self.segment.take() {
            Some((known, segment)) if known == name => segment,
            _ => {
                let fetch = Fetch { key: key.clone(), range: None };
                let bytes = self.place.store.get(&fetch).await?;
                Segment::decode(&bytes).map_err(|e| self.place.damaged(&key, e))?
            }
        };
        let frame = segment.frame(t).map(|bytes| Frame::decode(bytes));
        self.segment = Some((name, segment));
        let frame = frame.ok_or_else(|| ConnError::NoCommit(t.to_string()))?;
        frame.map_err(|e| self.place.damaged(&key, e))
    }
}
