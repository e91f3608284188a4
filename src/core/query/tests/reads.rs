//! How the naive evaluator reads single facts: lookup refs, `get-else`, `get-some`, `missing?`.

use super::naive::{Env, Fact, Naive};
use super::*;
use crate::query::ast::{Call, Term};
use crate::query::functions::{self, Kind};

impl Naive<'_> {
    /// The entity that a constant names in a source: a lookup ref is replaced, if it names
    /// somebody.
    pub(super) fn named(&self, source: &Symbol, term: &Term) -> Option<Term> {
        let Term::Const(Value::Vector(pair)) = term else { return Some(term.clone()) };
        let [attribute, value] = pair.as_ref() else { return Some(term.clone()) };
        let facts = self.sources[source].iter();
        let found = facts.filter(|fact| fact[1] == *attribute && fact[2] == *value);
        found.map(|fact| fact[0].clone()).min().map(Term::Const)
    }

    /// The terms of a pattern with entities for lookup refs; none if one of them names nobody.
    pub(super) fn terms(&self, source: &Symbol, terms: &[Term]) -> Option<Vec<Term>> {
        let is_entity = |place: usize| place == 0 || place == 2;
        let all = terms.iter().enumerate();
        all.map(|(place, term)| match is_entity(place) {
            true => self.named(source, term),
            false => Some(term.clone()),
        })
        .collect()
    }

    /// The value of a call that reads a database; `None` if it is no such call.
    pub(super) fn read(&self, call: &Call, env: &Env) -> Option<Value> {
        let kind = functions::find(call.name.as_str()).unwrap().kind;
        let [Term::Source(source), entity, rest @ ..] = call.args.as_slice() else { return None };
        let entity = match entity {
            Term::Var(var) => Some(env[var].clone()),
            constant => self.named(source, constant).map(|term| match term {
                Term::Const(value) => value,
                other => panic!("{other:?}"),
            }),
        };
        let constant = |term: &Term| match term {
            Term::Const(value) => value.clone(),
            other => panic!("{other:?}"),
        };
        let first = |attribute: &Term| {
            let attribute = constant(attribute);
            let of = |fact: &&Fact| Some(&fact[0]) == entity.as_ref() && fact[1] == attribute;
            let values = self.sources[source].iter().filter(of).map(|fact| fact[2].clone());
            values.min()
        };
        match (kind, rest) {
            (Kind::GetElse, [attribute, instead]) => {
                Some(first(attribute).unwrap_or_else(|| constant(instead)))
            }
            (Kind::Missing, [attribute]) => Some(Value::Bool(first(attribute).is_none())),
            (Kind::GetSome, attributes) => {
                let pair = |a: &Term| Some(Value::from(vec![constant(a), first(a)?]));
                Some(attributes.iter().find_map(pair).unwrap_or(Value::Nil))
            }
            _ => None,
        }
    }
}
