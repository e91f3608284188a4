//! Inputs against `:in`: which sources, constants, rows, rules and patterns a run has.
//!
//! **Invariant:** everything declared is there and nothing more; values are destructured once,
//! here. Names of entities are not resolved here: that takes a schema and the position they stand
//! in.

use super::ast::{Binding, InputDecl, QueryAst, RuleDef};
use super::error::QueryError;
use super::parse::parse_rules;
use crate::db::Db;
use crate::edn::{self, Form};
use crate::value::{Symbol, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is passed for an element of `:in`.
#[derive(Clone, Debug)]
pub enum Input {
    /// A database.
    Db(Db),
    /// Anything else: a value to bind, rules, a pull pattern, or rows as a source.
    Value(Value),
}

/// Where patterns look.
#[derive(Clone, Debug)]
pub enum Source {
    Db(Box<Db>),
    /// Rows of values, matched by position.
    Rows(Arc<Vec<Vec<Value>>>),
}

/// Rows of variables that an input gives.
#[derive(Clone, Debug)]
pub struct BoundRows {
    pub vars: Vec<Symbol>,
    pub rows: Arc<Vec<Vec<Value>>>,
}

/// The inputs, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    pub sources: Vec<(Symbol, Source)>,
    /// Variables with one value.
    pub scalars: Vec<(Symbol, Value)>,
    pub rows: Vec<BoundRows>,
    pub rules: Vec<RuleDef>,
    pub patterns: BTreeMap<Symbol, Value>,
}

/// Binds the inputs in the order of `:in`.
pub fn bind(query: &QueryAst, inputs: &[Input]) -> Result<Bound, QueryError> {
    check_count(query, inputs)?;
    let mut bound = Bound::default();
    for (decl, input) in query.inputs.iter().zip(inputs) {
        match (decl, input) {
            (InputDecl::Source(name), Input::Db(db)) => {
                bound.sources.push((name.clone(), Source::Db(Box::new(db.clone()))));
            }
            (InputDecl::Source(name), Input::Value(value)) => {
                let rows = rows_of(name.as_str(), value)?;
                bound.sources.push((name.clone(), Source::Rows(Arc::new(rows))));
            }
            (InputDecl::Rules, Input::Value(value)) => {
                bound.rules = parse_rules(&Form::from(value.clone()))?;
            }
            (InputDecl::Pattern(name), Input::Value(value)) => {
                bound.patterns.insert(name.clone(), value.clone());
            }
            (InputDecl::Binding(binding, _), Input::Value(value)) => {
                bound.destructure(binding, value)?;
            }
            (decl, Input::Db(_)) => {
                let (binding, reason) = (name_of(decl), "a database goes with a name like $x");
                return Err(QueryError::Input { value: "<database>".into(), binding, reason });
            }
        }
    }
    Ok(bound)
}

fn check_count(query: &QueryAst, inputs: &[Input]) -> Result<(), QueryError> {
    let (want, got) = (query.inputs.len(), inputs.len());
    if query.needs_no_input && got == 0 {
        return Ok(());
    }
    let expected = || query.inputs.iter().map(name_of).collect::<Vec<_>>().join(" ");
    if got < want {
        return Err(QueryError::TooFewInputs { expected: expected(), got });
    }
    if got > want {
        return Err(QueryError::ExtraInputs { expected: expected(), got });
    }
    Ok(())
}

/// An element of `:in` as it was written.
pub fn name_of(decl: &InputDecl) -> String {
    match decl {
        InputDecl::Source(name) | InputDecl::Pattern(name) => name.to_string(),
        InputDecl::Rules => "%".to_owned(),
        InputDecl::Binding(_, place) => place.form.clone(),
    }
}

fn rows_of(name: &str, value: &Value) -> Result<Vec<Vec<Value>>, QueryError> {
    let wrong = |value: &Value| QueryError::Input {
        value: edn::to_string(value),
        binding: name.to_owned(),
        reason: "a source is a database, or a collection of rows",
    };
    let row = |row: &Value| sequence(row).ok_or_else(|| wrong(row));
    sequence(value).ok_or_else(|| wrong(value))?.iter().map(row).collect()
}

/// The items of what can be taken apart: a vector, a list, a set, a map as its entries.
pub fn sequence(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Vector(x) | Value::List(x) | Value::Set(x) => Some(x.to_vec()),
        Value::Map(x) => {
            Some(x.iter().map(|(k, v)| Value::from(vec![k.clone(), v.clone()])).collect())
        }
        _ => None,
    }
}

impl Bound {
    fn destructure(&mut self, binding: &Binding, value: &Value) -> Result<(), QueryError> {
        let mut vars = Vec::new();
        binding.vars(&mut vars);
        let vars: Vec<Symbol> = vars.into_iter().cloned().collect();
        let mut rows = vec![Vec::new()];
        expand(binding, value, &mut rows).map_err(|reason| {
            let value = edn::to_string(value);
            QueryError::Input { value, binding: describe(binding), reason }
        })?;
        if binding.is_single() {
            let row = rows.into_iter().next().unwrap_or_default();
            self.scalars.extend(vars.into_iter().zip(row));
        } else {
            self.rows.push(BoundRows { vars, rows: Arc::new(rows) });
        }
        Ok(())
    }
}

/// Extends each row by the values of the binding's variables, in the order of the text; a
/// collection multiplies the rows.
pub fn expand(
    binding: &Binding,
    value: &Value,
    rows: &mut Vec<Vec<Value>>,
) -> Result<(), &'static str> {
    match binding {
        Binding::Ignore => {}
        Binding::Var(_) => rows.iter_mut().for_each(|row| row.push(value.clone())),
        Binding::Tuple(items) => {
            let values = sequence(value).ok_or("a tuple is a vector or a list")?;
            if values.len() < items.len() {
                return Err("not enough elements");
            }
            for (item, value) in items.iter().zip(&values) {
                expand(item, value, rows)?;
            }
        }
        Binding::Collection(item) => {
            let values = match value {
                Value::Nil => Vec::new(),
                other => sequence(other).ok_or("a collection is a vector, a list or a set")?,
            };
            let before = std::mem::take(rows);
            for value in &values {
                let mut more = before.clone();
                expand(item, value, &mut more)?;
                rows.append(&mut more);
            }
        }
    }
    Ok(())
}

/// A binding as text.
pub fn describe(binding: &Binding) -> String {
    match binding {
        Binding::Ignore => "_".to_owned(),
        Binding::Var(var) => var.to_string(),
        Binding::Collection(item) => format!("[{} ...]", describe(item)),
        Binding::Tuple(items) => {
            format!("[{}]", items.iter().map(describe).collect::<Vec<_>>().join(" "))
        }
    }
}
