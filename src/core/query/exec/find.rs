//! `:find`: distinct rows, aggregates, pulls, and the one order of a result.
//!
//! **Invariant:** rows are distinct over the variables of `:find` and `:with` before anything is
//! aggregated; without `:order-by` rows come in the total order of their values.

use super::aside::{Aside, held_bytes};
use super::batch::{Batch, RowTable};
use super::cell::Cell;
use super::group::{Spec, groups};
use super::{Run, drive};
use crate::db::Db;
use crate::edn::Form;
use crate::pull::{self, Pattern, PullError};
use crate::query::ast::{FindElement, FindKind, PatternTerm, QueryAst, Shape, SortKey, Term};
use crate::query::bind::Source;
use crate::query::error::{Place, QueryError};
use crate::query::functions::{FnError, aggregate, measure};
use crate::query::overflow::Merged;
use crate::value::{Symbol, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Entities that are pulled together.
const PULLED: usize = 4096;

/// The rows of a result.
pub enum Found {
    /// They are here.
    Rows(Vec<Vec<Value>>),
    /// They were put aside.
    Aside(Merged),
}

/// What pulls need beside the run.
pub struct Pulls<'a> {
    /// The inputs that have one value: patterns, and numbers of aggregates.
    pub values: &'a BTreeMap<Symbol, Value>,
    pub sources: &'a BTreeMap<Symbol, usize>,
}

/// Runs the plan and makes its rows a result. Rows that are printed as they are may be put aside.
pub fn find(
    run: &mut Run<'_>,
    query: &QueryAst,
    pulls: &Pulls<'_>,
    aside: Option<Aside>,
) -> Result<Found, QueryError> {
    let width = query.find.len() + query.with.len();
    let mut table = RowTable::new(width);
    let physical = run.physical;
    let seed = run.seed();
    let limit = run.watch.limits.rows;
    let aggregated = query.find.iter().any(|e| matches!(e.kind, FindKind::Aggregate { .. }));
    let is_plain = query.find.iter().all(|e| matches!(e.kind, FindKind::Var(_)));
    let mut aside = aside.filter(|_| is_plain);
    let row_bytes = held_bytes(width, 1) + plain_bytes(query.find.len());
    drive(run, &physical.root.steps, seed, &mut |run, out| {
        if run.is_batch_over {
            put_rest(run, &mut table, aside.as_mut())?;
            return Ok(true);
        }
        add(run, &mut table, out.into_select(&physical.root.project))?;
        run.check(&":find")?;
        if !aggregated && query.limit.is_none() && table.len() as u64 > limit {
            let operator = ":find".to_owned();
            return Err(QueryError::Limit { what: "row", limit, operator });
        }
        if let Some(aside) = &mut aside
            && aside.is_due(run, &table, row_bytes)
        {
            aside.put(run, &mut table)?;
        }
        Ok(true)
    })?;
    let offset = query.offset;
    let count = query.limit.unwrap_or(u64::MAX);
    let count =
        if matches!(query.shape, Shape::Tuple | Shape::Scalar) { count.min(1) } else { count };
    if let Some(mut aside) = aside.filter(Aside::is_used) {
        put_rest(run, &mut table, Some(&mut aside))?;
        return Ok(Found::Aside(aside.into_merged(offset, count, run)));
    }
    let mut rows = match aggregated {
        true => aggregate_rows(run, query, pulls, &table)?,
        false => plain_rows(run, query, &table)?,
    };
    rows = run.watch.sort_by(rows, &":find", &mut |a: &Row, b: &Row| {
        if query.order_by.is_empty() { a.0.cmp(&b.0) } else { by_keys(&query.order_by, &a.0, &b.0) }
    })?;
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut rows: Vec<_> = rows.into_iter().skip(size(offset)).take(size(count)).collect();
    if rows.len() as u64 > limit {
        return Err(QueryError::Limit { what: "row", limit, operator: ":find".to_owned() });
    }
    pull(run, query, pulls, &mut rows)?;
    Ok(Found::Rows(rows.into_iter().map(|(row, _)| row).collect()))
}

