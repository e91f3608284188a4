//! What a query may use, and the one watch over it that all stages share.
//!
//! **Invariant:** whatever can take long, planning and single functions as well, looks at the same
//! token and the same clock, often enough that a query ends soon after it should. Sizes that nobody
//! needs are refused with an error that names the limit.

use super::error::QueryError;
use std::cmp::Ordering as Order;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A query may have this many clauses, those inside others included.
pub const MAX_CLAUSES: usize = 1000;
/// A query and the rules that it calls may come to this many clauses.
pub const MAX_UNFOLDED: usize = 4096;
/// Steps that may be planned, those of plans that are not taken included.
pub const MAX_PLANNED: usize = 200_000;
/// Queries may lie in queries (`q`) so deep.
pub const MAX_NESTED: usize = 16;
/// Units of work between two looks at the clock; a unit is some tens of nanoseconds.
const UNITS: usize = 4096;
/// Rows that are sorted at once, and merged, between two looks at the clock.
const SORTED: usize = 1 << 17;
const MERGED: usize = 1 << 14;

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

/// Limits and token of one run, from binding its inputs to its last row.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    pub limits: Limits,
    pub cancel: CancelToken,
    /// How many queries this one lies in.
    pub nested: usize,
    done: usize,
}

impl Watch {
    pub fn new(limits: Limits, cancel: CancelToken, nested: usize) -> Self {
        Self { limits, cancel, nested, done: 0 }
    }

    /// Looks at the token and the clock.
    pub fn check(&self, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        if self.cancel.is_cancelled() {
            return Err(QueryError::Cancelled);
        }
        let elapsed = self.limits.elapsed_ms.as_ref().map(|elapsed| elapsed());
        match (self.limits.timeout_ms, elapsed) {
            (Some(limit), Some(elapsed)) if elapsed >= limit => {
                Err(QueryError::Timeout { operator: operator.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Counts work; whether enough was done to look at the clock again.
    pub fn is_due(&mut self, units: usize) -> bool {
        self.done = self.done.saturating_add(units);
        if self.done < UNITS {
            return false;
        }
        self.done = 0;
        true
    }

    /// Counts work, and looks at token and clock when enough was done.
    pub fn tick(&mut self, units: usize, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        if self.is_due(units) { self.check(operator) } else { Ok(()) }
    }

    /// Refuses more memory than the limit.
    pub fn memory(&self, used: usize, operator: &dyn fmt::Display) -> Result<(), QueryError> {
        at_most(used as u64, self.limits.memory_bytes, "memory", operator)
    }

    /// Sorts, stably; looks at the token and the clock on the way.
    pub fn sort_by<T>(
        &self,
        items: Vec<T>,
        operator: &dyn fmt::Display,
        compare: &mut dyn FnMut(&T, &T) -> Order,
    ) -> Result<Vec<T>, QueryError> {
        let mut runs = Vec::new();
        let mut items = items.into_iter();
        loop {
            let mut run: Vec<T> = items.by_ref().take(SORTED).collect();
            if run.is_empty() {
                break;
            }
            self.check(operator)?;
            run.sort_by(&mut *compare);
            runs.push(run);
        }
        while runs.len() > 1 {
            let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
            let mut left = runs.into_iter();
            while let Some(first) = left.next() {
                merged.push(match left.next() {
                    Some(second) => self.merge(first, second, operator, compare)?,
                    None => first,
                });
            }
            runs = merged;
        }
        Ok(runs.pop().unwrap_or_default())
    }

    fn merge<T>(
        &self,
        a: Vec<T>,
        b: Vec<T>,
        operator: &dyn fmt::Display,
        compare: &mut dyn FnMut(&T, &T) -> Order,
    ) -> Result<Vec<T>, QueryError> {
        let mut out = Vec::with_capacity(a.len() + b.len());
        let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            if out.len().is_multiple_of(MERGED) {
                self.check(operator)?;
            }
            let first = if compare(x, y).is_le() { a.next() } else { b.next() };
            out.extend(first);
        }
        out.extend(a);
        out.extend(b);
        Ok(out)
    }
}

/// Refuses more than a limit.
pub fn at_most(
    found: u64,
    limit: u64,
    what: &'static str,
    operator: &dyn fmt::Display,
) -> Result<(), QueryError> {
    if found <= limit {
        return Ok(());
    }
    Err(QueryError::Limit { what, limit, operator: operator.to_string() })
}
