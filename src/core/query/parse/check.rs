//! What a query must satisfy that its grammar does not say.
//!
//! **Invariant:** errors come in the order of the text's sections, so that the same text has the
//! same error each time.

use super::is_var;
use super::later::Later;
use crate::nearest::hint;
use crate::query::ast::{
    Clause, ClauseKind, FindKind, InputDecl, PatternTerm, QueryAst, Shape, Term,
};
use crate::query::error::{Place, QueryError, nearest};
use crate::query::limits::{MAX_CLAUSES, at_most};
use crate::query::logical::is_builtin;
use crate::query::suggest;
use crate::value::Symbol;
use std::collections::BTreeSet;

/// Checks a whole query.
pub fn check(query: &QueryAst, later: &mut Later) -> Result<(), QueryError> {
    check_inputs(query)?;
    check_clauses(&query.clauses, &input_vars(query), later)?;
    check_vars(query, later)?;
    check_with(query)?;
    check_keys(query)?;
    check_sources(query, later)
}

/// Refuses a query that is longer than anybody writes: what is planned and run together should be
/// bounded.
pub fn check_count(query: &QueryAst) -> Result<(), QueryError> {
    at_most(count(&query.clauses) as u64, MAX_CLAUSES as u64, "number of clauses", &":where")
}

fn count(clauses: &[Clause]) -> usize {
    let inner = |clause: &Clause| match &clause.kind {
        ClauseKind::Not { clauses, .. } | ClauseKind::Optional { clauses, .. } => count(clauses),
        ClauseKind::Or { branches, .. } => branches.iter().map(|branch| count(branch)).sum(),
        _ => 0,
    };
    clauses.iter().map(|clause| 1 + inner(clause)).sum()
}

fn check_inputs(query: &QueryAst) -> Result<(), QueryError> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for input in &query.inputs {
        match input {
            InputDecl::Source(name) | InputDecl::Pattern(name) => names.push(name.clone()),
            InputDecl::Rules => names.push(Symbol::new("%")),
            InputDecl::Binding(binding, _) => {
                let mut vars = Vec::new();
                binding.vars(&mut vars);
                names.extend(vars.into_iter().cloned());
            }
        }
    }
    match names.into_iter().find(|name| !seen.insert(name.clone())) {
        Some(twice) => {
            let expected = format!("`:in` names {twice} more than once");
            Err(QueryError::Syntax { expected, at: query.place.clone() })
        }
        None => Ok(()),
    }
}

/// The variables of `:in`.
fn input_vars(query: &QueryAst) -> BTreeSet<Symbol> {
    let mut vars = Vec::new();
    for input in &query.inputs {
        if let InputDecl::Binding(binding, _) = input {
            binding.vars(&mut vars);
        }
    }
    vars.into_iter().cloned().collect()
}

/// The variables of inputs and of clauses, those that are bound outside a `not`, or all.
fn known_vars(query: &QueryAst, all: bool) -> BTreeSet<Symbol> {
    let mut vars = Vec::new();
    let clauses = query.clauses.iter();
    clauses.for_each(|c| if all { c.kind.mentioned(&mut vars) } else { c.kind.visible(&mut vars) });
    let mut known = input_vars(query);
    known.extend(vars.into_iter().cloned());
    known
}

fn check_vars(query: &QueryAst, later: &mut Later) -> Result<(), QueryError> {
    later.or(check_known(query, &known_vars(query, false)), ());
    check_known(query, &known_vars(query, true))
}

fn check_known(query: &QueryAst, known: &BTreeSet<Symbol>) -> Result<(), QueryError> {
    let find = query.find.iter().map(|e| (e.var(), &e.place)).filter(|(v, _)| v.as_str() != "_");
    let with = query.with.iter().zip(&query.with_places);
    let patterns = query.find.iter().filter_map(|e| match &e.kind {
        FindKind::Pull { pattern: PatternTerm::Named(name), .. } => Some((name, &e.place)),
        _ => None,
    });
    let patterns = patterns.filter(|(name, _)| is_var(name.as_str()));
    let missing: Vec<_> =
        find.chain(with).chain(patterns).filter(|(var, _)| !known.contains(*var)).collect();
    let Some((var, place)) = missing.first() else { return Ok(()) };
    let vars = missing.iter().map(|(var, _)| var.to_string()).collect();
    let nearest = nearest(var.as_str(), known.iter().map(|v| v.as_str()));
    Err(QueryError::UnknownVars { vars, nearest, at: (*place).clone() })
}

