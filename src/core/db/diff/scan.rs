//! The difference of two values that are read side by side, whatever their views are.
//!
//! **Invariant:** both are read in chunks and in one order; a row is passed over once it was
//! compared, so an error changes nothing but what is at hand.

use super::{ENOUGH, Found, STEPS};
use crate::datom::{KeyRange, Order, Slice};
use crate::db::{Chunks, Db, DbError};
use crate::id::Tx;
use std::cmp::Ordering;

/// Two runs of facts.
#[derive(Debug)]
pub(super) struct Scan {
    from: Run,
    to: Run,
}

/// What one value has in the range.
#[derive(Debug)]
struct Run {
    /// `None`: there is nothing, and no need to look.
    chunks: Option<Chunks>,
    slice: Option<Slice>,
}

impl Run {
    fn new(db: &Db, range: KeyRange) -> Self {
        let is_empty = db.is_empty_past();
        let chunks = (!is_empty).then(|| db.chunks(Order::Eavt, range).references());
        Self { chunks, slice: None }
    }

    /// Has the next row at hand, if there is one.
    fn fill(&mut self) -> Result<(), DbError> {
        while self.slice.as_ref().is_none_or(Slice::is_empty) {
            let Some(slice) = self.chunks.as_mut().and_then(Iterator::next) else {
                (self.slice, self.chunks) = (None, None);
                break;
            };
            self.slice = Some(slice?);
        }
        Ok(())
    }

    fn skip(&mut self) {
        if let Some(slice) = &mut self.slice {
            slice.rows.start += 1;
        }
    }
}

impl Scan {
    pub fn new(from: &Db, to: &Db, range: KeyRange) -> Self {
        Self { from: Run::new(from, range.clone()), to: Run::new(to, range) }
    }

    /// Looks at some more rows; whether there may be more.
    pub fn step(&mut self, found: &mut Found) -> Result<bool, DbError> {
        // The facts of one entity may be more than enough already: beyond those.
        let enough = found.len() + ENOUGH;
        for _ in 0..STEPS {
            if found.len() >= enough {
                break;
            }
            self.from.fill()?;
            self.to.fill()?;
            let place = match (&self.from.slice, &self.to.slice) {
                (None, None) => return Ok(false),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(x), Some(y)) => {
                    x.facts.cmp_fact(Order::Eavt, x.rows.start, &y.facts, y.rows.start)
                }
            };
            let lone = if place.is_lt() { &self.from.slice } else { &self.to.slice };
            if let (Some(slice), true) = (lone, place.is_ne()) {
                let (key, added) = (slice.facts.key(slice.rows.start), place.is_gt());
                found.push(added, key, if added { key.tx } else { Tx(0) });
            }
            if place.is_le() {
                self.from.skip();
            }
            if place.is_ge() {
                self.to.skip();
            }
        }
        Ok(true)
    }
}
