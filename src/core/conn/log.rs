//! The transaction log: from the tail, then segments, newest to oldest.
//!
//! **Invariant:** what is given for `t` is the commit that the head's history has there; a frame is verified against the
//! id that the head, the commit after it or the COMMITS tree says.

use super::{ConnError, Place};
use crate::commit::{FormatError, Frame, Opened, log_name};
use crate::id::{CommitId, T};
use crate::store::Fetch;

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
}