/// A row, and the cells of its variables for pulls.
type Row = (Vec<Value>, Vec<Cell>);

/// Puts aside what is held.
fn put_rest(
    run: &mut Run<'_>,
    table: &mut RowTable,
    aside: Option<&mut Aside>,
) -> Result<(), QueryError> {
    match aside {
        Some(aside) if table.len() > 0 => aside.put(run, table),
        _ => Ok(()),
    }
}

fn add(run: &mut Run<'_>, table: &mut RowTable, batch: Batch) -> Result<(), QueryError> {
    let mut row = Vec::with_capacity(batch.cols.len());
    for index in 0..batch.rows {
        row.clear();
        row.extend(batch.row(index));
        let (_, is_new) = table.insert(&row);
        if is_new {
            run.held_bytes += held_bytes(row.len(), 1);
            run.outside.came();
        }
        run.tick(1, &":find")?;
    }
    Ok(())
}

/// What a row of so many values takes.
fn plain_bytes(width: usize) -> usize {
    size_of::<Row>() + width * (size_of::<Cell>() + size_of::<Value>())
}

fn plain_rows(
    run: &mut Run<'_>,
    query: &QueryAst,
    table: &RowTable,
) -> Result<Vec<Row>, QueryError> {
    let width = query.find.len();
    run.held_bytes += table.len() * plain_bytes(width);
    run.check(&":find")?;
    let mut rows = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let cells: Vec<Cell> = table.rows.row(row).take(width).collect();
        rows.push((run.values(cells.iter().copied()), cells));
        run.tick(1, &":find")?;
    }
    Ok(rows)
}

