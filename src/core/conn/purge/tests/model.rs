//! What an erasure leaves, worked out from logs that are held in memory.

use super::*;
use crate::commit::Opened;
use crate::conn::tests::time::Fact;
use crate::datom::Datom;
use crate::id::CommitId;
use crate::schema::{Schema, builtin};
use std::collections::BTreeSet;

/// A transaction of a log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: CommitId,
    pub(super) tx: Tx,
    pub(super) instant_ms: i64,
    pub(super) purged: u64,
    pub(super) datoms: Vec<Datom>,
}

/// A branch or a tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) is_tag: bool,
    pub(super) schema: Schema,
    pub(super) log: Vec<Entry>,
}

impl Line {
    pub(super) fn read(place: &Place, name: &str, is_tag: bool, opened: &Opened) -> Self {
        let mut reader = place.log(opened, T(1)..=T(u64::MAX), false);
        let (mut log, mut parent) = (Vec::new(), None);
        while let Some((id, frame)) = block_on(reader.next()).unwrap() {
            frame.follows(id, parent).unwrap();
            parent = Some(id);
            let purged = frame.purged.map_or(0, |purged| purged.datoms);
            let (tx, instant_ms) = (frame.tx, frame.instant_ms);
            log.push(Entry { id, tx, instant_ms, purged, datoms: frame.datoms().collect() });
        }
        assert_eq!(parent, opened.head.tip.commit);
        Self { name: name.to_owned(), is_tag, schema: opened.snapshot.schema.clone(), log }
    }

    fn said(&self) -> Said {
        Said(self.log.iter().map(|entry| (entry.tx, entry.datoms.clone())).collect())
    }

    fn without(&self, is_erased: impl Fn(&Entry, usize) -> bool) -> Self {
        let mut left = self.clone();
        for (entry, before) in left.log.iter_mut().zip(&self.log) {
            let kept = (0..before.datoms.len()).filter(|row| !is_erased(before, *row));
            entry.datoms = kept.map(|row| before.datoms[row].clone()).collect();
            entry.purged += (before.datoms.len() - entry.datoms.len()) as u64;
        }
        left
    }
}

/// All lines without what is erased.
pub(super) fn erased(lines: &[Line], erase: &Erase) -> Vec<Line> {
    match erase {
        Erase::Entity(entity) => {
            let gone = with_parts(lines, *entity);
            let is_erased = |entry: &Entry, row: usize| {
                let datom = &entry.datoms[row];
                gone.contains(&datom.e) && datom.a != builtin::TX_INSTANT
                    || names_any(&datom.v, &gone)
            };
            lines.iter().map(|line| line.without(is_erased)).collect()
        }
        Erase::Attribute { attribute, entity } => {
            let mut gone: BTreeSet<AttrId> =
                tuples(lines, *attribute).into_iter().map(|(tuple, _)| tuple).collect();
            gone.insert(*attribute);
            let is_erased = |entry: &Entry, row: usize| {
                let datom = &entry.datoms[row];
                gone.contains(&datom.a) && entity.is_none_or(|e| e == datom.e)
            };
            lines.iter().map(|line| line.without(is_erased)).collect()
        }
        Erase::Fact { entity, attribute, value } => {
            let tuples = tuples(lines, *attribute);
            let has = |at: usize, of: &Value| matches!(of, Value::Vector(x) if x[at] == *value);
            let is_erased = |entry: &Entry, row: usize| {
                let datom = &entry.datoms[row];
                let is_tuple =
                    tuples.iter().any(|(tuple, at)| datom.a == *tuple && has(*at, &datom.v));
                datom.e == *entity && (datom.a == *attribute && datom.v == *value || is_tuple)
            };
            lines.iter().map(|line| line.without(is_erased)).collect()
        }
        Erase::Before(ms) => before(lines, *ms),
        Erase::Several(all) => {
            // What is part of an entity is known before it is erased.
            let is_entity = |erase: &&Erase| matches!(erase, Erase::Entity(_));
            let (first, rest): (Vec<_>, Vec<_>) = all.iter().partition(is_entity);
            let all = first.into_iter().chain(rest);
            all.fold(lines.to_vec(), |lines, erase| erased(&lines, erase))
        }
    }
}

