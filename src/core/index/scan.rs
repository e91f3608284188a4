//! Scanning a large range, in batches, with read-ahead that doubles.
//!
//! **Invariant:** an error changes nothing: after `Missing`, once the nodes are there, the same call goes on where it was.
//! Reading the first rows of a range costs few leaves, however large the range is.

use super::descend::Bounds;
use super::{NodeRef, Nodes, NodesError, Root};
use crate::datom::{KeyRange, Order, Slice};
use std::collections::VecDeque;

/// The most leaves of one round.
const MOST_AHEAD: usize = 64;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first row to the last.
    Forward,
    /// From the last leaf to the first; the rows of each slice are still ascending: read them from the end.
    Backward,
}

/// The rows of one range, leaf by leaf.
#[derive(Clone, Debug)]
pub struct Scan {
    order: Order,
    range: KeyRange,
    bounds: Bounds,
    direction: Direction,
    /// Nodes that are still to be read with their height, the next one in front.
    queue: VecDeque<(NodeRef, u8)>,
    ready: VecDeque<Slice>,
    ahead: usize,
}

impl Scan {
    /// Of one range; reads nothing yet.
    pub fn new(root: Option<&Root>, order: Order, range: KeyRange, direction: Direction) -> Self {
        let queue = root.map(|root| (root.node, root.height)).into_iter().collect();
        let bounds = Bounds::new(order, &range);
        Self { order, range, bounds, direction, queue, ready: VecDeque::new(), ahead: 1 }
    }

    /// The next rows, never none; `None` at the end.
    pub fn next(&mut self, nodes: &dyn Nodes) -> Result<Option<Slice>, NodesError> {
        loop {
            if let Some(slice) = self.ready.pop_front() {
                return Ok(Some(slice));
            }
            match self.queue.front() {
                None => return Ok(None),
                Some((_, 0)) => self.read_leaves(nodes)?,
                Some(_) => self.expand(nodes)?,
            }
        }
    }

    /// Replaces the branch node in front by its children.
    fn expand(&mut self, nodes: &dyn Nodes) -> Result<(), NodesError> {
        let Some(&(node, height)) = self.queue.front() else { return Ok(()) };
        for read in nodes.get(&[node])? {
            let branch = read.branch(&node, height)?;
            let children = branch.children_in(&self.bounds);
            self.queue.pop_front();
            let child = |i: usize| (branch.children()[i].node, height - 1);
            match self.direction {
                Direction::Forward => {
                    children.rev().for_each(|i| self.queue.push_front(child(i)));
                }
                Direction::Backward => children.for_each(|i| self.queue.push_front(child(i))),
            }
        }
        Ok(())
    }

    /// Reads leaves in front, and in the same round the branch node after them if they are soon used up.
    fn read_leaves(&mut self, nodes: &dyn Nodes) -> Result<(), NodesError> {
        let leaves = self.queue.iter().take(self.ahead).take_while(|(_, height)| *height == 0);
        let mut wanted: Vec<NodeRef> = leaves.map(|(node, _)| *node).collect();
        let count = wanted.len();
        let soon = self.queue.iter().skip(count).take(self.ahead * 2);
        wanted.extend(soon.clone().find(|(_, height)| *height > 0).map(|(node, _)| *node));
        let read = nodes.get(&wanted)?;
        let mut slices = Vec::with_capacity(count);
        for (node, name) in read.iter().zip(&wanted).take(count) {
            let facts = node.leaf(name)?;
            let rows = self.range.rows(self.order, facts);
            slices.push(Slice { facts: facts.clone(), rows });
        }
        self.queue.drain(..count);
        self.ready.extend(slices.into_iter().filter(|slice| !slice.is_empty()));
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        Ok(())
    }
}
