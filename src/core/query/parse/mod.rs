//! Text or form to typed query.
//!
//! **Invariant:** a query that comes out is well-formed by itself: its variables, sources and rules
//! are declared, its `or` branches agree, its keys fit. What needs inputs or a schema to know is
//! not decided here.

mod binding;
mod check;
mod clause;
mod find;
mod section;

pub use binding::parse_binding;
pub use clause::parse_rules;

use super::ast::{InputDecl, QueryAst};
use super::error::{Place, QueryError};
use crate::edn::Form;
use crate::value::{Symbol, Value};
use section::Sections;

/// The query that a form means: a vector, a map, or a string of either; a quote before it is
/// ignored.
pub fn parse_query(form: &Form) -> Result<QueryAst, QueryError> {
    let form = form.unquoted();
    if let Some(text) = form.as_str() {
        return parse_query(&crate::edn::read_one(text)?);
    }
    let sections = Sections::split(form)?;
    let (shape, find) = find::parse_find(&sections)?;
    let mut query = QueryAst {
        needs_no_input: false,
        keys: find::parse_keys(&sections)?,
        with: symbols(&sections, "with", is_var)?,
        inputs: parse_inputs(&sections)?,
        clauses: clause::parse_clauses(sections.get("where"))?,
        order_by: find::parse_order(sections.get("order-by"), &find)?,
        limit: number(&sections, "limit")?,
        offset: number(&sections, "offset")?.unwrap_or(0),
        timeout_ms: number(&sections, "timeout")?,
        place: Place::of(form),
        shape,
        find,
    };
    check::check_count(&query)?;
    check::check(&query)?;
    query.needs_no_input = !sections.has("in") && !check::reads_default(&query);
    Ok(query)
}

/// Checks what stands after `:find`.
pub fn check_find(form: &Form) -> Result<(), QueryError> {
    find::parse_find(&Sections::one("find", form)).map(drop)
}

/// Checks what stands after `:with`.
pub fn check_with(form: &Form) -> Result<(), QueryError> {
    symbols(&Sections::one("with", form), "with", is_var).map(drop)
}

/// Checks what stands after `:in`.
pub fn check_in(form: &Form) -> Result<(), QueryError> {
    parse_inputs(&Sections::one("in", form)).map(drop)
}

/// Checks one clause.
pub fn check_clause(form: &Form) -> Result<(), QueryError> {
    clause::parse_clauses(std::slice::from_ref(form)).map(drop)
}

fn symbols(s: &Sections<'_>, name: &str, ok: fn(&str) -> bool) -> Result<Vec<Symbol>, QueryError> {
    let symbol = |form: &Form| match form.as_symbol() {
        Some(symbol) if ok(symbol.as_str()) => Ok(symbol.clone()),
        _ => Err(QueryError::syntax(format!("`:{name}` takes variables (?x)"), form)),
    };
    s.get(name).iter().map(symbol).collect()
}

fn parse_inputs(sections: &Sections<'_>) -> Result<Vec<InputDecl>, QueryError> {
    if !sections.has("in") {
        return Ok(vec![InputDecl::Source(Symbol::new("$"))]);
    }
    let input = |form: &Form| {
        Ok(match form.as_symbol().map(Symbol::as_str) {
            Some("%") => InputDecl::Rules,
            Some(name) if is_source(name) => InputDecl::Source(Symbol::new(name)),
            Some(name) if is_plain(name) => InputDecl::Pattern(Symbol::new(name)),
            _ => InputDecl::Binding(parse_binding(form)?, Place::of(form)),
        })
    };
    sections.get("in").iter().map(input).collect()
}

fn number(sections: &Sections<'_>, name: &str) -> Result<Option<u64>, QueryError> {
    match sections.get(name) {
        [] => Ok(None),
        [form] if form.is_nil() => Ok(None),
        [form] => match form.as_long().and_then(|n| u64::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(QueryError::syntax(format!("`:{name}` takes a number from 0"), form)),
        },
        [_, second, ..] => Err(QueryError::syntax(format!("`:{name}` takes one number"), second)),
    }
}

pub(super) fn is_var(name: &str) -> bool {
    name.len() > 1 && name.starts_with('?')
}

pub(super) fn is_source(name: &str) -> bool {
    name.starts_with('$')
}

/// A symbol that names a rule, a function or a pattern.
pub(super) fn is_plain(name: &str) -> bool {
    !is_var(name) && !is_source(name) && !matches!(name, "_" | "%" | "..." | "." | "?")
}

/// A constant as written, without its quote.
pub(super) fn constant(form: &Form) -> Value {
    form.unquoted().to_value()
}
