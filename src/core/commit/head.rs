//! The head of a branch: all that changes, in one small object that moves by compare-and-swap.
//!
//! A head is a [`Base`] that changes only when facts move (a spill, a flush), a *tail* of frames
//! that grows with each transaction, and the [`Tip`]: which commit that makes.
//!
//! **Invariant:** what the base, its novelty and its trees hold, and then each frame of the tail in
//! order, is the database at the tip; no fact is in two of them. A head has at most 64 KiB, and its
//! nonce no other head has: so a store whose versions are hashes of bodies never gives one version
//! twice.

use crate::hash::NodeHash;
use crate::id::{CommitId, EntityId, T, Tx};
use crate::index::{NodeRef, PackId, Root};
use crate::store::Fetch;
use crate::value::Uuid;
use bytes::Bytes;
use std::ops::Range;

use crate::db::Trees;

/// The most bytes of a head.
pub const HEAD_BYTES: usize = 64 << 10;
/// The most bytes of frames in a tail: what is more is spilled.
pub const TAIL_BYTES: usize = 32 << 10;
/// The most bytes of a tail's frames when they are unpacked: whoever opens a head unpacks them all.
pub const TAIL_RAW_BYTES: usize = 4 << 20;
/// The most bytes of a root node, or of the schema, to be kept in the head itself.
pub const INLINE_BYTES: usize = 4 << 10;
/// The most bytes of all root nodes in a head together.
pub const INLINE_TOTAL_BYTES: usize = 16 << 10;

/// A server that takes the writes of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Which one.
    pub id: u128,
    /// Where to reach it; empty if it gave its claim back.
    pub url: String,
    /// How often the branch was claimed, this time included.
    pub epoch: u64,
}

/// Which commit a head is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The commit; `None` in an empty database.
    pub commit: Option<CommitId>,
    /// What it was made on.
    pub parents: Vec<CommitId>,
    /// Its transaction; 0 in an empty database.
    pub tx: Tx,
    /// When it was made.
    pub instant_ms: Option<i64>,
    /// The next entity id to give.
    pub next_entity: EntityId,
}

impl Tip {
    /// The empty database.
    pub fn empty() -> Self {
        let (commit, parents, instant_ms) = (None, Vec::new(), None);
        Self { commit, parents, tx: Tx(0), instant_ms, next_entity: EntityId(1) }
    }

    /// Where on the branch.
    pub fn t(&self) -> T {
        self.commit.map_or(T(0), |commit| commit.t)
    }
}

/// An object written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The random part of its name.
    pub name: u128,
    /// blake3 of all its bytes.
    pub hash: NodeHash,
    /// Its length.
    pub len: u64,
    /// Rows of facts in it.
    pub rows: u64,
}

/// A log segment whose commits are in no tree yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// The random part of its name.
    pub name: u128,
    /// blake3 of all its bytes.
    pub hash: NodeHash,
    /// Its length.
    pub len: u64,
    /// `t` of its first frame.
    pub first: T,
    /// `t` of its last frame.
    pub last: T,
}

/// What a head holds below its tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// The last commit of the base.
    pub commit: Option<CommitId>,
    /// The facts in trees.
    pub trees: Trees,
    /// Where the log has each commit up to `flushed`, by `t`.
    pub commits: Option<Root>,
    /// The trees hold what was said up to here.
    pub flushed: T,
    /// Facts that are in no tree: from after `flushed` to the base's commit.
    pub novelty: Option<ObjectRef>,
    /// Schema and counts as of the base's commit, where they are small; else the novelty object has
    /// them.
    pub about: Option<Bytes>,
    /// The log from after `flushed` to the base's commit, oldest first.
    pub log: Vec<SegmentRef>,
    /// Root nodes that are small.
    pub inlined: Vec<(NodeRef, Bytes)>,
}

impl Base {
    /// All roots that are there: current facts, superseded ones, commits.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        let trees = self.trees.current.iter().chain(&self.trees.superseded);
        trees.flatten().chain(&self.commits)
    }
}

