//! The difference of two trees.
//!
//! **Invariant:** what both trees share by hash is not read: the cost follows the change. Nodes are
//! read in one round a level, leaves that differ in rounds of 64 from each tree.

use super::walk::Walk;
use super::{NodeRef, Nodes, NodesError, Root};
use crate::datom::{Facts, FactsBuilder, Order};
use crate::hash::NodeHash;
use hashbrown::HashSet;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// The facts that are only in the one tree, and those that are only in the other; a fact that was
/// added by another transaction, or has ended since, is in both. Both trees are of one order.
pub fn diff(
    nodes: &dyn Nodes,
    one: Option<&Root>,
    other: Option<&Root>,
    order: Order,
) -> Result<(Facts, Facts), NodesError> {
    let subtree = |root: &Root| (root.node, root.height);
    let mut one: Vec<Subtree> = one.map(subtree).into_iter().collect();
    let mut other: Vec<Subtree> = other.map(subtree).into_iter().collect();
    loop {
        skip_shared(&mut one, &mut other);
        let height = one.iter().chain(&other).map(|(_, height)| *height).max().unwrap_or_default();
        if height == 0 {
            break;
        }
        let high = |side: &[Subtree]| {
            let high = side.iter().filter(|(_, h)| *h == height).map(|(node, _)| *node);
            high.collect::<Vec<NodeRef>>()
        };
        let (in_one, in_other) = (high(&one), high(&other));
        let mut read = nodes.get(&[in_one, in_other].concat())?.into_iter();
        for side in [&mut one, &mut other] {
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
    }
    let leaves = |side: Vec<Subtree>| Leaves::new(side.into_iter().map(|(node, _)| node).collect());
    compare(nodes, order, leaves(one), leaves(other))
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

fn compare(
    nodes: &dyn Nodes,
    order: Order,
    mut one: Leaves,
    mut other: Leaves,
) -> Result<(Facts, Facts), NodesError> {
    let (mut only_one, mut only_other) = (FactsBuilder::default(), FactsBuilder::default());
    loop {
        let (x, y) = (one.row(nodes)?, other.row(nodes)?);
        let place = match (&x, &y) {
            (None, None) => return Ok((only_one.finish(), only_other.finish())),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((x, i)), Some((y, j))) => {
                x.key(*i).cmp_in(order, &y.key(*j)).then_with(|| x.end(*i).cmp(&y.end(*j)))
            }
        };
        if let (Some((facts, row)), Ordering::Less) = (&x, place) {
            only_one.push_row(facts, *row);
        }
        if let (Some((facts, row)), Ordering::Greater) = (&y, place) {
            only_other.push_row(facts, *row);
        }
        if place.is_le() {
            one.at += 1;
        }
        if place.is_ge() {
            other.at += 1;
        }
    }
}

/// The rows of leaves, one after the other.
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
