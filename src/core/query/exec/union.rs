//! Negation, alternatives and options: plans over the distinct keys of a batch, joined back.
//!
//! **Invariant:** a plan inside runs once a batch, over distinct keys, however many rows share
//! them.

use super::batch::{Batch, MultiTable, RowTable};
use super::cell::Cell;
use super::{Output, Run, Sink, apply, collect, drive};
use crate::query::error::QueryError;
use crate::query::plan::{Plan, Step, Target};

/// The distinct keys of a batch, and the number of each row's key.
fn distinct(batch: &Batch, keys: &[usize]) -> (RowTable, Vec<usize>) {
    let mut table = RowTable::new(keys.len());
    let numbers = (0..batch.rows)
        .map(|row| {
            let key: Vec<Cell> = keys.iter().map(|c| batch.cols[*c][row]).collect();
            table.insert(&key).0
        })
        .collect();
    (table, numbers)
}

/// Drops the rows for whose keys the plan has an answer.
pub fn anti<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    keys: &[usize],
    plan: &'q Plan,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let (table, numbers) = distinct(&batch, keys);
    let mut found = vec![false; table.len()];
    let all = table.len();
    let mut left = all;
    drive(run, &plan.steps, table.rows.clone(), &mut |run, out| {
        let out = out.into_select(&plan.project);
        for row in 0..out.rows {
            run.tick(1, &step.place)?;
            let key: Vec<Cell> = out.row(row).collect();
            if let Some(number) = table.find(&key) {
                left -= usize::from(!std::mem::replace(&mut found[number], true));
            }
        }
        Ok(left > 0)
    })?;
    let mut out = Output::new(&batch, step, 0);
    (0..batch.rows).filter(|row| !found[numbers[*row]]).for_each(|row| out.pick(row));
    out.flush(run, next)
}

/// Alternatives over the keys of a batch.
pub struct Union<'q, 'a> {
    pub keys: &'a [usize],
    pub targets: &'q [Target],
    pub plans: &'q [Plan],
    pub outer: bool,
}

impl<'q> Union<'q, '_> {
    pub fn run(
        self,
        run: &mut Run<'q>,
        step: &'q Step,
        batch: Batch,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        let (table, numbers) = distinct(&batch, self.keys);
        let width = self.keys.len();
        let mut answers = RowTable::new(width + self.targets.len());
        for plan in self.plans {
            let rows = collect(run, plan, table.rows.clone())?;
            for row in 0..rows.rows {
                answers.insert(&rows.row(row).collect::<Vec<_>>());
                run.tick(1, &step.place)?;
            }
            run.check_with(rows.size_bytes() + answers.size_bytes(), &step.place)?;
        }
        let mut by_key = MultiTable::new(width);
        for row in 0..answers.len() {
            let key: Vec<Cell> = answers.rows.row(row).take(width).collect();
            by_key.insert(&key, row);
            run.tick(1, &step.place)?;
        }
        let held = answers.size_bytes() + by_key.size_bytes();
        run.held_bytes += held;
        run.check(&step.place)?;
        let more = self.join(run, step, &batch, (&table, &numbers), (&answers, &by_key), next)?;
        run.held_bytes -= held.min(run.held_bytes);
        Ok(more)
    }

    /// Joins the answers to the rows.
    fn join(
        &self,
        run: &mut Run<'q>,
        step: &'q Step,
        batch: &Batch,
        (table, numbers): (&RowTable, &[usize]),
        (answers, by_key): (&RowTable, &MultiTable),
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        let more = self.targets.iter().map(|target| match target {
            Target::Same(earlier) => Target::Same(self.keys.len() + earlier),
            target => *target,
        });
        let keys = self.keys.iter().map(|column| Target::Col(*column));
        let targets: Vec<Target> = keys.chain(more).collect();
        let width = targets.iter().filter(|target| **target == Target::New).count();
        let mut out = Output::new(batch, step, width);
        let mut cells: Vec<Cell> = Vec::new();
        for (row, number) in numbers.iter().enumerate() {
            let key: Vec<Cell> = table.rows.row(*number).collect();
            let mut none = true;
            for answer in by_key.rows_with(&key) {
                none = false;
                cells.clear();
                cells.extend(answers.rows.row(answer));
                if !apply::take(run, &targets, row, &cells, &mut out, next)? {
                    return Ok(false);
                }
            }
            if none && self.outer {
                cells.clear();
                cells.extend(&key);
                cells.resize(targets.len(), Cell::NIL);
                if !apply::take(run, &targets, row, &cells, &mut out, next)? {
                    return Ok(false);
                }
            }
        }
        out.flush(run, next)
    }
}
