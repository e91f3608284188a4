//! The difference of two trees.
//!
//! **Invariant:** what both trees share by hash is not read: the cost follows the change. Nodes are
//! read in one round a level, leaves that differ in rounds of 64 from each tree, and only those are
//! held.

use super::walk::Walk;
use super::{NodeRef, Nodes, NodesError, Root};
use crate::datom::{Facts, Order};
use crate::hash::NodeHash;
use hashbrown::HashSet;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// The facts that are only in one of two trees of one order, one after the other; a fact that was
/// added by another transaction, or has ended since, is in both.
#[derive(Debug)]
pub struct TreeDiff {
    order: Order,
    one: Leaves,
    other: Leaves,
}

/// A row that only one of two trees has, and whether that is the other one.
#[derive(Clone, Debug)]
pub struct OnlyIn {
    /// Whether the second tree has it.
    pub other: bool,
    /// Where it is.
    pub facts: Arc<Facts>,
    /// Which row there.
    pub row: usize,
}

impl TreeDiff {
    /// Finds the leaves that differ.
    pub fn new(
        nodes: &dyn Nodes,
        one: Option<&Root>,
        other: Option<&Root>,
        order: Order,
    ) -> Result<Self, NodesError> {
        let subtree = |root: &Root| (root.node, root.height);
        let mut one: Vec<Subtree> = one.map(subtree).into_iter().collect();
        let mut other: Vec<Subtree> = other.map(subtree).into_iter().collect();
        loop {
            skip_shared(&mut one, &mut other);
            let heights = one.iter().chain(&other).map(|(_, height)| *height);
            let height = heights.max().unwrap_or_default();
            if height == 0 {
                break;
            }
            open_level(nodes, height, [&mut one, &mut other])?;
        }
        let leaves =
            |side: Vec<Subtree>| Leaves::new(side.into_iter().map(|(node, _)| node).collect());
        Ok(Self { order, one: leaves(one), other: leaves(other) })
    }

    /// The next row, at most so many rows of leaves further on, which are taken off: `None` at the
    /// end, and `Some(None)` where none was found so far. After an error the same comes again.
    pub fn next(
        &mut self,
        nodes: &dyn Nodes,
        steps: &mut usize,
    ) -> Result<Option<Option<OnlyIn>>, NodesError> {
        while *steps > 0 {
            *steps -= 1;
            let (x, y) = (self.one.row(nodes)?, self.other.row(nodes)?);
            let place = match (&x, &y) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((x, i)), Some((y, j))) => {
                    x.key(*i).cmp_in(self.order, &y.key(*j)).then_with(|| x.end(*i).cmp(&y.end(*j)))
                }
            };
            self.one.at += usize::from(place.is_le());
            self.other.at += usize::from(place.is_ge());
            let other = place.is_gt();
            if let (Some((facts, row)), true) = (if other { y } else { x }, place.is_ne()) {
                return Ok(Some(Some(OnlyIn { other, facts, row })));
            }
        }
        Ok(Some(None))
    }
}

/// Replaces the branch nodes of this height by their children; one round.
fn open_level(
    nodes: &dyn Nodes,
    height: u8,
    sides: [&mut Vec<Subtree>; 2],
) -> Result<(), NodesError> {
    let high = |side: &[Subtree]| {
        let high = side.iter().filter(|(_, h)| *h == height).map(|(node, _)| *node);
        high.collect::<Vec<NodeRef>>()
    };
    let wanted = [high(sides[0]), high(sides[1])].concat();
    let mut read = nodes.get(&wanted)?.into_iter();
    for side in sides {
        let mut below = Vec::with_capacity(side.len());
        for (name, h) in side.drain(..) {
            match if h == height { read.next() } else { None } {
                Some(node) => {
                    let branch = node.branch(&name, height)?;
                    below.extend(branch.children().iter().map(|x| (x.node, height - 1)));
                }
                None => below.push((name, h)),
            }
        }
        *side = below;
    }
    Ok(())
}

/// A node and its height.
type Subtree = (NodeRef, u8);

/// Equal hashes are equal facts, wherever they lie: no fact is in a tree twice.
fn skip_shared(one: &mut Vec<Subtree>, other: &mut Vec<Subtree>) {
    let names = |side: &[Subtree]| side.iter().map(|x| x.0.hash).collect::<HashSet<NodeHash>>();
    let (in_one, in_other) = (names(one), names(other));
    one.retain(|(node, _)| !in_other.contains(&node.hash));
    other.retain(|(node, _)| !in_one.contains(&node.hash));
}

/// The rows of leaves, one after the other.
#[derive(Debug)]
struct Leaves {
    walk: Walk,
    ready: VecDeque<Arc<Facts>>,
    at: usize,
}

impl Leaves {
    fn new(leaves: Vec<NodeRef>) -> Self {
        Self { walk: Walk::over(leaves), ready: VecDeque::new(), at: 0 }
    }

    /// The row that is next.
    fn row(&mut self, nodes: &dyn Nodes) -> Result<Option<(Arc<Facts>, usize)>, NodesError> {
        loop {
            if let Some(facts) = self.ready.front() {
                if self.at < facts.len() {
                    return Ok(Some((facts.clone(), self.at)));
                }
                self.ready.pop_front();
                self.at = 0;
                continue;
            }
            let leaves = self.walk.next(nodes)?;
            if leaves.is_empty() {
                return Ok(None);
            }
            for (name, node) in leaves {
                self.ready.push_back(node.leaf(&name)?.clone());
            }
        }
    }
}