fn check_with(query: &QueryAst) -> Result<(), QueryError> {
    let mut seen = BTreeSet::new();
    let mut with = query.with.iter().zip(&query.with_places);
    if let Some((twice, at)) = with.clone().find(|(var, _)| !seen.insert(*var)) {
        let expected = format!("`:with` names {twice} more than once");
        return Err(QueryError::Syntax { expected, at: at.clone() });
    }
    let found = |(var, _): &(&Symbol, &Place)| query.find.iter().any(|e| e.var() == *var);
    match with.find(found) {
        Some((both, at)) => {
            let expected = format!(":find and :with should not use the same variable {both}");
            Err(QueryError::Syntax { expected, at: at.clone() })
        }
        None => Ok(()),
    }
}

fn check_keys(query: &QueryAst) -> Result<(), QueryError> {
    let Some((_, keys)) = &query.keys else { return Ok(()) };
    let wrong = |expected: String| Err(QueryError::Syntax { expected, at: query.place.clone() });
    if matches!(query.shape, Shape::Collection | Shape::Scalar) {
        return wrong(":keys, :strs and :syms go with rows, not with [?x ...] or ?x .".to_owned());
    }
    if keys.len() != query.find.len() {
        let (keys, find) = (keys.len(), query.find.len());
        return wrong(format!(":find has {find} elements and there are {keys} keys"));
    }
    Ok(())
}

fn check_sources(query: &QueryAst, later: &mut Later) -> Result<(), QueryError> {
    let source = |i: &InputDecl| match i {
        InputDecl::Source(name) => Some(name.clone()),
        _ => None,
    };
    let known: BTreeSet<Symbol> = query.inputs.iter().filter_map(source).collect();
    let mut used = Vec::new();
    query.clauses.iter().for_each(|clause| used_sources(clause, false, &mut used));
    for element in &query.find {
        if let FindKind::Pull { source, .. } = &element.kind {
            let name = source.clone().unwrap_or_else(|| Symbol::new("$"));
            used.push(Used { name, at: &element.place, is_written: source.is_some() });
        }
    }
    let unknown = |used: &Used<'_>| {
        let nearest = nearest(used.name.as_str(), known.iter().map(Symbol::as_str));
        let (name, at) = (used.name.to_string(), used.at.clone());
        QueryError::UnknownSource { name, nearest, at }
    };
    for used in used.iter().filter(|used| !known.contains(&used.name)) {
        if used.is_written {
            return Err(unknown(used));
        }
        later.note(unknown(used));
    }
    check_named(query, later)
}

/// Whether anything reads the source `$`.
pub fn reads_default(query: &QueryAst) -> bool {
    let mut used = Vec::new();
    query.clauses.iter().for_each(|clause| used_sources(clause, false, &mut used));
    let pulls = query.find.iter().any(|e| matches!(e.kind, FindKind::Pull { source: None, .. }));
    pulls || used.iter().any(|used| used.name.as_str() == "$")
}

/// Rules and pull patterns that `:in` should declare.
fn check_named(query: &QueryAst, later: &mut Later) -> Result<(), QueryError> {
    let has_rules = query.inputs.iter().any(|i| matches!(i, InputDecl::Rules));
    let first = query.clauses.iter().find_map(first_rule);
    if let Some((name, at)) = first.filter(|_| !has_rules) {
        let meant = suggest::rule(name, std::iter::empty());
        let expected = format!("a rule is called, and `:in` has no %{}", hint(&meant));
        return Err(QueryError::Syntax { expected, at: at.clone() });
    }
    let pattern = |input: &InputDecl| match input {
        InputDecl::Pattern(name) => Some(name.clone()),
        _ => None,
    };
    let known: BTreeSet<Symbol> =
        query.inputs.iter().filter_map(pattern).chain(scalar_inputs(query)).collect();
    for element in &query.find {
        let (what, names) = match &element.kind {
            FindKind::Pull { pattern: PatternTerm::Named(name), .. } => {
                ("pull pattern", vec![name])
            }
            FindKind::Aggregate { args, .. } => ("input", args.iter().filter_map(var_of).collect()),
            _ => continue,
        };
        if let Some(name) = names.into_iter().find(|name| !known.contains(*name)) {
            let (name, at) = (name.to_string(), element.place.clone());
            let nearest = nearest(&name, known.iter().map(|name| name.as_str()));
            later.note(QueryError::UnknownName { what, name, nearest, at });
        }
    }
    Ok(())
}

fn var_of(term: &Term) -> Option<&Symbol> {
    if let Term::Var(name) = term { Some(name) } else { None }
}

