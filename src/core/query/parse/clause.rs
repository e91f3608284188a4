//! Clauses and rules.
//!
//! **Invariant:** what a form is depends on the form alone: a vector that begins with a list is a
//! call, one that begins with a plain symbol a rule, any other a data pattern.

use super::later::Later;
use super::{constant, is_plain, is_source, is_var, parse_binding};
use crate::edn::Form;
use crate::query::ast::{Call, Clause, ClauseKind, RuleDef, RuleVars, Term};
use crate::query::error::{Place, QueryError};
use crate::value::Symbol;

/// Clauses in the order of the text.
pub fn parse_clauses(forms: &[Form], later: &mut Later) -> Result<Vec<Clause>, QueryError> {
    forms.iter().map(|form| parse_clause(form, later)).collect()
}

fn parse_clause(form: &Form, later: &mut Later) -> Result<Clause, QueryError> {
    let kind = if let Some(items) = form.as_vector() {
        let (source, items) = split_source(items);
        vector(form, items, source, later)?
    } else if let Some(items) = form.as_list() {
        list(form, items, later)?
    } else {
        return Err(QueryError::syntax("a clause is a vector or a list", form));
    };
    Ok(Clause { kind, place: Place::of(form) })
}

/// The source that stands first, and what follows.
fn split_source(items: &[Form]) -> (Option<Symbol>, &[Form]) {
    match items.split_first() {
        Some((first, rest)) if first.as_symbol().is_some_and(|s| is_source(s.as_str())) => {
            (first.as_symbol().cloned(), rest)
        }
        _ => (None, items),
    }
}

fn plain(form: &Form) -> Option<&Symbol> {
    form.as_symbol().filter(|s| is_plain(s.as_str()))
}

fn vector(
    form: &Form,
    terms: &[Form],
    source: Option<Symbol>,
    later: &mut Later,
) -> Result<ClauseKind, QueryError> {
    match terms {
        [] => Err(QueryError::syntax("a clause cannot be empty", form)),
        [call] if source.is_none() && call.as_list().is_some() => {
            Ok(ClauseKind::Predicate(parse_call(call, later)?))
        }
        [call, binding] if source.is_none() && call.as_list().is_some() => {
            Ok(ClauseKind::Function(parse_call(call, later)?, parse_binding(binding)?))
        }
        [call, rest @ ..] if source.is_none() && call.as_list().is_some() => {
            later.note(QueryError::syntax("a call clause is [(f ...)] or [(f ...) binding]", form));
            let terms = rest.iter().map(|term| pattern_term(term, later)).collect();
            Ok(ClauseKind::Data { source, terms })
        }
        [name, args @ ..] if plain(name).is_some() && !args.is_empty() => {
            rule_call(form, source, name, args, later)
        }
        terms if terms.len() > 5 => {
            Err(QueryError::syntax("a data pattern has at most 5 positions: e a v tx added", form))
        }
        terms => {
            let terms = terms.iter().map(|term| pattern_term(term, later)).collect();
            Ok(ClauseKind::Data { source, terms })
        }
    }
}

fn pattern_term(form: &Form, later: &mut Later) -> Term {
    match form.as_symbol().map(Symbol::as_str) {
        Some("_") => Term::Ignore,
        Some(name) if is_var(name) => Term::Var(Symbol::new(name)),
        Some(name) if is_source(name) || name == "%" => {
            later.note(QueryError::syntax("a source stands first in a pattern", form));
            Term::Const(constant(form))
        }
        _ => Term::Const(constant(form)),
    }
}

fn parse_call(form: &Form, later: &mut Later) -> Result<Call, QueryError> {
    let (head, args) = form
        .as_list()
        .and_then(<[Form]>::split_first)
        .ok_or_else(|| QueryError::syntax("a call is (function argument...)", form))?;
    let Some(name) = head.as_symbol().filter(|s| is_plain(s.as_str()) || is_var(s.as_str())) else {
        return Err(QueryError::syntax("a call begins with the name of a function", form));
    };
    let args = args.iter().map(|arg| argument(arg, later));
    Ok(Call { name: name.clone(), args: args.collect() })
}

fn argument(form: &Form, later: &mut Later) -> Term {
    if let Some([head, _, ..] | [head]) = form.as_list()
        && plain(head).is_some_and(|s| s.as_str() != "quote")
    {
        let expected = "calls do not nest: bind the inner one to a variable first";
        later.note(QueryError::syntax(expected, form));
    }
    match form.as_symbol().map(Symbol::as_str) {
        Some("_") => {
            later.note(QueryError::syntax("`_` is no argument of a function", form));
            Term::Ignore
        }
        Some(name) if is_var(name) => Term::Var(Symbol::new(name)),
        Some(name) if is_source(name) => Term::Source(Symbol::new(name)),
        _ => Term::Const(constant(form)),
    }
}

