//! The order of the steps: greedy, what makes the fewest rows for the least reading first; tests
//! and calls as soon as their variables are there.
//!
//! **Invariant:** every node becomes a step exactly once, after all that binds what it needs; if no
//! order does that, the error names the variables that nothing binds.

use super::cost::{Cost, Statistics};
use super::emit::Emitter;
use super::{CallSite, Instance, Op, Physical, Plan, Step, Target};
use crate::id::EntityId;
use crate::query::error::QueryError;
use crate::query::functions::{Comparison, Kind};
use crate::query::logical::{Conj, Logical, Node, NodeKind, Operand, RuleId, VarId};
use crate::value::{Uuid, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Rows a rule is expected to give for each input row, with and without a bound argument.
const RULE_FANOUT: [f64; 2] = [20.0, 100_000.0];

/// Plans a query; `entities` are those of its constants.
pub fn plan(logical: &Logical, entities: &[Option<EntityId>]) -> Result<Physical, QueryError> {
    let known = logical.seeds.iter().cloned().collect();
    let statistics = Statistics { logical, entities, known };
    let (instances, numbers) = (Vec::new(), BTreeMap::new());
    let mut planner = Planner { logical, statistics, next_id: 0, instances, numbers, inside: None };
    let seeds: Vec<VarId> = logical.seeds.iter().map(|(var, _)| *var).collect();
    let root = planner.conj(&logical.root, &seeds, &logical.output, 1.0)?;
    Ok(Physical {
        root,
        seeds: logical.seeds.clone(),
        instances: planner.instances,
        step_count: planner.next_id,
    })
}

pub(super) struct Planner<'a> {
    pub logical: &'a Logical,
    pub statistics: Statistics<'a>,
    next_id: usize,
    instances: Vec<Instance>,
    numbers: BTreeMap<(RuleId, Vec<bool>), usize>,
    /// The component whose rules are being planned.
    inside: Option<usize>,
}

/// A node in its place, with what was decided about it.
pub(super) struct Ordered<'n> {
    pub node: &'n Node,
    pub bounds: Vec<(Comparison, Value)>,
    pub subplans: Vec<Plan>,
    pub instance: Option<usize>,
    pub rows_in: f64,
    pub rows_out: f64,
}

struct Candidate<'n> {
    index: usize,
    score: f64,
    ordered: Ordered<'n>,
    pushed: Vec<usize>,
}

