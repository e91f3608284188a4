//! Patterns over rows that were passed in: matched by position, hashed once a run.
//!
//! **Invariant:** a pattern longer than a row does not match it; one that is shorter ignores the
//! rest.

use super::batch::{Batch, MultiTable};
use super::cell::Cell;
use super::{Output, Run, Sink, same};
use crate::query::bind::Source;
use crate::query::error::QueryError;
use crate::query::plan::{RowsMatch, Slot, Step};
use crate::value::Value;
use std::sync::Arc;

/// The rows as cells, by the cells at the bound positions.
pub struct Table {
    rows: Vec<Vec<Cell>>,
    by_key: MultiTable,
}

/// Runs a pattern over a batch.
pub fn run<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    m: &'q RowsMatch,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let table = match run.row_tables.get(&step.id) {
        Some(table) => table.clone(),
        None => {
            let table = Arc::new(table(run, step, m)?);
            run.row_tables.insert(step.id, table.clone());
            table
        }
    };
    let new: Vec<usize> = (0..m.terms.len()).filter(|i| m.terms[*i].is_new()).collect();
    let mut out = Output::new(&batch, step, new.len());
    for row in 0..batch.rows {
        let bound = m.terms.iter().filter_map(|term| match term {
            Slot::Col(column) => Some(batch.cols[*column][row]),
            _ => None,
        });
        for key in alternatives(&bound.collect::<Vec<_>>()) {
            for found in table.by_key.rows_with(&key) {
                for (term, cell) in m.terms.iter().zip(&table.rows[found]) {
                    if let Slot::Col(column) = term {
                        out.meet(row, *column, *cell);
                    }
                }
                let cells = new.iter().map(|i| table.rows[found][*i]);
                out.new.iter_mut().zip(cells).for_each(|(col, cell)| col.push(cell));
                out.pick(row);
                if !out.flush_full(run, next)? {
                    return Ok(false);
                }
            }
        }
        run.tick(1, &step.place)?;
    }
    out.flush(run, next)
}

/// A key as it is, and with its entities as numbers: rows that were passed in know no databases.
fn alternatives(key: &[Cell]) -> Vec<Vec<Cell>> {
    let plain = |cell: &Cell| cell.as_entity().map_or(*cell, |(e, _)| Cell::long(e.0 as i64));
    let numbers: Vec<Cell> = key.iter().map(plain).collect();
    if numbers == key { vec![numbers] } else { vec![key.to_vec(), numbers] }
}

fn table(run: &mut Run<'_>, step: &Step, m: &RowsMatch) -> Result<Table, QueryError> {
    let width = m.terms.iter().filter(|term| matches!(term, Slot::Col(_))).count();
    let mut table = Table { rows: Vec::new(), by_key: MultiTable::new(width) };
    let Source::Rows(rows) = &run.sources[m.source] else { return Ok(table) };
    let each = size_of::<Vec<Cell>>() + m.terms.len() * size_of::<Cell>();
    for row in rows.iter() {
        run.tick(1, &step.place)?;
        if row.len() < m.terms.len() || !matches(m, row) {
            continue;
        }
        let cells: Vec<Cell> =
            row[..m.terms.len()].iter().map(|value| run.pool.free(value)).collect();
        if !m.same.iter().all(|(a, b)| same(cells[*a], cells[*b])) {
            continue;
        }
        let is_key = |i: &usize| matches!(m.terms[*i], Slot::Col(_));
        let key: Vec<Cell> = (0..cells.len()).filter(is_key).map(|i| cells[i]).collect();
        table.by_key.insert(&key, table.rows.len());
        table.rows.push(cells);
        run.held_bytes += each;
    }
    run.held_bytes += table.by_key.size_bytes();
    Ok(table)
}

/// Whether a row has the constants of the pattern.
fn matches(m: &RowsMatch, row: &[Value]) -> bool {
    m.terms.iter().zip(row).all(|(term, value)| match term {
        Slot::Value(constant) => constant.equals(value),
        _ => true,
    })
}
