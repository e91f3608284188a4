//! Rules that say "reachable over this attribute", in any of the usual ways to write it.
//!
//! **Invariant:** a rule is recognised only if its answers are exactly the transitive closure of
//! the edges of one ref attribute; everything else is left to the general evaluation.

use super::{AttrOperand, Definition, Logical, NodeKind, Operand, Pattern, RuleId, VarId};
use crate::id::AttrId;
use crate::query::bind::Source;

/// The edges whose transitive closure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    pub source: usize,
    pub attribute: AttrId,
    /// An edge leads from the value to the entity.
    pub backward: bool,
}

/// Marks the rules that are closures.
pub(super) fn recognise(logical: &mut Logical) {
    for id in 0..logical.rules.len() {
        logical.rules[id].closure = closure(logical, id);
    }
}

fn closure(logical: &Logical, id: RuleId) -> Option<Closure> {
    let rule = &logical.rules[id];
    if rule.arity != 2 || rule.required > 0 || !rule.recursive {
        return None;
    }
    let is_step = |d: &&Definition| d.body.nodes.len() > 1;
    let (steps, bases): (Vec<_>, Vec<_>) = rule.definitions.iter().partition(is_step);
    let [base] = bases.as_slice() else { return None };
    let edges = match base.body.nodes.as_slice() {
        [node] => edge(logical, &node.kind, base.head[0], base.head[1])?,
        _ => return None,
    };
    steps.iter().all(|step| is_transitive(logical, id, step, edges)).then_some(edges)
}

/// The closure of which this pattern is an edge between two variables.
fn edge(logical: &Logical, kind: &NodeKind, from: VarId, to: VarId) -> Option<Closure> {
    let NodeKind::Pattern(Pattern { source, e, a, v, tx, added }) = kind else { return None };
    let (AttrOperand::Known(attribute), Operand::Ignore, Operand::Ignore) = (a, tx, added) else {
        return None;
    };
    let Source::Db(db) = &logical.sources[*source] else { return None };
    if !db.schema().get(*attribute)?.is_ref() || logical.attribute_vars.contains(&from) {
        return None;
    }
    let backward = match (e.var()?, v.var()?) {
        (x, y) if (x, y) == (from, to) && from != to => false,
        (x, y) if (y, x) == (from, to) && from != to => true,
        _ => return None,
    };
    Some(Closure { source: *source, attribute: *attribute, backward })
}

/// Whether a definition goes over one node between: an edge and the rule, the rule and an edge, or
/// the rule twice.
fn is_transitive(logical: &Logical, id: RuleId, step: &Definition, edges: Closure) -> bool {
    let (from, to) = (step.head[0], step.head[1]);
    let [one, other] = step.body.nodes.as_slice() else { return false };
    let is_link = |kind: &NodeKind, x: VarId, y: VarId| match kind {
        NodeKind::Rule { rule, args } => *rule == id && args.as_slice() == [x, y],
        kind => edge(logical, kind, x, y) == Some(edges),
    };
    let is_call = |kind: &NodeKind| matches!(kind, NodeKind::Rule { .. });
    let mut between = one.kind.touches();
    between.retain(|var| ![from, to].contains(var));
    let [middle] = between.as_slice() else { return false };
    let joined = |x: &NodeKind, y: &NodeKind| is_link(x, from, *middle) && is_link(y, *middle, to);
    (is_call(&one.kind) || is_call(&other.kind))
        && from != to
        && (joined(&one.kind, &other.kind) || joined(&other.kind, &one.kind))
}
