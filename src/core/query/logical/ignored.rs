//! Arguments of rules that say nothing.
//!
//! **Invariant:** an argument is ignored only if no definition of its rule requires it or looks at
//! it, but to hand it on to where it is ignored: whatever stands there, bound or not, the rule says
//! the same.

use crate::query::ast::{Clause, ClauseKind, RuleDef, Term};
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// For each rule which of its arguments are ignored; rules without any are not there.
pub(super) type Ignored = BTreeMap<Symbol, Vec<bool>>;

/// An argument of a rule, by its place.
type Argument<'a> = (&'a Symbol, usize);

/// The arguments that these rules ignore. One of each rule stays. Cost: a look at each variable
/// that is written.
pub(super) fn of(defs: &[RuleDef]) -> Ignored {
    let all = defs.iter().map(|def| (def.name.clone(), vec![true; def.vars.len()]));
    let mut ignored: Ignored = all.collect();
    let names: BTreeSet<&Symbol> = defs.iter().map(|def| &def.name).collect();
    let (mut waiting, mut handed_on) = (Vec::new(), BTreeMap::new());
    for def in defs {
        let mut looks = Looks { names: &names, seen: BTreeSet::new(), handed: BTreeMap::new() };
        looks.seen.extend(&def.vars.required);
        def.clauses.iter().for_each(|clause| looks.clause(clause));
        for (place, var) in def.vars.all().enumerate() {
            let own = (&def.name, place);
            waiting.extend(looks.seen.contains(var).then_some(own));
            for to in looks.handed.get(var).into_iter().flatten() {
                handed_on.entry(*to).or_insert_with(Vec::new).push(own);
            }
        }
    }
    look_at(&mut ignored, &handed_on, waiting);
    for name in &names {
        if ignored[*name].iter().all(|flag| *flag) {
            look_at(&mut ignored, &handed_on, vec![(*name, 0)]);
        }
    }
    ignored.retain(|_, flags| flags.contains(&true));
    ignored
}

/// Arguments that are looked at, and so what is handed on to them.
fn look_at<'a>(
    ignored: &mut Ignored,
    handed_on: &BTreeMap<Argument<'a>, Vec<Argument<'a>>>,
    mut waiting: Vec<Argument<'a>>,
) {
    while let Some(argument) = waiting.pop() {
        let (name, place) = argument;
        let flag = ignored.get_mut(name).and_then(|flags| flags.get_mut(place));
        if flag.is_some_and(|flag| std::mem::replace(flag, false)) {
            waiting.extend(handed_on.get(&argument).into_iter().flatten());
        }
    }
}

/// Leaves out of clauses what stands at arguments that are ignored: as written, nobody else looks
/// at it either.
pub(super) fn leave_out(ignored: &Ignored, clauses: &mut [Clause]) {
    for clause in clauses {
        match &mut clause.kind {
            ClauseKind::Rule { name, args, .. } => {
                let Some(flags) = ignored.get(name).filter(|flags| flags.len() == args.len())
                else {
                    continue;
                };
                for (arg, _) in args.iter_mut().zip(flags).filter(|(_, ignored)| **ignored) {
                    *arg = Term::Ignore;
                }
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::Optional { clauses, .. } => {
                leave_out(ignored, clauses);
            }
            ClauseKind::Or { branches, .. } => {
                branches.iter_mut().for_each(|clauses| leave_out(ignored, clauses));
            }
            _ => {}
        }
    }
}

/// What is left of the items at arguments of a rule.
pub(super) fn rest<T>(ignored: &Ignored, name: &Symbol, items: Vec<T>) -> Vec<T> {
    let Some(flags) = ignored.get(name) else { return items };
    items.into_iter().zip(flags).filter(|(_, ignored)| !**ignored).map(|(item, _)| item).collect()
}

/// What the clauses of a definition do with variables.
struct Looks<'a> {
    names: &'a BTreeSet<&'a Symbol>,
    /// Those that they look at.
    seen: BTreeSet<&'a Symbol>,
    /// Those that they hand on, and to which arguments.
    handed: BTreeMap<&'a Symbol, Vec<Argument<'a>>>,
}

impl<'a> Looks<'a> {
    fn clause(&mut self, clause: &'a Clause) {
        match &clause.kind {
            ClauseKind::Rule { name, args, .. } if self.names.contains(name) => {
                for (place, arg) in args.iter().enumerate() {
                    if let Term::Var(var) = arg {
                        self.handed.entry(var).or_default().push((name, place));
                    }
                }
            }
            ClauseKind::Not { join, clauses, .. } => {
                self.seen.extend(join.iter().flatten());
                clauses.iter().for_each(|clause| self.clause(clause));
            }
            ClauseKind::Or { join, branches, .. } => {
                self.seen.extend(join.iter().flat_map(|vars| vars.all()));
                branches.iter().flatten().for_each(|clause| self.clause(clause));
            }
            ClauseKind::Optional { clauses, .. } => {
                clauses.iter().for_each(|clause| self.clause(clause));
            }
            other => {
                let mut vars = Vec::new();
                other.mentioned(&mut vars);
                self.seen.extend(vars);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::read_one;
    use crate::query::parse::parse_rules;

    fn ignored(rules: &str) -> Vec<(String, Vec<bool>)> {
        let rules = parse_rules(&read_one(rules).unwrap()).unwrap();
        of(&rules).into_iter().map(|(name, flags)| (name.to_string(), flags)).collect()
    }

    #[test]
    fn what_nobody_looks_at_is_ignored() {
        let found = ignored(
            "[[(a ?x ?y ?z) [?x :n 1] (b ?y ?z)] [(b ?p ?q) (a ?p ?q ?p)] [(b ?p ?q) [?p]]
              [(c ?x ?y) (c ?y ?x)] [(d ?x ?y) (unknown ?y) [?x]]]",
        );
        // Of `c` one argument stays, though it looks at none; and so what is handed on there.
        assert_eq!(found, []);
        let (second, first) = (vec![false, true], vec![true, false]);
        let (of_a, of_b) = (("a".to_owned(), second), ("b".to_owned(), first));
        assert_eq!(ignored("[[(a ?x ?y) [?x] (b ?y)] [(b ?y) [_ :n]]]"), []);
        let found = ignored("[[(a ?x ?y) [?x] (b ?x ?y)] [(b ?x ?y) [?x]]]");
        assert_eq!(found, [of_a.clone(), ("b".to_owned(), vec![false, true])]);
        let found = ignored("[[(a ?x ?y) [?x] (b ?y ?x)] [(b ?y ?x) [?x] (a ?x ?y)]]");
        assert_eq!(found, [of_a, of_b]);
    }

    #[test]
    fn what_is_required_is_not_ignored() {
        assert_eq!(ignored("[[(a [?x] ?y) [?y :n 1]]]"), []);
    }

    /// Each look at a rule that hands its arguments on in another order found one more.
    #[test]
    fn arguments_that_take_turns_are_found_in_one_look() {
        let vars: Vec<String> = (0..20_000).map(|n| format!("?x{n}")).collect();
        let turned: Vec<&str> = vars[1..].iter().chain(&vars[..1]).map(String::as_str).collect();
        let (vars, turned) = (vars.join(" "), turned.join(" "));
        assert_eq!(ignored(&format!("[[(turn {vars}) [?x0 :n 1] (turn {turned})]]")), []);
    }
}
