//! Rules: each is built once for each default source it is called with; which of them are
//! recursive.
//!
//! **Invariant:** a rule's body sees its head's variables alone; every rule that is called exists
//! with that arity; no rule depends on its own absence.

use super::build::{Builder, Scope};
use super::builtin;
use super::ignored::{self, Ignored};
use super::{Conj, Definition, Logical, Node, NodeKind, Rule, RuleId, VarId};
use crate::query::ast::{Clause, RuleDef};
use crate::query::error::{Place, QueryError};
use crate::query::limits::{MAX_UNFOLDED, Watch, at_most};
use crate::query::suggest;
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The rule set of `%`, and what of it was built.
pub(super) struct Rules {
    defs: Arc<Vec<RuleDef>>,
    ignored: Ignored,
    numbers: BTreeMap<(Symbol, Option<usize>), RuleId>,
    built: Vec<Option<Rule>>,
    /// Those that are called and not built yet.
    waiting: Vec<(RuleId, Key)>,
}

/// A rule's name, and its default source.
type Key = (Symbol, Option<usize>);

/// What a query with its rules has too many of.
pub(super) const UNFOLDED: &str = "number of clauses with those of rules";

/// A query may call so many rules.
const MAX_RULES: usize = 4096;

/// How many nodes there are, those inside others included.
pub(super) fn count(conj: &Conj) -> usize {
    let inner = |node: &Node| match &node.kind {
        NodeKind::Not { body, .. } | NodeKind::Optional { body, .. } => count(body),
        NodeKind::Or { branches, .. } => branches.iter().map(count).sum(),
        _ => 0,
    };
    conj.nodes.iter().map(|node| 1 + inner(node)).sum()
}

/// How many nodes a query and the rules that it calls have.
pub(super) fn count_all(logical: &Logical) -> usize {
    let rules = logical.rules.iter().flat_map(|rule| &rule.definitions);
    count(&logical.root) + rules.map(|definition| count(&definition.body)).sum::<usize>()
}

/// Clauses and rules may lie in one another so deep: later stages recurse as deep.
const MAX_DEPTH: usize = 512;

impl Rules {
    pub fn new(mut defs: Vec<RuleDef>) -> Self {
        let (numbers, built, waiting) = (BTreeMap::new(), Vec::new(), Vec::new());
        let ignored = ignored::of(&defs);
        defs.iter_mut().for_each(|def| ignored::leave_out(&ignored, &mut def.clauses));
        Self { defs: Arc::new(defs), ignored, numbers, built, waiting }
    }

    /// Clauses without what stands at arguments that are ignored.
    pub fn left_in(&self, clauses: &[Clause]) -> Vec<Clause> {
        let mut clauses = clauses.to_vec();
        ignored::leave_out(&self.ignored, &mut clauses);
        clauses
    }

    /// Hands the rules over, with their recursion known.
    pub fn finish(&mut self, logical: &mut Logical) -> Result<(), QueryError> {
        logical.rules = std::mem::take(&mut self.built).into_iter().flatten().collect();
        fits(count_all(logical), MAX_UNFOLDED, UNFOLDED, ":where")?;
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
        check_depth(logical, &reach)
    }
}

/// Refuses what lies deeper than later stages can follow. A call within a component goes no deeper.
fn check_depth(logical: &Logical, reach: &[Vec<bool>]) -> Result<(), QueryError> {
    let count = |id: &RuleId| reach[*id].iter().filter(|reached| **reached).count();
    let mut order: Vec<RuleId> = (0..logical.rules.len()).collect();
    // Whoever is called by another component reaches fewer rules than the caller.
    order.sort_by_cached_key(count);
    let mut depths = vec![0; logical.rules.len()];
    for id in order {
        let rule = &logical.rules[id];
        let own = |d: &Definition| depth(&d.body, Some(rule.component), &logical.rules, &depths);
        let deepest = rule.definitions.iter().map(own).max().unwrap_or(0);
        fits(deepest, MAX_DEPTH, "depth", &rule.name)?;
        depths[rule.component] = depths[rule.component].max(deepest);
    }
    fits(depth(&logical.root, None, &logical.rules, &depths), MAX_DEPTH, "depth", ":where")
}

pub(super) fn fits(
    found: usize,
    limit: usize,
    what: &'static str,
    at: &str,
) -> Result<(), QueryError> {
    at_most(found as u64, limit as u64, what, &at)
}

