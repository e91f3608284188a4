//! Running a plan: batches of cells pushed through the steps.
//!
//! **Invariant:** an operator reads nodes in whole frontiers only, all that a batch needs in one
//! call; limits and the cancellation token are looked at before each step of each batch; two runs
//! over the same values give the same rows.

mod apply;
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

pub use find::{Pulls, find};

use super::bind::Source;
use super::error::QueryError;
use super::functions::Scratch;
use super::plan::{Op, Physical, Plan, Step};
use crate::value::Value;
use batch::Batch;
use cell::{Cell, Pool};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that a step collects before it hands them on; later batches are larger, so that rounds stay
/// few.
const BATCH: usize = 1024;
/// The largest batch.
const LARGEST: usize = 1 << 16;

/// Says to a run from another thread that its answer is no longer wanted.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Cancels every run that has this token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Milliseconds since the run was asked for: the caller's clock, core has none.
pub type Elapsed = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a run may use. The default has no limit.
#[derive(Clone)]
pub struct Limits {
    /// Rows of the result.
    pub rows: u64,
    /// Memory of intermediate results, in bytes, about.
    pub memory_bytes: u64,
    /// The time, if `elapsed_ms` can tell it; the query's own `:timeout` can only shorten it.
    pub timeout_ms: Option<u64>,
    /// The caller's clock.
    pub elapsed_ms: Option<Elapsed>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: u64::MAX, memory_bytes: u64::MAX, timeout_ms: None, elapsed_ms: None }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, memory_bytes, timeout_ms, .. } = self;
        write!(f, "Limits {{ rows: {rows}, memory_bytes: {memory_bytes}, {timeout_ms:?} }}")
    }
}

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
    pub limits: &'q Limits,
    pub cancel: &'q CancelToken,
    /// Bytes of tables that steps keep.
    pub held_bytes: usize,
    row_tables: BTreeMap<usize, Arc<rows::Table>>,
    hashed: BTreeMap<usize, Arc<matching::Hashed>>,
    tables: Vec<rules::Table>,
}

impl<'q> Run<'q> {
    pub fn new(
        physical: &'q Physical,
        sources: &'q [Source],
        limits: &'q Limits,
        cancel: &'q CancelToken,
        seed: u64,
    ) -> Self {
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
            scratch: Scratch::new(seed),
            physical,
            sources,
            databases: sources.iter().map(database).collect(),
            counts: vec![0; physical.step_count],
            limits,
            cancel,
            held_bytes: 0,
            row_tables: BTreeMap::new(),
            hashed: BTreeMap::new(),
            tables: rules::tables(physical),
        }
    }

    /// Looks at the token and the limits.
    pub fn check(&self, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        if self.cancel.is_cancelled() {
            return Err(QueryError::Cancelled);
        }
        let elapsed = self.limits.elapsed_ms.as_ref().map(|elapsed| elapsed());
        if let (Some(limit), Some(elapsed)) = (self.limits.timeout_ms, elapsed)
            && elapsed >= limit
        {
            return Err(QueryError::Timeout { operator: operator.to_string() });
        }
        let used = (self.pool.size_bytes() + self.held_bytes) as u64;
        if used > self.limits.memory_bytes {
            let (what, limit) = ("memory", self.limits.memory_bytes);
            return Err(QueryError::Limit { what, limit, operator: operator.to_string() });
        }
        Ok(())
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

/// Pushes a batch through steps into a sink.
pub fn drive<'q>(
    run: &mut Run<'q>,
    steps: &'q [Step],
    batch: Batch,
    sink: Sink<'_, 'q>,
) -> Result<bool, QueryError> {
    if batch.rows == 0 {
        return Ok(true);
    }
    let Some((step, rest)) = steps.split_first() else { return sink(run, batch) };
    run.check(&step.place)?;
    let mut next = |run: &mut Run<'q>, out: Batch| {
        run.counts[step.id] += out.rows as u64;
        drive(run, rest, out, sink)
    };
    match &step.op {
        Op::Match(m) => matching::run(run, step, m, batch, &mut next),
        Op::Rows(m) => rows::run(run, step, m, batch, &mut next),
        Op::Apply(apply) => apply::run(run, step, apply, batch, &mut next),
        Op::Anti { keys, plan } => union::anti(run, step, keys, plan, batch, &mut next),
        Op::Union { keys, width, plans, outer } => {
            let union = union::Union { keys, width: *width, plans, outer: *outer };
            union.run(run, step, batch, &mut next)
        }
        Op::Reach(reach) => closure::run(run, step, reach, batch, &mut next),
        Op::Call(site) => rules::call(run, step, site, batch, &mut next),
    }
}

/// All rows that a plan gives for a batch, in the plan's columns.
pub fn collect<'q>(run: &mut Run<'q>, plan: &'q Plan, batch: Batch) -> Result<Batch, QueryError> {
    let mut all = Batch::with_width(plan.project.len());
    drive(run, &plan.steps, batch, &mut |_, out| {
        all.append(out.into_select(&plan.project));
        Ok(true)
    })?;
    Ok(all)
}

/// The output of a step: rows of its input by number, and the new columns.
struct Output<'a> {
    batch: &'a Batch,
    keep: &'a [usize],
    picks: Vec<u32>,
    new: Vec<Vec<Cell>>,
    target: usize,
}

impl<'a> Output<'a> {
    fn new(batch: &'a Batch, step: &'a Step, width: usize) -> Self {
        let target = batch.rows.clamp(BATCH, LARGEST);
        Self { batch, keep: &step.keep, picks: Vec::new(), new: vec![Vec::new(); width], target }
    }

    /// A row; its new cells were pushed to `new` already.
    fn pick(&mut self, row: usize) {
        self.picks.push(row as u32);
    }

    /// Hands on what there is, if it is enough for a batch.
    fn flush_full<'q>(
        &mut self,
        run: &mut Run<'q>,
        next: Sink<'_, 'q>,
    ) -> Result<bool, QueryError> {
        if self.picks.len() < self.target { Ok(true) } else { self.flush(run, next) }
    }

    fn flush<'q>(&mut self, run: &mut Run<'q>, next: Sink<'_, 'q>) -> Result<bool, QueryError> {
        if self.picks.is_empty() {
            return Ok(true);
        }
        let rows = self.picks.len();
        let mut cols = self.batch.gather(self.keep, &self.picks);
        cols.extend(self.new.iter_mut().map(std::mem::take));
        self.picks.clear();
        self.target = (self.target * 2).min(LARGEST);
        next(run, Batch { rows, cols })
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
