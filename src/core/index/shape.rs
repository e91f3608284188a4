//! How large nodes are, and where what does not fit is cut.
//!
//! **Invariant:** cutting is a function of the weights and the groups alone; a branch node gets at
//! least two children, so that trees end.

use std::ops::Range;

/// What a row weighs beside its strings.
pub(super) const ROW: usize = 24;
/// What a child weighs in a branch node beside its separator.
pub(super) const CHILD: usize = 64;

/// How many times as much as another branch node a root weighs at most. It comes with the head, in
/// one round, while a level more is a round more for every read.
const ROOT: usize = 5;

/// How large the nodes of a tree become. Sizes are weights: before compression, and about what a
/// node takes stored for branch nodes (hashes do not compress), four times that for leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The most a leaf weighs: 24 a row, and the strings.
    pub leaf_bytes: usize,
    /// The most a branch node weighs: 64 a child, and the separators; roots five times as much.
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

    /// What a branch node weighs at most that is a root.
    pub(super) fn root_bytes(self) -> usize {
        self.branch_bytes * ROOT
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

    /// Cuts items into parts that each fit. `group` gives the first item of the group of one: a
    /// part begins with a group where that costs less than a quarter of the room.
    pub fn cut(
        self,
        weights: &[usize],
        fill: Fill,
        group: impl Fn(usize) -> usize,
    ) -> Vec<Range<usize>> {
        let total: usize = weights.iter().sum();
        let parts = total.div_ceil(self.most).max(1);
        match fill {
            Fill::Even => {
                let mut parts = self.cut_at(weights, total.div_ceil(parts), |i| i);
                self.shift(weights, &mut parts, group);
                parts
            }
            Fill::Full => self.cut_at(weights, self.most, group),
        }
    }

    fn cut_at(
        self,
        weights: &[usize],
        target: usize,
        group: impl Fn(usize) -> usize,
    ) -> Vec<Range<usize>> {
        let (mut out, mut start, mut weight) = (Vec::new(), 0, 0);
        for (i, x) in weights.iter().enumerate() {
            let items = i - start >= self.items && weights.len() - i >= self.items;
            if items && weight + x > target {
                let first = group(i).max(start);
                let moved: usize = weights[first..i].iter().sum();
                let fits = moved + x <= target.min(self.least()) && first - start >= self.items;
                let at = if fits { first } else { i };
                out.push(start..at);
                (start, weight) = (at, weights[at..i].iter().sum());
            }
            weight += x;
        }
        out.push(start..weights.len());
        out
    }

    /// Moves what separates parts to where groups begin, as far as the parts stay within the
    /// limits.
    fn shift(self, weights: &[usize], parts: &mut [Range<usize>], group: impl Fn(usize) -> usize) {
        let weigh = |items: Range<usize>| weights[items].iter().sum::<usize>();
        for next in 1..parts.len() {
            let (before, after) = (parts[next - 1].clone(), parts[next].clone());
            let first = group(after.start).max(before.start);
            let left = weigh(before.start..first);
            let fits = left >= self.least() && weigh(first..after.end) <= self.most;
            if fits && first - before.start >= self.items {
                (parts[next - 1].end, parts[next].start) = (first, first);
            }
        }
    }
}
