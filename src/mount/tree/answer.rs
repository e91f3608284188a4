//! The seam to the query language: a question with everything pinned, and its answer.
//!
//! **Invariant:** an answer follows from the question alone. Rows come in the one printed order.

use crate::error::Result;
use crate::spool::Cancel;
use factfs_core::db::Db;
use factfs_core::edn::Form;
use factfs_core::text::Layout;
use factfs_core::value::Value;
use std::time::Duration;

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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            rows: 10_000_000,
            bytes: 1 << 30,
            memory_bytes: 1 << 30,
            at_once: 8,
        }
    }
}

/// A query and what its `:in` is bound to, in that order.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query, as read.
    pub query: Form,
    /// The inputs.
    pub inputs: Vec<Given>,
}

/// One input.
#[derive(Clone, Debug)]
pub enum Given {
    /// A database.
    Db(Db),
    /// A value; also a collection or a relation.
    Value(Value),
    /// Rules, or a pull pattern.
    Form(Form),
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its shape and the names of its columns.
    pub layout: Layout,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// Nodes that had to be fetched.
    pub nodes_fetched: u64,
}

/// Who answers questions.
pub trait Evaluate: Send + Sync {
    /// The answer, within the limits, given up soon after `cancel` is set.
    fn evaluate(&self, question: &Question, limits: &Limits, cancel: &Cancel) -> Result<Answer>;
}
