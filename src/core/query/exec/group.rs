//! Aggregates: running totals by group.
//!
//! **Invariant:** a group exists because a row does, so no aggregate sees nothing; groups come in
//! the order of their first rows, and are sorted by whoever prints them.

use super::Run;
use super::batch::RowTable;
use super::cell::Cell;
use crate::query::functions::aggregate::{self, Aggregate};
use crate::query::functions::{FnError, math, truncating_sum};
use crate::value::{BigInt, Value};
use std::cmp::Ordering;

/// An aggregate of `:find`: what, the number before the variable, the column of the variable.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub aggregate: Aggregate,
    pub n: Option<usize>,
    pub column: usize,
}

/// What a value that is kept takes, about.
const KEPT_BYTES: usize = 24;

impl Spec {
    /// Whether all values of a group are kept.
    fn keeps_values(&self) -> bool {
        use Aggregate as A;
        match self.aggregate {
            A::Count | A::Sum | A::Avg => false,
            A::Min | A::Max => self.n.is_some(),
            _ => true,
        }
    }
}

/// What is kept of a group.
enum State {
    Count(i64),
    /// A sum of longs: whether it fits in one is known at the end, so that their order is nothing.
    Sum(i128),
    /// A sum that is not one of longs.
    Total(Value),
    Average(f64, u64),
    Extreme(Cell, Ordering),
    Distinct(RowTable),
    All(Vec<Cell>),
}

impl State {
    fn new(spec: &Spec, first: Cell) -> Self {
        match (spec.aggregate, spec.n) {
            (Aggregate::Count, _) => Self::Count(0),
            (Aggregate::Sum, _) => Self::Sum(0),
            (Aggregate::Avg, _) => Self::Average(0.0, 0),
            (Aggregate::Min, None) => Self::Extreme(first, Ordering::Less),
            (Aggregate::Max, None) => Self::Extreme(first, Ordering::Greater),
            (Aggregate::CountDistinct | Aggregate::Distinct, _) => Self::Distinct(RowTable::new(1)),
            _ => Self::All(Vec::new()),
        }
    }

    fn add(&mut self, run: &Run<'_>, cell: Cell) -> Result<(), FnError> {
        match self {
            Self::Count(n) => *n += 1,
            Self::Sum(sum) => match cell.as_long().filter(|_| !cell.is_big()) {
                Some(x) => *sum += i128::from(x),
                None => {
                    let sum = i64::try_from(*sum)
                        .map_or_else(|_| Value::from(BigInt::from(*sum)), Value::Long);
                    *self = Self::Total(truncating_sum(&sum, &run.pool.value(cell))?);
                }
            },
            Self::Total(Value::Double(sum)) if cell.as_double().is_some() => {
                *sum += cell.as_double().unwrap_or(0.0);
            }
            Self::Total(sum) => *sum = truncating_sum(sum, &run.pool.value(cell))?,
            Self::Average(sum, n) => {
                *sum += match cell.as_double() {
                    Some(x) => x,
                    None => math::to_f64(&run.pool.value(cell))?,
                };
                *n += 1;
            }
            Self::Extreme(best, wanted) => {
                let ordering = run.pool.get(&cell).cmp(&run.pool.get(best));
                if ordering == *wanted {
                    *best = cell;
                }
            }
            Self::Distinct(seen) => {
                seen.insert(&[cell]);
            }
            Self::All(cells) => cells.push(cell),
        }
        Ok(())
    }

    fn finish(self, run: &mut Run<'_>, spec: &Spec) -> Result<Value, FnError> {
        Ok(match self {
            Self::Count(n) => Value::Long(n),
            Self::Sum(n) => i64::try_from(n).map(Value::Long).map_err(|_| FnError::Overflow)?,
            Self::Total(value) => value,
            Self::Average(sum, n) => Value::Double(sum / n as f64),
            Self::Extreme(cell, _) => run.pool.value(cell),
            Self::Distinct(seen) if spec.aggregate == Aggregate::CountDistinct => {
                Value::Long(seen.len() as i64)
            }
            Self::Distinct(seen) => {
                let cells = (0..seen.len()).flat_map(|row| seen.rows.row(row));
                Value::set(run.values(cells))
            }
            Self::All(cells) => {
                let mut values = run.values(cells.into_iter());
                if matches!(spec.aggregate, Aggregate::Rand | Aggregate::Sample) {
                    values = run.scratch.sorted(values, Value::cmp)?;
                }
                aggregate::over(spec.aggregate, spec.n, values, &mut run.scratch)?
            }
        })
    }
}

/// A group: its key, and the result of each aggregate; or which aggregate failed.
pub fn groups(
    run: &mut Run<'_>,
    rows: &RowTable,
    keys: &[usize],
    specs: &[Spec],
) -> Result<Vec<(Vec<Cell>, Vec<Value>)>, (usize, FnError)> {
    let mut table = RowTable::new(keys.len());
    let mut states: Vec<Vec<State>> = Vec::new();
    let kept = specs.iter().filter(|spec| spec.keeps_values()).count();
    run.held_bytes += kept * KEPT_BYTES * rows.len();
    run.check(&":find").map_err(|_| (0, FnError::Stopped))?;
    let cell = |column: usize, row: usize| rows.rows.cols[column][row];
    let mut key = Vec::with_capacity(keys.len());
    for row in 0..rows.len() {
        run.tick(specs.len(), &":find").map_err(|_| (0, FnError::Stopped))?;
        key.clear();
        key.extend(keys.iter().map(|column| cell(*column, row)));
        let (group, is_new) = table.insert(&key);
        if is_new {
            states.push(specs.iter().map(|s| State::new(s, cell(s.column, row))).collect());
        }
        for (index, (state, spec)) in states[group].iter_mut().zip(specs).enumerate() {
            state.add(run, cell(spec.column, row)).map_err(|error| (index, error))?;
        }
    }
    run.held_bytes += table.size_bytes() + 64 * specs.len() * states.len();
    run.check(&":find").map_err(|_| (0, FnError::Stopped))?;
    let mut out = Vec::with_capacity(states.len());
    for (group, states) in states.into_iter().enumerate() {
        let mut results = Vec::with_capacity(specs.len());
        for (index, (state, spec)) in states.into_iter().zip(specs).enumerate() {
            results.push(state.finish(run, spec).map_err(|error| (index, error))?);
        }
        out.push((table.rows.row(group).collect(), results));
    }
    Ok(out)
}