fn aggregate_rows(
    run: &mut Run<'_>,
    query: &QueryAst,
    pulls: &Pulls<'_>,
    table: &RowTable,
) -> Result<Vec<Row>, QueryError> {
    let (mut keys, mut specs, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (column, element) in query.find.iter().enumerate() {
        match &element.kind {
            FindKind::Aggregate { name, args, .. } => {
                let n = args.first().map(|arg| count(arg, pulls, element)).transpose()?;
                if let Some(aggregate) = aggregate::find(name.as_str()) {
                    specs.push(Spec { aggregate, n, column });
                    places.push((name, &element.place));
                }
            }
            _ => keys.push(column),
        }
    }
    let groups = groups(run, table, &keys, &specs).map_err(|(index, error)| match error {
        FnError::Stopped => run.stopped(&":find"),
        error => QueryError::Type {
            function: places[index].0.to_string(),
            reason: error.to_string(),
            at: places[index].1.clone(),
        },
    })?;
    let row = |(key, results): (Vec<Cell>, Vec<Value>)| {
        let (mut key, mut results) = (key.into_iter(), results.into_iter());
        let (mut row, mut cells) = (Vec::new(), Vec::new());
        for element in &query.find {
            let cell = match &element.kind {
                FindKind::Aggregate { .. } => {
                    row.push(results.next().unwrap_or(Value::Nil));
                    Cell::NIL
                }
                _ => {
                    let cell = key.next().unwrap_or(Cell::NIL);
                    row.push(run.pool.value(cell));
                    cell
                }
            };
            cells.push(cell);
        }
        (row, cells)
    };
    Ok(groups.into_iter().map(row).collect())
}

/// The number that stands before an aggregate's variable.
fn count(arg: &Term, pulls: &Pulls<'_>, element: &FindElement) -> Result<usize, QueryError> {
    let value = match arg {
        Term::Const(value) => Some(value),
        Term::Var(name) => pulls.values.get(name),
        _ => None,
    };
    let number = value.and_then(|value| match value {
        Value::Long(n) => usize::try_from(*n).ok(),
        _ => None,
    });
    number.ok_or_else(|| QueryError::Type {
        function: element.place.form.clone(),
        reason: "a number from 0 expected before the variable".to_owned(),
        at: element.place.clone(),
    })
}

fn by_keys(keys: &[SortKey], a: &[Value], b: &[Value]) -> Ordering {
    let by_key = |key: &SortKey| {
        let ordering = a[key.column].cmp(&b[key.column]);
        if key.descending { ordering.reverse() } else { ordering }
    };
    let unequal = keys.iter().map(by_key).find(|ordering| ordering.is_ne());
    unequal.unwrap_or_else(|| a.cmp(b))
}

/// Replaces entities by what their patterns pull: one call a column.
fn pull(
    run: &mut Run<'_>,
    query: &QueryAst,
    pulls: &Pulls<'_>,
    rows: &mut [Row],
) -> Result<(), QueryError> {
    for (column, element) in query.find.iter().enumerate() {
        let FindKind::Pull { source, pattern, .. } = &element.kind else { continue };
        run.check(&element.place)?;
        let (form, pattern) = read_pattern(pattern, element, pulls)?;
        let failed = |source| pull_error(source, form, element);
        let source = source.clone().unwrap_or_else(|| Symbol::new("$"));
        let Some((db, database)) = database(run, pulls.sources.get(&source).copied()) else {
            let what = "pull from rows that are no database".to_owned();
            return Err(QueryError::Unsupported { what, at: element.place.clone() });
        };
        let unknown = pattern.unknown_attributes(db.schema());
        for unknown in &unknown.told {
            let at = form.and_then(|form| unknown.form(form)).map(Place::of);
            run.warn(format!("{unknown}, in {}", at.as_ref().unwrap_or(&element.place)));
        }
        if let Some(rest) = unknown.rest() {
            run.warn(format!("{rest}, in {}", element.place));
        }
        let (mut entities, mut places) = (Vec::new(), Vec::new());
        for (place, (values, cells)) in rows.iter_mut().enumerate() {
            let named = std::mem::replace(&mut values[column], Value::Nil);
            if cells[column].as_entity().is_some_and(|(_, of)| of != database) {
                continue;
            }
            let reference = db.reference(&named);
            entities.extend(reference.map_err(|error| failed(error.into()))?.inspect(|_| {
                places.push(place);
            }));
        }
        let entities = db.entids(&entities)?;
        let found = entities.into_iter().zip(places).filter_map(|(e, place)| Some((e?, place)));
        let (entities, places): (Vec<_>, Vec<_>) = found.unzip();
        for (entities, places) in entities.chunks(PULLED).zip(places.chunks(PULLED)) {
            let pulled = pull::pull_many(db, &pattern, entities).map_err(failed)?;
            for (place, value) in places.iter().zip(pulled) {
                // Pull has limits of its own; what has more values than can be counted is large.
                let size = measure(&value).unwrap_or(1 << 20);
                run.held_bytes += size * size_of::<Value>();
                rows[*place].0[column] = value;
            }
            run.check(&element.place)?;
        }
    }
    Ok(())
}

/// The pattern of an element of `:find`, and the form that it was read from, if it stands there.
fn read_pattern<'a>(
    pattern: &'a PatternTerm,
    element: &FindElement,
    pulls: &Pulls<'_>,
) -> Result<(Option<&'a Form>, Pattern), QueryError> {
    let (form, value) = match pattern {
        PatternTerm::Literal(form) => (Some(form), form.to_value()),
        PatternTerm::Named(name) => (None, pulls.values.get(name).cloned().unwrap_or(Value::Nil)),
    };
    let pattern = pull::parse(&value).map_err(|error| pull_error(error, form, element))?;
    Ok((form, pattern))
}

/// The error of a pattern at the form at fault, if that can be told.
fn pull_error(source: PullError, pattern: Option<&Form>, element: &FindElement) -> QueryError {
    let at = pattern.and_then(|form| source.form(form)).map(Place::of);
    QueryError::Pull { source, at: at.unwrap_or_else(|| element.place.clone()) }
}

fn database<'q>(run: &Run<'q>, source: Option<usize>) -> Option<(&'q Db, u16)> {
    let source = source?;
    match &run.sources[source] {
        Source::Db(db) => Some((db, run.databases[source])),
        Source::Rows(_) => None,
    }
}
