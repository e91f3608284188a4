//! Parts of queries by themselves: for whoever writes or shows a query piece by piece.
//!
//! **Invariant:** a part that is accepted alone is accepted at its place in a query, as far as
//! neither the rest of the query nor the table of functions is needed to know.

use super::error::QueryError;
use super::functions::{self, aggregate};
use super::parse;
use crate::edn::Form;

/// A part of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A whole query.
    Query,
    /// What follows `:find`, as a vector.
    Find,
    /// What follows `:with`, as a vector.
    With,
    /// What follows `:in`, as a vector.
    In,
    /// One binding form.
    Binding,
    /// One clause of `:where`.
    Clause,
    /// Rules.
    Rules,
}

/// Checks the syntax of a part of a query.
pub fn check_part(part: Part, form: &Form) -> Result<(), QueryError> {
    match part {
        Part::Query => parse::check_query(form),
        Part::Find => parse::check_find(form),
        Part::With => parse::check_with(form),
        Part::In => parse::check_in(form),
        Part::Binding => parse::parse_binding(form).map(drop),
        Part::Clause => parse::check_clause(form),
        Part::Rules => parse::check_rules(form),
    }
}

/// Whether a function, predicate or aggregate of this name is built in.
pub fn is_builtin(name: &str) -> bool {
    functions::find(name).is_some() || aggregate::find(name).is_some()
}
