//! The size of a range from what branch nodes know.
//!
//! **Invariant:** an estimate reads no leaf that is not in memory already, and the truth is never
//! outside of it. A count reads the leaves at the two edges of the range.

use super::descend::Bounds;
use super::{NodeRef, Nodes, NodesError, Root};
use crate::datom::{KeyRange, Order, Side};

/// How many facts a range has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// At least so many: those of children that lie wholly within it.
    pub low: u64,
    /// At most so many: with the leaves at the edges.
    pub high: u64,
}

impl Estimate {
    /// Whether it is no estimate.
    pub fn is_exact(&self) -> bool {
        self.low == self.high
    }

    /// What to plan with: the middle.
    pub fn likely(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

/// How many facts are within each range, from branch nodes (and leaves at the edges that are in
/// memory).
pub fn estimate(
    nodes: &dyn Nodes,
    root: Option<&Root>,
    order: Order,
    ranges: &[KeyRange],
) -> Result<Vec<Estimate>, NodesError> {
    let mut out = vec![Estimate { low: 0, high: 0 }; ranges.len()];
    let Some(root) = root else { return Ok(out) };
    let bounds: Vec<Bounds> = ranges.iter().map(|range| Bounds::new(order, range)).collect();
    let mut edges: Vec<Edge> =
        (0..ranges.len()).map(|range| Edge::root(root, range, &bounds[range])).collect();
    for height in (1..=root.height).rev() {
        edges = expand(nodes, &bounds, edges, height, &mut out)?;
    }
    for edge in edges {
        let exact = nodes.is_resident(&edge.node);
        let rows = if exact { edge.rows(nodes, order, ranges)? } else { 0 };
        out[edge.range].low += rows;
        out[edge.range].high += if exact { rows } else { edge.count };
    }
    Ok(out)
}

/// How many facts are within the range, exactly.
pub fn count(
    nodes: &dyn Nodes,
    root: Option<&Root>,
    order: Order,
    range: &KeyRange,
) -> Result<u64, NodesError> {
    let Some(root) = root else { return Ok(0) };
    if *range == KeyRange::all() {
        return Ok(root.count);
    }
    let (bounds, mut out) = ([Bounds::new(order, range)], [Estimate { low: 0, high: 0 }]);
    let mut edges = vec![Edge::root(root, 0, &bounds[0])];
    for height in (1..=root.height).rev() {
        edges = expand(nodes, &bounds, edges, height, &mut out)?;
    }
    // Both edges in one round.
    let leaves: Vec<NodeRef> = edges.iter().map(|edge| edge.node).collect();
    for (node, name) in nodes.get(&leaves)?.iter().zip(&leaves) {
        out[0].low += range.rows(order, node.leaf(name)?).len() as u64;
    }
    Ok(out[0].low)
}

/// A node that a range reaches and that may lie partly outside of it.
#[derive(Clone, Copy, Debug)]
struct Edge {
    range: usize,
    node: NodeRef,
    count: u64,
    /// Whether the range begins before all that the node can hold, and whether it ends after all of
    /// it.
    covered: (bool, bool),
}

impl Edge {
    fn root(root: &Root, range: usize, bounds: &Bounds) -> Self {
        let from = bounds.from.0.is_empty() && bounds.from.1 == Side::Before;
        let to = bounds.to.0.is_empty() && bounds.to.1 == Side::After;
        Self { range, node: root.node, count: root.count, covered: (from, to) }
    }

    fn rows(
        &self,
        nodes: &dyn Nodes,
        order: Order,
        ranges: &[KeyRange],
    ) -> Result<u64, NodesError> {
        let read = nodes.get(&[self.node])?;
        let Some(node) = read.first() else { return Ok(0) };
        Ok(ranges[self.range].rows(order, node.leaf(&self.node)?).len() as u64)
    }
}

/// One level down: what lies within is counted, what lies at an edge is kept.
fn expand(
    nodes: &dyn Nodes,
    bounds: &[Bounds],
    edges: Vec<Edge>,
    height: u8,
    out: &mut [Estimate],
) -> Result<Vec<Edge>, NodesError> {
    let mut names: Vec<NodeRef> = edges.iter().map(|edge| edge.node).collect();
    names.sort_by_key(|node| node.hash);
    names.dedup_by_key(|node| node.hash);
    let read = if names.is_empty() { Vec::new() } else { nodes.get(&names)? };
    let mut next = Vec::new();
    for edge in edges {
        let at = names.partition_point(|node| node.hash < edge.node.hash);
        let branch = read[at].branch(&edge.node, height)?;
        let (bounds, last) = (&bounds[edge.range], branch.children().len() - 1);
        for i in branch.children_in(bounds) {
            let child = branch.children()[i];
            let from = match i {
                0 => edge.covered.0,
                _ => !bounds.begins_after(branch.separator(i)),
            };
            let to = match i {
                _ if i == last => edge.covered.1,
                _ => bounds.ends_after(branch.separator(i + 1)),
            };
            if from && to {
                out[edge.range].low += child.count;
                out[edge.range].high += child.count;
            } else {
                let (range, covered) = (edge.range, (from, to));
                next.push(Edge { range, node: child.node, count: child.count, covered });
            }
        }
    }
    Ok(next)
}
