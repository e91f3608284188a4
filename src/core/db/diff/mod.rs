//! The difference of two values of one database: which facts hold in the one and not in the other.
//!
//! Three ways. *Trees*: both values are as their trees and layers have them; what both trees share
//! by hash is not read, nor are layers that both share. *Known*: facts that somebody knows to
//! differ, as who reads the log does. *Scan*: both are read side by side: what is left for a value
//! that is a later one, filtered.
//!
//! **Invariant:** each way gives the same changes, in the one printed order: by entity, by the name
//! of the attribute, by value. What is held is the facts of one entity and some more, however much
//! differs, and however long the values of many entities are. Where a tree is gone meanwhile the rest is read from a newer head.

mod change;
mod instants;
mod scan;
mod trees;

#[cfg(test)]
mod tests;

pub use change::{Change, ChangeKind};
pub use instants::ChangeRows;

use super::{Db, DbError};
use crate::datom::{Facts, FactsBuilder, KeyRange, Probe, RowKey, Side, Slice};
use crate::id::{AttrId, EntityId, T, Tx};
use crate::index;
use crate::value::Value;
use scan::Scan;
use std::sync::Arc;
use trees::Trees;

/// Rows that are looked at before whoever asks is given the changes so far.
const STEPS: usize = if cfg!(test) { 50 } else { 16 << 10 };
/// Rows of changes that are enough for one answer.
const ENOUGH: usize = if cfg!(test) { 20 } else { 4 << 10 };
/// Bytes of long values that are held together, unless one entity has more.
const LONG_BYTES: u64 = if cfg!(test) { 64 << 10 } else { index::PIECE_BYTES };

/// Values of different databases: ids of the one mean nothing in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("values of different databases have no difference")]
pub struct Foreign;

/// A fact that somebody knows to differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Value,
    /// Whether the later value has it, and not the earlier one.
    pub added: bool,
    /// The transaction that said so on the way to the later value; `Tx(0)`: look for it.
    pub tx: Tx,
}

/// The changes from one value to another, entity by entity.
#[derive(Debug)]
pub struct Difference {
    from: Db,
    to: Db,
    walk: Walk,
    found: Found,
    /// Facts of entities that are complete, of which changes are to be made.
    ready: Option<[Slice; 2]>,
    /// All up to this entity was given.
    given: Option<EntityId>,
    is_over: bool,
    finds_transactions: bool,
}

#[derive(Debug)]
enum Walk {
    Trees(Box<Trees>),
    Scan(Box<Scan>),
    Known(std::vec::IntoIter<Known>),
}

/// Facts that differ, by EAVT: those that only the earlier value has, with the transaction that
/// ended each, and those that only the later one has, with the one that said it. `Tx(0)` is not
/// known.
#[derive(Debug, Default)]
struct Found {
    gone: FactsBuilder,
    come: FactsBuilder,
}

impl Found {
    fn push(&mut self, added: bool, key: RowKey<'_>, tx: Tx) {
        let side = if added { &mut self.come } else { &mut self.gone };
        side.push(RowKey { tx, ..key }, None);
    }

    fn len(&self) -> usize {
        self.gone.len() + self.come.len()
    }

    /// Takes the entities that are complete: all but the last one, unless there is no more.
    fn take(&mut self, is_over: bool) -> [Facts; 2] {
        let taken = std::mem::take(self);
        let all = [taken.gone.finish(), taken.come.finish()];
        if is_over {
            return all;
        }
        let last = all.iter().filter_map(|facts| facts.entities().last()).max().copied();
        let [gone, come] = all.map(|facts| {
            let end = facts.entities().partition_point(|e| Some(*e) < last);
            let part = |rows| {
                let mut part = FactsBuilder::default();
                part.push_rows(&facts, rows);
                part
            };
            (part(0..end).finish(), part(end..facts.len()))
        });
        (self.gone, self.come) = (gone.1, come.1);
        [gone.0, come.0]
    }
}

