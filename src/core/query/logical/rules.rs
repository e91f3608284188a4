//! Rules: each is built once for each default source it is called with; which of them are
//! recursive.
//!
//! **Invariant:** a rule's body sees its head's variables alone; every rule that is called exists
//! with that arity; no rule depends on its own absence.

use super::build::{Builder, Scope};
use super::builtin;
use super::{Conj, Definition, Logical, Node, NodeKind, Rule, RuleId, VarId};
use crate::query::ast::RuleDef;
use crate::query::error::{Place, QueryError, nearest};
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The rule set of `%`, and what of it was built.
pub(super) struct Rules {
    defs: Arc<Vec<RuleDef>>,
    numbers: BTreeMap<(Symbol, Option<usize>), RuleId>,
    built: Vec<Option<Rule>>,
}

impl Rules {
    pub fn new(defs: Vec<RuleDef>) -> Self {
        Self { defs: Arc::new(defs), numbers: BTreeMap::new(), built: Vec::new() }
    }

    /// Hands the rules over, with their recursion known.
    pub fn finish(&mut self, logical: &mut Logical) -> Result<(), QueryError> {
        logical.rules = std::mem::take(&mut self.built).into_iter().flatten().collect();
        let calls: Vec<Vec<RuleId>> = logical.rules.iter().map(calls_of).collect();
        let reach: Vec<Vec<bool>> = (0..calls.len()).map(|from| reachable(from, &calls)).collect();
        for (id, rule) in logical.rules.iter_mut().enumerate() {
            rule.recursive = reach[id][id];
            let same = |other: &usize| *other == id || reach[id][*other] && reach[*other][id];
            rule.component = (0..calls.len()).find(same).unwrap_or(id);
        }
        for rule in logical.rules.iter().filter(|rule| rule.recursive) {
            for definition in &rule.definitions {
                check_negation(&definition.body, rule, &logical.rules, false)?;
            }
        }
        Ok(())
    }
}

fn reachable(from: RuleId, calls: &[Vec<RuleId>]) -> Vec<bool> {
    let mut seen = vec![false; calls.len()];
    let mut stack = calls[from].clone();
    while let Some(next) = stack.pop() {
        if !std::mem::replace(&mut seen[next], true) {
            stack.extend(&calls[next]);
        }
    }
    seen
}

fn calls_of(rule: &Rule) -> Vec<RuleId> {
    let mut calls = Vec::new();
    rule.definitions.iter().for_each(|d| collect_calls(&d.body, &mut calls));
    calls
}

fn collect_calls(conj: &Conj, out: &mut Vec<RuleId>) {
    for node in &conj.nodes {
        match &node.kind {
            NodeKind::Rule { rule, .. } => out.push(*rule),
            NodeKind::Not { body, .. } | NodeKind::Optional { body, .. } => {
                collect_calls(body, out)
            }
            NodeKind::Or { branches, .. } => branches.iter().for_each(|b| collect_calls(b, out)),
            _ => {}
        }
    }
}

/// Refuses a rule that reaches itself through `not` or `optional`: what it says would depend on
/// what it does not say.
fn check_negation(
    conj: &Conj,
    rule: &Rule,
    rules: &[Rule],
    negated: bool,
) -> Result<(), QueryError> {
    for Node { kind, place } in &conj.nodes {
        match kind {
            NodeKind::Rule { rule: called, .. }
                if negated && rules[*called].component == rule.component =>
            {
                let at = place.as_ref().clone();
                return Err(QueryError::NegativeRecursion { rule: rule.name.clone(), at });
            }
            NodeKind::Not { body, .. } | NodeKind::Optional { body, .. } => {
                check_negation(body, rule, rules, true)?
            }
            NodeKind::Or { branches, .. } => {
                for branch in branches {
                    check_negation(branch, rule, rules, negated)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The node of a call; builds the rule at its first call.
pub(super) fn call(
    builder: &mut Builder,
    name: &Symbol,
    args: Vec<VarId>,
    source: Option<usize>,
    place: &Arc<Place>,
) -> Result<NodeKind, QueryError> {
    let mut defs = builder.rules.defs.clone();
    if builtin::is_builtin(name.as_str()) && !defs.iter().any(|def| def.name == *name) {
        if builtin::is_unsupported(name.as_str()) {
            let (what, at) = (format!("the rule `{name}`"), place.as_ref().clone());
            return Err(QueryError::Unsupported { what, at });
        }
        // Those of the user stay in front, so that they stand for the built-in ones of their name.
        let known: BTreeSet<_> = defs.iter().map(|def| def.name.clone()).collect();
        let more = builtin::rules()?.into_iter().filter(|def| !known.contains(&def.name));
        defs = Arc::new(defs.iter().cloned().chain(more).collect());
        builder.rules.defs = defs.clone();
    }
    let Some(first) = defs.iter().find(|def| def.name == *name) else {
        let nearest = nearest(name.as_str(), defs.iter().map(|def| def.name.as_str()));
        let (what, name, at) = ("rule", name.to_string(), place.as_ref().clone());
        return Err(QueryError::UnknownName { what, name, nearest, at });
    };
    if first.vars.len() != args.len() {
        let expected = format!("{} arguments expected", first.vars.len());
        let (what, name, at) = ("rule", name.to_string(), place.as_ref().clone());
        return Err(QueryError::Arity { what, name, expected, got: args.len(), at });
    }
    let key = (name.clone(), source);
    let rule = match builder.rules.numbers.get(&key) {
        Some(rule) => *rule,
        None => build(builder, key, &defs)?,
    };
    Ok(NodeKind::Rule { rule, args })
}

fn build(
    builder: &mut Builder,
    key: (Symbol, Option<usize>),
    defs: &[RuleDef],
) -> Result<RuleId, QueryError> {
    let id = builder.rules.built.len();
    builder.rules.built.push(None);
    builder.rules.numbers.insert(key.clone(), id);
    let (name, source) = key;
    let mut rule: Option<Rule> = None;
    for def in defs.iter().filter(|def| def.name == name) {
        let mut scope = Scope { names: BTreeMap::new(), source };
        let head = def.vars.all().map(|var| builder.var_in(&mut scope, var)).collect();
        let body = builder.conj(&def.clauses, &mut scope)?;
        let rule = rule.get_or_insert_with(|| Rule {
            name: name.to_string(),
            required: 0,
            arity: def.vars.len(),
            definitions: Vec::new(),
            component: id,
            recursive: false,
            closure: None,
            place: Arc::new(def.place.clone()),
        });
        rule.required = rule.required.max(def.vars.required.len());
        rule.definitions.push(Definition { head, body });
    }
    builder.rules.built[id] = rule;
    Ok(id)
}
