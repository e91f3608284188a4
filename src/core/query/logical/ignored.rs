//! Arguments of rules that say nothing.
//!
//! **Invariant:** an argument is ignored only if no definition of its rule looks at it, but to hand
//! it on to where it is ignored: whatever stands there, bound or not, the rule says the same.

use crate::query::ast::{Clause, ClauseKind, RuleDef, Term};
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// For each rule which of its arguments are ignored; rules without any are not there.
pub(super) type Ignored = BTreeMap<Symbol, Vec<bool>>;

/// The arguments that these rules ignore. One of each rule stays. Cost: a look at each definition,
/// and one more for each argument that a rule it calls turns out to look at.
pub(super) fn of(defs: &[RuleDef]) -> Ignored {
    let all = defs.iter().map(|def| (def.name.clone(), vec![true; def.vars.len()]));
    let mut ignored: Ignored = all.collect();
    let callers = callers(defs);
    let mut waiting: BTreeSet<usize> = (0..defs.len()).collect();
    // The last first: rules are mostly written before those that they call.
    while let Some(at) = waiting.pop_last() {
        let def = &defs[at];
        let mut seen = BTreeSet::new();
        def.clauses.iter().for_each(|clause| look(clause, &ignored, &mut seen));
        let Some(flags) = ignored.get_mut(&def.name) else { continue };
        let mut is_news = false;
        for (var, flag) in def.vars.all().zip(flags) {
            is_news |= seen.contains(var) && std::mem::replace(flag, false);
        }
        if is_news {
            waiting.extend(callers.get(&def.name).into_iter().flatten());
        }
    }
    for flags in ignored.values_mut().filter(|flags| flags.iter().all(|flag| *flag)) {
        flags.iter_mut().take(1).for_each(|flag| *flag = false);
    }
    ignored.retain(|_, flags| flags.contains(&true));
    ignored
}

/// For each rule the definitions that call it.
fn callers(defs: &[RuleDef]) -> BTreeMap<&Symbol, BTreeSet<usize>> {
    fn note<'a>(clauses: &'a [Clause], called: &mut Vec<&'a Symbol>) {
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Rule { name, .. } => called.push(name),
                ClauseKind::Not { clauses, .. } | ClauseKind::Optional { clauses, .. } => {
                    note(clauses, called);
                }
                ClauseKind::Or { branches, .. } => {
                    branches.iter().for_each(|branch| note(branch, called));
                }
                _ => {}
            }
        }
    }
    let mut callers: BTreeMap<&Symbol, BTreeSet<usize>> = BTreeMap::new();
    for (at, def) in defs.iter().enumerate() {
        let mut called = Vec::new();
        note(&def.clauses, &mut called);
        for name in called {
            callers.entry(name).or_default().insert(at);
        }
    }
    callers
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
