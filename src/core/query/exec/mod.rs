//! Running a plan: batches of cells pushed through the steps.
//!
//! **Invariant:** an operator reads nodes in whole frontiers only, all that a batch needs in one
//! call; limits and the cancellation token are looked at before each step of each batch, and inside
//! a batch after some work; two runs over the same values give the same rows. The stack that a run
//! takes does not grow with the number of its steps.

mod apply;
mod aside;
mod batch;
mod cell;
mod closure;
mod database;
mod find;
mod group;
mod matching;
mod probe;
mod rows;
mod rules;
mod union;

pub use aside::Aside;
pub use find::{Found, Pulls, find};

use super::bind::Source;
use super::error::QueryError;
use super::functions::Scratch;
use super::limits::Watch;
use super::plan::{Op, Physical, Plan, Step};
use crate::value::Value;
use aside::{Base, Outside};
use batch::Batch;
use cell::{Cell, Pool};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Rows that a step collects before it hands them on; later batches are larger, so that rounds stay
/// few.
const BATCH: usize = 1024;
/// The largest batch.
const LARGEST: usize = 1 << 16;
/// Steps that hand their rows on directly.
const SEGMENT: usize = 64;

/// Where a step hands its rows: `false` says that no more are wanted.
pub type Sink<'s, 'q> = &'s mut dyn FnMut(&mut Run<'q>, Batch) -> Result<bool, QueryError>;

/// The state of a run.
pub struct Run<'q> {
    pub pool: Pool,
    pub scratch: Scratch,
    pub physical: &'q Physical,
    pub sources: &'q [Source],
    /// The number of each source's database: sources of one database have one number.
    pub databases: Vec<u16>,
    /// Rows that came out of each step.
    pub counts: Vec<u64>,
    pub watch: Watch,
    /// Bytes of tables that steps keep, and of batches on their way.
    pub held_bytes: usize,
    /// What was asked that cannot have an answer, by pulls and by queries in this one.
    pub warnings: Vec<String>,
    /// What was put aside of the rows that came since values were let go of last.
    pub outside: Outside,
    /// A batch of the first step has gone through all others: rows that are held may be put aside.
    pub is_batch_over: bool,
    row_tables: BTreeMap<usize, Arc<rows::Table>>,
    hashed: BTreeMap<usize, Option<Arc<matching::Hashed>>>,
    tables: Vec<rules::Table>,
}

impl<'q> Run<'q> {
    pub fn new(physical: &'q Physical, sources: &'q [Source], watch: Watch, seed: u64) -> Self {
        let mut known = Vec::new();
        let database = |source: &Source| match source {
            Source::Db(db) => match known.iter().position(|uuid| *uuid == db.database()) {
                Some(number) => number as u16 + 1,
                None => {
                    known.push(db.database());
                    known.len() as u16
                }
            },
            Source::Rows(_) => 0,
        };
        Self {
            pool: Pool::default(),
            scratch: Scratch::new(seed, watch.clone()),
            physical,
            sources,
            databases: sources.iter().map(database).collect(),
            counts: vec![0; physical.step_count],
            watch,
            held_bytes: 0,
            warnings: Vec::new(),
            outside: Outside::Nothing,
            is_batch_over: false,
            row_tables: BTreeMap::new(),
            hashed: BTreeMap::new(),
            tables: rules::tables(physical),
        }
    }

    /// Looks at the token and the limits.
    pub fn check(&self, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        self.check_with(0, operator)
    }

    /// Looks at the token and the limits, with bytes that are not counted yet.
    pub fn check_with(&self, bytes: usize, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        self.watch.check(operator)?;
        self.watch.memory(self.used_bytes() + bytes, operator)
    }

    /// Counts work inside a batch, and looks at the token and the limits when enough was done.
    pub fn tick(&mut self, units: usize, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        if self.watch.is_due(units) { self.check(operator) } else { Ok(()) }
    }

    /// A number that changes when a step keeps cells beyond a batch.
    fn kept(&self) -> usize {
        self.row_tables.len() + self.hashed.len()
    }

    /// Memory in use, about, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.pool.size_bytes() + self.held_bytes
    }

    /// Keeps a warning, once.
    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Why a function was stopped.
    pub fn stopped(&self, operator: &dyn fmt::Display) -> QueryError {
        self.check(operator).err().unwrap_or(QueryError::Cancelled)
    }

    /// The first batch: one row of the variables that have one value.
    pub fn seed(&mut self) -> Batch {
        let mut batch = Batch::unit();
        for (_, value) in &self.physical.seeds {
            batch.cols.push(vec![self.pool.free(value)]);
        }
        batch
    }

    /// The values of some cells of a row.
    pub fn values(&self, cells: impl Iterator<Item = Cell>) -> Vec<Value> {
        cells.map(|cell| self.pool.value(cell)).collect()
    }
}

