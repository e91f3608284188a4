//! Sums over facts that do not depend on their order: what the log says and what a tree holds are
//! compared without holding either of them.
//!
//! For each attribute: how many facts began and ended, and the sum of a hash over each beginning
//! `(e a v t)`, each end `(e a v t)`, and each fact `(e a v)`. In a tree no interval ends before it
//! began; so intervals with the same beginnings and the same ends as in a log where they alternate
//! are the same intervals: there is no other way to pair them. (But for one: of a fact that was
//! retracted and asserted by one transaction it is not seen which came first.)
//!
//! **Invariant:** equal multisets have equal sums; unequal ones have unequal sums but for one case
//! in 2^256, since each hash is blake3's, mixed with the transaction. Damage is met by the hashes
//! of nodes; this is against mistakes of a writer.

use crate::datom::{Facts, RowKey};
use crate::hash::Hasher;
use crate::id::AttrId;
use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

/// A sum of hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    /// The hash of bytes.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let hash = hasher.finish();
        let lane = |i: usize| hash[i * 8..i * 8 + 8].iter().fold(0, |x, b| x << 8 | u64::from(*b));
        Self([lane(0), lane(1), lane(2), lane(3)])
    }

    /// The hash of the same with a number.
    fn with(self, kind: u64, number: u64) -> Self {
        let salt = |i: usize| mix(number ^ mix(kind << 8 | i as u64));
        let lane = |i: usize| mix(self.0[i] ^ salt(i)).wrapping_add(self.0[(i + 1) % 4]);
        Self([lane(0), lane(1), lane(2), lane(3)])
    }
}

/// A well-mixed number for a number (splitmix64).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(x, y)| *x = x.wrapping_add(y));
    }
}

impl SubAssign for Sum {
    fn sub_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(x, y)| *x = x.wrapping_sub(y));
    }
}

/// What is known of the facts of one attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Facts that began.
    pub(super) began: u64,
    /// Facts that ended.
    pub(super) ended: u64,
    /// Over their beginnings.
    pub(super) starts: Sum,
    /// Over their ends.
    pub(super) ends: Sum,
    /// Over the facts that hold, without time.
    pub(super) held: Sum,
}

impl Sums {
    /// Facts that hold.
    pub(super) fn rows(&self) -> u64 {
        self.began.saturating_sub(self.ended)
    }

    /// With a beginning.
    fn begin(&mut self, fact: Sum, tx: u64) {
        self.began += 1;
        self.starts += fact.with(1, tx);
        self.held += fact;
    }

    /// With an end.
    fn end(&mut self, fact: Sum, tx: u64) {
        self.ended += 1;
        self.ends += fact.with(2, tx);
        self.held -= fact;
    }
}

impl AddAssign<&Sums> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.began += other.began;
        self.ended += other.ended;
        self.starts += other.starts;
        self.ends += other.ends;
        self.held += other.held;
    }
}

/// Sums by attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByAttribute(pub(super) BTreeMap<AttrId, Sums>);

impl ByAttribute {
    /// Of the intervals of a leaf.
    pub(super) fn of_intervals(facts: &Facts) -> Self {
        let mut sums = Self::default();
        for row in 0..facts.len() {
            let (key, fact) = (facts.key(row), fact(&facts.key(row)));
            let attribute = sums.0.entry(key.a).or_default();
            attribute.begin(fact, key.tx.0);
            if let Some(end) = facts.end(row) {
                attribute.end(fact, end.0);
            }
        }
        sums
    }

    /// With the datoms of a transaction: what it asserts begins, what it retracts ends.
    pub(super) fn say(&mut self, datoms: &Facts) {
        for row in 0..datoms.len() {
            let (key, fact) = (datoms.key(row), fact(&datoms.key(row)));
            let attribute = self.0.entry(key.a).or_default();
            match datoms.added(row) {
                true => attribute.begin(fact, key.tx.0),
                false => attribute.end(fact, key.tx.0),
            }
        }
    }

    /// With those of other facts.
    pub(super) fn add(&mut self, other: &Self) {
        for (attribute, sums) in &other.0 {
            *self.0.entry(*attribute).or_default() += sums;
        }
    }

    /// Of one attribute.
    pub(super) fn get(&self, attribute: AttrId) -> Sums {
        self.0.get(&attribute).copied().unwrap_or_default()
    }
}

fn fact(key: &RowKey<'_>) -> Sum {
    let mut value = Vec::with_capacity(16);
    crate::value::encode_in_index(key.v, &mut value);
    Sum::of(&[&key.e.0.to_le_bytes(), &key.a.0.to_le_bytes(), &value])
}
