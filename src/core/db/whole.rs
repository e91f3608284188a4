//! Long values in the place of the references that an index holds.
//!
//! **Invariant:** they are fetched in rounds of a bounded size, each value of a round once. Where
//! one is gone with the pack it was in, the same fact is looked for in a newer head.

use super::renew::TIMES;
use super::{Db, DbError};
use crate::datom::{KeyRange, Order, Slice};
use crate::index;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

impl Db {
    /// The same facts with their long values, fetched in one round.
    pub fn whole(&self, slices: Vec<Vec<Slice>>) -> Result<Vec<Vec<Slice>>, DbError> {
        if !slices.iter().flatten().any(index::has_blobs) {
            return Ok(slices);
        }
        let mut answer = self.whole_here(slices.clone());
        for _ in 0..TIMES {
            let Err(error) = &answer else { break };
            let Some(newer) = self.renewed(error) else { break };
            let again = slices.iter().map(|group| newer.again(group)).collect::<Result<_, _>>();
            answer = again.and_then(|again| newer.whole_here(again));
        }
        answer
    }

    fn whole_here(&self, slices: Vec<Vec<Slice>>) -> Result<Vec<Vec<Slice>>, DbError> {
        Ok(index::whole(self.snapshot().nodes.as_ref(), slices)?)
    }

    /// The same rows with the references that this head has for the same values of the same
    /// entities.
    fn again(&self, slices: &[Slice]) -> Result<Vec<Slice>, DbError> {
        let (mut ranges, mut places) = (Vec::new(), HashMap::new());
        for slice in slices {
            for (row, _) in index::blobs(&slice.facts, slice.rows.clone()) {
                let (e, a) = (slice.facts.e(row), slice.facts.a(row));
                ranges.push(KeyRange::prefix(Some(e), Some(a), None));
            }
        }
        for slice in self.scan_here(Order::Eavt, &ranges)?.iter().flatten() {
            let found = index::blobs(&slice.facts, slice.rows.clone());
            places.extend(found.map(|(_, blob)| (blob.digest(), blob.place().into())));
        }
        let moved = |slice: &Slice| Slice {
            facts: Arc::new(index::relocated(&slice.facts, &places)),
            rows: slice.rows.clone(),
        };
        Ok(slices.iter().map(moved).collect())
    }

    /// The same, some of the groups after the other, as many as have long values of a bounded size.
    pub fn whole_parts(
        &self,
        slices: Vec<Vec<Slice>>,
    ) -> impl Iterator<Item = Result<Vec<Vec<Slice>>, DbError>> {
        let mut rest = slices.into_iter().peekable();
        std::iter::from_fn(move || {
            let (mut part, mut bytes) = (Vec::new(), 0);
            while let Some(group) = rest.next_if(|group| {
                bytes = group.iter().map(index::long_bytes).fold(bytes, u64::saturating_add);
                part.is_empty() || bytes <= index::PIECE_BYTES
            }) {
                part.push(group);
            }
            (!part.is_empty()).then(|| self.whole(part))
        })
    }

    /// The facts of slices with their long values, of a bounded size at a time; each in one round.
    pub fn pieces(&self, slices: impl IntoIterator<Item = Slice>) -> Pieces<'_> {
        let rest = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        Pieces { db: self, rest }
    }
}

/// What [`Db::pieces`] gives. After an error the same comes again.
#[derive(Debug)]
pub struct Pieces<'d> {
    db: &'d Db,
    rest: VecDeque<Slice>,
}

impl Iterator for Pieces<'_> {
    type Item = Result<Vec<Slice>, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| take_piece(self.db, &mut self.rest))
    }
}

/// Takes the first rows of slices that are not empty, as many as have long values of a bounded
/// size.
pub(super) fn take_piece(db: &Db, rest: &mut VecDeque<Slice>) -> Result<Vec<Slice>, DbError> {
    let (mut taken, mut bytes): (Vec<Slice>, u64) = (Vec::new(), 0);
    for slice in rest.iter() {
        let piece = Slice { facts: slice.facts.clone(), rows: index::piece(slice, bytes) };
        bytes = bytes.saturating_add(index::long_bytes(&piece));
        let is_all = piece.rows.end == slice.rows.end;
        if !piece.is_empty() {
            taken.push(piece);
        }
        if !is_all {
            break;
        }
    }
    let ends: Vec<usize> = taken.iter().map(|slice| slice.rows.end).collect();
    let whole = db.whole(vec![taken])?.pop().unwrap_or_default();
    for end in ends {
        match rest.front_mut() {
            Some(slice) if slice.rows.end > end => slice.rows.start = end,
            _ => drop(rest.pop_front()),
        }
    }
    Ok(whole)
}
