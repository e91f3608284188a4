//! A value without what is erased: as if it had never been said.
//!
//! **Invariant:** trees stay as they are, and rows of a layer above hide what was said of an erased
//! fact; so the value's cost is that of what is erased. What had ended by a moment is looked for in
//! all of the history, the rest by where it lies.

use super::super::layer::{HIDING, Interval, Layer};
use super::super::{Db, DbError, Snapshot};
use super::{Erase, EraseError, Kind, fact_key};
use crate::datom::{Datom, FactsBuilder, KeyRange, Order, RowKey, Slice};
use crate::id::{AttrId, EntityId, T, Tx};
use crate::schema::{Schema, TupleKind, ValueType, builtin};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An erased fact: whether it held, and what is left of its history.
struct Left {
    e: EntityId,
    a: AttrId,
    v: Value,
    held: bool,
    spans: Vec<Interval>,
}

/// Erased facts, by their keys.
type Found = BTreeMap<Vec<u8>, Left>;

impl Db {
    /// The newest state without what is erased, of which nothing can be seen any more at any
    /// moment. Nothing is written; to erase from what is stored is for whoever commits.
    pub fn without(&self, erase: &Erase) -> Result<Self, EraseError> {
        let line = self.history();
        let (mut kind, mut found) = (Kind::default(), Found::new());
        kind.add(erase, std::slice::from_ref(&line))?;
        for (order, ranges) in kind.places(line.schema()) {
            for slices in line.scan(order, &ranges)? {
                let mut histories = Histories::default();
                for slice in &slices {
                    histories.take(slice, |history| history.erase(&kind, &mut found));
                }
                histories.end(|history| history.erase(&kind, &mut found));
            }
        }
        if let Some(ms) = erase.moment() {
            line.find_ended(ms, &mut found)?;
        }
        Ok(Self::new(self.snapshot().hiding(&found)))
    }

    /// What had ended by an instant, but for what defines attributes.
    fn find_ended(&self, ms: i64, found: &mut Found) -> Result<(), DbError> {
        let now = Self::new(self.snapshot().clone());
        let instants = now.datoms(Order::Aevt, None, Some(builtin::TX_INSTANT), None)?;
        let by = instants.iter().filter(|datom| datom.v <= Value::Inst(ms));
        let last = by.filter_map(|datom| datom.e.as_tx()).map(Tx::t).max().unwrap_or(T(0));
        let all = self.schema().attributes();
        let defining: BTreeSet<EntityId> = all.filter_map(|attribute| attribute.entity).collect();
        let mut see = |history: History| {
            if !defining.contains(&history.e) {
                history.erase_ended(last, found);
            }
        };
        let mut histories = Histories::default();
        for slice in self.chunks(Order::Eavt, KeyRange::all()) {
            histories.take(&slice?, &mut see);
        }
        histories.end(&mut see);
        Ok(())
    }
}

impl Kind {
    /// Where facts of the kind lie in an index.
    fn places(&self, schema: &Schema) -> [(Order, Vec<KeyRange>); 3] {
        let refer = |kind: &TupleKind| match kind {
            TupleKind::Homogeneous(of) => *of == ValueType::Ref,
            TupleKind::Heterogeneous(of) => of.contains(&ValueType::Ref),
            TupleKind::Composite(parts) => {
                parts.iter().any(|part| schema.get(*part).is_some_and(|part| part.is_ref()))
            }
        };
        let entities = self.entities.iter().map(|e| KeyRange::prefix(Some(*e), None, None));
        let pairs = self.said.iter().chain(self.facts.keys()).chain(self.tuples.keys());
        let pairs: BTreeSet<_> = pairs.copied().collect();
        let pairs = pairs.into_iter().map(|(e, a)| KeyRange::prefix(Some(e), Some(a), None));
        let tuples = schema.attributes().filter(|a| a.tuple.as_ref().is_some_and(refer));
        let tuples = tuples.filter(|_| !self.entities.is_empty()).map(|a| a.id);
        let whole: BTreeSet<AttrId> = self.attributes.iter().copied().chain(tuples).collect();
        let whole = whole.into_iter().map(|a| KeyRange::prefix(None, Some(a), None));
        let refs = schema.attributes().filter(|a| a.is_ref());
        let incoming = refs.flat_map(|a| {
            let to = self.entities.iter().map(|e| Value::Ref(*e));
            to.map(|to| KeyRange::prefix(None, Some(a.id), Some(to)))
        });
        [
            (Order::Eavt, entities.chain(pairs).collect()),
            (Order::Aevt, whole.collect()),
            (Order::Avet, incoming.collect()),
        ]
    }
}

/// All that was said of one fact, in time.
struct History {
    e: EntityId,
    a: AttrId,
    v: Value,
    spans: Vec<Interval>,
}

impl History {
    fn key(&self) -> RowKey<'_> {
        RowKey { e: self.e, a: self.a, v: self.v.as_ref(), tx: Tx(0) }
    }

    fn holds(&self) -> bool {
        self.spans.last().is_some_and(|(_, end)| end.is_none())
    }

    fn erase(self, kind: &Kind, found: &mut Found) {
        if kind.has(&self.key()) {
            self.note(Vec::new(), found);
        }
    }

    fn erase_ended(self, last: T, found: &mut Found) {
        let had_ended = |(_, end): &Interval| end.is_some_and(|end| end.t() <= last);
        let spans: Vec<_> = self.spans.iter().filter(|span| !had_ended(span)).copied().collect();
        if spans.len() < self.spans.len() {
            self.note(spans, found);
        }
    }

    /// What is erased wholly stays so.
    fn note(self, spans: Vec<Interval>, found: &mut Found) {
        let (key, held) = (fact_key(&self.key()), self.holds());
        let Self { e, a, v, .. } = self;
        found.entry(key).or_insert(Left { e, a, v, held, spans });
    }
}

/// The rows of a history put together by fact.
#[derive(Default)]
struct Histories(Option<History>);

impl Histories {
    fn take(&mut self, slice: &Slice, mut see: impl FnMut(History)) {
        for Datom { e, a, v, tx, added } in slice.datoms() {
            let is_next = self.0.as_ref().is_none_or(|of| (of.e, of.a, &of.v) != (e, a, &v));
            if is_next {
                self.0.take().into_iter().for_each(&mut see);
            }
            let of = self.0.get_or_insert(History { e, a, v, spans: Vec::new() });
            match (added, of.spans.last_mut()) {
                (false, Some(open)) => open.1 = Some(tx),
                _ => of.spans.push((tx, None)),
            }
        }
    }

    fn end(self, see: impl FnMut(History)) {
        self.0.into_iter().for_each(see);
    }
}

impl Snapshot {
    /// The snapshot with only this left of some facts.
    fn hiding(&self, found: &Found) -> Self {
        let (mut rows, mut next) = (FactsBuilder::default(), self.clone());
        let mut counts = self.counts.as_ref().clone();
        for left in found.values() {
            let (e, a, v) = (left.e, left.a, left.v.as_ref());
            for (tx, end) in std::iter::once(&HIDING).chain(&left.spans) {
                rows.push(RowKey { e, a, v, tx: *tx }, *end);
            }
            let holds = left.spans.last().is_some_and(|(_, end)| end.is_none());
            if left.held && !holds {
                let count = counts.entry(a).or_default();
                *count = count.saturating_sub(1);
            }
        }
        let newest = next.layers.pop().unwrap_or_default();
        next.layers.push(Arc::new(newest.stack(&Layer::new(rows.finish(), &self.schema))));
        (next.counts, next.commit) = (Arc::new(counts), None);
        next
    }
}