/// Variables of `:in` that have one value.
fn scalar_inputs(query: &QueryAst) -> BTreeSet<Symbol> {
    let mut vars = Vec::new();
    for input in &query.inputs {
        if let InputDecl::Binding(binding, _) = input
            && binding.is_single()
        {
            binding.vars(&mut vars);
        }
    }
    vars.into_iter().cloned().collect()
}

fn first_rule(clause: &Clause) -> Option<(&str, &Place)> {
    match &clause.kind {
        ClauseKind::Rule { name, .. } => {
            (!is_builtin(name.as_str())).then_some((name.as_str(), &clause.place))
        }
        ClauseKind::Not { clauses, .. } | ClauseKind::Optional { clauses, .. } => {
            clauses.iter().find_map(first_rule)
        }
        ClauseKind::Or { branches, .. } => branches.iter().flatten().find_map(first_rule),
        _ => None,
    }
}

/// A source that is read, by its name or by default.
struct Used<'a> {
    name: Symbol,
    at: &'a Place,
    is_written: bool,
}

/// The sources a clause reads; `inherited` says whether an enclosing form names the default.
fn used_sources<'a>(clause: &'a Clause, inherited: bool, out: &mut Vec<Used<'a>>) {
    let mut prefix = |source: &Option<Symbol>, is_read: bool| match source {
        Some(name) => out.push(Used { name: name.clone(), at: &clause.place, is_written: true }),
        None if is_read && !inherited => {
            out.push(Used { name: Symbol::new("$"), at: &clause.place, is_written: false });
        }
        None => {}
    };
    match &clause.kind {
        ClauseKind::Data { source, .. } => prefix(source, true),
        ClauseKind::Rule { source, .. } => prefix(source, false),
        ClauseKind::Predicate(call) | ClauseKind::Function(call, _) => {
            for arg in &call.args {
                if let Term::Source(name) = arg {
                    out.push(Used { name: name.clone(), at: &clause.place, is_written: true });
                }
            }
        }
        ClauseKind::Not { source, clauses, .. } | ClauseKind::Optional { source, clauses } => {
            prefix(source, false);
            let inherited = inherited || source.is_some();
            clauses.iter().for_each(|c| used_sources(c, inherited, out));
        }
        ClauseKind::Or { source, branches, .. } => {
            prefix(source, false);
            let inherited = inherited || source.is_some();
            branches.iter().flatten().for_each(|c| used_sources(c, inherited, out));
        }
    }
}

/// Checks that each `not` and `or` has variables, and that the branches of each `or` agree on them,
/// but for those that are bound anyway.
pub fn check_clauses(
    clauses: &[Clause],
    inputs: &BTreeSet<Symbol>,
    later: &mut Later,
) -> Result<(), QueryError> {
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Not { join, clauses, .. } => {
                check_join(clause, join.is_some())?;
                check_clauses(clauses, inputs, later)?;
            }
            ClauseKind::Optional { clauses, .. } => check_clauses(clauses, inputs, later)?,
            ClauseKind::Or { join, branches, .. } => {
                check_join(clause, join.is_some())?;
                branches.iter().try_for_each(|branch| check_clauses(branch, inputs, later))?;
                if join.is_none() {
                    later.or(check_branches(clause, branches, inputs), ());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A form that shares no variable with its surroundings says nothing about them.
fn check_join(clause: &Clause, is_listed: bool) -> Result<(), QueryError> {
    let mut vars = Vec::new();
    clause.kind.mentioned(&mut vars);
    if is_listed || !vars.is_empty() {
        return Ok(());
    }
    let expected = "it needs a variable to join on".to_owned();
    Err(QueryError::Syntax { expected, at: clause.place.clone() })
}

fn check_branches(
    clause: &Clause,
    branches: &[Vec<Clause>],
    inputs: &BTreeSet<Symbol>,
) -> Result<(), QueryError> {
    let free = |branch: &Vec<Clause>| -> BTreeSet<Symbol> {
        let mut vars = Vec::new();
        branch.iter().for_each(|c| c.kind.mentioned(&mut vars));
        let free = |v: &&Symbol| is_var(v.as_str()) && !inputs.contains(*v);
        vars.into_iter().filter(free).cloned().collect()
    };
    let mut sets = branches.iter().map(free);
    let first = sets.next().unwrap_or_default();
    match sets.find(|set| *set != first) {
        Some(other) => {
            let odd: Vec<_> = first.symmetric_difference(&other).map(Symbol::as_str).collect();
            let is = if odd.len() == 1 { "is" } else { "are" };
            let expected = format!(
                "All clauses in 'or' must use same set of free vars: {} {is} not in every branch",
                odd.join(" ")
            );
            Err(QueryError::Syntax { expected, at: clause.place.clone() })
        }
        None => Ok(()),
    }
}
