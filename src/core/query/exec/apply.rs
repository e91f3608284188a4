//! Predicates and function expressions.
//!
//! **Invariant:** a predicate drops a row that gives nil or false; an expression drops a row that
//! gives nil; a variable of a binding that is bound already must hold the same. A call whose
//! arguments do not depend on the row is made once.

use super::batch::Batch;
use super::cell::Cell;
use super::{Output, Run, Sink, database, same};
use crate::query::ast::Binding;
use crate::query::bind::expand;
use crate::query::error::QueryError;
use crate::query::functions::{Comparison, FnError, Kind};
use crate::query::plan::{Apply, Arg, Step, Target};
use crate::value::{Tag, Value};

/// A result, as it is cheapest to have.
pub enum Got {
    Cell(Cell),
    Value(Value),
}

/// Runs a call over a batch.
pub fn run<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    apply: &'q Apply,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let Some((binding, targets)) = &apply.binding else {
        let kept = filter(run, step, apply, &batch)?;
        let mut out = Output::new(&batch, step, 0);
        out.picks = kept;
        return out.flush(run, next);
    };
    let results = evaluate(run, step, apply, &batch)?;
    let width = targets.iter().filter(|target| **target == Target::New).count();
    let mut out = Output::new(&batch, step, width);
    for (row, result) in results.into_iter().enumerate() {
        bind(run, step, (apply, binding, targets), row, result, &mut out)?;
        if !out.flush_full(run, next)? {
            return Ok(false);
        }
    }
    out.flush(run, next)
}

/// The rows that a predicate keeps.
fn filter(
    run: &mut Run<'_>,
    step: &Step,
    apply: &Apply,
    batch: &Batch,
) -> Result<Vec<u32>, QueryError> {
    let rows = 0..batch.rows as u32;
    if let (Kind::Compare(comparison), [a, b]) = (apply.function.kind, apply.args.as_slice())
        && let (Some(a), Some(b)) = (column(run, a, batch), column(run, b, batch))
    {
        let holds = |row: &u32| {
            let row = *row as usize;
            compare(run, comparison, a.at(row), b.at(row))
        };
        return Ok(rows.filter(holds).collect());
    }
    let results = evaluate(run, step, apply, batch)?;
    let truthy = |got: &Got| match got {
        Got::Cell(cell) => !cell.is_nil() && *cell != Cell::bool(false),
        Got::Value(value) => value.is_truthy(),
    };
    Ok(rows.zip(&results).filter(|(_, got)| truthy(got)).map(|(row, _)| row).collect())
}

/// An argument as a column, or the same cell in each row.
enum Column<'a> {
    Rows(&'a [Cell]),
    One(Cell),
}

impl Column<'_> {
    fn at(&self, row: usize) -> Cell {
        match self {
            Self::Rows(cells) => cells[row],
            Self::One(cell) => *cell,
        }
    }
}

fn column<'a>(run: &mut Run<'_>, arg: &Arg, batch: &'a Batch) -> Option<Column<'a>> {
    match arg {
        Arg::Col(column) => Some(Column::Rows(&batch.cols[*column])),
        Arg::Const(value) => Some(Column::One(run.pool.free(value))),
        Arg::Source(_) => None,
    }
}

/// A comparison of two cells; entities of different databases are never equal.
fn compare(run: &Run<'_>, comparison: Comparison, a: Cell, b: Cell) -> bool {
    if let (Some(x), Some(y)) = (a.as_long(), b.as_long()) {
        return comparison.accepts(x.cmp(&y));
    }
    let strict = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if strict && a.tag() == Tag::Ref && b.tag() == Tag::Ref {
        return (a == b) == (comparison == Comparison::Equal);
    }
    if let (false, Some(x), Some(y)) = (strict, a.as_double(), b.as_double())
        && let Some(ordering) = x.partial_cmp(&y)
    {
        return comparison.accepts(ordering);
    }
    if strict && a.tag() == Tag::Str && b.tag() == Tag::Str {
        return (a == b) == (comparison == Comparison::Equal);
    }
    comparison.holds(&run.pool.value(a), &run.pool.value(b))
}

