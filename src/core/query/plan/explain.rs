//! The plan as data: a tree of steps with the rows expected and the rows that came.
//!
//! **Invariant:** it is made from the plan and the counts of a run; it does not plan or run
//! anything.

use super::{AttrSlot, Instance, Match, Op, Physical, Plan, Slot};
use crate::query::bind::Source;
use crate::query::logical::Logical;
use std::fmt;

/// A step of a plan, and what is inside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// What the step does: "match", "filter", "not"...
    pub operator: String,
    /// The clause it came from.
    pub clause: String,
    /// Rows that were expected to come out.
    pub estimated: f64,
    /// Rows that came out; `None` if the plan was not run.
    pub rows: Option<u64>,
    /// The plans inside.
    pub children: Vec<Explain>,
}

impl Explain {
    /// The tree of a plan; `counts` are the rows by step.
    pub fn of(physical: &Physical, logical: &Logical, counts: Option<&[u64]>) -> Self {
        let shown = Shown { logical, counts };
        let mut children = shown.steps(&physical.root);
        let asked = physical.instances.iter().filter(|instance| instance.definitions.is_ok());
        children.extend(asked.map(|instance| shown.instance(instance)));
        let estimated = physical.root.estimate;
        Self { operator: "query".into(), clause: String::new(), estimated, rows: None, children }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let rows = self.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let indent = "  ".repeat(depth);
        let estimated = self.estimated.round();
        writeln!(f, "{rows:>12} {estimated:>12}  {indent}{} {}", self.operator, self.clause)?;
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

impl fmt::Display for Explain {
    /// A line a step: rows, rows expected, what it does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>12} {:>12}  step", "rows", "expected")?;
        self.children.iter().try_for_each(|child| child.write(f, 0))
    }
}

struct Shown<'a> {
    logical: &'a Logical,
    counts: Option<&'a [u64]>,
}

impl Shown<'_> {
    fn steps(&self, plan: &Plan) -> Vec<Explain> {
        let step = |step: &super::Step| Explain {
            operator: self.operator(&step.op),
            clause: step.place.form.clone(),
            estimated: step.estimate,
            rows: self.counts.and_then(|counts| counts.get(step.id).copied()),
            children: match &step.op {
                Op::Anti { plan, .. } => self.steps(plan),
                Op::Union { plans, .. } => plans.iter().map(|p| self.branch(p, "branch")).collect(),
                _ => Vec::new(),
            },
        };
        plan.steps.iter().map(step).collect()
    }

    fn branch(&self, plan: &Plan, name: &str) -> Explain {
        let (children, estimated) = (self.steps(plan), plan.estimate);
        let rows = children.last().and_then(|last| last.rows);
        Explain { operator: name.to_owned(), clause: String::new(), estimated, rows, children }
    }

    fn instance(&self, instance: &Instance) -> Explain {
        let bound: String = instance.bound.iter().map(|b| if *b { 'b' } else { 'f' }).collect();
        let plans = instance.definitions.as_deref().unwrap_or_default();
        Explain {
            operator: "rule".to_owned(),
            clause: format!("{} {bound}", instance.name),
            estimated: 0.0,
            rows: None,
            children: plans.iter().map(|plan| self.branch(plan, "definition")).collect(),
        }
    }

    fn operator(&self, op: &Op) -> String {
        match op {
            Op::Match(m) => format!("match {}", self.index(m)),
            Op::Rows(_) => "rows".to_owned(),
            Op::Apply(apply) if apply.binding.is_none() => "filter".to_owned(),
            Op::Apply(_) => "call".to_owned(),
            Op::Anti { .. } => "not".to_owned(),
            Op::Union { outer: true, .. } => "optional".to_owned(),
            Op::Union { .. } => "or".to_owned(),
            Op::Call(_) => "rule".to_owned(),
            Op::Reach(_) => "reach".to_owned(),
        }
    }

    /// The index that answers a pattern.
    fn index(&self, m: &Match) -> &'static str {
        let in_avet = |id| match &self.logical.sources[m.source] {
            Source::Db(db) => db.schema().get(id).is_some_and(|attr| attr.in_avet()),
            Source::Rows(_) => false,
        };
        match (&m.e, &m.a, &m.v) {
            (Slot::Entity(_), _, _) => "EAVT",
            (Slot::Col(_), AttrSlot::Known(_) | AttrSlot::Col(_), _) => "AEVT",
            (Slot::Col(_), _, _) => "EAVT",
            (_, AttrSlot::Known(a), v) if in_avet(*a) && (v.is_bound() || !m.bounds.is_empty()) => {
                "AVET"
            }
            (_, AttrSlot::Known(_) | AttrSlot::Col(_), _) => "AEVT",
            _ => "EAVT, all of it",
        }
    }
}