impl Db {
    /// What changed from this value to another one of the same database, which may be of another
    /// branch, or older. Of histories: what holds. Reads nothing yet.
    pub fn difference(&self, to: &Db) -> Result<Difference, Foreign> {
        let (from, to) = (self.holding(), to.holding());
        let walk = match Trees::new(&from, &to) {
            Some(trees) => Walk::Trees(Box::new(trees)),
            None => Walk::Scan(Box::new(Scan::new(&from, &to, KeyRange::all()))),
        };
        Difference::new(from, to, walk)
    }

    /// The same, about one entity. A few seeks.
    pub fn difference_of(&self, to: &Db, e: EntityId) -> Result<Difference, Foreign> {
        let (from, to) = (self.holding(), to.holding());
        let range = KeyRange::prefix(Some(e), None, None);
        let walk = Walk::Scan(Box::new(Scan::new(&from, &to, range)));
        Difference::new(from, to, walk)
    }

    /// The same, where it is known which facts differ.
    pub fn difference_known(&self, to: &Db, known: Vec<Known>) -> Result<Difference, Foreign> {
        let mut known = known;
        known.sort_by(|x, y| (x.e, x.a).cmp(&(y.e, y.a)).then_with(|| x.v.cmp(&y.v)));
        Difference::new(self.holding(), to.holding(), Walk::Known(known.into_iter()))
    }

    /// Whether reading the difference costs nothing but memory, or what differs in the trees.
    pub fn shares_trees(&self, other: &Db) -> bool {
        let is_plain = self.is_plain() && other.is_plain();
        is_plain && self.snapshot().trees.current == other.snapshot().trees.current
    }

    /// Whether the value is all that its trees and layers hold, and nothing else.
    pub fn is_plain(&self) -> bool {
        let snapshot = self.snapshot();
        let is_stored = snapshot.commit.is_some() || snapshot.basis == Tx(0);
        self.is_empty_past() || (self.sight().is_now() && is_stored)
    }

    /// Whether it is the database before its first transaction.
    fn is_empty_past(&self) -> bool {
        self.basis_t() == T(0) && self.view().since.is_none() && !self.view().history
    }

    fn holding(&self) -> Self {
        let mut db = self.clone();
        db.view.history = false;
        db
    }
}

impl Difference {
    fn new(from: Db, to: Db, walk: Walk) -> Result<Self, Foreign> {
        if from.database() != to.database() {
            return Err(Foreign);
        }
        let (found, ready, given, is_over) = (Found::default(), None, None, false);
        Ok(Self { from, to, walk, found, ready, given, is_over, finds_transactions: true })
    }

    /// The same changes without the transactions that are not at hand.
    #[must_use]
    pub fn without_transactions(mut self) -> Self {
        self.finds_transactions = false;
        self
    }

    /// Looks on, and keeps what it finds.
    fn step(&mut self) -> Result<(), DbError> {
        let found = &mut self.found;
        let more = match &mut self.walk {
            Walk::Trees(trees) => trees.step(found),
            Walk::Scan(scan) => scan.step(found),
            Walk::Known(known) => {
                for fact in known.by_ref().take(ENOUGH) {
                    let Known { e, a, v, added, tx } = &fact;
                    found.push(*added, RowKey { e: *e, a: *a, v: v.as_ref(), tx: *tx }, *tx);
                }
                Ok(known.len() > 0)
            }
        };
        match more {
            Ok(more) => self.is_over = !more,
            Err(error) => self.go_on(error)?,
        }
        Ok(())
    }