/// The result of a call for each row.
fn evaluate(
    run: &mut Run<'_>,
    step: &Step,
    apply: &Apply,
    batch: &Batch,
) -> Result<Vec<Got>, QueryError> {
    match apply.function.kind {
        Kind::Pure(function) => {
            let fixed = !apply.args.iter().any(|arg| matches!(arg, Arg::Col(_)))
                && !matches!(apply.function.name, "rand" | "rand-int");
            let rows = if fixed { 1 } else { batch.rows };
            let mut results = Vec::with_capacity(batch.rows);
            for row in 0..rows {
                let args = arguments(run, step, apply, batch, row)?;
                let result =
                    function(&args, &mut run.scratch).map_err(|e| failed(step, apply, &e))?;
                results.push(Got::Value(result));
            }
            if let (true, [Got::Value(value)]) = (fixed, results.as_slice()) {
                let value = value.clone();
                results.resize_with(batch.rows, || Got::Value(value.clone()));
            }
            Ok(results)
        }
        Kind::Compare(comparison) => {
            let row = |row: usize| {
                let args = arguments(run, step, apply, batch, row)?;
                Ok(Got::Cell(Cell::bool(comparison.of(&args))))
            };
            (0..batch.rows).map(row).collect()
        }
        _ => database::evaluate(run, step, apply, batch),
    }
}

/// The arguments of a row as values.
fn arguments(
    run: &Run<'_>,
    step: &Step,
    apply: &Apply,
    batch: &Batch,
    row: usize,
) -> Result<Vec<Value>, QueryError> {
    let value = |arg: &Arg| match arg {
        Arg::Col(column) => Ok(run.pool.value(batch.cols[*column][row])),
        Arg::Const(value) => Ok(value.clone()),
        Arg::Source(_) => {
            let got = "a database".to_owned();
            Err(failed(step, apply, &FnError::Expected { expected: "a value", got }))
        }
    };
    apply.args.iter().map(value).collect()
}

/// The error of a call at its place.
pub fn failed(step: &Step, apply: &Apply, error: &FnError) -> QueryError {
    QueryError::Type {
        function: apply.function.name.to_owned(),
        reason: error.to_string(),
        at: step.place.as_ref().clone(),
    }
}

/// Takes a result apart into rows.
fn bind(
    run: &mut Run<'_>,
    step: &Step,
    (apply, binding, targets): (&Apply, &Binding, &[Target]),
    row: usize,
    result: Got,
    out: &mut Output<'_>,
) -> Result<(), QueryError> {
    if let (Binding::Var(_), [target]) = (binding, targets) {
        let cell = match result {
            Got::Cell(cell) => cell,
            Got::Value(value) => run.pool.free(&value),
        };
        match target {
            _ if cell.is_nil() => return Ok(()),
            Target::Col(column) if !same(cell, out.batch.cols[*column][row]) => return Ok(()),
            Target::New => out.new[0].push(cell),
            _ => {}
        }
        out.pick(row);
        return Ok(());
    }
    let value = match result {
        Got::Cell(cell) => run.pool.value(cell),
        Got::Value(value) => value,
    };
    if matches!(value, Value::Nil) {
        return Ok(());
    }
    let mut rows = vec![Vec::new()];
    expand(binding, &value, &mut rows).map_err(|reason| QueryError::Type {
        function: apply.function.name.to_owned(),
        reason: format!("cannot bind {}: {reason}", crate::edn::to_string(&value)),
        at: step.place.as_ref().clone(),
    })?;
    for values in rows {
        let cells: Vec<Cell> = values.iter().map(|value| run.pool.free(value)).collect();
        let fits = targets.iter().zip(&cells).all(|(target, cell)| match target {
            Target::Col(column) => same(*cell, out.batch.cols[*column][row]),
            Target::Same(earlier) => same(*cell, cells[*earlier]),
            _ => true,
        });
        if fits {
            let new = targets.iter().zip(&cells).filter(|(target, _)| **target == Target::New);
            out.new.iter_mut().zip(new).for_each(|(col, (_, cell))| col.push(*cell));
            out.pick(row);
        }
    }
    Ok(())
}
