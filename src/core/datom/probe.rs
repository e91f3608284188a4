//! Places in an index: before or after all keys that begin with some components.
//!
//! **Invariant:** comparing a probe with a row and comparing its bytes with the row's key bytes
//! give the same answer.

use super::{Facts, Order, RowKey};
use crate::hash::NodeHash;
use crate::id::{AttrId, EntityId};
use crate::value::{Blob, Place, ValRef, Value, encode_in_index, form_of};
use std::cmp::Ordering;
use std::ops::Range;

/// On which side of the keys that begin with the probe's components the place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Before all of them.
    Before,
    /// After all of them.
    After,
}

/// A place in an index. Components that are set must be the first ones of the order: a value
/// without the components before it is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// The entity.
    pub e: Option<EntityId>,
    /// The attribute.
    pub a: Option<AttrId>,
    /// The value.
    pub v: Option<Value>,
    /// Which side of what begins so.
    pub side: Side,
}

impl Probe {
    /// Where a row is, seen from here: `Less` if the row lies before the place.
    pub fn cmp_row(&self, order: Order, row: &RowKey<'_>) -> Ordering {
        let e = || self.e.map(|e| row.e.cmp(&e));
        let a = || self.a.map(|a| row.a.cmp(&a));
        let v = || self.v.as_ref().map(|v| row.v.cmp_in_index(v.as_ref()));
        let steps: [&dyn Fn() -> Option<Ordering>; 3] = match order {
            Order::Eavt => [&e, &a, &v],
            Order::Aevt => [&a, &e, &v],
            Order::Avet => [&a, &v, &e],
        };
        for step in steps {
            match step() {
                Some(Ordering::Equal) => {}
                Some(unequal) => return unequal,
                None => break,
            }
        }
        match self.side {
            Side::Before => Ordering::Greater,
            Side::After => Ordering::Less,
        }
    }

    /// The key bytes of the components.
    pub fn encode(&self, order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        let e = |out: &mut Vec<u8>| self.e.map(|e| out.extend(e.0.to_be_bytes()));
        let a = |out: &mut Vec<u8>| self.a.map(|a| out.extend(a.0.to_be_bytes()));
        let v = |out: &mut Vec<u8>| self.v.as_ref().map(|v| encode_in_index(v.as_ref(), out));
        // `and_then` stops at the first component that is not set.
        let _ = match order {
            Order::Eavt => e(&mut out).and_then(|()| a(&mut out)).and_then(|()| v(&mut out)),
            Order::Aevt => a(&mut out).and_then(|()| e(&mut out)).and_then(|()| v(&mut out)),
            Order::Avet => a(&mut out).and_then(|()| v(&mut out)).and_then(|()| e(&mut out)),
        };
        out
    }

    /// Where key bytes (of a row, or a shortened separator) are, seen from a probe with these
    /// bytes.
    pub fn cmp_bytes(side: Side, probe: &[u8], key: &[u8]) -> Ordering {
        let common = &key[..key.len().min(probe.len())];
        match common.cmp(probe) {
            Ordering::Equal if side == Side::Before => Ordering::Greater,
            Ordering::Equal => Ordering::Less,
            unequal => unequal,
        }
    }

    /// The first row of facts in this order that lies after the place.
    pub fn position(&self, order: Order, facts: &Facts) -> usize {
        self.on_side(&self.matching(order, facts))
    }

    /// The rows of facts in this order that begin with the components. Cost: a binary search for
    /// each component, over its column alone.
    fn matching(&self, order: Order, facts: &Facts) -> Range<usize> {
        let mut rows = 0..facts.len();
        let components = match order {
            Order::Eavt => [Component::E, Component::A, Component::V],
            Order::Aevt => [Component::A, Component::E, Component::V],
            Order::Avet => [Component::A, Component::V, Component::E],
        };
        for component in components {
            let narrowed = match component {
                Component::E => self.e.map(|e| equal(facts.entities(), &rows, e.0)),
                Component::A => self.a.map(|a| equal(facts.attributes(), &rows, a.0)),
                Component::V => self.v.as_ref().map(|v| valued(facts, &rows, v.as_ref())),
            };
            match narrowed {
                Some(narrowed) => rows = narrowed,
                None => break,
            }
        }
        rows
    }

    fn on_side(&self, matching: &Range<usize>) -> usize {
        match self.side {
            Side::Before => matching.start,
            Side::After => matching.end,
        }
    }
}

enum Component {
    E,
    A,
    V,
}

/// The rows of a range that have this value, where they are sorted by it.
fn valued(facts: &Facts, rows: &Range<usize>, v: ValRef<'_>) -> Range<usize> {
    let tag = v.tag().blob().filter(|_| !rows.is_empty());
    // The hash of a long value is computed once, not at each comparison.
    let form = v.long_bytes().filter(|_| tag.is_some()).and_then(|bytes| {
        let nowhere = Place { hash: NodeHash([0; 32]), pack: 0, offset: 0, len: 0 };
        form_of(bytes, NodeHash::of(bytes), nowhere)
    });
    let blob = tag.zip(form.as_deref()).and_then(|(tag, form)| Blob::of_form(tag, form));
    let v = blob.map_or(v, ValRef::Blob);
    // Values mostly grow: what is new lies after all that is there.
    if rows.end > rows.start && facts.v(rows.end - 1).cmp_in_index(v).is_lt() {
        return rows.end..rows.end;
    }
    let low = facts.seek(rows.clone(), |row| facts.v(row).cmp_in_index(v).is_lt());
    low..facts.seek_near(low..rows.end, |row| facts.v(row).cmp_in_index(v).is_eq())
}

/// The rows of a range that have this id, in a column that is sorted there.
fn equal(column: &[u64], rows: &Range<usize>, id: u64) -> Range<usize> {
    let part = &column[rows.clone()];
    if part.first() == Some(&id) && part.last() == Some(&id) {
        return rows.clone();
    }
    let low = part.partition_point(|x| *x < id);
    let part = &part[low..];
    // Few rows have one id, mostly.
    let mut near = 1;
    while near < part.len() && part[near] == id {
        near *= 2;
    }
    let len = part[..near.min(part.len())].partition_point(|x| *x == id);
    rows.start + low..rows.start + low + len
}

/// Everything between two places: rows after `from` and before `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// Where it begins.
    pub from: Probe,
    /// Where it ends.
    pub to: Probe,
}

impl KeyRange {
    /// All keys that begin with these components.
    pub fn prefix(e: Option<EntityId>, a: Option<AttrId>, v: Option<Value>) -> Self {
        let from = Probe { e, a, v: v.clone(), side: Side::Before };
        Self { from, to: Probe { e, a, v, side: Side::After } }
    }

    /// The whole index.
    pub fn all() -> Self {
        Self::prefix(None, None, None)
    }

    /// The rows of sorted facts inside the range.
    pub fn rows(&self, order: Order, facts: &Facts) -> Range<usize> {
        let (from, to) = (&self.from, &self.to);
        if (from.e, from.a, &from.v) == (to.e, to.a, &to.v) {
            let matching = from.matching(order, facts);
            let start = from.on_side(&matching);
            return start..to.on_side(&matching).max(start);
        }
        let start = from.position(order, facts);
        start..to.position(order, facts).max(start)
    }
}
