//! Ordered nodes to steps: which columns there are after each, and which of them anybody still
//! needs.
//!
//! **Invariant:** a column is kept exactly as long as a later step or the output reads it.

use super::order::{Ordered, Planner, call_site, numbered};
use super::{Apply, Arg, AttrSlot, Match, Op, Position, Reach, RowsMatch, Slot, Step, Target};
use crate::query::error::QueryError;
use crate::query::logical::{AttrOperand, Closure, NodeKind, Operand, Pattern, RuleId, VarId};
use std::collections::{BTreeMap, BTreeSet};

/// What is needed after a step: the variables that a later step touches, or the output.
pub(super) struct Needed<'a> {
    last: &'a BTreeMap<VarId, usize>,
    at: usize,
}

impl Needed<'_> {
    pub fn contains(&self, var: &VarId) -> bool {
        self.last.get(var).is_some_and(|last| *last > self.at)
    }
}

pub(super) struct Emitter<'p, 'l> {
    planner: &'p mut Planner<'l>,
    layout: Vec<VarId>,
    output: BTreeSet<VarId>,
}

impl<'p, 'l> Emitter<'p, 'l> {
    pub fn new(planner: &'p mut Planner<'l>, input: &[VarId], output: &[VarId]) -> Self {
        Self { planner, layout: input.to_vec(), output: output.iter().copied().collect() }
    }

    /// The steps, and the variables of the last one's columns.
    pub fn emit(
        mut self,
        ordered: Vec<Ordered<'_>>,
    ) -> Result<(Vec<Step>, Vec<VarId>), QueryError> {
        let mut last: BTreeMap<VarId, usize> = BTreeMap::new();
        for (index, o) in ordered.iter().enumerate() {
            last.extend(o.node.kind.touches().into_iter().map(|var| (var, index)));
        }
        last.extend(self.output.iter().map(|var| (*var, usize::MAX)));
        let mut steps = Vec::with_capacity(ordered.len());
        for (at, mut node) in ordered.into_iter().enumerate() {
            steps.push(self.step(&mut node, &Needed { last: &last, at })?);
        }
        Ok((steps, self.layout))
    }

    fn step(&mut self, o: &mut Ordered<'_>, needed: &Needed<'_>) -> Result<Step, QueryError> {
        let (op, fresh) = match &o.node.kind {
            NodeKind::Pattern(pattern) => self.pattern(pattern, o, needed),
            NodeKind::Rows { source, terms } => self.rows(*source, terms, needed),
            NodeKind::Call { function, args, binding } => {
                let args = args.iter().map(|arg| self.arg(arg)).collect();
                let mut fresh = Vec::new();
                let binding = binding.as_ref().map(|binding| {
                    let targets = self.targets(&binding.vars, needed, &mut fresh);
                    (binding.form.clone(), targets)
                });
                (Op::Apply(Apply { function, args, binding }), fresh)
            }
            NodeKind::Not { keys, .. } => {
                let plan = std::mem::take(&mut o.subplans).swap_remove(0);
                (Op::Anti { keys: self.columns(keys), plan }, Vec::new())
            }
            NodeKind::Or { vars, .. } => {
                let is_key = |var: &&VarId| self.layout.contains(var);
                let (keys, fresh): (Vec<_>, Vec<_>) = vars.iter().partition(is_key);
                self.union(o, &keys, &fresh, needed, false)
            }
            NodeKind::Optional { keys, fresh, .. } => {
                let fresh: Vec<VarId> = fresh.iter().map(|shown| shown.outside).collect();
                self.union(o, keys, &fresh, needed, true)
            }
            NodeKind::Rule { rule, args } if o.instance.is_none() => {
                let mut fresh = Vec::new();
                let targets = self.targets(args, needed, &mut fresh);
                (self.reach(*rule, &targets), fresh)
            }
            NodeKind::Rule { args, .. } => {
                let instance = o.instance.unwrap_or_default();
                let inner = self.planner.is_inner(instance);
                call_site(instance, inner, args, &self.layout, needed)
            }
        };
        let keep = (0..self.layout.len()).filter(|c| needed.contains(&self.layout[*c]));
        let keep: Vec<usize> = keep.collect();
        self.layout = keep.iter().map(|c| self.layout[*c]).chain(fresh).collect();
        Ok(numbered(self.planner, op, keep, o))
    }

    fn reach(&self, rule: RuleId, targets: &[Target]) -> Op {
        let closure = self.planner.logical.rules[rule].closure;
        match (closure, targets) {
            (Some(Closure { source, attribute, backward }), [from, to]) => {
                Op::Reach(Reach { source, attribute, backward, args: [*from, *to] })
            }
            // Only closures come without an instance.
            _ => Op::Anti { keys: Vec::new(), plan: super::Plan::default() },
        }
    }

    fn columns(&self, vars: &[VarId]) -> Vec<usize> {
        vars.iter().filter_map(|var| self.layout.iter().position(|v| v == var)).collect()
    }

