//! The physical plan: steps in the order they run, over columns by number.
//!
//! **Invariant:** each step says which columns of its input it keeps and which it appends; a plan
//! is data, it holds no state of a run. How an index is read (seeks, one range, a hash) is decided
//! at run time, from the real number of rows.

mod agenda;
mod cost;
mod emit;
mod explain;
mod order;

pub use explain::Explain;
pub use order::plan;

use super::ast::Binding;
use super::error::{Place, QueryError};
use super::functions::{Comparison, Function};
use super::logical::VarId;
use crate::id::{AttrId, EntityId};
use crate::value::Value;
use std::sync::Arc;

/// What a position of a pattern is at run time.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    Ignore,
    /// A value; for entity positions see `Entity`.
    Value(Value),
    /// A constant entity; `None`: nobody has that name, nothing matches.
    Entity(Option<EntityId>),
    /// A column of the input.
    Col(usize),
    /// A new column.
    New,
    /// A new column that shows attributes by their ident.
    NewIdent,
}

impl Slot {
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New | Self::NewIdent)
    }

    pub fn is_bound(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Entity(_) | Self::Col(_))
    }
}

/// What the position of the attribute is at run time.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrSlot {
    Ignore,
    Known(AttrId),
    Unknown,
    Col(usize),
    New,
}

/// The positions of a datom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    E,
    A,
    V,
    Tx,
    Added,
}

/// A pattern over a database. New columns come in the order e a v tx added.
#[derive(Clone, Debug)]
pub struct Match {
    pub source: usize,
    pub e: Slot,
    pub a: AttrSlot,
    pub v: Slot,
    pub tx: Slot,
    pub added: Slot,
    /// Comparisons of the value with constants.
    pub bounds: Vec<(Comparison, Value)>,
    /// Positions that must hold the same.
    pub same: Vec<(Position, Position)>,
    /// How many rows the whole input is expected to have.
    pub expected_input: f64,
}

/// A pattern over rows.
#[derive(Clone, Debug)]
pub struct RowsMatch {
    pub source: usize,
    pub terms: Vec<Slot>,
    pub same: Vec<(usize, usize)>,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub enum Arg {
    Col(usize),
    Const(Value),
    Source(usize),
}

/// Where a variable of a binding, or of what extends a row, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It must equal this column.
    Col(usize),
    /// It must equal an earlier variable of the binding.
    Same(usize),
    New,
    Drop,
}

/// A function call, with its result bound or, without binding, tested.
#[derive(Clone)]
pub struct Apply {
    pub function: &'static Function,
    pub args: Vec<Arg>,
    pub binding: Option<(Binding, Vec<Target>)>,
}

/// The call of a rule.
#[derive(Clone, Debug)]
pub struct CallSite {
    pub instance: usize,
    /// The columns of the bound arguments, in their order.
    pub bound: Vec<usize>,
    /// The columns that the arguments which are not bound become: positions in the head, with what
    /// they become.
    pub free: Vec<(usize, Target)>,
    /// Whether it is a call of the component that is being evaluated: then it is answered by
    /// deltas.
    pub inner: bool,
}

/// Reachability over the edges of an attribute.
#[derive(Clone, Debug)]
pub struct Reach {
    pub source: usize,
    pub attribute: AttrId,
    /// An edge leads from the value to the entity.
    pub backward: bool,
    /// Where an edge path begins and where it ends.
    pub args: [Target; 2],
}

/// What a step does.
#[derive(Clone)]
pub enum Op {
    Match(Match),
    Rows(RowsMatch),
    Apply(Apply),
    /// Drops rows for whose `keys` the plan has an answer.
    Anti {
        keys: Vec<usize>,
        plan: Plan,
    },
    /// Extends rows by the answers of plans over their `keys`; each gives the keys, then what the
    /// targets say. `outer` takes nil where there is no answer.
    Union {
        keys: Vec<usize>,
        targets: Vec<Target>,
        plans: Vec<Plan>,
        outer: bool,
    },
    Call(CallSite),
    Reach(Reach),
}

#[derive(Clone)]
pub struct Step {
    /// Its number in the whole query, for counts and for what it keeps between batches.
    pub id: usize,
    pub op: Op,
    pub keep: Vec<usize>,
    /// Rows that are expected to come out.
    pub estimate: f64,
    pub place: Arc<Place>,
}

/// Steps, and the columns of the last that are the result.
#[derive(Clone, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub project: Vec<usize>,
    pub estimate: f64,
}

/// A rule with some arguments bound.
pub struct Instance {
    pub name: String,
    pub component: usize,
    /// Which arguments are bound.
    pub bound: Vec<bool>,
    /// From the bound arguments to all arguments; an error where the bound ones are not enough.
    pub definitions: Result<Vec<Plan>, QueryError>,
}

/// A query ready to run.
pub struct Physical {
    pub root: Plan,
    /// The variables of the first batch, with their values.
    pub seeds: Vec<(VarId, Value)>,
    pub instances: Vec<Instance>,
    pub step_count: usize,
}
