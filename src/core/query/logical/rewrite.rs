//! Rules into their callers: calls of non-recursive rules are replaced by their bodies, and `or`
//! over recursive calls becomes several definitions.
//!
//! **Invariant:** each copy of a body has variables of its own; what a query means does not change.

use super::build::distinct;
use super::rules::{UNFOLDED, count, count_all, fits};
use super::{AttrOperand, Conj, Definition, Logical, Node, NodeKind, Operand, Rule, Shown, VarId};
use crate::query::error::QueryError;
use crate::query::limits::{MAX_UNFOLDED, Watch};
use std::collections::BTreeMap;

/// Replaces the calls of rules that are not recursive, as far as a query may grow; rules beyond
/// that stay tables.
pub(super) fn inline_rules(logical: &mut Logical, watch: &mut Watch) -> Result<(), QueryError> {
    let rules = logical.rules.clone();
    let sizes: Vec<usize> = rules.iter().map(size).collect();
    let budget = MAX_UNFOLDED - count_all(logical).min(MAX_UNFOLDED);
    let mut inliner = Inliner { rules: &rules, sizes: &sizes, logical, budget };
    let root = std::mem::take(&mut inliner.logical.root);
    inliner.logical.root = inliner.conj(root);
    for id in 0..rules.len() {
        let definitions = std::mem::take(&mut inliner.logical.rules[id].definitions);
        let mut flat = Vec::new();
        for Definition { head, body } in definitions {
            watch.check(&rules[id].name)?;
            let body = inliner.conj(body);
            let component = rules[id].recursive.then_some(rules[id].component);
            let bodies = split(body, &rules, component, &rules[id].name)?;
            flat.extend(bodies.into_iter().map(|body| Definition { head: head.clone(), body }));
        }
        inliner.logical.rules[id].definitions = flat;
    }
    fits(count_all(logical), MAX_UNFOLDED, UNFOLDED, ":where")
}

/// How many nodes a call becomes when it is inlined.
fn size(rule: &Rule) -> usize {
    1 + rule.definitions.iter().map(|definition| count(&definition.body)).sum::<usize>()
}

struct Inliner<'a> {
    rules: &'a [Rule],
    sizes: &'a [usize],
    logical: &'a mut Logical,
    budget: usize,
}

impl Inliner<'_> {
    fn conj(&mut self, conj: Conj) -> Conj {
        let mut out = Conj::default();
        for node in conj.nodes {
            self.node(node, &mut out);
        }
        out
    }

    fn node(&mut self, node: Node, out: &mut Conj) {
        let Node { kind, place } = node;
        let kind = match kind {
            NodeKind::Rule { rule, args } => {
                let rules = self.rules;
                let called = &rules[rule];
                let size = self.sizes[rule];
                if called.recursive || size > self.budget {
                    NodeKind::Rule { rule, args }
                } else {
                    self.budget -= size;
                    let mut branches: Vec<_> =
                        called.definitions.iter().map(|d| self.instance(d, &args)).collect();
                    if branches.len() == 1 && called.required == 0 {
                        out.nodes.extend(branches.swap_remove(0).nodes);
                        return;
                    }
                    let required = args[..called.required].to_vec();
                    NodeKind::Or { required, vars: distinct(args), branches }
                }
            }
            NodeKind::Not { keys, body } => NodeKind::Not { keys, body: self.conj(body) },
            NodeKind::Optional { keys, fresh, body } => {
                NodeKind::Optional { keys, fresh, body: self.conj(body) }
            }
            NodeKind::Or { required, vars, branches } => {
                let branches = branches.into_iter().map(|branch| self.conj(branch)).collect();
                NodeKind::Or { required, vars, branches }
            }
            other => other,
        };
        out.nodes.push(Node { kind, place });
    }

    /// A copy of a definition's body with the arguments in place of the head, its own calls inlined
    /// as well.
    fn instance(&mut self, definition: &Definition, args: &[VarId]) -> Conj {
        let map = definition.head.iter().copied().zip(args.iter().copied()).collect();
        let mut renaming = Renaming { map, names: &mut self.logical.vars };
        let body = renaming.conj(&definition.body);
        let attribute_vars: Vec<_> = self.logical.attribute_vars.clone();
        let copies = attribute_vars.iter().filter_map(|var| renaming.map.get(var)).copied();
        let copies: Vec<_> = copies.collect();
        self.logical.attribute_vars.extend(copies);
        self.conj(body)
    }
}

struct Renaming<'a> {
    map: BTreeMap<VarId, VarId>,
    names: &'a mut Vec<String>,
}

