//! What is erased, as a question that can be asked of any datom, leaf or frame.
//!
//! **Invariant:** the answer for a fact is the same wherever the fact is met: in a frame as what
//! began or ended it, in a leaf or in novelty as an interval. It depends on no head, so what is
//! erased is erased from all.

use crate::commit::Frame;
use crate::datom::{Facts, FactsBuilder, Order};
use crate::db::{Kind, fact_key};
use crate::id::{AttrId, EntityId, Tx};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is erased.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// Facts of some kind, whenever they held.
    pub(super) kind: Kind,
    /// Facts that have ended: by [`fact_key`], the transactions that began and that ended them.
    pub(super) ended: BTreeMap<Vec<u8>, Vec<(Tx, Tx)>>,
    /// Whether what had ended by a moment is meant.
    pub(super) is_of_moment: bool,
}

/// The entity and the attribute of such a key.
pub(super) fn parts(key: &[u8]) -> (EntityId, AttrId) {
    let number = |at: usize| {
        let bytes = key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_be_bytes)
    };
    (EntityId(number(0)), AttrId(number(8)))
}

impl Target {
    /// Which datoms of a transaction are erased.
    pub(super) fn datoms(&self, frame: &Frame) -> Vec<bool> {
        let facts = &frame.datoms;
        let of_kind = (0..facts.len()).map(|row| self.kind.has(&facts.key(row)));
        if self.ended.is_empty() {
            return of_kind.collect();
        }
        of_kind.zip(ended_datoms(&self.ended, facts)).map(|(x, y)| x || y).collect()
    }

    /// Whether a fact is erased: a row of a tree or of novelty.
    pub(super) fn fact(&self, facts: &Facts, row: usize) -> bool {
        let key = facts.key(row);
        if self.kind.has(&key) {
            return true;
        }
        if self.ended.is_empty() {
            return false;
        }
        let Some(spans) = self.ended.get(&fact_key(&key)) else { return false };
        let is =
            |wanted: &dyn Fn(Tx, Tx) -> bool| spans.iter().any(|(from, to)| wanted(*from, *to));
        match (key.tx, facts.end(row)) {
            // The end of a fact that is in a tree.
            (Tx(0), Some(end)) => is(&|from, to| from != to && to == end),
            (tx, Some(end)) if tx == end => is(&|from, to| (from, to) == (tx, tx)),
            // Where it has not ended yet, a later commit of the same line ends it.
            (tx, _) => is(&|from, to| from == tx && to != tx),
        }
    }

    /// The facts without those that are erased; `None` if none is.
    pub(super) fn left(&self, facts: &Facts) -> Option<Facts> {
        let erased: Vec<bool> = (0..facts.len()).map(|row| self.fact(facts, row)).collect();
        if !erased.contains(&true) {
            return None;
        }
        let mut left = FactsBuilder::default();
        let rows = erased.iter().enumerate().filter(|(_, erased)| !**erased);
        rows.for_each(|(row, _)| left.push_row(facts, row));
        Some(left.finish())
    }
}

/// Which datoms of one transaction began or ended a fact that is erased. Assertions and retractions
/// of one fact alternate.
fn ended_datoms(ended: &BTreeMap<Vec<u8>, Vec<(Tx, Tx)>>, facts: &Facts) -> Vec<bool> {
    let mut erased = vec![false; facts.len()];
    let mut open: HashMap<Vec<u8>, usize> = HashMap::new();
    for row in 0..facts.len() {
        let (key, tx) = (fact_key(&facts.key(row)), facts.tx(row));
        let Some(spans) = ended.get(&key) else { continue };
        if facts.added(row) {
            open.insert(key, row);
            continue;
        }
        match open.remove(&key) {
            Some(began) if spans.contains(&(tx, tx)) => {
                (erased[began], erased[row]) = (true, true);
            }
            Some(_) => {}
            None => erased[row] = spans.iter().any(|(from, to)| from != to && *to == tx),
        }
    }
    for (key, row) in open {
        let (tx, spans) = (facts.tx(row), ended.get(&key));
        erased[row] = spans.into_iter().flatten().any(|(from, to)| *from == tx && from != to);
    }
    erased
}

/// The keys of erased facts in each order of trees, sorted: where to look, and which separators
/// may tell of them.
#[derive(Debug, Default)]
pub(super) struct Spoiled([Vec<Vec<u8>>; 3]);

impl Spoiled {
    /// Of keys by EAVT.
    pub(super) fn new(keys: &BTreeSet<Vec<u8>>) -> Self {
        let eavt: Vec<Vec<u8>> = keys.iter().cloned().collect();
        let mut aevt: Vec<Vec<u8>> = keys.iter().map(|key| in_order(key, Order::Aevt)).collect();
        let mut avet: Vec<Vec<u8>> = keys.iter().map(|key| in_order(key, Order::Avet)).collect();
        aevt.sort();
        avet.sort();
        Self([eavt, aevt, avet])
    }

    /// Whether an erased fact can lie at or after `from` and before `to`.
    pub(super) fn touches(&self, order: Order, from: &[u8], to: Option<&[u8]>) -> bool {
        let keys = &self.0[order as usize];
        let next = keys.partition_point(|key| key[..] < *from);
        let within = keys.get(next).is_some_and(|key| to.is_none_or(|to| key[..] < *to));
        // The bounds may begin with a key, and go on with its transaction.
        within || next.checked_sub(1).is_some_and(|i| from.starts_with(&keys[i]))
    }

    /// Whether a separator is the beginning of an erased fact's key, or goes on after it, and has
    /// something of the value.
    pub(super) fn tells(&self, order: Order, separator: &[u8]) -> bool {
        let ids = if order == Order::Avet { 8 } else { 16 };
        if separator.len() <= ids {
            return false;
        }
        let keys = &self.0[order as usize];
        let next = keys.partition_point(|key| key[..] < *separator);
        keys.get(next).is_some_and(|key| key.starts_with(separator))
            || next.checked_sub(1).is_some_and(|i| separator.starts_with(&keys[i]))
    }
}

/// A key by EAVT in another order.
fn in_order(key: &[u8], order: Order) -> Vec<u8> {
    let (ids, value) = key.split_at_checked(16).unwrap_or((key, &[]));
    let (e, a) = ids.split_at(ids.len() / 2);
    match order {
        Order::Eavt => key.to_vec(),
        Order::Aevt => [a, e, value].concat(),
        Order::Avet => [a, value, e].concat(),
    }
}
