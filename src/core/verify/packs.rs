//! Reading packs, each once and whole: every node of it is verified and summed up; the nodes
//! themselves are not kept.
//!
//! **Invariant:** memory is one pack for each request under way (at most [`AHEAD`]) and a summary
//! of a few hundred bytes for each node, never the facts. A pack is read because a node that was
//! read refers to it, or a head: no listing is needed.

use super::Findings;
use super::sums::{ByAttribute, Sum};
use crate::codec::{CodecError, frame};
use crate::conn::Place;
use crate::datom::{Facts, Order};
use crate::hash::NodeHash;
use crate::id::{T, Tx};
use crate::index::{Branch, Child, Footed, Node, NodeRef, PackFooter, PackId};
use crate::store::{BoxFuture, Fetch, StoreError, join_all};
use bytes::Bytes;
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// How many packs are read at once.
const AHEAD: usize = 4;

/// What is kept of a node.
#[derive(Debug)]
pub(super) enum Summary {
    Leaf(Box<Leaf>),
    Branch { height: u8, children: Vec<(Vec<u8>, Child)> },
    Rows { count: u64, ends: Option<(Vec<u8>, Vec<u8>)>, sum: Sum },
    Blob,
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

    /// Reads the packs of these nodes and of all that their packs refer to.
    pub(super) async fn read(
        &mut self,
        place: &Place,
        roots: impl Iterator<Item = PackId>,
        findings: &mut Findings<'_>,
    ) -> Result<(), StoreError> {
        let mut wanted: BTreeSet<PackId> = roots.collect();
        loop {
            let next: Vec<PackId> = wanted.iter().take(AHEAD).copied().collect();
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
                wanted.remove(pack);
                self.read.insert(*pack);
                match read {
                    Ok(bytes) => {
                        self.bytes += bytes.len() as u64;
                        for other in self.sum_up(*pack, &bytes, findings) {
                            if !self.read.contains(&other) {
                                wanted.insert(other);
                            }
                        }
                    }
                    Err(error) => findings.unreadable(&fetch.key, error)?,
                }
            }
            findings.step("packs", self.read.len() as u64, None, self.bytes);
        }
    }

    /// Sums up the nodes of a pack; the packs that they refer to.
    fn sum_up(&mut self, pack: PackId, bytes: &Bytes, found: &mut Findings<'_>) -> Vec<PackId> {
        let mut others = BTreeSet::new();
        let key = crate::conn::pack_name(pack);
        let nodes = match PackFooter::nodes_of(bytes) {
            Ok(nodes) => nodes,
            Err(error) => {
                found.add(&key, error.to_string());
                return Vec::new();
            }
        };
        for (footed, stored) in nodes {
            let wrong = |what: String| format!("node {} at {}: {what}", footed.hash, footed.offset);
            if NodeHash::of(stored) != footed.hash {
                found.add(&key, wrong("the bytes are not those of its hash".into()));
                continue;
            }
            match summary(stored, &footed) {
                Ok(summary) => {
                    if let Summary::Branch { children, .. } = &summary {
                        others.extend(children.iter().map(|(_, child)| child.node.pack));
                    }
                    let node = (footed.hash, footed.len, summary);
                    self.nodes.insert((pack, footed.offset), node);
                }
                Err(error) => found.add(&key, wrong(error.to_string())),
            }
        }
        others.into_iter().collect()
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
        Node::Blob(_) => Summary::Blob,
    })
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
        () => None,
    };
    Leaf {
        span: (ts().min().unwrap_or_default(), ts().max().unwrap_or_default()),
        count: facts.len() as u64,
        keys,
        ended: facts.ends().iter().filter(|end| **end != 0).count() as u64,
        wrong,
        sums: ByAttribute::of_intervals(facts),
    }
}