/// The head of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which database.
    pub database: Uuid,
    /// One more at each swap.
    pub revision: u64,
    /// Random bits that no other head has.
    pub nonce: u128,
    /// The collection that the objects it names have survived.
    pub gc_generation: u64,
    /// The last erasure that it has seen: who kept anything that is older drops it.
    pub purge_generation: u64,
    /// Whether the branch was deleted: nothing can be committed any more.
    pub closed: bool,
    /// Where to send writes, if somebody claimed the branch.
    pub writer: Option<Writer>,
    /// The block that ids are cut from.
    pub block: u64,
    /// Which commit it is.
    pub tip: Tip,
    /// All below the tail.
    pub base: Base,
    /// Frames after the base, oldest first.
    pub tail: Vec<Bytes>,
    /// Packs of which little is in use, as the last collection found: the next flush writes the
    /// nodes that it finds in them anew.
    pub sparse: Vec<PackId>,
}

impl Head {
    /// The head of an empty database.
    pub fn empty(database: Uuid, nonce: u128, about: Bytes) -> Self {
        Self {
            database,
            revision: 1,
            nonce,
            gc_generation: 0,
            purge_generation: 0,
            closed: false,
            writer: None,
            block: 0,
            tip: Tip::empty(),
            base: Base { about: Some(about), ..Base::default() },
            tail: Vec::new(),
            sparse: Vec::new(),
        }
    }

    /// The same content for another attempt to swap it in.
    #[must_use]
    pub fn next(&self, nonce: u128) -> Self {
        Self { revision: self.revision + 1, nonce, ..self.clone() }
    }

    /// Bytes of all frames of the tail.
    pub fn tail_bytes(&self) -> usize {
        self.tail.iter().map(Bytes::len).sum()
    }

    /// Bytes of all frames of the tail, unpacked.
    pub fn tail_raw_bytes(&self) -> usize {
        let raw = |frame: &Bytes| crate::codec::frame::raw_len(frame).unwrap_or(frame.len());
        self.tail.iter().map(raw).sum()
    }

    /// What else is needed to read the database, all in one round: the novelty object, and for each
    /// pack the range that holds its roots. [`super::Opened`] takes the answers.
    pub fn prefetch(&self) -> Vec<Fetch> {
        let novelty = self.base.novelty.iter();
        let novelty = novelty.map(|n| Fetch { key: super::novelty_name(n.name), range: None });
        novelty.chain(self.root_ranges().into_iter().map(|(fetch, _)| fetch)).collect()
    }

    /// Ranges of packs with the roots in them that are not inlined.
    pub(super) fn root_ranges(&self) -> Vec<(Fetch, Vec<NodeRef>)> {
        let inlined = |n: &NodeRef| self.base.inlined.iter().any(|(i, _)| i.hash == n.hash);
        let mut nodes: Vec<NodeRef> =
            self.base.roots().map(|root| root.node).filter(|n| !inlined(n)).collect();
        nodes.sort_by_key(|n| (n.pack, n.offset));
        nodes.dedup();
        let mut ranges: Vec<(NodeRef, Range<u64>, Vec<NodeRef>)> = Vec::new();
        for node in nodes {
            let end = node.offset + u64::from(node.len);
            match ranges.last_mut() {
                // Roots of one flush lie together; what is further away is a request of its own.
                Some((first, range, nodes))
                    if first.pack == node.pack && node.offset <= range.end + GAP_BYTES =>
                {
                    range.end = range.end.max(end);
                    nodes.push(node);
                }
                _ => ranges.push((node, node.offset..end, vec![node])),
            }
        }
        let fetch = |(first, range, nodes): (NodeRef, Range<u64>, Vec<NodeRef>)| {
            (Fetch { key: format!("pack/{:032x}", first.pack.0), range: Some(range) }, nodes)
        };
        ranges.into_iter().map(fetch).collect()
    }
}

/// Ranges nearer than this are fetched as one.
const GAP_BYTES: u64 = 64 << 10;
