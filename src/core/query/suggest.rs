//! What was meant: names that are there and are like one that is not.
//!
//! **Invariant:** nothing here is looked at before there is an error, and what is suggested can be
//! written at the place of what was.

use super::ast::{InputDecl, QueryAst};
use super::error::{QueryError, nearest};
use super::functions;
use super::logical::builtin_rules;
use crate::value::Symbol;
use std::collections::BTreeSet;

/// What else begins a list among clauses.
const FORMS: [&str; 5] = ["not", "not-join", "or", "or-join", "optional"];

/// The function that was meant.
pub fn function(name: &str) -> Option<String> {
    nearest(&functions::full_name(name), functions::names())
}

/// What was meant by a list that begins with this name, and is no call of a known rule.
pub fn rule<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if functions::find(name).is_some() {
        return Some(format!("[({name} ...)]"));
    }
    let others = FORMS.into_iter().chain(builtin_rules());
    nearest(name, known.chain(others.map(|other| -> &'a str { other })))
}

/// The error with the variable that was meant by one that nothing binds.
pub fn variable(mut error: QueryError, query: &QueryAst) -> QueryError {
    if let QueryError::Insufficient { vars, nearest: meant @ None, at } = &mut error
        && !at.in_rules
    {
        let bound = bound(query);
        let unknown = vars.iter().filter(|var| !bound.contains(var.as_str()));
        let known = || bound.iter().map(Symbol::as_str);
        *meant = unknown.into_iter().find_map(|var| nearest(var, known()));
    }
    error
}

/// The variables that inputs or clauses bind.
fn bound(query: &QueryAst) -> BTreeSet<Symbol> {
    let mut vars = Vec::new();
    query.clauses.iter().for_each(|clause| clause.kind.binds(&mut vars));
    for input in &query.inputs {
        if let InputDecl::Binding(binding, _) = input {
            binding.vars(&mut vars);
        }
    }
    vars.into_iter().cloned().collect()
}
