//! Inputs against `:in`: which sources, constants, rows, rules and patterns a run has.
//!
//! **Invariant:** everything declared is there and nothing more; values are destructured once,
//! here. Names of entities are not resolved here: that takes a schema and the position they stand
//! in.

use super::ast::{Binding, InputDecl, QueryAst, RuleDef};
use super::error::{QueryError, quote};
use super::limits::Watch;
use super::parse::parse_rules;
use crate::db::Db;
use crate::edn::{self, Form};
use crate::value::{Symbol, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is passed for an element of `:in`.
#[derive(Clone, Debug)]
pub enum Input {
    /// A database.
    Db(Db),
    /// Anything else: a value to bind, rules, a pull pattern, or rows as a source.
    Value(Value),
    /// Rules as they were read: errors say where in them. Anything else is as its value.
    Form(Form),
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
pub fn bind(query: &QueryAst, inputs: &[Input], watch: &mut Watch) -> Result<Bound, QueryError> {
    check_count(query, inputs)?;
    let mut bound = Bound::default();
    for (decl, input) in query.inputs.iter().zip(inputs) {
        let value = match (decl, input) {
            (InputDecl::Source(name), Input::Db(db)) => {
                bound.sources.push((name.clone(), Source::Db(Box::new(db.clone()))));
                continue;
            }
            (InputDecl::Rules, Input::Form(form)) => {
                bound.rules = rules(form)?;
                continue;
            }
            (_, Input::Value(value)) => Cow::Borrowed(value),
            (_, Input::Form(form)) => Cow::Owned(form.to_value()),
            (decl, Input::Db(_)) => {
                let (binding, reason) = (name_of(decl), "a database goes with a name like $x");
                return Err(QueryError::Input { value: "<database>".into(), binding, reason });
            }
        };
        match decl {
            InputDecl::Source(name) => {
                let rows = rows_of(name.as_str(), &value)?;
                bound.sources.push((name.clone(), Source::Rows(Arc::new(rows))));
            }
            InputDecl::Rules => bound.rules = rules(&Form::from(value.into_owned()))?,
            InputDecl::Pattern(name) => {
                bound.patterns.insert(name.clone(), value.into_owned());
            }
            InputDecl::Binding(binding, _) => bound.destructure(binding, &value, watch)?,
        }
    }
    Ok(bound)
}

fn rules(form: &Form) -> Result<Vec<RuleDef>, QueryError> {
    let mut rules = parse_rules(form).map_err(QueryError::in_rules)?;
    rules.iter_mut().for_each(RuleDef::mark);
    Ok(rules)
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
        value: quote(edn::to_string(value)),
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
    fn destructure(
        &mut self,
        binding: &Binding,
        value: &Value,
        watch: &mut Watch,
    ) -> Result<(), QueryError> {
        let mut vars = Vec::new();
        binding.vars(&mut vars);
        let vars: Vec<Symbol> = vars.into_iter().cloned().collect();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let taken = expand(binding, value, &mut |row| {
            bytes += size_of::<Vec<Value>>() + size_of_val(row);
            if watch.is_due(row.len() + 1) {
                watch.check(&":in")?;
                watch.memory(bytes, &":in")?;
            }
            rows.push(row.to_vec());
            Ok(true)
        });
        taken.map_err(|error| match error {
            Unbound::Shape(reason) => {
                let value = quote(edn::to_string(value));
                QueryError::Input { value, binding: quote(describe(binding)), reason }
            }
            Unbound::Query(error) => error,
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

/// Why a value was not taken apart.
pub enum Unbound {
    /// It has not the shape of the binding.
    Shape(&'static str),
    /// Whoever took the rows did not want them.
    Query(QueryError),
}

impl From<QueryError> for Unbound {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// Who takes the rows of a value: `false` says that no more are wanted.
pub type Taker<'t> = &'t mut dyn FnMut(&[Value]) -> Result<bool, QueryError>;

/// Gives the rows of a value one by one: the values of the binding's variables, in the order of the
/// text; a collection multiplies the rows.
pub fn expand(binding: &Binding, value: &Value, taker: Taker<'_>) -> Result<bool, Unbound> {
    expand_all(vec![(binding, value.clone())], &mut Vec::new(), taker)
}

/// What is left to take apart, the next one last; `row` has what was taken.
fn expand_all(
    mut left: Vec<(&Binding, Value)>,
    row: &mut Vec<Value>,
    taker: Taker<'_>,
) -> Result<bool, Unbound> {
    let start = row.len();
    while let Some((binding, value)) = left.pop() {
        match binding {
            Binding::Ignore => {}
            Binding::Var(_) => row.push(value),
            Binding::Tuple(items) => {
                let shape = Unbound::Shape("a tuple is a vector or a list");
                let values = sequence(&value).ok_or(shape)?;
                if values.len() < items.len() {
                    return Err(Unbound::Shape("not enough elements"));
                }
                left.extend(items.iter().zip(values).rev());
            }
            Binding::Collection(item) => {
                let shape = Unbound::Shape("a collection is a vector, a list or a set");
                let values = match value {
                    Value::Nil => Vec::new(),
                    other => sequence(&other).ok_or(shape)?,
                };
                let before = row.len();
                for value in values {
                    let mut more = left.clone();
                    more.push((item, value));
                    if !expand_all(more, row, taker)? {
                        return Ok(false);
                    }
                    row.truncate(before);
                }
                row.truncate(start);
                return Ok(true);
            }
        }
    }
    let more = taker(row)?;
    row.truncate(start);
    Ok(more)
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
