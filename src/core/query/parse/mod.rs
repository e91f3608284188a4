//! Text or form to typed query.
//!
//! **Invariant:** a query that comes out is well-formed by itself: its variables, sources and rules
//! are declared, its `or` branches agree, its keys fit. What needs inputs or a schema to know is
//! not decided here.

mod binding;
mod check;
mod clause;
mod find;
mod later;
mod section;

pub use binding::parse_binding;

use super::ast::{InputDecl, QueryAst, RuleDef};
use super::error::{Place, QueryError};
use crate::edn::Form;
use crate::value::{Symbol, Value};
use later::Later;
use section::Sections;
use std::collections::BTreeSet;

/// The query that a form means: a vector, a map, or a string of either; a quote before it is
/// ignored. `{:query ... :limit 10}` is one with options beside it.
pub fn parse_query(form: &Form) -> Result<QueryAst, QueryError> {
    let mut later = Later::default();
    let query = read(form, &mut later);
    later.first(query)
}

/// Checks that a form is a query by its syntax.
pub fn check_query(form: &Form) -> Result<(), QueryError> {
    read(form, &mut Later::default()).map(drop)
}

/// The rules that a value of `%` means.
pub fn parse_rules(form: &Form) -> Result<Vec<RuleDef>, QueryError> {
    let mut later = Later::default();
    let rules = clause::parse_rules(form, &mut later);
    later.first(rules)
}

/// Checks that a form is rules by its syntax.
pub fn check_rules(form: &Form) -> Result<(), QueryError> {
    clause::parse_rules(form, &mut Later::default()).map(drop)
}

fn read(form: &Form, later: &mut Later) -> Result<QueryAst, QueryError> {
    let form = form.unquoted();
    if let Some(text) = form.as_str() {
        return read(&crate::edn::read_one(text)?, later);
    }
    let Some(query) = form.get("query") else {
        return query_of(Sections::split(form, later)?, form, later);
    };
    let text = query.unquoted().as_str().map(crate::edn::read_one).transpose()?;
    let query = text.as_ref().unwrap_or(query).unquoted();
    let mut all = Sections::split(query, later)?;
    all.beside(form.as_map().unwrap_or_default(), later);
    query_of(all, query, later)
}

fn query_of(
    sections: Sections<'_>,
    form: &Form,
    later: &mut Later,
) -> Result<QueryAst, QueryError> {
    let (shape, find) = find::parse_find(&sections, later)?;
    let order_by = find::parse_order(sections.get("order-by"), &find);
    let mut query = QueryAst {
        needs_no_input: false,
        keys: find::parse_keys(&sections)?,
        with: symbols(&sections, "with", is_var)?,
        with_places: sections.get("with").iter().map(Place::of).collect(),
        inputs: parse_inputs(&sections)?,
        clauses: clause::parse_clauses(sections.get("where"), later)?,
        order_by: later.or(order_by, Vec::new()),
        limit: later.or(number(&sections, "limit"), None),
        offset: later.or(number(&sections, "offset"), None).unwrap_or(0),
        timeout_ms: later.or(number(&sections, "timeout"), None),
        place: Place::of(form),
        shape,
        find,
    };
    check::check_count(&query)?;
    check::check(&query, later)?;
    query.needs_no_input = !sections.has("in") && !check::reads_default(&query);
    Ok(query)
}

/// Checks what stands after `:find`.
pub fn check_find(form: &Form) -> Result<(), QueryError> {
    find::parse_find(&Sections::one("find", form), &mut Later::default()).map(drop)
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
    let clauses = clause::parse_clauses(std::slice::from_ref(form), &mut Later::default())?;
    check::check_clauses(&clauses, &BTreeSet::new(), &mut Later::default())
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
        // A negative number is none, as in the systems that queries come from.
        [form] => match form.as_long() {
            Some(n) => Ok(u64::try_from(n).ok()),
            None => Err(QueryError::syntax(format!("`:{name}` takes a number"), form)),
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
