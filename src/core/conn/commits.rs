//! The COMMITS tree: where the log has each commit that is below the novelty, by `t`.
//!
//! A row: `t`, 8 bytes big endian; then hash (32 bytes), instant (zigzag), segment (16 bytes), offset and length of the
//! frame (varints), the merged parents (their number, then `t` and hash each). The first parent is the row before.
//!
//! **Invariant:** there is a row for each `t` from 1 to the head's `flushed`.

use super::log::CommitEntry;
use super::{ConnError, Place};
use crate::codec::{CodecError, Reader, Writer};
use crate::commit::{Frame, Opened};
use crate::id::{CommitId, T};
use crate::index::{Node, Nodes, NodesError, Root};
use std::ops::Range;

/// Where the log has a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogPlace {
    pub(super) segment: u128,
    pub(super) range: Range<u64>,
}

/// The key of a row.
pub(super) fn key(t: T) -> [u8; 8] {
    t.0.to_be_bytes()
}

/// The value of a row.
pub(super) fn value(id: CommitId, frame: &Frame, place: &LogPlace) -> Vec<u8> {
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

fn read(t: T, value: &[u8]) -> Result<(CommitEntry, LogPlace), CodecError> {
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

impl Place {
    /// The row of a commit. Reads one node a level.
    pub(super) fn indexed(
        &self,
        opened: &Opened,
        t: T,
    ) -> Result<(CommitEntry, LogPlace), ConnError> {
        let none = || ConnError::NoCommit(t.to_string());
        let root = opened.head.base.commits.as_ref().ok_or_else(none)?;
        let row = |t: T| -> Result<(CommitEntry, LogPlace), ConnError> {
            let value = lookup(self.nodes.as_ref(), root, &key(t))?.ok_or_else(none)?;
            read(t, &value).map_err(|e| self.damaged(&format!("commit {t}"), e))
        };
        let (mut entry, place) = row(t)?;
        if t.0 > 1 {
            entry.parents.insert(0, row(T(t.0 - 1))?.0.id);
        }
        Ok((entry, place))
    }
}

fn lookup(nodes: &dyn Nodes, root: &Root, key: &[u8]) -> Result<Option<Vec<u8>>, NodesError> {
    let mut at = root.node;
    loop {
        let Some(node) = nodes.get(&[at])?.pop() else { return Ok(None) };
        match node.as_ref() {
            Node::Rows(rows) => return Ok(rows.get(key).map(<[u8]>::to_vec)),
            Node::Branch(branch) => {
                let after = |child: usize| branch.separator(child) > key;
                let mut children = 1..branch.children().len();
                let child = children.find(|child| after(*child));
                let child = child.unwrap_or(branch.children().len()) - 1;
                match branch.children().get(child) {
                    Some(child) => at = child.node,
                    None => return Ok(None),
                }
            }
            Node::Leaf(_) | Node::Blob(_) => {
                let reason = "no node of the tree of commits".to_owned();
                return Err(NodesError::Corrupt { node: at, reason });
            }
        }
    }
}
