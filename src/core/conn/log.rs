//! The transaction log: from the tail, then segments, newest to oldest.
//!
//! **Invariant:** what is given for `t` is the commit that the head's history has there; a frame is
//! verified against the id that the head, the commit after it or the COMMITS tree says.

use super::{ConnError, LogPlace, Place};
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
    /// How many datoms of it were erased.
    pub purged: u64,
}

impl CommitEntry {
    fn of(id: CommitId, frame: &Frame) -> Self {
        let purged = frame.purged.map_or(0, |purged| purged.datoms);
        Self { id, parents: frame.parents.clone(), instant_ms: frame.instant_ms, purged }
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

    /// The transaction at `t` of the history of a head. At most one request beside nodes of the
    /// COMMITS tree.
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
                let fetch = Fetch { key: key.clone(), range: Some(place.range.clone()) };
                let bytes = self.store.get(&fetch).await?;
                let (id, frame) = Frame::decode(&bytes).map_err(|e| self.damaged(&key, e))?;
                self.check_indexed(&entry, &place, id, &frame)?;
                Ok((id, frame))
            }
        }
    }

    /// Compares a frame with what its row of COMMITS says.
    fn check_indexed(
        &self,
        entry: &CommitEntry,
        place: &LogPlace,
        id: CommitId,
        frame: &Frame,
    ) -> Result<(), ConnError> {
        if id != entry.id {
            return Err(self.another(place.segment, id.to_string(), entry.id));
        }
        match frame.content() == place.content {
            true => Ok(()),
            false => Err(self.damaged(&log_name(place.segment), FormatError::Hash)),
        }
    }

    /// The error of a segment that is not the one which the COMMITS tree means.
    fn another(&self, segment: u128, found: String, expected: impl ToString) -> ConnError {
        let expected = expected.to_string();
        self.damaged(&log_name(segment), FormatError::Another { found, expected })
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
        let found = match self.place.find(&self.opened, t)? {
            Where::Tail(_) => self.place.frame(&self.opened, t).await?,
            Where::Segment(index) => {
                let named = self.opened.head.base.log.get(index).copied();
                let named = named.ok_or_else(|| ConnError::NoCommit(t.to_string()))?;
                if !self.holds(named.name) {
                    self.segment = Some((named.name, self.place.segment(&named).await?));
                }
                self.frame_in(named.name, t)?
            }
            Where::Indexed => {
                let (entry, at) = self.place.indexed(&self.opened, t)?;
                if !self.holds(at.segment) {
                    self.segment = Some((at.segment, self.read_segment(at.segment).await?));
                }
                let found = self.frame_in(at.segment, t)?;
                self.place.check_indexed(&entry, &at, found.0, &found.1)?;
                found
            }
        };
        Ok(Some(found))
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

    fn holds(&self, name: u128) -> bool {
        self.segment.as_ref().is_some_and(|(known, _)| *known == name)
    }

    /// A segment of which only the name is known: each of its frames is still to be compared.
    async fn read_segment(&self, name: u128) -> Result<Segment, ConnError> {
        let key = log_name(name);
        let fetch = Fetch { key: key.clone(), range: None };
        let bytes = self.place.store.get(&fetch).await?;
        Segment::decode(&bytes).map_err(|e| self.place.damaged(&key, e))
    }

    /// The frame of `t` in the segment at hand.
    fn frame_in(&self, name: u128, t: T) -> Result<(CommitId, Frame), ConnError> {
        let frame = self.segment.as_ref().and_then(|(_, segment)| segment.frame(t));
        let Some(bytes) = frame else {
            return Err(self.place.another(name, "another range".into(), t));
        };
        Frame::decode(bytes).map_err(|e| self.place.damaged(&log_name(name), e))
    }
}