impl Planner<'_> {
    pub fn next_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Plans clauses for input columns `input`; the plan gives `output`.
    pub fn conj(
        &mut self,
        conj: &Conj,
        input: &[VarId],
        output: &[VarId],
        rows: f64,
    ) -> Result<Plan, QueryError> {
        let ordered = self.order(conj, input, rows)?;
        let estimate = ordered.last().map_or(rows, |last| last.rows_out);
        let (steps, layout) = Emitter::new(self, input, output).emit(ordered)?;
        let column = |var: &VarId| {
            layout.iter().position(|v| v == var).ok_or_else(|| self.unbound(conj, vec![*var]))
        };
        let project = output.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Plan { steps, project, estimate })
    }

    fn order<'n>(
        &mut self,
        conj: &'n Conj,
        input: &[VarId],
        mut rows: f64,
    ) -> Result<Vec<Ordered<'n>>, QueryError> {
        let mut bound: BTreeSet<VarId> = input.iter().copied().collect();
        let mut left: Vec<&Node> = conj.nodes.iter().collect();
        let mut out = Vec::new();
        self.learn_constants(conj);
        while !left.is_empty() {
            let mut failure = None;
            let mut chosen = self.immediate(&left, &bound, rows)?;
            for held in [self.held(&left, &bound), BTreeSet::new()] {
                if chosen.is_none() {
                    chosen = self.cheapest(&left, &bound, &held, rows, &mut failure)?;
                }
            }
            let Some(chosen) = chosen else {
                return Err(failure.unwrap_or_else(|| self.stuck(&left, &bound)));
            };
            rows = chosen.ordered.rows_out;
            let mut provided = Vec::new();
            chosen.ordered.node.kind.provides(&mut provided);
            bound.extend(provided);
            let mut gone = chosen.pushed;
            gone.push(chosen.index);
            out.push(chosen.ordered);
            let mut index = 0;
            left.retain(|_| {
                index += 1;
                !gone.contains(&(index - 1))
            });
        }
        Ok(out)
    }

    /// Variables that calls and inputs are still to give, as what may be a name of an entity: a
    /// pattern that ran first would bind the entity itself, which is not what the user wrote.
    /// Patterns wait for them, if they can.
    fn held(&self, left: &[&Node], bound: &BTreeSet<VarId>) -> BTreeSet<VarId> {
        let mut held = Vec::new();
        for node in left {
            match &node.kind {
                NodeKind::Call { binding: Some(binding), .. } => held.extend(&binding.vars),
                NodeKind::Rows { source, terms } if self.logical.has_names(*source) => {
                    held.extend(terms.iter().filter_map(Operand::var));
                }
                _ => {}
            }
        }
        held.extend(self.shared_by_databases(left));
        held.into_iter().filter(|var| !bound.contains(var)).collect()
    }

    /// Variables that name entities of several databases. Only a number can be all of them, so what
    /// gives numbers goes first: an entity that is bound first would be of one database for good.
    fn shared_by_databases(&self, left: &[&Node]) -> Vec<VarId> {
        let mut uses: BTreeMap<VarId, BTreeSet<Uuid>> = BTreeMap::new();
        let mut plain = BTreeSet::new();
        for node in left {
            let NodeKind::Pattern(pattern) = &node.kind else { continue };
            let Some((database, is_plain)) = self.statistics.value_kind(pattern) else { continue };
            let value = pattern.v.var();
            let entities = [pattern.e.var(), pattern.tx.var(), value.filter(|_| !is_plain)];
            for var in entities.into_iter().flatten() {
                uses.entry(var).or_default().insert(database);
            }
            plain.extend(value.filter(|_| is_plain));
        }
        let shared = uses.into_iter().filter(|(_, databases)| databases.len() > 1);
        shared.map(|(var, _)| var).filter(|var| plain.contains(var)).collect()
    }

    /// Whether a node may bind a variable that others wait for.
    fn is_awaited(&self, node: &Node, held: &BTreeSet<VarId>) -> bool {
        match &node.kind {
            NodeKind::Rows { .. } => true,
            NodeKind::Pattern(pattern) => {
                let is_plain = self.statistics.value_kind(pattern).is_some_and(|(_, plain)| plain);
                let entities = [pattern.e.var(), pattern.tx.var()];
                is_plain
                    && pattern.v.var().is_some_and(|var| held.contains(&var))
                    && !entities.into_iter().flatten().any(|var| held.contains(&var))
            }
            _ => false,
        }
    }

    /// Variables that a `ground` of a constant gives.
    fn learn_constants(&mut self, conj: &Conj) {
        for node in &conj.nodes {
            if let NodeKind::Call { function, args, binding: Some(binding) } = &node.kind
                && let ("ground", [Operand::Const(value)], [var]) =
                    (function.name, args.as_slice(), binding.vars.as_slice())
                && matches!(binding.form, crate::query::ast::Binding::Var(_))
            {
                self.statistics.known.insert(*var, value.clone());
            }
        }
    }

    /// A call or a negation whose variables are all bound.
    fn immediate<'n>(
        &mut self,
        left: &[&'n Node],
        bound: &BTreeSet<VarId>,
        rows: f64,
    ) -> Result<Option<Candidate<'n>>, QueryError> {
        let ready = |node: &&Node| {
            let mut needs = Vec::new();
            node.kind.requires(&mut needs);
            needs.iter().all(|var| bound.contains(var))
        };
        let call = |node: &&Node| matches!(node.kind, NodeKind::Call { .. });
        let not = |node: &&Node| matches!(node.kind, NodeKind::Not { .. });
        let found = left.iter().position(|n| call(n) && ready(n));
        let Some(index) = found.or_else(|| left.iter().position(|n| not(n) && ready(n))) else {
            return Ok(None);
        };
        let node = left[index];
        let mut subplans = Vec::new();
        let rows_out = match &node.kind {
            NodeKind::Not { keys, body } => {
                subplans.push(self.conj(body, keys, keys, rows)?);
                rows / 2.0
            }
            NodeKind::Call { binding: None, .. } => rows / 3.0,
            NodeKind::Call { binding: Some(binding), .. } if !binding.form.is_single() => {
                rows * 10.0
            }
            _ => rows,
        };
        let ordered =
            Ordered { node, bounds: Vec::new(), subplans, instance: None, rows_in: rows, rows_out };
        Ok(Some(Candidate { index, score: 0.0, ordered, pushed: Vec::new() }))
    }

    fn cheapest<'n>(
        &mut self,
        left: &[&'n Node],
        bound: &BTreeSet<VarId>,
        held: &BTreeSet<VarId>,
        rows: f64,
        failure: &mut Option<QueryError>,
    ) -> Result<Option<Candidate<'n>>, QueryError> {
        let mut best: Option<Candidate<'n>> = None;
        for (index, node) in left.iter().copied().enumerate() {
            let waits = node.kind.touches().iter().any(|var| held.contains(var));
            if waits && !self.is_awaited(node, held) {
                continue;
            }
            match self.candidate(index, node, left, bound, rows) {
                Ok(Some(candidate)) => {
                    if best.as_ref().is_none_or(|b| candidate.score < b.score) {
                        best = Some(candidate);
                    }
                }
                Ok(None) => {}
                Err(error @ (QueryError::Insufficient { .. } | QueryError::NoneBound { .. })) => {
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(best)
    }

    fn candidate<'n>(
        &mut self,
        index: usize,
        node: &'n Node,
        left: &[&'n Node],
        bound: &BTreeSet<VarId>,
        rows: f64,
    ) -> Result<Option<Candidate<'n>>, QueryError> {
        let mut needs = Vec::new();
        node.kind.requires(&mut needs);
        if !needs.iter().all(|var| bound.contains(var)) {
            return Ok(None);
        }
        let mut ordered = Ordered {
            node,
            bounds: Vec::new(),
            subplans: Vec::new(),
            instance: None,
            rows_in: rows,
            rows_out: rows,
        };
        let mut pushed = Vec::new();
        let cost = match &node.kind {
            NodeKind::Pattern(pattern) => {
                if let Some(var) = pattern.v.var().filter(|var| !bound.contains(var)) {
                    (ordered.bounds, pushed) = self.pushable(left, var);
                }
                self.statistics.pattern(pattern, bound, &ordered.bounds)?
            }
            NodeKind::Rows { source, terms } => self.rows_cost(*source, terms, bound),
            NodeKind::Or { vars, branches, .. } => {
                self.union(branches, vars, bound, rows, &mut ordered)?
            }
            NodeKind::Optional { keys, fresh, body } => {
                let output: Vec<_> = keys.iter().chain(fresh).copied().collect();
                ordered.subplans.push(self.conj(body, keys, &output, rows)?);
                Cost { fanout: 1.0, seek: false, scan: rows * 10.0 }
            }
            NodeKind::Rule { rule, args } => {
                let adornment: Vec<_> = args.iter().map(|var| bound.contains(var)).collect();
                let any = adornment.iter().any(|b| *b);
                if self.logical.rules[*rule].closure.is_none() {
                    ordered.instance = Some(self.instance(*rule, adornment)?);
                }
                Cost { fanout: RULE_FANOUT[usize::from(!any)], seek: true, scan: 0.0 }
            }
            NodeKind::Call { .. } | NodeKind::Not { .. } => return Ok(None),
        };
        ordered.rows_out = rows * cost.fanout;
        Ok(Some(Candidate { index, score: cost.total(rows), ordered, pushed }))
    }

    /// The comparisons of a variable with known values, and which nodes they are.
    fn pushable(&self, left: &[&Node], var: VarId) -> (Vec<(Comparison, Value)>, Vec<usize>) {
        let (mut bounds, mut nodes) = (Vec::new(), Vec::new());
        for (index, node) in left.iter().enumerate() {
            let NodeKind::Call { function, args, binding: None } = &node.kind else { continue };
            let (Kind::Compare(comparison), [a, b]) = (function.kind, args.as_slice()) else {
                continue;
            };
            if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                continue;
            }
            let bound = match (a.var() == Some(var), b.var() == Some(var)) {
                (true, false) => self.statistics.constant(b).map(|v| (comparison, v)),
                (false, true) => self.statistics.constant(a).map(|v| (comparison.flipped(), v)),
                _ => None,
            };
            if let Some(bound) = bound {
                bounds.push(bound);
                nodes.push(index);
            }
        }
        (bounds, nodes)
    }

    fn rows_cost(&self, source: usize, terms: &[Operand], bound: &BTreeSet<VarId>) -> Cost {
        let rows = match &self.logical.sources[source] {
            crate::query::bind::Source::Rows(rows) => rows.len() as f64,
            crate::query::bind::Source::Db(_) => 1.0,
        };
        let is_bound = |term: &&Operand| match term {
            Operand::Var(var) => bound.contains(var),
            term => !matches!(term, Operand::Ignore),
        };
        let fanout = match terms.iter().filter(is_bound).count() {
            0 => rows,
            n => rows / rows.max(1.0).powf(0.7 * n.min(2) as f64),
        };
        Cost { fanout, seek: false, scan: rows }
    }

    fn union(
        &mut self,
        branches: &[Conj],
        vars: &[VarId],
        bound: &BTreeSet<VarId>,
        rows: f64,
        ordered: &mut Ordered<'_>,
    ) -> Result<Cost, QueryError> {
        let (keys, fresh): (Vec<_>, Vec<_>) = vars.iter().partition(|var| bound.contains(var));
        let output: Vec<VarId> = keys.iter().chain(&fresh).copied().collect();
        let mut total = 0.0;
        for branch in branches {
            let plan = self.conj(branch, &keys, &output, rows)?;
            total += plan.estimate;
            ordered.subplans.push(plan);
        }
        Ok(Cost { fanout: total / rows.max(1.0), seek: false, scan: 2.0 * total })
    }

    /// The rule with these arguments bound: planned at its first call, so that recursion ends.
    fn instance(&mut self, rule: RuleId, bound: Vec<bool>) -> Result<usize, QueryError> {
        let logical = self.logical;
        let called = &logical.rules[rule];
        if bound.iter().take(called.required).any(|bound| !bound) {
            let head = &called.definitions[0].head;
            let free = head.iter().zip(&bound).take(called.required).filter(|(_, bound)| !**bound);
            let vars = logical.names(free.map(|(var, _)| *var));
            return Err(QueryError::Insufficient { vars, at: called.place.as_ref().clone() });
        }
        if let Some(number) = self.numbers.get(&(rule, bound.clone())) {
            return match &self.instances[*number].definitions {
                Ok(_) => Ok(*number),
                Err(error) => Err(error.clone()),
            };
        }
        let number = self.instances.len();
        self.numbers.insert((rule, bound.clone()), number);
        let (name, component) = (called.name.clone(), called.component);
        let definitions = Ok(Vec::new());
        self.instances.push(Instance { name, component, bound: bound.clone(), definitions });
        let outside = self.inside.replace(component);
        let planned: Result<Vec<_>, _> = called
            .definitions
            .iter()
            .map(|definition| {
                let head = definition.head.iter().zip(&bound);
                let input: Vec<_> = head.filter(|(_, b)| **b).map(|(var, _)| *var).collect();
                self.conj(&definition.body, &input, &definition.head, 1.0)
            })
            .collect();
        self.inside = outside;
        let failed = planned.as_ref().err().cloned();
        self.instances[number].definitions = planned;
        failed.map_or(Ok(number), Err)
    }

    /// Whether an instance belongs to the component that is being planned.
    pub fn is_inner(&self, instance: usize) -> bool {
        self.inside == Some(self.instances[instance].component)
    }

    fn unbound(&self, conj: &Conj, vars: Vec<VarId>) -> QueryError {
        let at = conj.nodes.first().map(|node| node.place.as_ref().clone());
        let at = at.unwrap_or(super::Place { form: ":where".to_owned(), span: None });
        QueryError::Insufficient { vars: self.logical.names(vars), at }
    }

    fn stuck(&self, left: &[&Node], bound: &BTreeSet<VarId>) -> QueryError {
        let node = left[0];
        let mut needs = Vec::new();
        node.kind.requires(&mut needs);
        needs.retain(|var| !bound.contains(var));
        let vars = self.logical.names(needs);
        QueryError::Insufficient { vars, at: node.place.as_ref().clone() }
    }
}

