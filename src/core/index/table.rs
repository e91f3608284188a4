//! Tables: trees of plain rows, such as COMMITS.
//!
//! **Invariant:** reading as with facts: all keys of one lookup descend together, a scan reads
//! ahead.

use super::build::Tree;
use super::descend::{Bounds, descend};
use super::edit::RowEdits;
use super::merge::Forest;
use super::walk::{Direction, Walk};
use super::{Nodes, NodesError, Root, TreeError};
use crate::datom::{Order, Side};
use std::collections::VecDeque;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

impl Forest<'_, '_> {
    /// The table with rows put (`Some`: new, or instead of the one there) and removed (`None`: no
    /// error if it is not there), by strictly ascending keys. What is appended at the end fills
    /// leaves wholly.
    pub async fn put_rows(
        &mut self,
        root: Option<&Root>,
        rows: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<Tree, TreeError> {
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(TreeError::Unsorted(format!("{:02x?}", pair[1].0)));
        }
        self.apply(root, Order::Eavt, RowEdits(rows), &mut |_, _| ()).await
    }
}

/// The values under keys, in the order asked.
pub fn rows_get(
    nodes: &dyn Nodes,
    root: Option<&Root>,
    keys: &[Vec<u8>],
) -> Result<Vec<Option<Vec<u8>>>, NodesError> {
    let mut out = vec![None; keys.len()];
    let Some(root) = root.filter(|_| !keys.is_empty()) else { return Ok(out) };
    let bounds: Vec<Bounds> = keys.iter().map(|key| Bounds::prefix(key)).collect();
    for (i, name, node) in descend(nodes, root, &bounds)? {
        if let Some(value) = node.rows(&name)?.get(&keys[i]) {
            out[i] = Some(value.to_vec());
        }
    }
    Ok(out)
}

/// The rows of a range of keys, one after the other.
#[derive(Clone, Debug)]
pub struct RowScan {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    direction: Direction,
    walk: Walk,
    ready: VecDeque<Row>,
}

impl RowScan {
    /// Of the keys at or after `from` and before `to` (`None`: to the end); reads nothing yet.
    /// Backward, the rows come from the last to the first.
    pub fn new(root: Option<&Root>, from: &[u8], to: Option<&[u8]>, direction: Direction) -> Self {
        let end = to.map_or((Vec::new(), Side::After), |to| (to.to_vec(), Side::Before));
        let bounds = Bounds { from: (from.to_vec(), Side::Before), to: end };
        let walk = Walk::new(root, bounds, direction);
        let (from, to) = (from.to_vec(), to.map(<[u8]>::to_vec));
        Self { from, to, direction, walk, ready: VecDeque::new() }
    }

    /// The next row; `None` at the end.
    pub fn next(&mut self, nodes: &dyn Nodes) -> Result<Option<Row>, NodesError> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            let leaves = self.walk.next(nodes)?;
            if leaves.is_empty() {
                return Ok(None);
            }
            for (name, node) in leaves {
                let rows = node.rows(&name)?;
                let from = rows.position(&self.from);
                let to = self.to.as_ref().map_or(rows.len(), |to| rows.position(to)).max(from);
                let row = |i: usize| (rows.key(i).to_vec(), rows.value(i).to_vec());
                match self.direction {
                    Direction::Forward => self.ready.extend((from..to).map(row)),
                    Direction::Backward => self.ready.extend((from..to).rev().map(row)),
                }
            }
        }
    }
}