    fn union(
        &self,
        o: &mut Ordered<'_>,
        keys: &[VarId],
        more: &[VarId],
        needed: &Needed<'_>,
        outer: bool,
    ) -> (Op, Vec<VarId>) {
        let (plans, mut fresh) = (std::mem::take(&mut o.subplans), Vec::new());
        let targets = self.targets(more, needed, &mut fresh);
        (Op::Union { keys: self.columns(keys), targets, plans, outer }, fresh)
    }

    fn targets(&self, vars: &[VarId], needed: &Needed<'_>, fresh: &mut Vec<VarId>) -> Vec<Target> {
        let target = |(index, var): (usize, &VarId)| {
            if let Some(column) = self.layout.iter().position(|v| v == var) {
                Target::Col(column)
            } else if let Some(earlier) = vars[..index].iter().position(|v| v == var) {
                Target::Same(earlier)
            } else if needed.contains(var) {
                fresh.push(*var);
                Target::New
            } else {
                Target::Drop
            }
        };
        vars.iter().enumerate().map(target).collect()
    }

    fn arg(&self, operand: &Operand) -> Arg {
        match operand {
            Operand::Source(source) => Arg::Source(*source),
            Operand::Const(value) => Arg::Const(value.clone()),
            Operand::Var(var) => match self.layout.iter().position(|v| v == var) {
                Some(column) => Arg::Col(column),
                None => Arg::Const(crate::value::Value::Nil),
            },
            _ => Arg::Const(crate::value::Value::Nil),
        }
    }

    fn pattern(
        &self,
        pattern: &Pattern,
        o: &mut Ordered<'_>,
        needed: &Needed<'_>,
    ) -> (Op, Vec<VarId>) {
        let mut slots = Slots { emitter: self, needed, seen: Vec::new(), fresh: Vec::new() };
        let (mut same, idents) = (Vec::new(), &self.planner.logical.attribute_vars);
        let e = slots.slot(&pattern.e, Position::E, idents, &mut same);
        let a = match &pattern.a {
            AttrOperand::Known(id) => AttrSlot::Known(*id),
            AttrOperand::Unknown => AttrSlot::Unknown,
            AttrOperand::Ignore => AttrSlot::Ignore,
            AttrOperand::Var(var) => {
                match slots.slot(&Operand::Var(*var), Position::A, &[], &mut same) {
                    Slot::Col(column) => AttrSlot::Col(column),
                    Slot::New => AttrSlot::New,
                    _ => AttrSlot::Ignore,
                }
            }
        };
        let v = slots.slot(&pattern.v, Position::V, idents, &mut same);
        let tx = slots.slot(&pattern.tx, Position::Tx, &[], &mut same);
        let added = slots.slot(&pattern.added, Position::Added, &[], &mut same);
        let fresh = slots.fresh;
        let (bounds, expected_input) = (std::mem::take(&mut o.bounds), o.rows_in);
        let source = pattern.source;
        (Op::Match(Match { source, e, a, v, tx, added, bounds, same, expected_input }), fresh)
    }

    fn rows(&self, source: usize, terms: &[Operand], needed: &Needed<'_>) -> (Op, Vec<VarId>) {
        let mut slots = Slots { emitter: self, needed, seen: Vec::new(), fresh: Vec::new() };
        let mut same = Vec::new();
        let slot = |(index, term): (usize, &Operand)| slots.slot(term, index, &[], &mut same);
        let terms = terms.iter().enumerate().map(slot).collect();
        (Op::Rows(RowsMatch { source, terms, same }), slots.fresh)
    }
}

/// The slots of one pattern: a variable that stands twice is new once, and must be the same.
struct Slots<'a, 'p, 'l, P> {
    emitter: &'a Emitter<'p, 'l>,
    needed: &'a Needed<'a>,
    seen: Vec<(VarId, P)>,
    fresh: Vec<VarId>,
}

impl<P: Copy> Slots<'_, '_, '_, P> {
    fn slot(
        &mut self,
        operand: &Operand,
        position: P,
        idents: &[VarId],
        same: &mut Vec<(P, P)>,
    ) -> Slot {
        let entities = self.emitter.planner.statistics.entities;
        let var = match operand {
            Operand::Var(var) => *var,
            Operand::Const(value) => return Slot::Value(value.clone()),
            Operand::Entity(index) => return Slot::Entity(entities.get(*index).copied().flatten()),
            Operand::Source(_) | Operand::Ignore => return Slot::Ignore,
        };
        if let Some(column) = self.emitter.layout.iter().position(|v| *v == var) {
            return Slot::Col(column);
        }
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == var) {
            same.push((*first, position));
            return Slot::Ignore;
        }
        self.seen.push((var, position));
        if !self.needed.contains(&var) {
            return Slot::Ignore;
        }
        self.fresh.push(var);
        if idents.contains(&var) { Slot::NewIdent } else { Slot::New }
    }
}