/// The tuples that an attribute is part of, and where.
fn tuples(lines: &[Line], attribute: AttrId) -> Vec<(AttrId, usize)> {
    let name = lines[0].schema.get(attribute).unwrap().ident.to_string();
    let tuples: &[(&str, usize)] = match name.trim_start_matches(':') {
        "n" => &[("pair", 0), ("link", 1)],
        "name" => &[("pair", 1)],
        "part" => &[("link", 0)],
        _ => &[],
    };
    tuples.iter().map(|(tuple, at)| (lines[0].schema.attr(tuple).unwrap().id, *at)).collect()
}

fn names_any(value: &Value, entities: &BTreeSet<EntityId>) -> bool {
    match value {
        Value::Ref(entity) => entities.contains(entity),
        Value::Vector(items) => items.iter().any(|item| names_any(item, entities)),
        _ => false,
    }
}

fn with_parts(lines: &[Line], entity: EntityId) -> BTreeSet<EntityId> {
    let part = lines[0].schema.attr("part").unwrap().id;
    let mut all = BTreeSet::from([entity]);
    loop {
        let datoms = lines.iter().flat_map(|line| &line.log).flat_map(|entry| &entry.datoms);
        let of = datoms.filter(|datom| datom.a == part && all.contains(&datom.e));
        let more: BTreeSet<EntityId> = of
            .filter_map(|datom| match datom.v {
                Value::Ref(part) => Some(part),
                _ => None,
            })
            .collect();
        if more.is_subset(&all) {
            return all;
        }
        all.extend(more);
    }
}

/// A fact, from when, and whether it ended where it began.
type Span = (Fact, Tx, bool);

fn before(lines: &[Line], ms: i64) -> Vec<Line> {
    // What is in the history of another is no line of its own.
    let is_line = |line: &&Line| {
        let has = |other: &Line| other.log.iter().any(|e| e.id == line.log.last().unwrap().id);
        let is_first = |other: &Line| {
            let same = other.log.len() == line.log.len();
            !same || lines.iter().position(|x| x == other) < lines.iter().position(|x| x == *line)
        };
        !line.is_tag || !lines.iter().any(|other| other != *line && has(other) && is_first(other))
    };
    let (mut ended, mut alive) = (BTreeSet::<Span>::new(), BTreeSet::<Span>::new());
    for line in lines.iter().filter(is_line) {
        let last = line.log.iter().filter(|entry| entry.instant_ms <= ms).map(|e| e.tx.t()).max();
        let last = last.unwrap_or_default();
        for (fact, from, to) in line.said().intervals() {
            let span = (fact, from, to == Some(from));
            match to {
                Some(to) if to.t() <= last => drop(ended.insert(span)),
                _ if from.t() <= last => drop(alive.insert(span)),
                _ => {}
            }
        }
    }
    let defining: BTreeSet<EntityId> =
        lines.iter().flat_map(|line| line.schema.attributes()).filter_map(|a| a.entity).collect();
    let gone: BTreeSet<Span> = ended
        .difference(&alive)
        .filter(|(fact, ..)| !defining.contains(&fact.0))
        .cloned()
        .collect();
    lines.iter().map(|line| line.without_spans(&gone)).collect()
}

impl Line {
    fn without_spans(&self, gone: &BTreeSet<Span>) -> Self {
        // By the beginning and by the end of each: which occurrence in its transaction.
        let mut rows: BTreeSet<(Tx, usize)> = BTreeSet::new();
        let mut open: Vec<(Fact, Tx, usize)> = Vec::new();
        for entry in &self.log {
            for (row, datom) in entry.datoms.iter().enumerate() {
                let fact = (datom.e, datom.a, datom.v.clone());
                if datom.added {
                    open.push((fact, entry.tx, row));
                    continue;
                }
                let at = open.iter().rposition(|(known, ..)| *known == fact).unwrap();
                let (fact, from, began) = open.remove(at);
                if gone.contains(&(fact, from, from == entry.tx)) {
                    rows.extend([(from, began), (entry.tx, row)]);
                }
            }
        }
        for (fact, from, row) in open {
            if gone.contains(&(fact, from, false)) {
                rows.insert((from, row));
            }
        }
        self.without(|entry, row| rows.contains(&(entry.tx, row)))
    }
}