/// Pushes a batch through steps into a sink. After a number of steps what comes out is kept before
/// it goes on, so that many steps need no deep stack.
pub fn drive<'q>(
    run: &mut Run<'q>,
    steps: &'q [Step],
    batch: Batch,
    sink: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    if steps.len() <= SEGMENT {
        return push(run, steps, batch, sink);
    }
    let (first, rest) = steps.split_at(SEGMENT);
    let mut kept = Vec::new();
    push(run, first, batch, &mut |run, out| {
        run.held_bytes += out.size_bytes();
        kept.push(out);
        Ok(true)
    })?;
    for out in kept {
        run.held_bytes -= out.size_bytes().min(run.held_bytes);
        if !drive(run, rest, out, sink)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn push<'q>(
    run: &mut Run<'q>,
    steps: &'q [Step],
    batch: Batch,
    sink: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    if batch.rows == 0 {
        return if run.is_batch_over { sink(run, batch) } else { Ok(true) };
    }
    let Some((step, rest)) = steps.split_first() else { return sink(run, batch) };
    let bytes = batch.size_bytes();
    run.held_bytes += bytes;
    run.check(&step.place)?;
    let mut next = |run: &mut Run<'q>, out: Batch| {
        run.counts[step.id] += out.rows as u64;
        push(run, rest, out, sink)
    };
    let more = operate(run, step, batch, &mut next)?;
    run.held_bytes -= bytes.min(run.held_bytes);
    Ok(more)
}

/// Runs one step over a batch.
fn operate<'q>(
    run: &mut Run<'q>,
    step: &'q Step,
    batch: Batch,
    next: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    match &step.op {
        Op::Match(m) => matching::run(run, step, m, batch, next),
        Op::Rows(m) => rows::run(run, step, m, batch, next),
        Op::Apply(apply) => apply::run(run, step, apply, batch, next),
        Op::Anti { keys, plan } => union::anti(run, step, keys, plan, batch, next),
        Op::Union { keys, targets, plans, outer } => {
            let union = union::Union { keys, targets, plans, outer: *outer };
            union.run(run, step, batch, next)
        }
        Op::Reach(reach) => closure::run(run, step, reach, batch, next),
        Op::Call(site) => rules::call(run, step, site, batch, next),
    }
}

/// All rows that a plan gives for a batch, in the plan's columns.
pub fn collect<'q>(run: &mut Run<'q>, plan: &'q Plan, batch: Batch) -> Result<Batch, QueryError> {
    let mut all = Batch::with_width(plan.project.len());
    drive(run, &plan.steps, batch, &mut |run, out| {
        let before = all.size_bytes();
        all.append(out.into_select(&plan.project));
        run.held_bytes += all.size_bytes() - before.min(all.size_bytes());
        Ok(true)
    })?;
    run.held_bytes -= all.size_bytes().min(run.held_bytes);
    Ok(all)
}

/// The output of a step: rows of its input by number, and the new columns.
struct Output<'a> {
    batch: &'a Batch,
    keep: &'a [usize],
    picks: Vec<u32>,
    new: Vec<Vec<Cell>>,
    /// Bigints that met the same long, by row of the output and column of the input.
    met: Vec<(usize, usize)>,
    target: usize,
    /// Of the first step: what may be let go of after each batch.
    base: Option<Base>,
}

impl<'a> Output<'a> {
    fn new(batch: &'a Batch, step: &'a Step, width: usize) -> Self {
        let target = batch.rows.clamp(BATCH, LARGEST);
        let (picks, met) = (Vec::new(), Vec::new());
        Self {
            batch,
            keep: &step.keep,
            picks,
            new: vec![Vec::new(); width],
            met,
            target,
            base: None,
        }
    }

    /// A row; its new cells were pushed to `new` already.
    fn pick(&mut self, row: usize) {
        self.picks.push(row as u32);
    }

    /// Says that a column of the row that is picked next is the same as this cell.
    fn meet(&mut self, row: usize, column: usize, cell: Cell) {
        if self.batch.cols[column][row].is_big() && !cell.is_big() {
            self.met.push((self.picks.len(), column));
        }
    }

    /// Hands on what there is, if it is enough for a batch.
    fn flush_full<'q>(
        &mut self,
        run: &mut Run<'q>,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        run.tick(1, &"a join")?;
        let is_due = self.base.as_ref().is_some_and(|base| base.is_due(run));
        if self.picks.len() < self.target && !is_due { Ok(true) } else { self.flush(run, next) }
    }

    fn flush<'q>(&mut self, run: &mut Run<'q>, next: Sink<'_, 'q>) -> Result<bool, QueryError> {
        if self.picks.is_empty() {
            return Ok(true);
        }
        let rows = self.picks.len();
        let mut cols = self.batch.gather(self.keep, &self.picks);
        for (row, column) in self.met.drain(..) {
            let kept = self.keep.iter().zip(&mut cols).filter(|(from, _)| **from == column);
            kept.for_each(|(_, col)| col[row] = col[row].plain());
        }
        cols.extend(self.new.iter_mut().map(std::mem::take));
        self.picks.clear();
        self.target = (self.target * 2).min(LARGEST);
        let more = next(run, Batch { rows, cols })?;
        if let Some(base) = &mut self.base {
            if run.outside == Outside::Some {
                run.is_batch_over = true;
                next(run, Batch::with_width(0))?;
                run.is_batch_over = false;
            }
            base.went_by(run);
        }
        Ok(more)
    }
}

/// Whether two cells mean the same where a number may name an entity: as bytes, or as a long and an
/// entity.
fn same(a: Cell, b: Cell) -> bool {
    let number = |x: Cell, y: Cell| {
        x.as_long().is_some_and(|n| y.as_entity().is_some_and(|(e, _)| e.0 as i64 == n))
    };
    a == b || number(a, b) || number(b, a)
}
