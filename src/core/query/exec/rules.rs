//! Recursive rules: tables of demands and answers, filled by deltas until nothing is new.
//!
//! **Invariant:** a rule is evaluated only for arguments that somebody asked for; each pair of a
//! waiting row and an answer meets exactly once, so the work is bounded by the rows there are, and
//! the recursion ends because tables are sets.
//!
//! A call inside the component that is being evaluated does not recurse: the rows that reach it
//! wait there, by the arguments they ask for, and each new answer is joined to the rows that wait
//! for it (semi-naive, demand-driven).

use super::batch::{Batch, MultiTable, RowTable};
use super::cell::Cell;
use super::{LARGEST, Output, Run, Sink, drive};
use crate::query::error::QueryError;
use crate::query::plan::{CallSite, Op, Physical, Plan, Step, Target};
use std::collections::BTreeMap;

/// What is known of a rule with some arguments bound.
pub struct Table {
    /// The bound arguments that were asked for.
    demands: RowTable,
    /// How many of them the definitions have seen.
    demanded: usize,
    /// All arguments.
    answers: RowTable,
    by_bound: MultiTable,
    bound: Vec<usize>,
    /// Rows that wait at the calls in the definitions, by step.
    waiting: BTreeMap<usize, Waiting>,
}

/// Rows that wait at a call.
struct Waiting {
    rows: RowTable,
    by_key: MultiTable,
    /// How many answers of the called rule have met them.
    met: usize,
    key_width: usize,
}

/// An empty table for each instance of the plan.
pub fn tables(physical: &Physical) -> Vec<Table> {
    let table = |instance: &crate::query::plan::Instance| {
        let bound: Vec<usize> = (0..instance.bound.len()).filter(|i| instance.bound[*i]).collect();
        Table {
            demands: RowTable::new(bound.len()),
            demanded: 0,
            answers: RowTable::new(instance.bound.len()),
            by_bound: MultiTable::new(bound.len()),
            bound,
            waiting: BTreeMap::new(),
        }
    };
    physical.instances.iter().map(table).collect()
}

impl Table {
    fn answer(&mut self, row: &[Cell]) {
        let (number, is_new) = self.answers.insert(row);
        if is_new {
            let key: Vec<Cell> = self.bound.iter().map(|i| row[*i]).collect();
            self.by_bound.insert(&key, number);
        }
    }

    fn size_bytes(&self) -> usize {
        let waiting = self.waiting.values().map(|w| w.rows.size_bytes() + w.by_key.size_bytes());
        self.answers.size_bytes()
            + self.by_bound.size_bytes()
            + self.demands.size_bytes()
            + waiting.sum::<usize>()
    }
}

/// The new cells of an answer at a call, if the answer fits it.
fn free_cells(site: &CallSite, answer: &[Cell], out: &mut Vec<Cell>) -> bool {
    out.clear();
    for (position, target) in &site.free {
        match target {
            Target::New => out.push(answer[*position]),
            Target::Same(earlier) if answer[site.free[*earlier].0] != answer[*position] => {
                return false;
            }
            _ => {}
        }
    }
    true
}

fn width(site: &CallSite) -> usize {
    site.free.iter().filter(|(_, target)| *target == Target::New).count()
}

/// Runs a call over a batch.
pub fn call<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    site: &'q CallSite,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    if site.inner {
        return wait(run, step, site, batch, next);
    }
    let key = |row: usize| site.bound.iter().map(|c| batch.cols[*c][row]).collect::<Vec<_>>();
    for row in 0..batch.rows {
        run.tables[site.instance].demands.insert(&key(row));
    }
    fixpoint(run, site.instance, step)?;
    let mut out = Output::new(&batch, step, width(site));
    let mut cells = Vec::new();
    for row in 0..batch.rows {
        let table = &run.tables[site.instance];
        let answers: Vec<usize> = table.by_bound.rows_with(&key(row)).collect();
        for answer in answers {
            let table = &run.tables[site.instance];
            let answer: Vec<Cell> = table.answers.rows.row(answer).collect();
            if free_cells(site, &answer, &mut cells) {
                for (column, position) in site.bound.iter().zip(&table.bound) {
                    out.meet(row, *column, answer[*position]);
                }
                out.new.iter_mut().zip(&cells).for_each(|(col, cell)| col.push(*cell));
                out.pick(row);
                if !out.flush_full(run, next)? {
                    return Ok(false);
                }
            }
        }
    }
    out.flush(run, next)
}

