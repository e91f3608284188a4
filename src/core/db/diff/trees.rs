//! The difference of two values that are their trees and layers: what both trees share by hash is
//! not read.
//!
//! **Invariant:** a row of a layer says whether its fact held below the layer; a fact that no row
//! speaks of holds below both or below none, unless the trees tell it apart. So nothing is looked
//! for in what both share.

use super::{ENOUGH, Found, STEPS};
use crate::datom::{Facts, Order};
use crate::db::{Db, DbError, Layer};
use crate::id::Tx;
use crate::index::{Nodes, OnlyIn, Root, TreeDiff};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

const EAVT: Order = Order::Eavt;

/// Two trees, and what lies above each.
#[derive(Debug)]
pub(super) struct Trees {
    nodes: Arc<dyn Nodes>,
    roots: [Option<Root>; 2],
    /// What is in one of the trees; made when it is first read.
    diff: Option<TreeDiff>,
    /// Its next rows: two, as a fact may be in both with another transaction.
    ahead: VecDeque<OnlyIn>,
    is_over: bool,
    /// What lies above, where the two are not the same, and how far it was read.
    above: [(Arc<Facts>, usize); 2],
}

impl Trees {
    /// `None` where a value is not its trees and layers, or they are read from different places.
    pub fn new(from: &Db, to: &Db) -> Option<Self> {
        let both = [from, to];
        if !both.iter().all(|db| db.is_plain()) {
            return None;
        }
        let root = |db: &Db| {
            let root = db.snapshot().trees.current[EAVT as usize].clone();
            root.filter(|_| !db.is_empty_past())
        };
        let roots = both.map(root);
        let nodes = both.map(|db| db.snapshot().nodes.clone());
        if !Arc::ptr_eq(&nodes[0], &nodes[1]) && roots.iter().all(Option::is_some) {
            return None;
        }
        let layers = both.map(|db| match db.is_empty_past() {
            true => &[],
            false => &db.snapshot().layers[..],
        });
        let hash = |root: &Option<Root>| root.as_ref().map(|root| root.node.hash);
        let shared = match hash(&roots[0]) == hash(&roots[1]) {
            true => layers[0].iter().zip(layers[1]).take_while(|(x, y)| is_same(x, y)).count(),
            false => 0,
        };
        let above = layers.map(|layers| {
            let stacked = Layer::stack_all(layers[shared..].to_vec());
            (stacked.facts(EAVT).clone(), 0)
        });
        let [one, other] = nodes;
        let nodes = if roots[0].is_some() { one } else { other };
        let (diff, ahead) = (None, VecDeque::new());
        Some(Self { nodes, roots, diff, ahead, is_over: false, above })
    }

    /// Looks at some more rows; whether there may be more.
    pub fn step(&mut self, found: &mut Found) -> Result<bool, DbError> {
        // The facts of one entity may be more than enough already: beyond those.
        let (mut steps, enough) = (STEPS, found.len() + ENOUGH);
        while steps > 0 && found.len() < enough {
            steps -= 1;
            if !self.look_ahead(&mut steps)? {
                return Ok(true);
            }
            if !self.take_group(found) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the next rows of the trees at hand; `false` if they were not reached yet.
    fn look_ahead(&mut self, steps: &mut usize) -> Result<bool, DbError> {
        let (nodes, [one, other]) = (self.nodes.as_ref(), &self.roots);
        while self.ahead.len() < 2 && !self.is_over {
            let diff = match &mut self.diff {
                Some(diff) => diff,
                none => none.insert(TreeDiff::new(nodes, one.as_ref(), other.as_ref(), EAVT)?),
            };
            match diff.next(nodes, steps)? {
                None => self.is_over = true,
                Some(None) => return Ok(false),
                Some(Some(row)) => self.ahead.push_back(row),
            }
        }
        Ok(true)
    }

    /// The next fact that something is known of.
    fn least(&self) -> Option<(Arc<Facts>, usize)> {
        let in_trees = self.ahead.front().map(|next| (&next.facts, next.row));
        let above = self.above.iter().map(|(facts, at)| (facts, *at));
        let above = above.filter(|(facts, at)| *at < facts.len());
        let least = above.chain(in_trees).min_by(|(x, i), (y, k)| x.cmp_fact(EAVT, *i, y, *k));
        least.map(|(facts, row)| (facts.clone(), row))
    }

    /// Takes all that is known of the next fact; `false` where there is none.
    fn take_group(&mut self, found: &mut Found) -> bool {
        let Some((facts, row)) = self.least() else { return false };
        let is_it = |x: &Facts, i: usize| x.cmp_fact(EAVT, i, &facts, row) == Ordering::Equal;
        let mut group = Group { tree: [None, None], layer: [None, None] };
        while self.ahead.front().is_some_and(|next| is_it(&next.facts, next.row)) {
            if let Some(next) = self.ahead.pop_front() {
                group.tree[usize::from(next.other)] = Some((next.facts, next.row));
            }
        }
        for ((facts, at), rows) in self.above.iter_mut().zip(&mut group.layer) {
            let first = *at;
            while *at < facts.len() && is_it(facts, *at) {
                *at += 1;
            }
            *rows = (first < *at).then(|| (facts.clone(), first, *at - 1));
        }
        group.decide(found);
        true
    }
}

/// What is known of one fact.
struct Group {
    /// Its row in each tree that has one which the other has not.
    tree: [Option<(Arc<Facts>, usize)>; 2],
    /// Its first and its last row in what lies above each.
    layer: [Option<(Arc<Facts>, usize, usize)>; 2],
}

impl Group {
    /// Whether the fact holds on a side.
    fn holds(&self, side: usize) -> bool {
        if let Some((facts, _, last)) = &self.layer[side] {
            return facts.end(*last).is_none();
        }
        if self.tree.iter().any(Option::is_some) {
            return self.tree[side].is_some();
        }
        // It is below both or below none, and the other side's rows say which.
        self.layer.iter().flatten().any(|(facts, first, _)| facts.tx(*first) == Tx(0))
    }

    fn decide(&self, found: &mut Found) {
        let added = self.holds(1);
        if self.holds(0) == added {
            return;
        }
        let tx = match (&self.layer[1], &self.tree[1]) {
            (Some((facts, _, last)), _) if added => facts.tx(*last),
            (Some((facts, _, last)), _) => facts.end(*last).unwrap_or(Tx(0)),
            (None, Some((facts, row))) if added => facts.tx(*row),
            (None, _) => Tx(0),
        };
        // A long value is looked for where the side has it.
        let own = usize::from(added);
        let tree = |side: usize| self.tree[side].as_ref().map(|(facts, row)| facts.key(*row));
        let layer = |side: usize| self.layer[side].as_ref().map(|(facts, row, _)| facts.key(*row));
        let key = tree(own).or_else(|| layer(own)).or_else(|| layer(1 - own));
        if let Some(key) = key.or_else(|| tree(1 - own)) {
            found.push(added, key, tx);
        }
    }
}

/// Whether two layers are one.
fn is_same(one: &Arc<Layer>, other: &Arc<Layer>) -> bool {
    Arc::ptr_eq(one.facts(EAVT), other.facts(EAVT))
}
