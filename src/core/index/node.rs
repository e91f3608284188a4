//! Nodes: the stored bytes of leaves, branch nodes, rows and blobs.
//!
//! A stored node is: `kind` (1 byte: 1 leaf, 2 branch, 3 rows, 4 blob), `version` (1 byte: 1), and
//! a frame of the codec that holds the body. The body of a leaf is facts as the codec writes them,
//! that of a blob is its bytes; `branch` and
//! `rows` say theirs. The name of a node is the blake3 of all its stored bytes.
//!
//! **Invariant:** no byte is looked at before the hash was compared; then any bytes give a node or
//! an error.

use super::branch::Branch;
use super::rows::Rows;
use super::{NodeRef, NodesError};
use crate::codec::{CodecError, Reader, Writer, facts, frame};
use crate::datom::Facts;
use crate::hash::NodeHash;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const ROWS: u8 = 3;
const BLOB: u8 = 4;
const VERSION: u8 = 1;

/// A decoded node.
#[derive(Clone, Debug)]
pub enum Node {
    /// Facts, in the order of the tree.
    Leaf(Arc<Facts>),
    /// Children.
    Branch(Branch),
    /// Rows of a table.
    Rows(Rows),
    /// Plain bytes.
    Blob(Bytes),
}

/// The stored bytes of a node.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What the hash names.
    pub bytes: Bytes,
    /// Length of the body before compression.
    pub raw_len: u32,
}

impl Node {
    /// The stored bytes; an error if the body is more than 64 MiB.
    pub fn encode(&self) -> Result<Stored, CodecError> {
        let mut body = Writer::new();
        let kind = match self {
            Self::Leaf(facts) => {
                facts::write(facts, &mut body)?;
                LEAF
            }
            Self::Branch(branch) => {
                branch.write(&mut body);
                BRANCH
            }
            Self::Rows(rows) => {
                rows.write(&mut body);
                ROWS
            }
            Self::Blob(bytes) => {
                body.fixed(bytes);
                BLOB
            }
        };
        stored(kind, body)
    }

    /// The stored bytes of a leaf that is some rows of facts.
    pub(super) fn encode_leaf(facts: &Facts, rows: Range<usize>) -> Result<Stored, CodecError> {
        let mut body = Writer::new();
        facts::write_rows(facts, rows, &mut body)?;
        stored(LEAF, body)
    }

    /// The node of these bytes, if they are those that the reference names.
    pub fn decode(node: &NodeRef, bytes: &[u8]) -> Result<Self, NodesError> {
        if bytes.len() as u64 != u64::from(node.len) || NodeHash::of(bytes) != node.hash {
            return Err(NodesError::corrupt(node, "the bytes are not those of its hash"));
        }
        Self::decode_unverified(bytes).map_err(|e| NodesError::corrupt(node, e.to_string()))
    }

    /// The node of bytes whose hash was compared already.
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let (kind, version) = (r.u8()?, r.u8()?);
        r.check(version == VERSION, "a node of a newer version")?;
        let body = frame::decompress(r.rest())?;
        let mut r = Reader::new(&body);
        let node = match kind {
            LEAF => Self::Leaf(Arc::new(facts::read(&mut r)?)),
            BRANCH => Self::Branch(Branch::read(&mut r)?),
            ROWS => Self::Rows(Rows::read(&mut r)?),
            BLOB => Self::Blob(Bytes::copy_from_slice(r.rest())),
            _ => return Err(r.error("an unknown kind of node")),
        };
        r.finish()?;
        Ok(node)
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        let parts = match self {
            Self::Leaf(facts) => facts.size_bytes() + size_of::<Facts>(),
            Self::Branch(branch) => branch.size_bytes(),
            Self::Rows(rows) => rows.size_bytes(),
            Self::Blob(bytes) => bytes.len(),
        };
        parts + size_of::<Self>()
    }

    /// Whether it has children: caches keep those longer.
    pub fn is_branch(&self) -> bool {
        matches!(self, Self::Branch(_))
    }

    /// Whether stored bytes that begin so are those of a node with children.
    pub fn is_stored_branch(stored: &[u8]) -> bool {
        stored.first() == Some(&BRANCH)
    }

    /// What it is, for error messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Leaf(_) => "a leaf",
            Self::Branch(_) => "a branch node",
            Self::Rows(_) => "a leaf of rows",
            Self::Blob(_) => "a blob",
        }
    }

    /// The branch node of this height that it must be.
    pub(super) fn branch(&self, node: &NodeRef, height: u8) -> Result<&Branch, NodesError> {
        match self {
            Self::Branch(branch) if branch.height() == height => Ok(branch),
            other => {
                let reason = format!("{} where a branch node of height {height} is", other.kind());
                Err(NodesError::corrupt(node, reason))
            }
        }
    }

    /// The facts that it must be.
    pub(super) fn leaf(&self, node: &NodeRef) -> Result<&Arc<Facts>, NodesError> {
        match self {
            Self::Leaf(facts) => Ok(facts),
            other => Err(NodesError::corrupt(node, format!("{} where a leaf is", other.kind()))),
        }
    }

    /// The bytes that it must be.
    pub(super) fn blob(&self, node: &NodeRef) -> Result<&Bytes, NodesError> {
        match self {
            Self::Blob(bytes) => Ok(bytes),
            other => {
                let reason = format!("{} where a long value is", other.kind());
                Err(NodesError::corrupt(node, reason))
            }
        }
    }

    /// The rows that it must be.
    pub(super) fn rows(&self, node: &NodeRef) -> Result<&Rows, NodesError> {
        match self {
            Self::Rows(rows) => Ok(rows),
            other => {
                let reason = format!("{} where a leaf of rows is", other.kind());
                Err(NodesError::corrupt(node, reason))
            }
        }
    }
}

fn stored(kind: u8, body: Writer) -> Result<Stored, CodecError> {
    let body = body.finish();
    let mut stored = vec![kind, VERSION];
    stored.extend(frame::compress(&body)?);
    Ok(Stored { bytes: stored.into(), raw_len: body.len() as u32 })
}
