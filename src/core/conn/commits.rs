//! The COMMITS tree: where the log has each commit that is below the novelty, by `t`.
//!
//! A row: `t`, 8 bytes big endian; then hash (32 bytes), instant (zigzag), segment (16 bytes),
//! offset and length of the frame (varints), the merged parents (their number, then `t` and hash
//! each); and, where datoms of it were erased, how many (varint) and the blake3 of the raw frame.
//! The first parent is the row before.
//!
//! **Invariant:** there is a row for each `t` from 1 to the head's `flushed`.

use super::log::CommitEntry;
use super::{ConnError, Place};
use crate::codec::{CodecError, Reader, Writer};
use crate::commit::{Frame, Opened};
use crate::hash::NodeHash;
use crate::id::{CommitId, T};
use crate::index::rows_get;
use std::ops::Range;

/// Where the log has a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPlace {
    pub(crate) segment: u128,
    pub(crate) range: Range<u64>,
    /// What the frame is beside what its commit id says: see [`Frame::content`].
    pub(crate) content: Option<NodeHash>,
}

impl LogPlace {
    /// Where a frame lies.
    pub(crate) fn new(segment: u128, range: Range<u64>, frame: &Frame) -> Self {
        Self { segment, range, content: frame.content() }
    }
}

/// The key of a row.
pub(crate) fn key(t: T) -> [u8; 8] {
    t.0.to_be_bytes()
}

/// The commit of a key.
pub(super) fn t_of(key: &[u8]) -> T {
    T(<[u8; 8]>::try_from(key).map_or(0, u64::from_be_bytes))
}

/// The value of a row.
pub(crate) fn value(id: CommitId, frame: &Frame, place: &LogPlace) -> Vec<u8> {
    let merged = frame.parents.get(1..).unwrap_or_default().to_vec();
    let purged = frame.purged.map_or(0, |purged| purged.datoms);
    let place = LogPlace { content: frame.content(), ..place.clone() };
    write(&CommitEntry { id, parents: merged, instant_ms: frame.instant_ms, purged }, &place)
}

/// The row of a commit whose frame lies elsewhere now; with what was erased of it, and its content.
pub(super) fn moved(
    t: T,
    value: &[u8],
    segment: u128,
    range: Range<u64>,
    purged: Option<(u64, NodeHash)>,
) -> Result<Vec<u8>, CodecError> {
    let (mut entry, _) = read(t, value)?;
    entry.purged = purged.map_or(0, |(datoms, _)| datoms);
    Ok(write(&entry, &LogPlace { segment, range, content: purged.map(|(_, content)| content) }))
}

fn write(entry: &CommitEntry, place: &LogPlace) -> Vec<u8> {
    let mut w = Writer::new();
    w.fixed(&entry.id.hash);
    w.zigzag(entry.instant_ms);
    w.u128(place.segment);
    w.varint(place.range.start);
    w.varint(place.range.end - place.range.start);
    w.varint(entry.parents.len() as u64);
    for parent in &entry.parents {
        w.varint(parent.t.0);
        w.fixed(&parent.hash);
    }
    if let Some(content) = &place.content {
        w.varint(entry.purged);
        w.fixed(&content.0);
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
    let (mut purged, mut content) = (0, None);
    if r.left() > 0 {
        (purged, content) = (r.varint()?, Some(NodeHash(r.array()?)));
        r.check(purged > 0, "an erasure of nothing")?;
    }
    r.finish()?;
    let place = LogPlace { segment, range: offset..end, content };
    Ok((CommitEntry { id, parents, instant_ms, purged }, place))
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
