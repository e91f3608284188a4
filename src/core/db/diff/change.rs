//! A change: a fact that came, one that went, or a value in the place of another.
//!
//! **Invariant:** a one-valued attribute of an entity that has one value on each side is one
//! change; all else is a fact that came or went. The transaction is the one that made it so on the
//! way to the later value: that asserted the fact, or retracted it; none, where that value never
//! had the fact.

use crate::datom::{Datom, KeyRange, Order, Slice};
use crate::db::{Db, DbError};
use crate::id::{AttrId, EntityId, Tx};
use crate::schema::Attribute;
use crate::value::{Keyword, Value};
use std::sync::Arc;

/// What happened to a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It holds in the later value only.
    Added,
    /// It holds in the earlier value only.
    Retracted,
    /// A one-valued attribute has another value.
    Changed,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Added, Self::Retracted, Self::Changed];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Retracted => "retracted",
            Self::Changed => "changed",
        }
    }
}

/// A difference between two values of a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// Its name in the later value, or else in the earlier; its number, where it has none.
    pub ident: Keyword,
    /// The value that came, or went.
    pub v: Value,
    /// The value in whose place it came.
    pub old: Option<Value>,
    /// The transaction, if it is known.
    pub tx: Option<Tx>,
}

fn described(sides: [&Db; 2], a: AttrId) -> Option<&Arc<Attribute>> {
    let [from, to] = sides;
    to.schema().get(a).or_else(|| from.schema().get(a))
}

/// Makes changes of facts that only the one side has, and those that only the other has; all by
/// EAVT, all of each entity.
pub(super) fn pair(sides: [&Db; 2], gone: Vec<Datom>, come: Vec<Datom>) -> Vec<Change> {
    let mut changes = Vec::with_capacity(gone.len() + come.len());
    let (mut gone, mut come) = (gone.into_iter().peekable(), come.into_iter().peekable());
    while let Some((e, a)) = [gone.peek(), come.peek()].into_iter().flatten().map(place).min() {
        let mut went: Vec<Datom> = Vec::new();
        went.extend(std::iter::from_fn(|| gone.next_if(|d| place(d) == (e, a))));
        let mut came: Vec<Datom> = Vec::new();
        came.extend(std::iter::from_fn(|| come.next_if(|d| place(d) == (e, a))));
        let attribute = described(sides, a);
        let ident = attribute.map(|a| a.ident.clone());
        let ident = ident.unwrap_or_else(|| Keyword::new(&a.to_string()));
        let change = |kind, fact: Datom, old| {
            let (ident, tx) = (ident.clone(), Some(fact.tx).filter(|tx| *tx != Tx(0)));
            Change { kind, e, a, ident, v: fact.v, old, tx }
        };
        let is_one = attribute.is_some_and(|attribute| !attribute.many);
        if is_one && went.len() == 1 && came.len() == 1 {
            let old = went.pop().map(|fact| fact.v);
            changes.extend(came.pop().map(|fact| change(ChangeKind::Changed, fact, old)));
            continue;
        }
        changes.extend(went.into_iter().map(|fact| change(ChangeKind::Retracted, fact, None)));
        changes.extend(came.into_iter().map(|fact| change(ChangeKind::Added, fact, None)));
    }
    changes.sort_by(|x, y| {
        let names = (x.e, &x.ident).cmp(&(y.e, &y.ident));
        names.then_with(|| x.v.cmp(&y.v)).then(x.kind.cmp(&y.kind))
    });
    changes
}

fn place(datom: &Datom) -> (EntityId, AttrId) {
    (datom.e, datom.a)
}

/// Finds which transaction said facts of a value, where that is not known. One descent.
pub(super) fn find_beginnings(to: &Db, come: &mut [Datom]) -> Result<(), DbError> {
    find(to, come, |rows| rows.iter().flat_map(Slice::datoms).map(|d| d.tx).next())
}

/// Finds which transaction retracted facts that a value has no more, where that is not known; none,
/// where it never had them, or has forgotten that. One descent.
pub(super) fn find_ends(to: &Db, gone: &mut [Datom]) -> Result<(), DbError> {
    let forgotten = to.schema().forgetful();
    let last = |rows: &[Slice]| {
        let retractions = rows.iter().flat_map(Slice::datoms).filter(|d| !d.added);
        retractions.map(|d| d.tx).max()
    };
    find(&to.history(), gone, last)?;
    // Whether they were flushed before they were forgotten is nothing to tell.
    for fact in gone {
        if forgotten.iter().any(|(a, t)| *a == fact.a && fact.tx.t() <= *t) {
            fact.tx = Tx(0);
        }
    }
    Ok(())
}

fn find(
    db: &Db,
    facts: &mut [Datom],
    found: impl Fn(&[Slice]) -> Option<Tx>,
) -> Result<(), DbError> {
    let unknown: Vec<&mut Datom> = facts.iter_mut().filter(|fact| fact.tx == Tx(0)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let range =
        |fact: &&mut Datom| KeyRange::prefix(Some(fact.e), Some(fact.a), Some(fact.v.clone()));
    let ranges: Vec<KeyRange> = unknown.iter().map(range).collect();
    let rows = db.scan_references(Order::Eavt, &ranges)?;
    for (fact, rows) in unknown.into_iter().zip(rows) {
        fact.tx = found(&rows).unwrap_or(Tx(0));
    }
    Ok(())
}
