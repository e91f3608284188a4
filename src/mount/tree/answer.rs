//! The seam to the query language: a question with everything pinned, and its answer.
//!
//! **Invariant:** an answer follows from the question alone. Rows come in the one printed order.

use super::diff::Compared;
use super::files::FileSource;
use crate::error::{Failure, Kind, Result};
use crate::overflow::{Failed, RowFile};
use crate::spool::Cancel;
use factfs_core::query::{self, CancelToken, Explain, Input, Prepared, Query, Rows};
use factfs_core::text::{Layout, RowKeys, Shape};
use factfs_core::value::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one evaluation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time.
    pub time: Duration,
    /// Rows of the answer.
    pub rows: u64,
    /// Bytes of the answer as text.
    pub bytes: u64,
    /// Memory of intermediate results.
    pub memory_bytes: u64,
    /// Evaluations at once.
    pub at_once: usize,
    /// Rows that all steps together may be expected to give: what is expected to cost more is not
    /// begun. [`u64::MAX`] begins everything.
    pub expected_rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            rows: 10_000_000,
            bytes: 1 << 30,
            memory_bytes: 1 << 30,
            at_once: 8,
            expected_rows: u64::MAX,
        }
    }
}

/// A query and what its `:in` is bound to, in that order.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query.
    pub query: Query,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// Inputs that are differences, by their place: their rows are made when it is answered.
    pub differences: Vec<(usize, Arc<Compared>)>,
    /// Inputs that are files, by their place: their rows are read when it is answered.
    pub files: Vec<(usize, FileSource)>,
    /// What the keys of rows are in EDN, where the query asks for maps.
    pub keys: Option<RowKeys>,
}

/// What came out.
pub struct Answer {
    /// Its shape and the names of its columns.
    pub layout: Layout,
    rows: Rows,
    failed: Failed,
    /// The steps that led to it, with the rows of each.
    pub explain: Explain,
    /// What may not be meant: an attribute that nobody knows.
    pub warnings: Vec<String>,
}

impl Answer {
    /// Passes each row on, and says how many there are. The same rows each time.
    pub fn each(&self, row: &mut dyn FnMut(&[Value]) -> Result<()>) -> Result<u64> {
        self.rows.each(row).map_err(|failure| self.failed.take().unwrap_or(failure))
    }
}

impl Question {
    /// The answer, within the limits, given up soon after `cancel` is set.
    pub fn answer(&self, limits: &Limits, cancel: &Cancel) -> Result<Answer> {
        let token = CancelToken::default();
        let flag = token.clone();
        cancel.on_cancel(move || flag.cancel());
        let (started, bytes) = (Instant::now(), limits.bytes);
        let expected_rows = limits.expected_rows;
        let is_near = || self.differences.iter().all(|(_, compared)| compared.is_near());
        if expected_rows < u64::MAX && !(is_near() && self.has_small_files()) {
            return Err(costly());
        }
        let inputs = self.with_rows(limits, started, cancel)?;
        let limits = query::Limits {
            rows: limits.rows,
            memory_bytes: limits.memory_bytes,
            timeout_ms: Some(limits.time.as_millis() as u64),
            elapsed_ms: Some(Arc::new(move || started.elapsed().as_millis() as u64)),
        };
        let outside = RowFile::new(bytes, limits.memory_bytes);
        let failed = outside.failed();
        let outside = Box::new(outside);
        let prepared = Prepared::new(&self.query, &inputs, &limits, &token)?;
        if expected_rows < u64::MAX && expected(&prepared.explain()) > expected_rows as f64 {
            return Err(costly());
        }
        let answer = prepared.run_large(outside);
        let answer = answer.map_err(|error| failed.take().unwrap_or_else(|| error.into()))?;
        let shape = match answer.shape {
            query::Shape::Relation => Shape::Relation,
            query::Shape::Collection => Shape::Collection,
            query::Shape::Tuple => Shape::Tuple,
            query::Shape::Scalar => Shape::Scalar,
        };
        let layout = Layout { shape, columns: answer.columns, keys: self.keys };
        let (explain, warnings) = (answer.explain, answer.stats.warnings);
        Ok(Answer { layout, rows: answer.rows, failed, explain, warnings })
    }
}

/// What is not even begun within such limits.
pub(super) fn costly() -> Failure {
    Failure::new(Kind::TooLarge, "it is expected to cost more than it may")
}

fn expected(step: &Explain) -> f64 {
    step.estimated + step.children.iter().map(expected).sum::<f64>()
}
