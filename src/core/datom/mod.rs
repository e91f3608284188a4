//! Datoms and facts: what a database is made of, and the three orders they are kept in.
//!
//! A *datom* is one assertion or retraction: entity, attribute, value, transaction, added. A *fact*
//! is the same seen over time: `(e a v)` held from the transaction that added it until the one that
//! ended it, the half-open interval `[tx, end)`. Trees, overlays and batches are all [`Facts`]:
//! columns of facts in one order.

mod facts;
mod probe;

pub use facts::{Facts, FactsBuilder, Slice};
pub use probe::{KeyRange, Probe, Side};

use crate::id::{AttrId, EntityId, Tx};
use crate::value::{ValRef, Value, encode_in_index};
use std::cmp::Ordering;

/// The order of an index: which component is compared first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// By entity: everything about one thing lies together.
    Eavt,
    /// By attribute, then entity: one attribute of everything.
    Aevt,
    /// By attribute, then value: only indexed, unique and ref attributes are here.
    Avet,
}

impl Order {
    /// All three, in the order of their storage.
    pub const ALL: [Order; 3] = [Order::Eavt, Order::Aevt, Order::Avet];
}

/// One assertion or retraction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datom {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Value,
    /// The transaction that says so.
    pub tx: Tx,
    /// Asserted, or retracted.
    pub added: bool,
}

/// The key of one row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RowKey<'a> {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: ValRef<'a>,
    /// The transaction that added it.
    pub tx: Tx,
}

impl<'a> RowKey<'a> {
    /// Compares in an order; the transaction is the last component of each.
    pub fn cmp_in(&self, order: Order, other: &RowKey<'_>) -> Ordering {
        self.cmp_fact(order, other).then(self.tx.cmp(&other.tx))
    }

    /// Compares `(e a v)` alone.
    pub fn cmp_fact(&self, order: Order, other: &RowKey<'_>) -> Ordering {
        let (e, a) = (self.e.cmp(&other.e), self.a.cmp(&other.a));
        match order {
            Order::Eavt => e.then(a).then_with(|| self.v.cmp_in_index(other.v)),
            Order::Aevt => a.then(e).then_with(|| self.v.cmp_in_index(other.v)),
            Order::Avet => a.then_with(|| self.v.cmp_in_index(other.v)).then(e),
        }
    }

    /// Appends the order-preserving bytes of the whole key, the transaction included.
    pub fn encode(&self, order: Order, out: &mut Vec<u8>) {
        let (e, a) = (self.e.0.to_be_bytes(), self.a.0.to_be_bytes());
        match order {
            Order::Eavt => {
                out.extend(e);
                out.extend(a);
                encode_in_index(self.v, out);
            }
            Order::Aevt => {
                out.extend(a);
                out.extend(e);
                encode_in_index(self.v, out);
            }
            Order::Avet => {
                out.extend(a);
                encode_in_index(self.v, out);
                out.extend(e);
            }
        }
        out.extend(self.tx.0.to_be_bytes());
    }
}

impl Datom {
    /// The key of the fact it is about.
    pub fn key(&self) -> RowKey<'_> {
        RowKey { e: self.e, a: self.a, v: self.v.as_ref(), tx: self.tx }
    }
}
