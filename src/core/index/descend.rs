//! Descending a tree for many ranges at once.
//!
//! **Invariant:** one [`Nodes::get`] for each level of the tree, with all nodes of that level that
//! any range needs, each once: so the rounds of a seek are the height of the tree and one, whatever
//! the number of ranges.

use super::node::Node;
use super::{NodeRef, Nodes, NodesError, Root};
use crate::datom::{KeyRange, Order, Probe, Side, Slice};
use crate::hash::NodeHash;
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::sync::Arc;

/// A range of keys as bytes.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub from: (Vec<u8>, Side),
    pub to: (Vec<u8>, Side),
}

impl Bounds {
    pub fn new(order: Order, range: &KeyRange) -> Self {
        let place = |probe: &Probe| (probe.encode(order), probe.side);
        Self { from: place(&range.from), to: place(&range.to) }
    }

    /// All keys that begin with these bytes.
    pub fn prefix(bytes: &[u8]) -> Self {
        Self { from: (bytes.to_vec(), Side::Before), to: (bytes.to_vec(), Side::After) }
    }

    /// Whether the range begins after a key (or a separator).
    pub fn begins_after(&self, key: &[u8]) -> bool {
        Probe::cmp_bytes(self.from.1, &self.from.0, key) == Ordering::Less
    }

    /// Whether the range ends after a key (or a separator).
    pub fn ends_after(&self, key: &[u8]) -> bool {
        Probe::cmp_bytes(self.to.1, &self.to.0, key) == Ordering::Less
    }
}

/// The leaves that ranges reach: for each the number of the range; by range, then by key.
pub(super) fn descend(
    nodes: &dyn Nodes,
    root: &Root,
    bounds: &[Bounds],
) -> Result<Vec<(usize, NodeRef, Arc<Node>)>, NodesError> {
    let mut wanted = Frontier::default();
    (0..bounds.len()).for_each(|range| wanted.want(range, root.node));
    for height in (1..=root.height).rev() {
        let level = nodes.get(&wanted.nodes)?;
        let mut next = Frontier::default();
        for (range, at) in wanted.steps {
            let branch = level[at].branch(&wanted.nodes[at], height)?;
            for child in branch.children_in(&bounds[range]) {
                next.want(range, branch.children()[child].node);
            }
        }
        wanted = next;
    }
    if wanted.nodes.is_empty() {
        return Ok(Vec::new());
    }
    let leaves = nodes.get(&wanted.nodes)?;
    let step = |(range, at): (usize, usize)| (range, wanted.nodes[at], leaves[at].clone());
    Ok(wanted.steps.into_iter().map(step).collect())
}

/// The nodes of one level that are needed, each once, and for which range.
#[derive(Debug, Default)]
struct Frontier {
    nodes: Vec<NodeRef>,
    places: HashMap<NodeHash, usize>,
    steps: Vec<(usize, usize)>,
}

impl Frontier {
    fn want(&mut self, range: usize, node: NodeRef) {
        let fresh = self.nodes.len();
        // Neighbouring probes mostly want the node that was wanted last.
        let at = match self.nodes.last() {
            Some(last) if last.hash == node.hash => fresh - 1,
            _ => *self.places.entry(node.hash).or_insert(fresh),
        };
        if at == fresh {
            self.nodes.push(node);
        }
        self.steps.push((range, at));
    }
}

/// The facts within each range, in order; no facts are copied. For ranges of a few leaves each: all
/// of them are fetched at once. [`super::Scan`] is for large ones.
pub fn seek(
    nodes: &dyn Nodes,
    root: Option<&Root>,
    order: Order,
    ranges: &[KeyRange],
) -> Result<Vec<Vec<Slice>>, NodesError> {
    let mut out = vec![Vec::new(); ranges.len()];
    let Some(root) = root.filter(|_| !ranges.is_empty()) else { return Ok(out) };
    let bounds: Vec<Bounds> = ranges.iter().map(|range| Bounds::new(order, range)).collect();
    for (range, name, node) in descend(nodes, root, &bounds)? {
        let facts = node.leaf(&name)?;
        let rows = ranges[range].rows(order, facts);
        if !rows.is_empty() {
            out[range].push(Slice { facts: facts.clone(), rows });
        }
    }
    Ok(out)
}
