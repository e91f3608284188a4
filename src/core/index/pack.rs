//! Packs: the nodes that one flush wrote, in as few objects as possible.
//!
//! Layout of a pack: the stored nodes one after the other from byte 0; the *footer*, a frame of the
//! codec that holds the number of nodes (varint), then for each: hash (32 bytes), then offset,
//! length and raw length as columns of numbers; and the *trailer*, 44 bytes: blake3 of the footer
//! (32), length of the footer (4, little endian), `FFPACK01`.
//!
//! **Invariant:** a node has its place as soon as it is pushed; nodes that are pushed last
//! ([`PackWriter::push_last`]) lie together in one pack. With an [`Outlet`], and a writer that is
//! relieved on the way, memory holds [`UNDER_WAY`] packs and the one being filled, however many
//! there are in all.

use super::node::Stored;
use super::{NodeRef, PackId};
use crate::codec::{CodecError, Reader, Writer, frame, words};
use crate::hash::NodeHash;
use crate::store::{BoxFuture, StoreError};
use bytes::Bytes;
use hashbrown::HashMap;
use std::fmt;

/// Once a pack is this large, the next one begins.
const TARGET: usize = 8 << 20;
/// How many packs are written at once while more are made.
const UNDER_WAY: usize = 2;
const MAGIC: &[u8; 8] = b"FFPACK01";
const TRAILER: usize = 32 + 4 + 8;

/// A node in the footer of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footed {
    /// Its name.
    pub hash: NodeHash,
    /// Where in the pack.
    pub offset: u64,
    /// Stored length.
    pub len: u32,
    /// Length of its body before compression.
    pub raw_len: u32,
}

/// What a pack says it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFooter {
    /// Its nodes, in the order of their places.
    pub nodes: Vec<Footed>,
}

/// Where packs go that are complete, while more are made.
pub trait Outlet: Send + Sync {
    /// Keeps packs, durably. Once it is done their nodes can be read from where trees are read.
    fn put(&self, packs: Vec<(PackId, Bytes)>) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Collects new nodes into packs.
pub struct PackWriter<'a> {
    fresh: Box<dyn FnMut() -> PackId + Send + 'a>,
    outlet: Option<&'a dyn Outlet>,
    target: usize,
    current: Option<(PackId, Vec<u8>, Vec<Footed>)>,
    full: Vec<(PackId, Bytes)>,
    nodes: u64,
    /// Long values that were pushed or are known, by the hash of the value.
    blobs: HashMap<NodeHash, NodeRef>,
}

impl<'a> PackWriter<'a> {
    /// `fresh` gives names that were never used: random ones.
    pub fn new(fresh: impl FnMut() -> PackId + Send + 'a) -> Self {
        Self {
            fresh: Box::new(fresh),
            outlet: None,
            target: TARGET,
            current: None,
            full: Vec::new(),
            nodes: 0,
            blobs: HashMap::new(),
        }
    }

    /// Packs of about `target` bytes, which go to an outlet as they fill.
    #[must_use]
    pub fn into_outlet(self, outlet: &'a dyn Outlet, target: usize) -> Self {
        Self { outlet: Some(outlet), target, ..self }
    }

    /// Gives a node its place.
    pub fn push(&mut self, node: &Stored) -> NodeRef {
        if self.current.as_ref().is_some_and(|(_, bytes, _)| bytes.len() >= self.target) {
            self.close();
        }
        self.push_last(node)
    }

    /// Gives a node its place in the same pack as the node before: for roots and whatever is read
    /// with them.
    pub fn push_last(&mut self, node: &Stored) -> NodeRef {
        let fresh = &mut self.fresh;
        let (pack, bytes, nodes) =
            self.current.get_or_insert_with(|| (fresh(), Vec::new(), Vec::new()));
        let (offset, len) = (bytes.len() as u64, node.bytes.len() as u32);
        let hash = NodeHash::of(&node.bytes);
        bytes.extend_from_slice(&node.bytes);
        nodes.push(Footed { hash, offset, len, raw_len: node.raw_len });
        self.nodes += 1;
        NodeRef { hash, pack: *pack, offset, len }
    }

    /// The node of a long value that was pushed or is known, by the hash of the value.
    pub fn blob(&self, digest: &NodeHash) -> Option<NodeRef> {
        self.blobs.get(digest).copied()
    }

    /// A long value that is stored elsewhere: it is not pushed, then.
    pub fn know_blob(&mut self, digest: NodeHash, node: NodeRef) {
        self.blobs.entry(digest).or_insert(node);
    }

    /// Gives a long value its place.
    pub fn push_blob(&mut self, digest: NodeHash, node: &Stored) -> NodeRef {
        let node = self.push(node);
        self.blobs.insert(digest, node);
        node
    }

