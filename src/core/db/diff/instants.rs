//! Changes as rows, with when they were made.
//!
//! **Invariant:** one order of columns for files, commands and queries; what is not there is nil.

use super::{Change, ChangeKind};
use crate::datom::{KeyRange, Order, Slice};
use crate::db::{Db, DbError};
use crate::id::Tx;
use crate::schema::builtin;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most transactions whose instants are remembered.
const REMEMBERED: usize = 64 << 10;

/// Makes rows of changes.
#[derive(Debug)]
pub struct ChangeRows {
    db: Db,
    instants: BTreeMap<Tx, Value>,
}

impl ChangeRows {
    /// The names of the columns: entity, attribute, value, what happened to it, what was there
    /// before; and the transaction that made it so, if that is known.
    pub const COLUMNS: [&str; 7] = ["e", "a", "v", "change", "old", "t", "instant"];

    /// The columns of a list of changes of one kind.
    pub fn columns_of(kind: Option<ChangeKind>) -> Vec<&'static str> {
        let is_shown = |(at, _): &(usize, &str)| shows(kind, *at);
        let shown = Self::COLUMNS.into_iter().enumerate().filter(|(at, c)| is_shown(&(*at, c)));
        shown.map(|(_, column)| column).collect()
    }

    /// For changes that lead to this value.
    pub fn new(to: &Db) -> Self {
        Self { db: to.clone(), instants: BTreeMap::new() }
    }

    /// The rows of some changes; of one kind, if one is asked for, without what all of them have in
    /// common. One descent.
    pub fn rows(
        &mut self,
        changes: Vec<Change>,
        kind: Option<ChangeKind>,
    ) -> Result<Vec<Vec<Value>>, DbError> {
        let wanted: Vec<Change> =
            changes.into_iter().filter(|change| kind.is_none_or(|k| k == change.kind)).collect();
        self.learn(&wanted)?;
        let row = |change: Change| {
            let row = self.row(change).into_iter().enumerate();
            row.filter(|(at, _)| shows(kind, *at)).map(|(_, value)| value).collect()
        };
        Ok(wanted.into_iter().map(row).collect())
    }

    fn row(&self, change: Change) -> [Value; 7] {
        let instant = change.tx.and_then(|tx| self.instants.get(&tx)).cloned();
        let t = change.tx.map(|tx| Value::Long(tx.t().0 as i64));
        [
            Value::Ref(change.e),
            Value::Keyword(change.ident),
            change.v,
            Value::keyword(change.kind.name()),
            change.old.unwrap_or(Value::Nil),
            t.unwrap_or(Value::Nil),
            instant.unwrap_or(Value::Nil),
        ]
    }

    /// Has the instants of all transactions at hand.
    fn learn(&mut self, changes: &[Change]) -> Result<(), DbError> {
        if self.instants.len() > REMEMBERED {
            self.instants.clear();
        }
        let txs: BTreeSet<Tx> = changes.iter().filter_map(|change| change.tx).collect();
        let unknown: Vec<Tx> =
            txs.into_iter().filter(|tx| !self.instants.contains_key(tx)).collect();
        let range = |tx: &Tx| KeyRange::prefix(Some(tx.entity()), Some(builtin::TX_INSTANT), None);
        let ranges: Vec<KeyRange> = unknown.iter().map(range).collect();
        let found = self.db.scan(Order::Eavt, &ranges)?;
        for (tx, rows) in unknown.into_iter().zip(found) {
            let instant = rows.iter().flat_map(Slice::datoms).map(|datom| datom.v).next();
            self.instants.insert(tx, instant.unwrap_or(Value::Nil));
        }
        Ok(())
    }
}

/// Whether a list of one kind has the column at this place.
fn shows(kind: Option<ChangeKind>, at: usize) -> bool {
    match ChangeRows::COLUMNS[at] {
        "change" => kind.is_none(),
        "old" => kind.is_none_or(|kind| kind == ChangeKind::Changed),
        _ => true,
    }
}