fn depth(conj: &Conj, within: Option<usize>, rules: &[Rule], depths: &[usize]) -> usize {
    let inner = |conj: &Conj| depth(conj, within, rules, depths);
    let of = |node: &Node| match &node.kind {
        NodeKind::Rule { rule, .. } => match rules[*rule].component {
            component if within == Some(component) => 0,
            component => depths[component],
        },
        NodeKind::Not { body, .. } | NodeKind::Optional { body, .. } => inner(body),
        NodeKind::Or { branches, .. } => branches.iter().map(inner).max().unwrap_or(0),
        _ => 0,
    };
    1 + conj.nodes.iter().map(of).max().unwrap_or(0)
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

/// The node of a call. At its first call a rule is put down to be built.
pub(super) fn call(
    builder: &mut Builder,
    name: &Symbol,
    args: Vec<VarId>,
    source: Option<usize>,
    place: &Arc<Place>,
) -> Result<NodeKind, QueryError> {
    let mut defs = builder.rules.defs.clone();
    if builtin::is_builtin(name.as_str()) && !defs.iter().any(|def| def.name == *name) {
        // Those of the user stay in front, so that they stand for the built-in ones of their name.
        let known: BTreeSet<_> = defs.iter().map(|def| def.name.clone()).collect();
        let more = builtin::rules()?.into_iter().filter(|def| !known.contains(&def.name));
        defs = Arc::new(defs.iter().cloned().chain(more).collect());
        builder.rules.defs = defs.clone();
    }
    let Some(first) = defs.iter().find(|def| def.name == *name) else {
        let nearest = suggest::rule(name.as_str(), defs.iter().map(|def| def.name.as_str()));
        let (what, name, at) = ("rule", name.to_string(), place.as_ref().clone());
        return Err(QueryError::UnknownName { what, name, nearest, at });
    };
    if first.vars.len() != args.len() {
        let expected = format!("{} arguments expected", first.vars.len());
        let (what, name, at) = ("rule", name.to_string(), place.as_ref().clone());
        return Err(QueryError::Arity { what, name, expected, got: args.len(), at });
    }
    let args = ignored::rest(&builder.rules.ignored, name, args);
    let key = (name.clone(), source);
    let rule = match builder.rules.numbers.get(&key) {
        Some(rule) => *rule,
        None => {
            let id = builder.rules.built.len();
            fits(id + 1, MAX_RULES, "number of rules", name.as_str())?;
            builder.rules.built.push(None);
            builder.rules.numbers.insert(key.clone(), id);
            builder.rules.waiting.push((id, key));
            id
        }
    };
    Ok(NodeKind::Rule { rule, args })
}

/// Builds all rules that are called, and those that they call: one after the other, so that a long
/// chain of them needs no deep stack.
pub(super) fn build_all(builder: &mut Builder, watch: &mut Watch) -> Result<(), QueryError> {
    while let Some((id, key)) = builder.rules.waiting.pop() {
        watch.check(&key.0)?;
        build(builder, id, key)?;
    }
    Ok(())
}

fn build(builder: &mut Builder, id: RuleId, key: Key) -> Result<(), QueryError> {
    let defs = builder.rules.defs.clone();
    let (name, source) = key;
    let mut rule: Option<Rule> = None;
    for def in defs.iter().filter(|def| def.name == name) {
        let mut scope = Scope { source, ..Scope::default() };
        let vars = ignored::rest(&builder.rules.ignored, &def.name, def.vars.all().collect());
        let head: Vec<_> = vars.iter().map(|var| builder.var_in(&mut scope, var)).collect();
        let required = def.vars.required.iter();
        scope.bound = required.filter_map(|var| scope.names.get(var)).copied().collect();
        let body = builder.conj(&def.clauses, &mut scope)?;
        let rule = rule.get_or_insert_with(|| Rule {
            name: name.to_string(),
            required: 0,
            arity: head.len(),
            definitions: Vec::new(),
            component: id,
            recursive: false,
            closure: None,
            place: Arc::new(def.place.clone()),
        });
        let required = vars.iter().filter(|var| def.vars.required.contains(var)).count();
        rule.required = rule.required.max(required);
        rule.definitions.push(Definition { head, body });
    }
    builder.rules.built[id] = rule;
    Ok(())
}
