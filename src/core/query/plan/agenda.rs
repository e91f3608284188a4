//! What of a conjunction is left to be put in order: which nodes can run, which should wait, which
//! of their costs are still true.
//!
//! **Invariant:** what is kept here is what a look at all nodes that are left would give; each node
//! and each variable of it is looked at when it changes, not at each step.
//!
//! Some variables are *held*: calls and inputs are still to give them, as what may be a name of an
//! entity, and a pattern that ran first would bind the entity itself, which is not what the user
//! wrote. Or they name entities of several databases: only a number can be all of them, so what
//! gives numbers goes first. Patterns wait for such variables, if they can.

use super::cost::{Cost, Statistics};
use crate::query::error::QueryError;
use crate::query::functions::{Comparison, Kind};
use crate::query::logical::{Conj, Logical, Node, NodeKind, Operand, VarId};
use crate::value::{Uuid, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a node would cost next, and what it would do.
pub(super) struct Quote {
    pub cost: Cost,
    pub bounds: Vec<(Comparison, Value)>,
    /// Comparisons that it does on the way.
    pub pushed: Vec<usize>,
    pub instance: Option<usize>,
    /// The order of magnitude of the rows it was asked for, if that counts.
    pub magnitude: Option<i32>,
}

/// Who may give a variable as a name or a number.
#[derive(Default)]
struct Uses {
    /// Calls and inputs.
    givers: usize,
    /// Patterns that give it as a plain value.
    plain: usize,
    /// Patterns of each database that give it as an entity.
    databases: Vec<(Uuid, usize)>,
}

impl Uses {
    fn is_held(&self) -> bool {
        let databases = || self.databases.iter().filter(|(_, count)| *count > 0).count();
        self.givers > 0 || self.plain > 0 && databases() > 1
    }

    fn entity(&mut self, database: Uuid, add: bool) {
        match self.databases.iter_mut().find(|(uuid, _)| *uuid == database) {
            Some((_, count)) => step(count, add),
            None => self.databases.push((database, usize::from(add))),
        }
    }
}

fn step(count: &mut usize, add: bool) {
    *count = if add { *count + 1 } else { count.saturating_sub(1) };
}

pub(super) struct Agenda<'n> {
    pub nodes: &'n [Node],
    pub bound: BTreeSet<VarId>,
    gone: Vec<bool>,
    first: usize,
    /// Nodes that are neither calls nor negations, in their order.
    pub open: Vec<usize>,
    pub ready_calls: BTreeSet<usize>,
    pub ready_nots: BTreeSet<usize>,
    /// How many variables that a node needs are not bound, and how many that it touches are held.
    needs: Vec<usize>,
    waits: Vec<usize>,
    needed_by: BTreeMap<VarId, Vec<usize>>,
    touched_by: BTreeMap<VarId, Vec<usize>>,
    uses: BTreeMap<VarId, Uses>,
    held: BTreeSet<VarId>,
    kinds: Vec<Option<(Uuid, bool)>>,
    comparisons: BTreeMap<VarId, Vec<usize>>,
    pub quotes: Vec<Option<Result<Quote, QueryError>>>,
}

impl<'n> Agenda<'n> {
    pub fn new(conj: &'n Conj, input: &[VarId], statistics: &Statistics<'_>) -> Self {
        let nodes = conj.nodes.as_slice();
        let mut agenda = Self {
            nodes,
            bound: input.iter().copied().collect(),
            gone: vec![false; nodes.len()],
            first: 0,
            open: Vec::new(),
            ready_calls: BTreeSet::new(),
            ready_nots: BTreeSet::new(),
            needs: Vec::new(),
            waits: vec![0; nodes.len()],
            needed_by: BTreeMap::new(),
            touched_by: BTreeMap::new(),
            uses: BTreeMap::new(),
            held: BTreeSet::new(),
            kinds: Vec::new(),
            comparisons: BTreeMap::new(),
            quotes: nodes.iter().map(|_| None).collect(),
        };
        for index in 0..nodes.len() {
            agenda.add(index, statistics);
        }
        for (var, uses) in &agenda.uses {
            if uses.is_held() && !agenda.bound.contains(var) {
                agenda.held.insert(*var);
                let touched = agenda.touched_by.get(var);
                touched.into_iter().flatten().for_each(|node| agenda.waits[*node] += 1);
            }
        }
        agenda
    }

    fn add(&mut self, index: usize, statistics: &Statistics<'_>) {
        let kind = &self.nodes[index].kind;
        let mut needs = Vec::new();
        kind.requires(&mut needs);
        needs.sort_unstable();
        needs.dedup();
        needs.retain(|var| !self.bound.contains(var));
        needs.iter().for_each(|var| self.needed_by.entry(*var).or_default().push(index));
        self.needs.push(needs.len());
        for var in kind.touches() {
            self.touched_by.entry(var).or_default().push(index);
        }
        match kind {
            NodeKind::Call { function, args, binding } => {
                if let (Kind::Compare(_), None) = (function.kind, binding) {
                    let vars: BTreeSet<VarId> = args.iter().filter_map(Operand::var).collect();
                    vars.into_iter()
                        .for_each(|var| self.comparisons.entry(var).or_default().push(index));
                }
            }
            NodeKind::Not { .. } => {}
            _ => self.open.push(index),
        }
        self.kinds.push(match kind {
            NodeKind::Pattern(pattern) => statistics.value_kind(pattern),
            _ => None,
        });
        self.make_ready(index);
        self.count(index, true, statistics.logical);
    }