/// A call inside its own component: the rows wait, and meet the answers there are.
fn wait<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    site: &'q CallSite,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    let wide = step.keep.len() + width(site);
    let (mut fresh, mut cells) = (Batch::with_width(wide), Vec::new());
    let before = run.tables[site.instance].size_bytes();
    for row in 0..batch.rows {
        run.tick(1, &step.place)?;
        if fresh.rows >= LARGEST
            && !next(run, std::mem::replace(&mut fresh, Batch::with_width(wide)))?
        {
            return Ok(false);
        }
        let key: Vec<Cell> = site.bound.iter().map(|c| batch.cols[*c][row]).collect();
        let table = &mut run.tables[site.instance];
        table.demands.insert(&key);
        let waiting = table.waiting.entry(step.id).or_insert_with(|| Waiting {
            rows: RowTable::new(key.len() + step.keep.len()),
            by_key: MultiTable::new(key.len()),
            met: 0,
            key_width: key.len(),
        });
        let kept = step.keep.iter().map(|c| batch.cols[*c][row]);
        let whole: Vec<Cell> = key.iter().copied().chain(kept).collect();
        let (number, is_new) = waiting.rows.insert(&whole);
        if !is_new {
            continue;
        }
        waiting.by_key.insert(&key, number);
        let met = waiting.met;
        let table = &run.tables[site.instance];
        for answer in table.by_bound.rows_with(&key).take_while(|answer| *answer < met) {
            let answer: Vec<Cell> = table.answers.rows.row(answer).collect();
            if free_cells(site, &answer, &mut cells) {
                fresh.push(whole[key.len()..].iter().chain(&cells).copied());
            }
        }
    }
    let after = run.tables[site.instance].size_bytes();
    run.held_bytes += after - before.min(after);
    if fresh.rows == 0 { Ok(true) } else { next(run, fresh) }
}

/// Fills the tables of an instance's component until nothing is new.
fn fixpoint<'q>(run: &mut Run<'q>, instance: usize, step: &Step) -> Result<(), QueryError> {
    let physical = run.physical;
    let component = physical.instances[instance].component;
    let members: Vec<usize> = (0..physical.instances.len())
        .filter(|i| physical.instances[*i].component == component)
        .collect();
    loop {
        run.check(&step.place)?;
        let mut changed = false;
        for member in &members {
            changed |= new_demands(run, *member)?;
            changed |= new_answers(run, *member)?;
        }
        if !changed {
            return Ok(());
        }
    }
}

fn definitions(physical: &Physical, instance: usize) -> Result<&[Plan], QueryError> {
    physical.instances[instance].definitions.as_deref().map_err(Clone::clone)
}

/// Runs a definition's steps from some point on; what comes out is answers.
fn advance<'q>(
    run: &mut Run<'q>,
    instance: usize,
    plan: &'q Plan,
    steps: &'q [Step],
    batch: Batch,
) -> Result<(), QueryError> {
    drive(run, steps, batch, &mut |run, out| {
        let out = out.into_select(&plan.project);
        let before = run.tables[instance].size_bytes();
        for row in 0..out.rows {
            let cells: Vec<Cell> = out.row(row).collect();
            run.tables[instance].answer(&cells);
        }
        let after = run.tables[instance].size_bytes();
        run.held_bytes += after - before.min(after);
        run.tick(out.rows, &"a rule")?;
        Ok(true)
    })?;
    Ok(())
}

/// Starts the definitions with the demands they have not seen.
fn new_demands(run: &mut Run<'_>, instance: usize) -> Result<bool, QueryError> {
    let table = &mut run.tables[instance];
    let (from, to) = (table.demanded, table.demands.len());
    if from == to {
        return Ok(false);
    }
    table.demanded = to;
    let rows: Vec<u32> = (from as u32..to as u32).collect();
    let columns: Vec<usize> = (0..table.bound.len()).collect();
    let batch = Batch { rows: to - from, cols: table.demands.rows.gather(&columns, &rows) };
    for plan in definitions(run.physical, instance)? {
        advance(run, instance, plan, &plan.steps, batch.clone())?;
    }
    Ok(true)
}

/// Joins the rows that wait in the definitions of an instance to answers they have not met.
fn new_answers(run: &mut Run<'_>, instance: usize) -> Result<bool, QueryError> {
    // One that nobody asks may be one that cannot be asked so.
    if run.tables[instance].demanded == 0 {
        return Ok(false);
    }
    let mut changed = false;
    for plan in definitions(run.physical, instance)? {
        for (index, step) in plan.steps.iter().enumerate() {
            let Op::Call(site) = &step.op else { continue };
            if !site.inner {
                continue;
            }
            if let Some(batch) = meet(run, step, site) {
                changed = true;
                run.counts[step.id] += batch.rows as u64;
                advance(run, instance, plan, &plan.steps[index + 1..], batch)?;
            }
        }
    }
    Ok(changed)
}

/// The rows that come of new answers at a call, a batch at most; `None` if there are no new
/// answers.
fn meet(run: &mut Run<'_>, step: &Step, site: &CallSite) -> Option<Batch> {
    let table = &mut run.tables[site.instance];
    let waiting = table.waiting.get_mut(&step.id)?;
    let (from, to) = (waiting.met, table.answers.len());
    if from == to {
        return None;
    }
    let mut out = Batch::with_width(step.keep.len() + width(site));
    let mut cells = Vec::new();
    for number in from..to {
        if out.rows >= LARGEST {
            break;
        }
        waiting.met = number + 1;
        let answer: Vec<Cell> = table.answers.rows.row(number).collect();
        if !free_cells(site, &answer, &mut cells) {
            continue;
        }
        let key: Vec<Cell> = table.bound.iter().map(|i| answer[*i]).collect();
        for row in waiting.by_key.rows_with(&key) {
            let kept = waiting.rows.rows.row(row).skip(waiting.key_width);
            out.push(kept.chain(cells.iter().copied()));
        }
    }
    Some(out)
}