/// The step that calls a rule.
pub(super) fn call_site(
    instance: usize,
    inner: bool,
    args: &[VarId],
    layout: &[VarId],
    needed: &BTreeSet<VarId>,
) -> (Op, Vec<VarId>) {
    let mut site = CallSite { instance, bound: Vec::new(), free: Vec::new(), inner };
    let mut fresh: Vec<VarId> = Vec::new();
    let mut seen: Vec<VarId> = Vec::new();
    for (position, var) in args.iter().enumerate() {
        match layout.iter().position(|v| v == var) {
            Some(column) => site.bound.push(column),
            None => {
                let target = match seen.iter().position(|v| v == var) {
                    Some(earlier) => Target::Same(earlier),
                    None if needed.contains(var) => {
                        fresh.push(*var);
                        Target::New
                    }
                    None => Target::Drop,
                };
                seen.push(*var);
                site.free.push((position, target));
            }
        }
    }
    (Op::Call(site), fresh)
}

/// Steps are numbered when they are emitted.
pub(super) fn numbered(
    planner: &mut Planner<'_>,
    op: Op,
    keep: Vec<usize>,
    o: &Ordered<'_>,
) -> Step {
    Step { id: planner.next_id(), op, keep, estimate: o.rows_out, place: o.node.place.clone() }
}
