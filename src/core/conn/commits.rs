//! The COMMITS tree: where the log has each commit that is below the novelty, by `t`.
//!
//! A row: `t`, 8 bytes big endian; then hash (32 bytes), instant (zigzag), segment (16 bytes),
//! offset and length of the frame (varints), the merged parents (their number, then `t` and hash
//! each). The first parent is the row before.
//!
//! **Invariant:** there is a row for each `t` from 1 to the head's `flushed`.

use super::log::CommitEntry;
use super::{ConnError, Place};
use crate::codec::{CodecError, Reader, Writer};
use crate::commit::{Frame, Opened};
use crate::id::{CommitId, T};
use crate::index::rows_get;
use std::ops::Range;

/// Where the log has a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPlace {
    pub(crate) segment: u128,
    pub(crate) range: Range<u64>,
}

/// The key of a row.
pub(crate) fn key(t: T) -> [u8; 8] {
    t.0.to_be_bytes()
}

/// The value of a row.
pub(crate) fn value(id: CommitId, frame: &Frame, place: &LogPlace) -> Vec<u8> {
    let mut w = Writer::new();
    w.fixed(&id.hash);
    w.zigzag(frame.instant_ms);
    w.u128(place.segment);
    w.varint(place.range.start);
    w.varint(place.range.end - place.range.start);
    let merged = frame.parents.get(1..).unwrap_or_default();
    w.varint(merged.len() as u64);
    for parent in merged {
        w.varint(parent.t.0);
        w.fixed(&parent.hash);
    }
    w.finish()
}

/// What a row says.
pub(crate) fn read(t: T, value: &[u8]) -> Result<(CommitEntry, LogPlace), CodecError> {
    let mut r = Reader::new(value);
    let id = CommitId { t, hash: r.array()? };
    let (instant_ms, segment) = (r.zigzag()?, r.u128()?);
    let (offset, len) = (r.varint()?, r.varint()?);
    let end = offset.checked_add(len).ok_or_else(|| r.error("a frame past the end"))?;
    let parents = (0..r.count(33)?).map(|_| Ok(CommitId { t: T(r.varint()?), hash: r.array()? }));
    let parents = parents.collect::<Result<_, CodecError>>()?;
    r.finish()?;
    Ok((CommitEntry { id, parents, instant_ms }, LogPlace { segment, range: offset..end }))
}

/// The log segment that a row names.
pub(super) fn segment(value: &[u8]) -> Result<u128, CodecError> {
    Ok(read(T(0), value)?.1.segment)
}

impl Place {
    /// Where a row of COMMITS says that the log has its commit.
    pub(super) fn log_place(&self, t: T, row: &[u8]) -> Result<LogPlace, ConnError> {
        Ok(read(t, row).map_err(|e| self.damaged(&format!("commit {t}"), e))?.1)
    }

    /// The row of a commit. Reads one node a level.
    pub(super) fn indexed(
        &self,
        opened: &Opened,
        t: T,
    ) -> Result<(CommitEntry, LogPlace), ConnError> {
        let none = || ConnError::NoCommit(t.to_string());
        let root = opened.head.base.commits.as_ref();
        let before = T(t.0.saturating_sub(1));
        let mut rows = rows_get(self.nodes.as_ref(), root, &[key(before).into(), key(t).into()])?;
        let wrong = |e| self.damaged(&format!("commit {t}"), e);
        let row = rows.pop().flatten().ok_or_else(none)?;
        let (mut entry, place) = read(t, &row).map_err(wrong)?;
        if before.0 > 0 {
            let row = rows.pop().flatten().ok_or_else(none)?;
            entry.parents.insert(0, read(before, &row).map_err(wrong)?.0.id);
        }
        Ok((entry, place))
    }
}