    /// Where the nodes of a tree are gone, the rest is read side by side, from newer heads.
    fn go_on(&mut self, error: DbError) -> Result<(), DbError> {
        let is_gone = |db: &Db| db.renewed(&error).is_some();
        let is_walk = matches!(self.walk, Walk::Trees(_));
        if !is_walk || !(is_gone(&self.from) || is_gone(&self.to)) {
            return Err(error);
        }
        let e = self.given;
        let from = Probe { e, a: None, v: None, side: e.map_or(Side::Before, |_| Side::After) };
        let to = Probe { e: None, a: None, v: None, side: Side::After };
        let scan = Scan::new(&self.from, &self.to, KeyRange { from, to });
        (self.walk, self.found) = (Walk::Scan(Box::new(scan)), Found::default());
        Ok(())
    }

    /// Makes changes of the entities that are complete: of as many as have long values of a bounded
    /// size together. The others come next.
    fn give(&mut self) -> Result<Vec<Change>, DbError> {
        let Some(ready) = &self.ready else { return Ok(Vec::new()) };
        let (now, rest) = cut(ready);
        let changes = self.changes(now)?;
        self.ready = (!rest.iter().all(Slice::is_empty)).then_some(rest);
        Ok(changes)
    }

    fn changes(&self, [gone, come]: [Slice; 2]) -> Result<Vec<Change>, DbError> {
        let whole = |db: &Db, slice: Slice| -> Result<Vec<_>, DbError> {
            let whole = db.whole(vec![vec![slice]])?;
            Ok(whole.iter().flatten().flat_map(Slice::datoms).collect())
        };
        let (mut gone, mut come) = (whole(&self.from, gone)?, whole(&self.to, come)?);
        if self.finds_transactions {
            change::find_ends(&self.to, &mut gone)?;
            change::find_beginnings(&self.to, &mut come)?;
        }
        Ok(change::pair([&self.from, &self.to], gone, come))
    }
}

/// Cuts facts after the first entities, of which the long values are to be held together: at least
/// one. All are sorted by entity.
fn cut(ready: &[Slice; 2]) -> ([Slice; 2], [Slice; 2]) {
    let long_bytes = |part: &[Slice; 2]| part.iter().map(index::long_bytes).sum::<u64>();
    let (mut now, mut rest) = (ready.clone(), ready.clone());
    if long_bytes(&rest) <= LONG_BYTES {
        rest.iter_mut().for_each(|slice| slice.rows.start = slice.rows.end);
        return (now, rest);
    }
    now.iter_mut().for_each(|slice| slice.rows.end = slice.rows.start);
    let mut bytes = 0;
    while let Some(next) = first_entity(&rest) {
        bytes += long_bytes(&next);
        if bytes > LONG_BYTES && !now.iter().all(Slice::is_empty) {
            break;
        }
        for ((now, rest), next) in now.iter_mut().zip(&mut rest).zip(next) {
            (now.rows.end, rest.rows.start) = (next.rows.end, next.rows.end);
        }
    }
    (now, rest)
}

/// The rows of the first entity of which there are any.
fn first_entity(rest: &[Slice; 2]) -> Option<[Slice; 2]> {
    let first = |slice: &Slice| slice.facts.entities()[slice.rows.clone()].first().copied();
    let first = rest.iter().filter_map(first).min()?;
    Some(rest.clone().map(|slice| {
        let len = slice.facts.entities()[slice.rows.clone()].partition_point(|e| *e == first);
        let rows = slice.rows.start..slice.rows.start + len;
        Slice { rows, ..slice }
    }))
}

impl Iterator for Difference {
    /// The changes of some entities, all of each; none, where a lot was looked at and nothing was
    /// found: so whoever waits can give up in between. After an error the same comes again.
    type Item = Result<Vec<Change>, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_none() {
            if self.is_over && self.found.len() == 0 {
                return None;
            }
            if !self.is_over
                && let Err(error) = self.step()
            {
                return Some(Err(error));
            }
            let facts = self.found.take(self.is_over);
            let ends = facts.iter().filter_map(|facts| facts.entities().last());
            self.given = ends.max().map(|e| EntityId(*e)).or(self.given);
            self.ready = Some(facts.map(|facts| Slice::all(Arc::new(facts))));
        }
        Some(self.give())
    }
}