    fn make_ready(&mut self, index: usize) {
        if self.needs[index] > 0 || self.gone[index] {
            return;
        }
        match &self.nodes[index].kind {
            NodeKind::Call { .. } => self.ready_calls.insert(index),
            NodeKind::Not { .. } => self.ready_nots.insert(index),
            _ => false,
        };
    }

    /// Counts what a node may give, or no longer; gives the variables it is about.
    fn count(&mut self, index: usize, add: bool, logical: &Logical) -> Vec<VarId> {
        let mut vars: Vec<VarId> = Vec::new();
        match &self.nodes[index].kind {
            NodeKind::Call { binding: Some(binding), .. } => vars.extend(&binding.vars),
            NodeKind::Rows { source, terms } if logical.has_names(*source) => {
                vars.extend(terms.iter().filter_map(Operand::var));
            }
            NodeKind::Pattern(pattern) => {
                let Some((database, is_plain)) = self.kinds[index] else { return vars };
                let value = pattern.v.var();
                let entities = [pattern.e.var(), pattern.tx.var(), value.filter(|_| !is_plain)];
                for var in entities.into_iter().flatten() {
                    self.uses.entry(var).or_default().entity(database, add);
                    vars.push(var);
                }
                if let Some(var) = value.filter(|_| is_plain) {
                    step(&mut self.uses.entry(var).or_default().plain, add);
                    vars.push(var);
                }
                return vars;
            }
            _ => {}
        }
        vars.iter().for_each(|var| step(&mut self.uses.entry(*var).or_default().givers, add));
        vars
    }

    /// The first node that is left.
    pub fn first_left(&mut self) -> Option<&'n Node> {
        while self.gone.get(self.first).copied().unwrap_or(false) {
            self.first += 1;
        }
        self.nodes.get(self.first)
    }

    /// Whether a node can run, as far as its own variables say.
    pub fn is_ready(&self, index: usize) -> bool {
        self.needs[index] == 0
    }

    /// Whether a node should wait for variables that are held.
    pub fn should_wait(&self, index: usize) -> bool {
        self.waits[index] > 0 && !self.is_awaited(index)
    }

    /// Whether a node may bind a variable that others wait for.
    fn is_awaited(&self, index: usize) -> bool {
        match &self.nodes[index].kind {
            NodeKind::Rows { .. } => true,
            NodeKind::Pattern(pattern) => {
                let is_plain = self.kinds[index].is_some_and(|(_, plain)| plain);
                let entities = [pattern.e.var(), pattern.tx.var()];
                is_plain
                    && pattern.v.var().is_some_and(|var| self.held.contains(&var))
                    && !entities.into_iter().flatten().any(|var| self.held.contains(&var))
            }
            _ => false,
        }
    }

    /// The comparisons of a variable with known values, and which nodes they are.
    pub fn pushable(
        &self,
        var: VarId,
        statistics: &Statistics<'_>,
    ) -> (Vec<(Comparison, Value)>, Vec<usize>) {
        let (mut bounds, mut nodes) = (Vec::new(), Vec::new());
        let of = self.comparisons.get(&var).map_or(&[][..], Vec::as_slice);
        for index in of.iter().copied().filter(|index| !self.gone[*index]) {
            let NodeKind::Call { function, args, .. } = &self.nodes[index].kind else { continue };
            let (Kind::Compare(comparison), [a, b]) = (function.kind, args.as_slice()) else {
                continue;
            };
            if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                continue;
            }
            let bound = match (a.var() == Some(var), b.var() == Some(var)) {
                (true, false) => statistics.constant(b).map(|v| (comparison, v)),
                (false, true) => statistics.constant(a).map(|v| (comparison.flipped(), v)),
                _ => None,
            };
            if let Some(bound) = bound {
                bounds.push(bound);
                nodes.push(index);
            }
        }
        (bounds, nodes)
    }

    /// Takes a node off: it runs next, or as part of what runs next.
    pub fn take(&mut self, index: usize, logical: &Logical) {
        self.gone[index] = true;
        self.ready_calls.remove(&index);
        self.ready_nots.remove(&index);
        if let Ok(place) = self.open.binary_search(&index) {
            self.open.remove(place);
        }
        for var in self.count(index, false, logical) {
            self.release(var);
        }
    }

    /// Says that what a node gives is bound.
    pub fn bind(&mut self, index: usize) {
        let mut provided = Vec::new();
        self.nodes[index].kind.provides(&mut provided);
        for var in provided {
            if !self.bound.insert(var) {
                continue;
            }
            self.release(var);
            for touched in self.touched_by.get(&var).into_iter().flatten() {
                self.quotes[*touched] = None;
            }
            for node in self.needed_by.remove(&var).unwrap_or_default() {
                self.needs[node] -= 1;
                self.make_ready(node);
            }
        }
    }

    /// A variable is no longer held once nobody is left to give it, or it is bound.
    fn release(&mut self, var: VarId) {
        let is_held = self.uses.get(&var).is_some_and(Uses::is_held);
        if (!is_held || self.bound.contains(&var)) && self.held.remove(&var) {
            let touched = self.touched_by.get(&var);
            touched.into_iter().flatten().for_each(|node| self.waits[*node] -= 1);
        }
    }
}
