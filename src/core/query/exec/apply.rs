//! Predicates and function expressions.
//!
//! **Invariant:** a predicate drops a row that gives nil or false; an expression drops a row that
//! gives nil; a variable of a binding that is bound already must hold the same. A call whose
//! arguments do not depend on the row is made once; others row by row, so that no more than one
//! result is there that is not counted.

use super::batch::Batch;
use super::cell::Cell;
use super::{Output, Run, Sink, database, same};
use crate::query::ast::Binding;
use crate::query::bind::{Unbound, expand};
use crate::query::error::{QueryError, quote};
use crate::query::functions::{Comparison, FnError, Kind, measure, weight};
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
    let mut results = Results::new(run, step, apply, &batch)?;
    let width = targets.iter().filter(|target| **target == Target::New).count();
    let mut out = Output::new(&batch, step, width);
    for row in 0..batch.rows {
        let result = results.of(run, step, apply, &batch, row)?;
        if !bind(run, step, (apply, binding, targets), row, result, &mut out, next)? {
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
    let mut kept = Vec::new();
    if let (Kind::Compare(comparison), [a, b]) = (apply.function.kind, apply.args.as_slice())
        && let (Some(a), Some(b)) = (column(run, a, batch), column(run, b, batch))
    {
        for row in rows {
            let (a, b) = (a.at(row as usize), b.at(row as usize));
            if compare(run, step, comparison, a, b)? {
                kept.push(row);
            }
        }
        return Ok(kept);
    }
    let mut results = Results::new(run, step, apply, batch)?;
    for row in rows {
        let truthy = match results.of(run, step, apply, batch, row as usize)? {
            Got::Cell(cell) => !cell.is_nil() && cell != Cell::bool(false),
            Got::Value(value) => value.is_truthy(),
        };
        if truthy {
            kept.push(row);
        }
    }
    Ok(kept)
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
fn compare(
    run: &mut Run<'_>,
    step: &Step,
    comparison: Comparison,
    a: Cell,
    b: Cell,
) -> Result<bool, QueryError> {
    if let Some(holds) = compare_cells(comparison, a, b) {
        return Ok(holds);
    }
    let (a, b) = (run.pool.value(a), run.pool.value(b));
    run.tick(weight(&a).min(weight(&b)), &step.place)?;
    Ok(comparison.holds(&a, &b))
}

/// The comparison of what lies in two cells, if that is enough to know it.
fn compare_cells(comparison: Comparison, a: Cell, b: Cell) -> Option<bool> {
    if let (Some(x), Some(y)) = (a.as_long(), b.as_long()) {
        return Some(comparison.accepts(x.cmp(&y)));
    }
    let strict = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if strict && (a.tag(), b.tag()) == (Tag::Ref, Tag::Ref) {
        return Some((a == b) == (comparison == Comparison::Equal));
    }
    if let (false, Some(x), Some(y)) = (strict, a.as_double(), b.as_double())
        && let Some(ordering) = x.partial_cmp(&y)
    {
        return Some(comparison.accepts(ordering));
    }
    let strings = strict && (a.tag(), b.tag()) == (Tag::Str, Tag::Str);
    strings.then(|| (a == b) == (comparison == Comparison::Equal))
}

/// The results of a call over a batch: made row by row where they may be large.
enum Results {
    /// The same in each row.
    One(Value),
    Rows(std::vec::IntoIter<Got>),
    Each,
}

impl Results {
    fn new(
        run: &mut Run<'_>,
        step: &Step,
        apply: &Apply,
        batch: &Batch,
    ) -> Result<Self, QueryError> {
        let fixed = !apply.args.iter().any(|arg| matches!(arg, Arg::Col(_)))
            && !matches!(apply.function.name, "rand" | "rand-int");
        match apply.function.kind {
            Kind::Pure(_) if fixed => Ok(match call(run, step, apply, batch, 0)? {
                Got::Value(value) => Self::One(value),
                Got::Cell(cell) => Self::One(run.pool.value(cell)),
            }),
            Kind::Pure(_) | Kind::Compare(_) => Ok(Self::Each),
            _ => Ok(Self::Rows(database::evaluate(run, step, apply, batch)?.into_iter())),
        }
    }

    /// The result of a row; rows come in order.
    fn of(
        &mut self,
        run: &mut Run<'_>,
        step: &Step,
        apply: &Apply,
        batch: &Batch,
        row: usize,
    ) -> Result<Got, QueryError> {
        match self {
            Self::One(value) => Ok(Got::Value(value.clone())),
            Self::Rows(results) => {
                let got = results.next().unwrap_or(Got::Cell(Cell::NIL));
                if let Got::Value(value) = &got {
                    let size = measure(value).map_err(|e| failed(run, step, apply, &e))?;
                    run.tick(size, &step.place)?;
                }
                Ok(got)
            }
            Self::Each => call(run, step, apply, batch, row),
        }
    }
}

/// Calls a function with the arguments of a row.
fn call(
    run: &mut Run<'_>,
    step: &Step,
    apply: &Apply,
    batch: &Batch,
    row: usize,
) -> Result<Got, QueryError> {
    let args = arguments(run, step, apply, batch, row)?;
    let work: usize = args.iter().map(weight).sum();
    let (got, made) = match apply.function.kind {
        Kind::Pure(function) => {
            let result = function(&args, &mut run.scratch);
            let result = result.map_err(|e| failed(run, step, apply, &e))?;
            let made = measure(&result).map_err(|e| failed(run, step, apply, &e))?;
            (Got::Value(result), made)
        }
        Kind::Compare(comparison) => (Got::Cell(Cell::bool(comparison.of(&args))), 0),
        _ => (Got::Cell(Cell::NIL), 0),
    };
    run.tick(1 + work + made, &step.place)?;
    Ok(got)
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
            Err(failed(run, step, apply, &FnError::Expected { expected: "a value", got }))
        }
    };
    apply.args.iter().map(value).collect()
}

