//! The answer: rows with names for their columns, and how it was found.
//!
//! **Invariant:** the same query over the same values gives the same answer, byte for byte when
//! printed.

use super::ast::{FindKind, KeyKind, QueryAst, Shape};
use super::overflow::Rows;
use super::plan::Explain;
use crate::value::{Keyword, Symbol, Value};
use std::collections::BTreeMap;

/// What a run counted.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Rows that came out of all steps.
    pub rows: u64,
    /// Bytes of tables and interned values, about.
    pub memory_bytes: u64,
    /// What the query asked that cannot have an answer, such as attributes that no source has.
    pub warnings: Vec<String>,
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What `:find` asked for.
    pub shape: Shape,
    /// A name for each column: that of `:keys`, else `name` of `?name`, `sum_r` of `(sum ?r)`;
    /// doubled ones get `_2`.
    pub columns: Vec<String>,
    /// The rows in the total order of values, or that of `:order-by`. A collection has one column;
    /// a tuple and a scalar at most one row.
    pub rows: Vec<Vec<Value>>,
    /// What the run counted.
    pub stats: Stats,
    /// The plan with the rows of each step.
    pub explain: Explain,
    pub(super) as_set: bool,
    pub(super) keys: Option<(KeyKind, Vec<Symbol>)>,
}

/// The answer to a query that may be larger than memory.
pub struct Large {
    /// What `:find` asked for.
    pub shape: Shape,
    /// A name for each column, as in [`Answer`].
    pub columns: Vec<String>,
    /// The rows, in the same order as in [`Answer`].
    pub rows: Rows,
    /// What the run counted.
    pub stats: Stats,
    /// The steps of the run, with their rows.
    pub explain: Explain,
}

impl Answer {
    /// The answer as one value: a set of vectors (a vector where order or duplicates count), a
    /// vector, a tuple or nil, a value or nil; maps where `:keys` asks for them.
    pub fn to_value(&self) -> Value {
        let mut rows = self.rows.iter().map(|row| self.row(row));
        match self.shape {
            Shape::Relation if self.as_set => Value::set(rows.collect()),
            Shape::Relation => Value::from(rows.collect::<Vec<_>>()),
            Shape::Collection => {
                let first = self.rows.iter().filter_map(|row| row.first().cloned());
                Value::from(first.collect::<Vec<_>>())
            }
            Shape::Tuple => rows.next().unwrap_or(Value::Nil),
            Shape::Scalar => {
                self.rows.first().and_then(|row| row.first().cloned()).unwrap_or(Value::Nil)
            }
        }
    }

    fn row(&self, row: &[Value]) -> Value {
        let Some((kind, keys)) = &self.keys else { return Value::from(row.to_vec()) };
        let key = |name: &Symbol| match kind {
            KeyKind::Keyword => Value::Keyword(Keyword::new(name.as_str())),
            KeyKind::Str => Value::str(name.as_str()),
            KeyKind::Symbol => Value::Symbol(name.clone()),
        };
        Value::map(keys.iter().map(key).zip(row.iter().cloned()).collect())
    }
}

/// The names of a query's columns.
pub fn columns(query: &QueryAst) -> Vec<String> {
    let plain = |var: &Symbol| var.as_str().trim_start_matches('?').to_owned();
    let name = |index: usize| match (&query.keys, &query.find[index].kind) {
        (Some((_, keys)), _) => keys[index].to_string(),
        (None, FindKind::Var(var) | FindKind::Pull { var, .. }) => plain(var),
        (None, FindKind::Aggregate { name, var, .. }) => format!("{name}_{}", plain(var)),
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut unique = |name: String| {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    };
    (0..query.find.len()).map(|index| unique(name(index))).collect()
}
