//! The order of the steps: greedy, what makes the fewest rows for the least reading first; tests
//! and calls as soon as their variables are there.
//!
//! **Invariant:** every node becomes a step exactly once, after all that binds what it needs; if no
//! order does that, the error names the variables that nothing binds.

use super::agenda::{Agenda, Quote};
use super::cost::{Cost, Statistics};
use super::emit::{Emitter, Needed};
use super::{CallSite, Instance, Op, Physical, Plan, Step, Target};
use crate::id::EntityId;
use crate::query::error::QueryError;
use crate::query::functions::Comparison;
use crate::query::limits::{MAX_PLANNED, Watch, at_most};
use crate::query::logical::{Conj, Logical, Node, NodeKind, Operand, RuleId, Shown, VarId};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows a rule is expected to give for each input row.
const RULE_FANOUT: f64 = 20.0;
/// Rows of a rule with no bound argument, at least.
const WHOLE_RULE: f64 = 100_000.0;

/// Plans a query; `entities` are those of its constants.
pub fn plan(
    logical: &Logical,
    entities: &[Option<EntityId>],
    watch: &mut Watch,
) -> Result<Physical, QueryError> {
    let known = logical.seeds.iter().cloned().collect();
    let statistics = Statistics { logical, entities, known };
    let mut planner = Planner {
        logical,
        statistics,
        watch,
        next_id: 0,
        instances: Vec::new(),
        numbers: BTreeMap::new(),
        inside: None,
        parts: BTreeMap::new(),
    };
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
    watch: &'a mut Watch,
    next_id: usize,
    instances: Vec<Instance>,
    numbers: BTreeMap<(RuleId, Vec<bool>), usize>,
    /// The component whose rules are being planned.
    inside: Option<usize>,
    parts: BTreeMap<PartKey, Result<Part, QueryError>>,
}

/// A conjunction inside a node (by its address, which no plan shows), what is bound for it, and the
/// order of magnitude of its rows.
type PartKey = (usize, Vec<VarId>, i32);

