//! Walking over the leaves of a range, in batches, with read-ahead that doubles.
//!
//! **Invariant:** an error changes nothing: after `Missing`, once the nodes are there, the same
//! call goes on where it was. The first leaves cost one round a level and one leaf, however large
//! the range is.

use super::descend::Bounds;
use super::node::Node;
use super::{NodeRef, Nodes, NodesError, Root};
use std::collections::VecDeque;
use std::sync::Arc;

/// The most leaves of one round.
const MOST_AHEAD: usize = 64;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first row to the last.
    Forward,
    /// From the last leaf to the first; the rows of each slice are still ascending: read them from
    /// the end.
    Backward,
}

/// The leaves that a range reaches, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    bounds: Bounds,
    direction: Direction,
    /// Nodes that are still to be read with their height, the next one in front.
    queue: VecDeque<(NodeRef, u8)>,
    ahead: usize,
}

impl Walk {
    pub fn new(root: Option<&Root>, bounds: Bounds, direction: Direction) -> Self {
        let queue = root.map(|root| (root.node, root.height)).into_iter().collect();
        Self { bounds, direction, queue, ahead: 1 }
    }

    /// Over these leaves, all of them.
    pub fn over(leaves: Vec<NodeRef>) -> Self {
        let queue = leaves.into_iter().map(|node| (node, 0)).collect();
        let bounds = Bounds::prefix(&[]);
        Self { bounds, direction: Direction::Forward, queue, ahead: MOST_AHEAD }
    }

    /// The next leaves; none at the end.
    pub fn next(&mut self, nodes: &dyn Nodes) -> Result<Vec<(NodeRef, Arc<Node>)>, NodesError> {
        loop {
            match self.queue.front() {
                None => return Ok(Vec::new()),
                Some((_, 0)) => return self.read_leaves(nodes),
                Some(_) => self.expand(nodes)?,
            }
        }
    }

    /// Replaces the branch node in front by its children.
    fn expand(&mut self, nodes: &dyn Nodes) -> Result<(), NodesError> {
        let Some(&(name, height)) = self.queue.front() else { return Ok(()) };
        for node in nodes.get(&[name])? {
            let branch = node.branch(&name, height)?;
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

    /// Reads leaves in front, and in the same round the branch node after them if they are soon
    /// used up.
    fn read_leaves(&mut self, nodes: &dyn Nodes) -> Result<Vec<(NodeRef, Arc<Node>)>, NodesError> {
        let leaves = self.queue.iter().take(self.ahead).take_while(|(_, height)| *height == 0);
        let mut wanted: Vec<NodeRef> = leaves.map(|(node, _)| *node).collect();
        let count = wanted.len();
        let mut soon = self.queue.iter().skip(count).take(self.ahead * 2);
        wanted.extend(soon.find(|(_, height)| *height > 0).map(|(node, _)| *node));
        let read = nodes.get(&wanted)?;
        self.queue.drain(..count);
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        Ok(wanted.into_iter().zip(read).take(count).collect())
    }
}