impl Renaming<'_> {
    fn var(&mut self, var: VarId) -> VarId {
        if let Some(renamed) = self.map.get(&var) {
            return *renamed;
        }
        let name = self.names[var].clone();
        self.names.push(name);
        self.map.insert(var, self.names.len() - 1);
        self.names.len() - 1
    }

    fn vars(&mut self, vars: &[VarId]) -> Vec<VarId> {
        distinct(vars.iter().map(|var| self.var(*var)).collect())
    }

    fn operand(&mut self, operand: &Operand) -> Operand {
        match operand {
            Operand::Var(var) => Operand::Var(self.var(*var)),
            other => other.clone(),
        }
    }

    fn conj(&mut self, conj: &Conj) -> Conj {
        let node = |node: &Node| Node { kind: self.kind(&node.kind), place: node.place.clone() };
        Conj { nodes: conj.nodes.iter().map(node).collect() }
    }

    fn kind(&mut self, kind: &NodeKind) -> NodeKind {
        match kind {
            NodeKind::Pattern(pattern) => {
                let mut pattern = pattern.clone();
                if let AttrOperand::Var(var) = pattern.a {
                    pattern.a = AttrOperand::Var(self.var(var));
                }
                self.pattern(pattern)
            }
            NodeKind::Rows { source, terms } => {
                let terms = terms.iter().map(|term| self.operand(term)).collect();
                NodeKind::Rows { source: *source, terms }
            }
            NodeKind::Call { function, args, binding } => {
                let args = args.iter().map(|arg| self.operand(arg)).collect();
                let mut binding = binding.clone();
                if let Some(binding) = &mut binding {
                    binding.vars.iter_mut().for_each(|var| *var = self.var(*var));
                }
                NodeKind::Call { function, args, binding }
            }
            NodeKind::Not { keys, body } => {
                NodeKind::Not { keys: self.vars(keys), body: self.conj(body) }
            }
            NodeKind::Optional { keys, fresh, body } => {
                // Not made distinct: each is a column of the body.
                let shown = |shown: &Shown| {
                    let (inside, outside) = (self.var(shown.inside), self.var(shown.outside));
                    Shown { inside, outside }
                };
                let fresh = fresh.iter().map(shown).collect();
                let keys = self.vars(keys);
                NodeKind::Optional { keys, fresh, body: self.conj(body) }
            }
            NodeKind::Or { required, vars, branches } => {
                let (required, vars) = (self.vars(required), self.vars(vars));
                let branches = branches.iter().map(|branch| self.conj(branch)).collect();
                NodeKind::Or { required, vars, branches }
            }
            NodeKind::Rule { rule, args } => {
                let args = args.iter().map(|arg| self.var(*arg)).collect();
                NodeKind::Rule { rule: *rule, args }
            }
        }
    }

    fn pattern(&mut self, mut pattern: super::Pattern) -> NodeKind {
        for position in [&mut pattern.e, &mut pattern.v, &mut pattern.tx, &mut pattern.added] {
            *position = self.operand(position);
        }
        NodeKind::Pattern(pattern)
    }
}

/// The alternatives of a body whose `or`s hold calls of its own component: one body for each choice
/// of branches, which may be too many.
fn split(
    body: Conj,
    rules: &[Rule],
    component: Option<usize>,
    name: &str,
) -> Result<Vec<Conj>, QueryError> {
    let Some(component) = component else { return Ok(vec![body]) };
    let mut bodies = vec![Conj::default()];
    for node in body.nodes {
        let mut alternatives = Vec::new();
        match node.kind {
            NodeKind::Or { branches, .. }
                if branches.iter().any(|b| calls(b, rules, component)) =>
            {
                for branch in branches {
                    alternatives.extend(split(branch, rules, Some(component), name)?);
                }
            }
            kind => alternatives.push(Conj { nodes: vec![Node { kind, place: node.place }] }),
        }
        let sizes = |conjs: &[Conj]| conjs.iter().map(count).sum::<usize>();
        // Each body with each alternative.
        let (old, new) = (sizes(&bodies), sizes(&alternatives));
        let after = old.saturating_mul(alternatives.len());
        let after = after.saturating_add(new.saturating_mul(bodies.len()));
        fits(after, MAX_UNFOLDED, UNFOLDED, name)?;
        bodies = product(bodies, &alternatives);
    }
    Ok(bodies)
}

fn product(mut bodies: Vec<Conj>, alternatives: &[Conj]) -> Vec<Conj> {
    if let [only] = alternatives {
        bodies.iter_mut().for_each(|body| body.nodes.extend(only.nodes.iter().cloned()));
        return bodies;
    }
    let with = |body: &Conj, more: &Conj| Conj {
        nodes: body.nodes.iter().chain(&more.nodes).cloned().collect(),
    };
    bodies.iter().flat_map(|body| alternatives.iter().map(move |more| with(body, more))).collect()
}

fn calls(conj: &Conj, rules: &[Rule], component: usize) -> bool {
    conj.nodes.iter().any(|node| match &node.kind {
        NodeKind::Rule { rule, .. } => {
            rules[*rule].recursive && rules[*rule].component == component
        }
        NodeKind::Or { branches, .. } => branches.iter().any(|b| calls(b, rules, component)),
        _ => false,
    })
}
