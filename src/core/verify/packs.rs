//! Reading packs, each once and whole: every node of it is verified and summed up; the nodes
//! themselves are not kept.
//!
//! **Invariant:** memory is one pack for each request under way (at most [`AHEAD`]) and a summary
//! of a few hundred bytes for each node and for each long value that a leaf refers to, never the
//! facts. A pack is read because a node that is reached from a head refers to it: no listing is
//! needed.

use super::Findings;
use super::sums::{ByAttribute, Sum};
use crate::codec::{CodecError, frame};
use crate::conn::Place;
use crate::datom::{Facts, Order};
use crate::hash::NodeHash;
use crate::id::{T, Tx};
use crate::index::{Branch, Child, Footed, Node, NodeRef, PackFooter, PackId, blobs};
use crate::store::{BoxFuture, Fetch, StoreError, join_all};
use crate::value::{Blob, PREFIX_BYTES};
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet};

/// How many packs are read at once.
const AHEAD: usize = 4;

/// What is kept of a node.
#[derive(Debug)]
pub(super) enum Summary {
    Leaf(Box<Leaf>),
    Branch {
        height: u8,
        children: Vec<(Vec<u8>, Child)>,
    },
    Rows {
        count: u64,
        ends: Option<(Vec<u8>, Vec<u8>)>,
        sum: Sum,
    },
    /// What its references must say of it.
    Blob {
        said: NodeHash,
    },
}

/// What is kept of a leaf of facts.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) span: (T, T),
    pub(super) count: u64,
    /// For each order that the rows are in: the first key and the last one.
    pub(super) keys: [Option<(Vec<u8>, Vec<u8>)>; 3],
    /// Rows that have ended.
    pub(super) ended: u64,
    /// What no tree may hold, if it holds it.
    pub(super) wrong: Option<&'static str>,
    /// Rows that refer to long values.
    pub(super) long: u64,
    /// The nodes that they refer to, each once, with what they say of them.
    pub(super) blobs: Vec<(NodeRef, NodeHash)>,
    pub(super) sums: ByAttribute,
}

/// The packs that were read.
#[derive(Debug, Default)]
pub(super) struct Packs {
    nodes: HashMap<(PackId, u64), (NodeHash, u32, Summary)>,
    read: BTreeSet<PackId>,
    /// Bytes of all packs.
    pub(super) bytes: u64,
}

impl Packs {
    /// The summary of a node, if its bytes are there and are those of its hash.
    pub(super) fn get(&self, node: &NodeRef) -> Option<&Summary> {
        let (hash, len, summary) = self.nodes.get(&(node.pack, node.offset))?;
        (*hash == node.hash && *len == node.len).then_some(summary)
    }

    /// How many nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The packs.
    pub(super) fn packs(&self) -> impl Iterator<Item = &PackId> {
        self.read.iter()
    }

    /// Reads the packs of these nodes and of all that is reached from them. Of a pack all nodes are
    /// looked at, also those that are reached no more: what these refer to may be gone.
    pub(super) async fn read(
        &mut self,
        place: &Place,
        roots: impl Iterator<Item = NodeRef>,
        findings: &mut Findings<'_>,
    ) -> Result<(), StoreError> {
        let mut reached = Reached::default();
        roots.for_each(|root| reached.add(&root));
        loop {
            while let Some((pack, offset)) = reached.next_in(&self.read) {
                if let Some((_, _, summary)) = self.nodes.get(&(pack, offset)) {
                    summary.references(|node| reached.add(node));
                }
            }
            let next = reached.packs();
            if next.is_empty() {
                return Ok(());
            }
            let fetches: Vec<Fetch> = next
                .iter()
                .map(|pack| Fetch { key: crate::conn::pack_name(*pack), range: None })
                .collect();
            let gets: Vec<BoxFuture<'_, _>> =
                fetches.iter().map(|fetch| place.store.get(fetch)).collect();
            for ((pack, fetch), read) in next.iter().zip(&fetches).zip(join_all(gets).await) {
                self.read.insert(*pack);
                match read {
                    Ok(bytes) => {
                        self.bytes += bytes.len() as u64;
                        self.sum_up(*pack, &bytes, findings);
                    }
                    Err(error) => findings.unreadable(&fetch.key, error)?,
                }
            }
            findings.step("packs", self.read.len() as u64, None, self.bytes);
        }
    }

    /// Sums up the nodes of a pack.
    fn sum_up(&mut self, pack: PackId, bytes: &Bytes, found: &mut Findings<'_>) {
        let key = crate::conn::pack_name(pack);
        let nodes = match PackFooter::nodes_of(bytes) {
            Ok(nodes) => nodes,
            Err(error) => return found.add(&key, error.to_string()),
        };
        for (footed, stored) in nodes {
            let wrong = |what: String| format!("node {} at {}: {what}", footed.hash, footed.offset);
            if NodeHash::of(stored) != footed.hash {
                found.add(&key, wrong("the bytes are not those of its hash".into()));
                continue;
            }
            match summary(stored, &footed) {
                Ok(summary) => {
                    let node = (footed.hash, footed.len, summary);
                    self.nodes.insert((pack, footed.offset), node);
                }
                Err(error) => found.add(&key, wrong(error.to_string())),
            }
        }
    }
}

