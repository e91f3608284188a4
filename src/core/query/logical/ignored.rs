//! Arguments of rules that say nothing.
//!
//! **Invariant:** an argument is ignored only if no definition of its rule looks at it, but to hand
//! it on to where it is ignored: whatever stands there, bound or not, the rule says the same.

use crate::query::ast::{Clause, ClauseKind, RuleDef, Term};
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// For each rule which of its arguments are ignored; rules without any are not there.
pub(super) type Ignored = BTreeMap<Symbol, Vec<bool>>;

/// The arguments that these rules ignore. One of each rule stays.
pub(super) fn of(defs: &[RuleDef]) -> Ignored {
    let all = defs.iter().map(|def| (def.name.clone(), vec![true; def.vars.len()]));
    let mut ignored: Ignored = all.collect();
    loop {
        let mut is_done = true;
        for def in defs {
            let mut seen = BTreeSet::new();
            def.clauses.iter().for_each(|clause| look(clause, &ignored, &mut seen));
            let heads = def.vars.all().enumerate();
            let looked: Vec<usize> =
                heads.filter(|(_, var)| seen.contains(*var)).map(|(at, _)| at).collect();
            for at in looked {
                if let Some(flag) = ignored.get_mut(&def.name).and_then(|flags| flags.get_mut(at)) {
                    is_done &= !std::mem::replace(flag, false);
                }
            }
        }
        if is_done {
            break;
        }
    }
    for flags in ignored.values_mut().filter(|flags| flags.iter().all(|flag| *flag)) {
        flags.iter_mut().take(1).for_each(|flag| *flag = false);
    }
    ignored.retain(|_, flags| flags.contains(&true));
    ignored
}

/// What is left of the items at arguments of a rule.
pub(super) fn rest<T>(ignored: &Ignored, name: &Symbol, items: Vec<T>) -> Vec<T> {
    let Some(flags) = ignored.get(name) else { return items };
    items.into_iter().zip(flags).filter(|(_, ignored)| !**ignored).map(|(item, _)| item).collect()
}

/// The variables that a clause looks at.
fn look(clause: &Clause, ignored: &Ignored, seen: &mut BTreeSet<Symbol>) {
    match &clause.kind {
        ClauseKind::Rule { name, args, .. } => {
            let args = rest(ignored, name, args.iter().collect());
            seen.extend(args.into_iter().filter_map(|arg| match arg {
                Term::Var(var) => Some(var.clone()),
                _ => None,
            }));
        }
        ClauseKind::Not { join, clauses, .. } => {
            seen.extend(join.iter().flatten().cloned());
            clauses.iter().for_each(|clause| look(clause, ignored, seen));
        }
        ClauseKind::Or { join, branches, .. } => {
            seen.extend(join.iter().flat_map(|vars| vars.all()).cloned());
            branches.iter().flatten().for_each(|clause| look(clause, ignored, seen));
        }
        ClauseKind::Optional { clauses, .. } => {
            clauses.iter().for_each(|clause| look(clause, ignored, seen));
        }
        other => {
            let mut vars = Vec::new();
            other.mentioned(&mut vars);
            seen.extend(vars.into_iter().cloned());
        }
    }
}