/// The plan of a conjunction inside a node, and for how many rows it was made.
#[derive(Clone)]
struct Part {
    plan: Plan,
    rows: f64,
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

fn magnitude(rows: f64) -> i32 {
    // Saturates, as casts of floats do.
    rows.max(1.0).log10().round() as i32
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
        at_most(self.next_id as u64, MAX_PLANNED as u64, "number of steps", &"planning")?;
        let column = |var: &VarId| {
            layout.iter().position(|v| v == var).ok_or_else(|| self.unbound(conj, vec![*var]))
        };
        let project = output.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Plan { steps, project, estimate })
    }

    /// Plans clauses that lie in a node: once for what is bound, however often the node is looked
    /// at before it is chosen.
    fn part(
        &mut self,
        conj: &Conj,
        input: &[VarId],
        output: &[VarId],
        rows: f64,
    ) -> Result<Part, QueryError> {
        let key = (std::ptr::from_ref(conj).addr(), input.to_vec(), magnitude(rows));
        if let Some(part) = self.parts.get(&key) {
            return part.clone();
        }
        let plan = self.conj(conj, input, output, rows);
        let part = plan.map(|plan| Part { plan, rows: rows.max(1.0) });
        self.parts.insert(key, part.clone());
        part
    }

    fn order<'n>(
        &mut self,
        conj: &'n Conj,
        input: &[VarId],
        mut rows: f64,
    ) -> Result<Vec<Ordered<'n>>, QueryError> {
        self.learn_constants(conj);
        let mut agenda = Agenda::new(conj, input, &self.statistics);
        let mut out = Vec::new();
        while let Some(first) = agenda.first_left() {
            self.watch.check(&"planning")?;
            let immediate = agenda.ready_calls.first().or(agenda.ready_nots.first()).copied();
            let index = match immediate {
                Some(index) => index,
                None => match self.cheapest(&mut agenda, rows)? {
                    Some(index) => index,
                    None => return Err(self.stuck(&agenda, first)),
                },
            };
            let (ordered, pushed) = self.chosen(&mut agenda, index, rows)?;
            rows = ordered.rows_out;
            out.push(ordered);
            for gone in pushed.into_iter().chain([index]) {
                agenda.take(gone, self.logical);
            }
            agenda.bind(index);
        }
        Ok(out)
    }

    /// A node in its place, and the comparisons that it does on the way.
    fn chosen<'n>(
        &mut self,
        agenda: &mut Agenda<'n>,
        index: usize,
        rows: f64,
    ) -> Result<(Ordered<'n>, Vec<usize>), QueryError> {
        let node = &agenda.nodes[index];
        let mut ordered = Ordered {
            node,
            bounds: Vec::new(),
            subplans: Vec::new(),
            instance: None,
            rows_in: rows,
            rows_out: rows,
        };
        let mut pushed = Vec::new();
        if let Some(quote) = agenda.quotes[index].take().transpose()? {
            ordered.rows_out = rows * quote.cost.fanout;
            (ordered.bounds, ordered.instance) = (quote.bounds, quote.instance);
            pushed = quote.pushed;
        }
        match &node.kind {
            NodeKind::Not { keys, body } => {
                ordered.subplans.push(self.part(body, keys, keys, rows)?.plan);
                ordered.rows_out = rows / 2.0;
            }
            NodeKind::Call { binding: None, .. } => ordered.rows_out = rows / 3.0,
            NodeKind::Call { binding: Some(binding), .. } if !binding.form.is_single() => {
                ordered.rows_out = rows * 10.0;
            }
            NodeKind::Or { vars, branches, .. } => {
                for part in self.branches(branches, vars, &agenda.bound, rows)? {
                    ordered.subplans.push(part.plan);
                }
            }
            NodeKind::Optional { keys, fresh, body } => {
                let output = with_fresh(keys, fresh);
                ordered.subplans.push(self.part(body, keys, &output, rows)?.plan);
            }
            _ => {}
        }
        Ok((ordered, pushed))
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

    /// The node that costs least: one that need not wait, if there is one.
    fn cheapest(
        &mut self,
        agenda: &mut Agenda<'_>,
        rows: f64,
    ) -> Result<Option<usize>, QueryError> {
        for patient in [true, false] {
            let mut best: Option<(f64, usize)> = None;
            for place in 0..agenda.open.len() {
                let index = agenda.open[place];
                if !agenda.is_ready(index) || patient && agenda.should_wait(index) {
                    continue;
                }
                if let Some(score) = self.score(agenda, index, rows)?
                    && best.is_none_or(|(least, _)| score < least)
                {
                    best = Some((score, index));
                }
            }
            if let Some((_, index)) = best {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// What a node costs next; `None` if it cannot run yet.
    fn score(
        &mut self,
        agenda: &mut Agenda<'_>,
        index: usize,
        rows: f64,
    ) -> Result<Option<f64>, QueryError> {
        let known = match &agenda.quotes[index] {
            Some(Ok(quote)) => quote.magnitude.is_none_or(|m| m == magnitude(rows)),
            Some(Err(_)) => true,
            None => false,
        };
        if !known {
            let quote = self.quote(agenda, index, rows);
            if let Err(error) = &quote
                && !matches!(error, QueryError::Insufficient { .. } | QueryError::NoneBound { .. })
            {
                return Err(error.clone());
            }
            agenda.quotes[index] = Some(quote);
        }
        let quote = agenda.quotes[index].as_ref().and_then(|quote| quote.as_ref().ok());
        Ok(quote.map(|quote| quote.cost.total(rows)))
    }

    fn quote(&mut self, agenda: &Agenda<'_>, index: usize, rows: f64) -> Result<Quote, QueryError> {
        let (bound, node) = (&agenda.bound, &agenda.nodes[index]);
        let (mut bounds, mut pushed, mut instance) = (Vec::new(), Vec::new(), None);
        let mut depends_on_rows = false;
        let cost = match &node.kind {
            NodeKind::Pattern(pattern) => {
                if let Some(var) = pattern.v.var().filter(|var| !bound.contains(var)) {
                    (bounds, pushed) = agenda.pushable(var, &self.statistics);
                }
                self.statistics.pattern(pattern, bound, &bounds)?
            }
            NodeKind::Rows { source, terms } => self.rows_cost(*source, terms, bound),
            NodeKind::Or { vars, branches, .. } => {
                depends_on_rows = true;
                let parts = self.branches(branches, vars, bound, rows)?;
                let fanout: f64 = parts.iter().map(|part| part.plan.estimate / part.rows).sum();
                Cost { fanout, seek: false, scan: 2.0 * fanout * rows.max(1.0) }
            }
            NodeKind::Optional { keys, fresh, body } => {
                depends_on_rows = true;
                let output = with_fresh(keys, fresh);
                self.part(body, keys, &output, rows)?;
                Cost { fanout: 1.0, seek: false, scan: rows * 10.0 }
            }
            NodeKind::Rule { rule, args } => {
                let adornment: Vec<_> = args.iter().map(|var| bound.contains(var)).collect();
                let any = adornment.iter().any(|b| *b);
                if self.logical.rules[*rule].closure.is_none() {
                    instance = Some(self.instance(*rule, adornment)?);
                }
                // All that a rule says is more than all that it says it of.
                let fanout = match any {
                    true => RULE_FANOUT,
                    false => WHOLE_RULE.max(RULE_FANOUT * self.statistics.largest()),
                };
                Cost { fanout, seek: true, scan: 0.0 }
            }
            // These run as soon as they can.
            NodeKind::Call { .. } | NodeKind::Not { .. } => {
                Cost { fanout: 1.0, seek: true, scan: 0.0 }
            }
        };
        let magnitude = depends_on_rows.then(|| magnitude(rows));
        Ok(Quote { cost, bounds, pushed, instance, magnitude })
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

    fn branches(
        &mut self,
        branches: &[Conj],
        vars: &[VarId],
        bound: &BTreeSet<VarId>,
        rows: f64,
    ) -> Result<Vec<Part>, QueryError> {
        let (keys, fresh): (Vec<_>, Vec<_>) = vars.iter().partition(|var| bound.contains(var));
        let output: Vec<VarId> = keys.iter().chain(&fresh).copied().collect();
        branches.iter().map(|branch| self.part(branch, &keys, &output, rows)).collect()
    }

    /// The rule with these arguments bound: planned at its first call, so that recursion ends.
    fn instance(&mut self, rule: RuleId, bound: Vec<bool>) -> Result<usize, QueryError> {
        let logical = self.logical;
        let called = &logical.rules[rule];
        if bound.iter().take(called.required).any(|bound| !bound) {
            let head = &called.definitions[0].head;
            let free = head.iter().zip(&bound).take(called.required).filter(|(_, bound)| !**bound);
            let vars = logical.names(free.map(|(var, _)| *var));
            let at = called.place.as_ref().clone();
            return Err(QueryError::Insufficient { vars, nearest: None, at });
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
        let parts = std::mem::take(&mut self.parts);
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
        self.parts = parts;
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
        let at = at.unwrap_or(super::Place::named(":where"));
        QueryError::Insufficient { vars: self.logical.names(vars), nearest: None, at }
    }

    /// Why nothing that is left can run.
    fn stuck(&self, agenda: &Agenda<'_>, first: &Node) -> QueryError {
        let failed = |index: &usize| agenda.quotes[*index].as_ref()?.as_ref().err();
        if let Some(error) = agenda.open.iter().find_map(failed) {
            return error.clone();
        }
        let mut needs = Vec::new();
        first.kind.requires(&mut needs);
        needs.retain(|var| !agenda.bound.contains(var));
        let vars = self.logical.names(needs);
        QueryError::Insufficient { vars, nearest: None, at: first.place.as_ref().clone() }
    }
}

/// What the body of an `optional` gives.
fn with_fresh(keys: &[VarId], fresh: &[Shown]) -> Vec<VarId> {
    keys.iter().copied().chain(fresh.iter().map(|shown| shown.inside)).collect()
}

/// The step that calls a rule.
pub(super) fn call_site(
    instance: usize,
    inner: bool,
    args: &[VarId],
    layout: &[VarId],
    needed: &Needed<'_>,
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
