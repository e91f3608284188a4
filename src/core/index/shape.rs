//! How large nodes are, and where what does not fit is cut.
//!
//! **Invariant:** cutting is a function of the weights alone; a branch node gets at least two
//! children, so that trees end.

use std::ops::Range;

/// What a row weighs beside its strings.
pub(super) const ROW: usize = 24;
/// What a child weighs in a branch node beside its separator.
pub(super) const CHILD: usize = 64;

/// How large the nodes of a tree become. Sizes are weights: before compression, and about what a
/// node takes stored for branch nodes (hashes do not compress), four times that for leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The most a leaf weighs: 24 a row, and the strings.
    pub leaf_bytes: usize,
    /// The most a branch node weighs: 64 a child, and the separators.
    pub branch_bytes: usize,
}

impl Default for Shape {
    /// What databases use: leaves of at most 4096 rows, branch nodes of at most about 900 children.
    fn default() -> Self {
        Self { leaf_bytes: 4096 * ROW, branch_bytes: 64 << 10 }
    }
}

impl Shape {
    pub(super) fn limit(self, height: u8) -> Limit {
        let (most, items) = if height == 0 { (self.leaf_bytes, 1) } else { (self.branch_bytes, 2) };
        Limit { most, items }
    }
}

/// The limit of one kind of node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The most it weighs, but for one item.
    pub most: usize,
    /// The fewest items it has, where there are so many.
    pub items: usize,
}

/// How to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Parts of one size: whatever comes next comes anywhere.
    Even,
    /// Full parts, the rest in the last: what comes next comes at the end.
    Full,
}

impl Limit {
    /// What weighs less is joined with a neighbour.
    pub fn least(self) -> usize {
        self.most / 4
    }

    /// Cuts items into parts that each fit.
    pub fn cut(self, weights: &[usize], fill: Fill) -> Vec<Range<usize>> {
        let total: usize = weights.iter().sum();
        let parts = total.div_ceil(self.most).max(1);
        match fill {
            Fill::Even => self.cut_at(weights, total.div_ceil(parts)),
            Fill::Full => self.cut_at(weights, self.most),
        }
    }

    fn cut_at(self, weights: &[usize], target: usize) -> Vec<Range<usize>> {
        let (mut out, mut start, mut weight) = (Vec::new(), 0, 0);
        for (i, x) in weights.iter().enumerate() {
            let items = i - start >= self.items && weights.len() - i >= self.items;
            if items && weight + x > target {
                out.push(start..i);
                (start, weight) = (i, 0);
            }
            weight += x;
        }
        out.push(start..weights.len());
        out
    }
}