fn list(form: &Form, items: &[Form], later: &mut Later) -> Result<ClauseKind, QueryError> {
    let (source, items) = split_source(items);
    let Some((head, args)) = items.split_first() else {
        return Err(QueryError::syntax("a clause cannot be empty", form));
    };
    // A call, or a pattern: brackets and parentheses are the same there.
    let Some(name) = plain(head) else { return vector(form, items, source, later) };
    match name.as_str() {
        "not" => Ok(ClauseKind::Not { source, join: None, clauses: body(form, args, later)? }),
        "not-join" => {
            let (vars, rest) = join_vars(form, args)?;
            let join = Some(vars.all().cloned().collect());
            Ok(ClauseKind::Not { source, join, clauses: body(form, rest, later)? })
        }
        "or" => Ok(ClauseKind::Or { source, join: None, branches: branches(form, args, later)? }),
        "or-join" => {
            let (vars, rest) = join_vars(form, args)?;
            Ok(ClauseKind::Or { source, join: Some(vars), branches: branches(form, rest, later)? })
        }
        "optional" => Ok(ClauseKind::Optional { source, clauses: body(form, args, later)? }),
        "and" => Err(QueryError::syntax("`and` stands only inside `or` and `or-join`", form)),
        _ => rule_call(form, source, head, args, later),
    }
}

fn body(form: &Form, clauses: &[Form], later: &mut Later) -> Result<Vec<Clause>, QueryError> {
    if clauses.is_empty() {
        return Err(QueryError::syntax("it needs at least one clause", form));
    }
    parse_clauses(clauses, later)
}

fn branches(
    form: &Form,
    items: &[Form],
    later: &mut Later,
) -> Result<Vec<Vec<Clause>>, QueryError> {
    let mut branch = |form: &Form| match form.as_list() {
        Some([head, clauses @ ..]) if head.is_symbol("and") => body(form, clauses, later),
        _ => Ok(vec![parse_clause(form, later)?]),
    };
    if items.is_empty() {
        return Err(QueryError::syntax("it needs at least one branch", form));
    }
    items.iter().map(&mut branch).collect()
}

fn join_vars<'a>(form: &Form, args: &'a [Form]) -> Result<(RuleVars, &'a [Form]), QueryError> {
    let wrong = || QueryError::syntax("a join lists its variables first: [?x ?y]", form);
    let (first, rest) = args.split_first().ok_or_else(wrong)?;
    let vars = rule_vars(form, first.as_vector().ok_or_else(wrong)?)?;
    if vars.len() == 0 { Err(wrong()) } else { Ok((vars, rest)) }
}

fn rule_vars(form: &Form, items: &[Form]) -> Result<RuleVars, QueryError> {
    let wrong = || QueryError::syntax("variables are listed as ?x ?y, or [?bound] ?x", form);
    let var = |f: &Form| f.as_symbol().filter(|s| is_var(s.as_str())).cloned().ok_or_else(wrong);
    let (required, free) = match items.split_first() {
        Some((first, rest)) if first.as_vector().is_some() => {
            (first.as_vector().unwrap_or_default(), rest)
        }
        _ => (&[][..], items),
    };
    let required = required.iter().map(var).collect::<Result<Vec<_>, _>>()?;
    let vars = RuleVars { required, free: free.iter().map(var).collect::<Result<_, _>>()? };
    let mut names: Vec<_> = vars.all().collect();
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(QueryError::syntax("rule variables should be distinct", form));
    }
    Ok(vars)
}

fn rule_call(
    form: &Form,
    source: Option<Symbol>,
    name: &Form,
    args: &[Form],
    later: &mut Later,
) -> Result<ClauseKind, QueryError> {
    let Some(name) = plain(name) else {
        return Err(QueryError::syntax("a rule call begins with the name of the rule", form));
    };
    if args.is_empty() {
        return Err(QueryError::syntax("a rule call needs arguments", form));
    }
    let args = args.iter().map(|arg| pattern_term(arg, later)).collect();
    Ok(ClauseKind::Rule { source, name: name.clone(), args })
}

/// The rules that a value of `%` means: a vector of definitions, or a string of one.
pub fn parse_rules(form: &Form, later: &mut Later) -> Result<Vec<RuleDef>, QueryError> {
    let form = form.unquoted();
    if let Some(text) = form.as_str() {
        return parse_rules(&crate::edn::read_one(text)?, later);
    }
    let Some(items) = form.as_seq() else {
        return Err(QueryError::syntax("rules are a vector of [(name ?x) clause...]", form));
    };
    let rules = items.iter().map(|form| rule(form, later)).collect::<Result<Vec<_>, _>>()?;
    for rule in &rules {
        let Some(first) = rules.iter().find(|r| r.name == rule.name) else { continue };
        let required = (first.vars.required.len(), rule.vars.required.len());
        if first.vars.len() != rule.vars.len() || required.0 != required.1 {
            let (name, at) = (rule.name.to_string(), rule.place.clone());
            let bound = if required == (0, 0) { "" } else { ", as many of them required" };
            let expected = format!("{}{bound} as in its first definition", first.vars.len());
            let got = rule.vars.len();
            return Err(QueryError::Arity { what: "rule", name, expected, got, at });
        }
    }
    Ok(rules)
}

fn rule(form: &Form, later: &mut Later) -> Result<RuleDef, QueryError> {
    let wrong = || QueryError::syntax("a rule is [(name ?x ...) clause...]", form);
    let (head, clauses) = form.as_seq().and_then(<[Form]>::split_first).ok_or_else(wrong)?;
    let (name, vars) = head.as_seq().and_then(<[Form]>::split_first).ok_or_else(wrong)?;
    let name = plain(name).ok_or_else(wrong)?.clone();
    let vars = rule_vars(head, vars)?;
    if vars.len() == 0 {
        return Err(QueryError::syntax("a rule has at least one variable", head));
    }
    let clauses = body(form, clauses, later)?;
    super::check::check_clauses(&clauses, &Default::default(), later)?;
    Ok(RuleDef { name, vars, clauses, place: Place::of(form) })
}