    /// The stored bytes of a node that was pushed, unless its pack is out already.
    pub fn read(&self, node: &NodeRef) -> Option<&[u8]> {
        let current = self.current.as_ref().map(|(pack, bytes, _)| (*pack, &bytes[..]));
        let full = self.full.iter().map(|(pack, bytes)| (*pack, &bytes[..]));
        let (_, bytes) = full.chain(current).find(|(pack, _)| *pack == node.pack)?;
        bytes.get(node.offset as usize..)?.get(..node.len as usize)
    }

    /// How many nodes were pushed.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// Sends off what is complete, if that is enough, and waits for it.
    pub async fn relieve(&mut self) -> Result<(), StoreError> {
        match self.outlet {
            Some(outlet) if self.full.len() >= UNDER_WAY => {
                outlet.put(std::mem::take(&mut self.full)).await
            }
            _ => Ok(()),
        }
    }

    /// All packs that are not out yet.
    pub fn finish(mut self) -> Vec<(PackId, Bytes)> {
        self.close();
        self.full
    }

    fn close(&mut self) {
        let Some((pack, mut bytes, nodes)) = self.current.take() else { return };
        bytes.extend(PackFooter { nodes }.encode());
        self.full.push((pack, bytes.into()));
    }
}

impl fmt::Debug for PackWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackWriter").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl PackFooter {
    /// How long footer and trailer may be at most that a reader should ask for at once; more may be
    /// needed.
    pub const READ: u64 = 64 << 10;

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.varint(self.nodes.len() as u64);
        self.nodes.iter().for_each(|node| w.fixed(&node.hash.0));
        let mut column = |of: fn(&Footed) -> u64| {
            words::write(&self.nodes.iter().map(of).collect::<Vec<_>>(), &mut w);
        };
        column(|node| node.offset);
        column(|node| u64::from(node.len));
        column(|node| u64::from(node.raw_len));
        // 8 MiB of nodes, 60 bytes each: never too much for a frame.
        let mut out = frame::compress(&w.finish()).unwrap_or_default();
        let (hash, len) = (NodeHash::of(&out), out.len() as u32);
        out.extend(hash.0);
        out.extend(len.to_le_bytes());
        out.extend(MAGIC);
        out
    }

    /// How many bytes at the end of the pack are footer and trailer, from any bytes that end where
    /// the pack ends.
    pub fn len(tail: &[u8]) -> Result<usize, CodecError> {
        let trailer = tail.len().checked_sub(TRAILER).map(|at| &tail[at..]);
        let mut r = Reader::new(trailer.unwrap_or_default());
        let (_hash, len, magic) = (r.fixed(32)?, r.u32()?, r.fixed(8)?);
        r.check(magic == MAGIC, "no pack: the last bytes are not FFPACK01")?;
        Ok(len as usize + TRAILER)
    }

    /// The footer of a pack, from any bytes that end where the pack ends and are long enough.
    pub fn decode(tail: &[u8]) -> Result<Self, CodecError> {
        let len = Self::len(tail)?;
        let at = tail.len().checked_sub(len).ok_or(CodecError { what: "a cut footer", at: 0 })?;
        let (footer, trailer) = tail[at..].split_at(len - TRAILER);
        if NodeHash::of(footer).0[..] != trailer[..32] {
            return Err(CodecError { what: "a footer that is not that of its hash", at });
        }
        let body = frame::decompress(footer)?;
        let mut r = Reader::new(&body);
        let rows = r.count(32)?;
        let hashes = (0..rows).map(|_| r.array().map(NodeHash)).collect::<Result<Vec<_>, _>>()?;
        let (offset, len, raw) =
            (words::read(&mut r, rows)?, words::read(&mut r, rows)?, words::read(&mut r, rows)?);
        let small = |x: u64| u32::try_from(x).map_err(|_| r.error("a length that is none"));
        let mut nodes = Vec::with_capacity(rows);
        for (i, hash) in hashes.into_iter().enumerate() {
            let (len, raw_len) = (small(len[i])?, small(raw[i])?);
            nodes.push(Footed { hash, offset: offset[i], len, raw_len });
        }
        r.finish()?;
        Ok(Self { nodes })
    }

    /// The nodes of a whole pack with their stored bytes, which fill it from its beginning to its
    /// footer. Their hashes are still to be compared.
    pub fn nodes_of(pack: &[u8]) -> Result<Vec<(Footed, &[u8])>, CodecError> {
        let footer = Self::decode(pack)?;
        let end = pack.len() - Self::len(pack)?;
        let (mut nodes, mut at) = (Vec::with_capacity(footer.nodes.len()), 0);
        for footed in footer.nodes {
            let stop = at + footed.len as usize;
            if footed.offset != at as u64 || stop > end {
                return Err(CodecError { what: "a footer whose nodes do not fill the pack", at });
            }
            nodes.push((footed, &pack[at..stop]));
            at = stop;
        }
        if at != end {
            return Err(CodecError { what: "bytes between the last node and the footer", at });
        }
        Ok(nodes)
    }
}