/// The error of a call at its place.
pub fn failed(run: &Run<'_>, step: &Step, apply: &Apply, error: &FnError) -> QueryError {
    if *error == FnError::Stopped {
        return run.stopped(&step.place);
    }
    QueryError::Type {
        function: apply.function.name.to_owned(),
        reason: error.to_string(),
        at: step.place.as_ref().clone(),
    }
}

/// Takes a result apart into rows.
fn bind<'q>(
    run: &mut Run<'q>,
    step: &Step,
    (apply, binding, targets): (&Apply, &Binding, &[Target]),
    row: usize,
    result: Got,
    out: &mut Output<'_>,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    if let (Binding::Var(_), [target]) = (binding, targets) {
        let cell = match result {
            Got::Cell(cell) => cell,
            Got::Value(value) => run.pool.free(&value),
        };
        match target {
            _ if cell.is_nil() => return Ok(true),
            Target::Col(column) if !same(cell, out.batch.cols[*column][row]) => return Ok(true),
            Target::Col(column) => out.meet(row, *column, cell),
            Target::New => out.new[0].push(cell),
            _ => {}
        }
        out.pick(row);
        return out.flush_full(run, next);
    }
    let value = match result {
        Got::Cell(cell) => run.pool.value(cell),
        Got::Value(value) => value,
    };
    if matches!(value, Value::Nil) {
        return Ok(true);
    }
    let mut cells: Vec<Cell> = Vec::new();
    let more = expand(binding, &value, &mut |values| {
        cells.clear();
        cells.extend(values.iter().map(|value| run.pool.free(value)));
        take(run, targets, row, &cells, out, next)
    });
    more.map_err(|error| match error {
        Unbound::Shape(reason) => QueryError::Type {
            function: apply.function.name.to_owned(),
            reason: format!("cannot bind {}: {reason}", quote(crate::edn::to_string(&value))),
            at: step.place.as_ref().clone(),
        },
        Unbound::Query(error) => error,
    })
}

/// One row of a result: kept if it fits what is bound.
pub fn take<'q>(
    run: &mut Run<'q>,
    targets: &[Target],
    row: usize,
    cells: &[Cell],
    out: &mut Output<'_>,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let fits = targets.iter().zip(cells).all(|(target, cell)| match target {
        Target::Col(column) => same(*cell, out.batch.cols[*column][row]),
        Target::Same(earlier) => same(*cell, cells[*earlier]),
        _ => true,
    });
    if !fits {
        return run.tick(1, &"a call").map(|()| true);
    }
    let mut new = 0;
    for (target, cell) in targets.iter().zip(cells) {
        match target {
            Target::Col(column) => out.meet(row, *column, *cell),
            Target::New => {
                out.new[new].push(*cell);
                new += 1;
            }
            _ => {}
        }
    }
    out.pick(row);
    out.flush_full(run, next)
}
