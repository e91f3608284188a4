//! Scanning a large range of facts.
//!
//! **Invariant:** as [`super::walk`]: an error changes nothing, and the first rows of a range are
//! cheap, however large it is.

use super::descend::Bounds;
use super::walk::{Direction, Walk};
use super::{Nodes, NodesError, Root};
use crate::datom::{KeyRange, Order, Slice};
use std::collections::VecDeque;

/// The rows of one range, leaf by leaf.
#[derive(Clone, Debug)]
pub struct Scan {
    order: Order,
    range: KeyRange,
    walk: Walk,
    ready: VecDeque<Slice>,
}

impl Scan {
    /// Of one range; reads nothing yet.
    pub fn new(root: Option<&Root>, order: Order, range: KeyRange, direction: Direction) -> Self {
        let walk = Walk::new(root, Bounds::new(order, &range), direction);
        Self { order, range, walk, ready: VecDeque::new() }
    }

    /// The next rows, never none; `None` at the end.
    pub fn next(&mut self, nodes: &dyn Nodes) -> Result<Option<Slice>, NodesError> {
        loop {
            if let Some(slice) = self.ready.pop_front() {
                return Ok(Some(slice));
            }
            let leaves = self.walk.next(nodes)?;
            if leaves.is_empty() {
                return Ok(None);
            }
            for (name, node) in leaves {
                let facts = node.leaf(&name)?;
                let rows = self.range.rows(self.order, facts);
                if !rows.is_empty() {
                    self.ready.push_back(Slice { facts: facts.clone(), rows });
                }
            }
        }
    }
}
