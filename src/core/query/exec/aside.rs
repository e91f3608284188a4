//! Rows that are put aside while a query runs, and values that are let go of with them.
//!
//! **Invariant:** a cell that something still holds keeps its value. Values go only where a batch
//! of the first step has gone through all others, nothing of it was kept by a step, and the rows
//! that it gave are outside.

use super::batch::{Batch, RowTable};
use super::cell::{Cell, Interned};
use super::{Run, SEGMENT};
use crate::query::error::QueryError;
use crate::query::overflow::{Merged, Overflow, RowOrder, write_cell};
use crate::query::plan::Step;
use crate::value::Value;
use std::cmp::Ordering;
use std::ops::Range;

/// New values of a batch that are enough to hand it on.
const BATCH_BYTES: usize = 4 << 20;
/// How much is appended at once.
const WRITTEN: usize = 64 << 10;

/// How much of what came was put aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// No row was.
    #[default]
    Nothing,
    /// Some rows, and others came after those: they are held, with their values.
    Some,
    /// All rows: their values may go with them.
    All,
}

impl Outside {
    /// A row came, and is held.
    pub fn came(&mut self) {
        if *self == Self::All {
            *self = Self::Some;
        }
    }
}

/// Rows of an answer outside.
pub struct Aside {
    overflow: Box<dyn Overflow>,
    order: RowOrder,
    runs: Vec<Range<u64>>,
    written: u64,
    has_big: bool,
    /// How much the values in the pool took when rows were put aside last.
    pooled_bytes: usize,
}

impl Aside {
    pub fn new(overflow: Box<dyn Overflow>, order: RowOrder) -> Self {
        let (runs, written, has_big) = (Vec::new(), 0, false);
        Self { overflow, order, runs, written, has_big, pooled_bytes: 0 }
    }

    /// Whether any rows are outside.
    pub fn is_used(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether rows take enough memory to be put aside. `row_bytes` is what one takes.
    pub fn is_due(&mut self, run: &Run<'_>, table: &RowTable, row_bytes: usize) -> bool {
        // What was let go of since then counts anew.
        self.pooled_bytes = self.pooled_bytes.min(run.pool.size_bytes());
        let pooled = run.pool.size_bytes() - self.pooled_bytes;
        table.len() > 0 && table.len() * row_bytes + pooled > self.overflow.after_bytes()
    }

    /// Puts the rows of a table aside, as a sorted run, and empties the table.
    pub fn put(&mut self, run: &mut Run<'_>, table: &mut RowTable) -> Result<(), QueryError> {
        let width = table.rows.cols.len();
        let rows: Vec<u32> = (0..table.len() as u32).collect();
        let cells = &table.rows.cols;
        let compare = &mut |a: &u32, b: &u32| self.compare(run, cells, *a as usize, *b as usize);
        let rows = run.watch.sort_by(rows, &":find", compare)?;
        let start = self.written;
        let mut bytes = Vec::new();
        for row in rows {
            run.tick(width, &":find")?;
            self.write(run, cells.iter().map(|column| column[row as usize]), &mut bytes);
            if bytes.len() >= WRITTEN {
                self.append(&mut bytes)?;
            }
        }
        self.append(&mut bytes)?;
        self.runs.push(start..self.written);
        run.held_bytes -= held_bytes(width, table.len()).min(run.held_bytes);
        *table = RowTable::new(width);
        self.pooled_bytes = run.pool.size_bytes();
        run.outside = Outside::All;
        Ok(())
    }

    fn compare(&self, run: &Run<'_>, cells: &[Vec<Cell>], a: usize, b: usize) -> Ordering {
        let cell = |column: usize| {
            let (x, y) = (cells[column][a].plain(), cells[column][b].plain());
            if x == y { Ordering::Equal } else { run.pool.get(&x).cmp(&run.pool.get(&y)) }
        };
        let databases =
            |row: usize| cells.iter().filter_map(move |column| Some(column[row].as_entity()?.1));
        self.order.compare(cells.len(), cell).then_with(|| databases(a).cmp(databases(b)))
    }

    fn write(&mut self, run: &Run<'_>, cells: impl Iterator<Item = Cell>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; 4]);
        for cell in cells {
            self.has_big |= cell.is_big();
            let database = cell.as_entity().map(|(_, database)| database);
            let value: Value = run.pool.value(cell);
            write_cell(&value, database, out);
        }
        let len = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn append(&mut self, bytes: &mut Vec<u8>) -> Result<(), QueryError> {
        self.overflow.append(bytes)?;
        self.written += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }

    /// All that is outside, to be read.
    pub fn into_merged(self, offset: u64, count: u64, run: &Run<'_>) -> Merged {
        let Self { overflow, order, runs, has_big, .. } = self;
        Merged { overflow, runs, order, has_big, offset, count, watch: run.watch.clone() }
    }
}

/// What rows of a table take that are counted as they come.
pub fn held_bytes(width: usize, rows: usize) -> usize {
    rows * (width * size_of::<Cell>() + 5)
}

/// The values that were there before the first step gave its rows: the others may go with them.
pub struct Base {
    interned: Interned,
    kept: usize,
    /// How much the values took after the last batch.
    pooled_bytes: usize,
}

impl Base {
    /// For the first step of a query, which looks at one row; for no other.
    pub fn of(run: &Run<'_>, step: &Step, batch: &Batch) -> Option<Self> {
        let steps = &run.physical.root.steps;
        let is_first = steps.first().is_some_and(|first| std::ptr::eq(first, step));
        let passes = steps.len() <= SEGMENT && run.tables.is_empty();
        (is_first && passes && batch.rows == 1).then(|| Self {
            interned: run.pool.interned(),
            kept: run.kept(),
            pooled_bytes: run.pool.size_bytes(),
        })
    }

    /// Whether the values of a batch take much memory, however few its rows are.
    pub fn is_due(&self, run: &Run<'_>) -> bool {
        run.pool.size_bytes().saturating_sub(self.pooled_bytes) > BATCH_BYTES
    }

    /// A batch has gone through all steps: lets go of its values, if its rows are outside.
    pub fn went_by(&mut self, run: &mut Run<'_>) {
        if self.kept != run.kept() {
            // A step keeps cells from here on.
            (self.interned, self.kept) = (run.pool.interned(), run.kept());
        } else if std::mem::take(&mut run.outside) == Outside::All {
            run.pool.truncate(&self.interned);
        }
        self.pooled_bytes = run.pool.size_bytes();
    }
}