/// Nodes that are referred to, and those of them that are still to be followed.
#[derive(Debug, Default)]
struct Reached {
    all: HashSet<(PackId, u64)>,
    next: Vec<(PackId, u64)>,
    /// Those whose packs were not read when their turn came.
    waiting: BTreeMap<PackId, Vec<u64>>,
}

impl Reached {
    fn add(&mut self, node: &NodeRef) {
        if self.all.insert((node.pack, node.offset)) {
            self.next.push((node.pack, node.offset));
        }
    }

    /// The next node in one of these packs.
    fn next_in(&mut self, packs: &BTreeSet<PackId>) -> Option<(PackId, u64)> {
        while let Some((pack, offset)) = self.next.pop() {
            if packs.contains(&pack) {
                return Some((pack, offset));
            }
            self.waiting.entry(pack).or_default().push(offset);
        }
        None
    }

    /// Some packs that are to be read next: what waits for them has its turn then.
    fn packs(&mut self) -> Vec<PackId> {
        let packs: Vec<PackId> = self.waiting.keys().take(AHEAD).copied().collect();
        for pack in &packs {
            let offsets = self.waiting.remove(pack).unwrap_or_default();
            self.next.extend(offsets.into_iter().map(|offset| (*pack, offset)));
        }
        packs
    }
}

impl Summary {
    /// The nodes that a node refers to.
    fn references(&self, mut each: impl FnMut(&NodeRef)) {
        match self {
            Self::Branch { children, .. } => children.iter().for_each(|(_, x)| each(&x.node)),
            Self::Leaf(leaf) => leaf.blobs.iter().for_each(|(node, _)| each(node)),
            Self::Rows { .. } | Self::Blob { .. } => {}
        }
    }
}

fn summary(stored: &[u8], footed: &Footed) -> Result<Summary, CodecError> {
    let node = Node::decode_unverified(stored)?;
    let body = stored.get(2..).unwrap_or_default();
    if frame::decompress(body)?.len() as u64 != u64::from(footed.raw_len) {
        return Err(CodecError { what: "another length than its footer says", at: 0 });
    }
    Ok(match node {
        Node::Leaf(facts) => Summary::Leaf(Box::new(leaf(&facts))),
        Node::Branch(branch) => {
            Summary::Branch { height: branch.height(), children: children(&branch) }
        }
        Node::Rows(rows) => {
            let mut sum = Sum::default();
            (0..rows.len()).for_each(|row| sum += Sum::of(&[rows.key(row), rows.value(row)]));
            let last = rows.len().checked_sub(1);
            let ends = last.map(|last| (rows.key(0).to_vec(), rows.key(last).to_vec()));
            Summary::Rows { count: rows.len() as u64, ends, sum }
        }
        Node::Blob(bytes) => {
            let prefix = bytes.get(..PREFIX_BYTES).unwrap_or(&bytes);
            Summary::Blob { said: said(prefix, bytes.len() as u64, NodeHash::of(&bytes)) }
        }
    })
}

/// All that a reference says of a long value.
fn said(prefix: &[u8], value_bytes: u64, digest: NodeHash) -> NodeHash {
    NodeHash::of(&[prefix, &value_bytes.to_le_bytes(), &digest.0].concat())
}

fn children(branch: &Branch) -> Vec<(Vec<u8>, Child)> {
    let children = branch.children().iter().enumerate();
    children.map(|(i, child)| (branch.separator(i).to_vec(), *child)).collect()
}

fn leaf(facts: &Facts) -> Leaf {
    let ts = || facts.transactions().iter().map(|tx| Tx(*tx).t());
    let is_in =
        |order| (1..facts.len()).all(|i| facts.key(i - 1).cmp_in(order, &facts.key(i)).is_lt());
    let key = |order, row: usize| {
        let mut key = Vec::new();
        facts.key(row).encode(order, &mut key);
        key
    };
    let last = facts.len().checked_sub(1);
    let keys = Order::ALL.map(|order| {
        let last = last.filter(|_| is_in(order))?;
        Some((key(order, 0), key(order, last)))
    });
    let backward = |row: usize| facts.end(row).is_some_and(|end| end < facts.tx(row));
    let wrong = match () {
        () if facts.retractions().iter().any(|retraction| *retraction) => Some("a retraction"),
        () if (0..facts.len()).any(backward) => Some("a fact that ended before it began"),
        () if facts.values().has_long() => Some("a long value that is no node of its own"),
        () => None,
    };
    let referred = |(_, blob): (usize, Blob<'_>)| {
        let said = said(blob.prefix(), blob.value_bytes(), blob.digest());
        (NodeRef::from(blob.place()), said)
    };
    let mut all: Vec<_> = blobs(facts, 0..facts.len()).map(referred).collect();
    let long = all.len() as u64;
    all.sort_by_key(|(node, said)| (node.hash, node.pack, node.offset, *said));
    all.dedup();
    Leaf {
        long,
        blobs: all,
        span: (ts().min().unwrap_or_default(), ts().max().unwrap_or_default()),
        count: facts.len() as u64,
        keys,
        ended: facts.ends().iter().filter(|end| **end != 0).count() as u64,
        wrong,
        sums: ByAttribute::of_intervals(facts),
    }
}
