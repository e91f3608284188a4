//! `optional`: what adds to rows and takes none away.
//!
//! **Invariant:** it comes last of the clauses it stands with, so a variable that only it binds is
//! looked at by none of them: which clause comes first never matters. What is around them (the
//! clauses around an `or`, the caller of a rule) sees the variable as it is then, nil included.

use super::build::{Builder, Scope};
use super::{NodeKind, Shown, VarId};
use crate::query::ast::{Clause, ClauseKind};
use crate::query::error::{Place, QueryError};
use crate::value::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// What clauses that stand together see of variables.
pub(super) struct Sight {
    /// Those that they share with what is around.
    around: BTreeSet<VarId>,
    /// Those that are bound around.
    bound: BTreeSet<VarId>,
    /// How many of the clauses bind a variable, those that are optional left out.
    binders: BTreeMap<VarId, usize>,
    /// What an `optional` joins on: what is bound around, and what other clauses bind or look at.
    known: BTreeSet<VarId>,
    /// What only an `optional` binds.
    optional: BTreeSet<VarId>,
}

impl Sight {
    /// Of these clauses; `around` are the variables that they share with what is around. Refuses
    /// clauses that look at what only an `optional` binds.
    pub fn of(
        clauses: &[Clause],
        scope: &Scope,
        around: BTreeSet<VarId>,
    ) -> Result<Self, QueryError> {
        let (bound, known) = (scope.bound.clone(), scope.bound.clone());
        let (binders, optional) = (BTreeMap::new(), BTreeSet::new());
        let mut sight = Self { around, bound, binders, known, optional };
        for clause in clauses.iter().filter(|c| !is_optional(c)) {
            sight.known.extend(vars(&looked_at(clause), scope));
            for var in vars(&bound_by(clause), scope) {
                *sight.binders.entry(var).or_default() += 1;
            }
        }
        for clause in clauses.iter().filter(|c| is_optional(c)) {
            sight.looked_at_too_early(clause, clauses, scope)?;
        }
        Ok(sight)
    }

    fn looked_at_too_early(
        &self,
        optional: &Clause,
        clauses: &[Clause],
        scope: &Scope,
    ) -> Result<(), QueryError> {
        let is_odd = |name: &&&Symbol| {
            scope.names.get(**name).is_some_and(|var| {
                let elsewhere = self.around.contains(var) || self.binders.contains_key(var);
                self.known.contains(var) && !elsewhere
            })
        };
        let names = bound_by(optional);
        let Some(name) = names.iter().find(is_odd) else { return Ok(()) };
        let looks = |other: &&Clause| !is_optional(other) && looked_at(other).contains(name);
        let at = clauses.iter().find(looks).unwrap_or(optional).place.clone();
        Err(QueryError::OnlyOptional { var: name.to_string(), at })
    }

    /// What is bound around an `or` of these clauses: by another one, or around them all.
    pub fn bound_around(&self, or: &Clause, scope: &Scope) -> BTreeSet<VarId> {
        let own: BTreeSet<VarId> = vars(&bound_by(or), scope).collect();
        let is_bound = |var: &VarId| {
            let binders = self.binders.get(var).copied().unwrap_or(0);
            self.bound.contains(var) || binders > usize::from(own.contains(var))
        };
        scope.names.values().copied().filter(is_bound).collect()
    }
}

impl Builder {
    /// What another `optional` may have left out is nothing to join with: which of them comes
    /// first would matter. What is around may have bound a variable that it binds: it gets one of
    /// its own, whose value must then be the same.
    pub fn optional(
        &mut self,
        clauses: &[Clause],
        mut scope: Scope,
        sight: &mut Sight,
        at: &Place,
    ) -> Result<NodeKind, QueryError> {
        let (mut mentioned, mut shown) = (Vec::new(), Vec::new());
        clauses.iter().for_each(|clause| clause.kind.mentioned(&mut mentioned));
        clauses.iter().for_each(|clause| clause.kind.visible(&mut shown));
        let keys = self.shared(&mentioned, &scope).into_iter();
        let keys: Vec<VarId> = keys.filter(|var| sight.known.contains(var)).collect();
        if let Some(var) = keys.iter().find(|var| sight.optional.contains(var)) {
            let name = &self.logical.vars[*var];
            let expected = format!("{name} in one optional clause only: it may be unbound");
            return Err(QueryError::Syntax { expected, at: at.clone() });
        }
        let fresh = self.shared(&shown, &scope).into_iter();
        let fresh: Vec<VarId> = fresh.filter(|var| !sight.known.contains(var)).collect();
        if keys.is_empty() && fresh.iter().any(|var| sight.around.contains(var)) {
            let vars = BTreeSet::from_iter(self.logical.names(fresh)).into_iter().collect();
            return Err(QueryError::NoneBound { vars, at: at.clone() });
        }
        sight.known.extend(&fresh);
        sight.optional.extend(&fresh);
        let fresh: Vec<Shown> =
            fresh.into_iter().map(|var| self.shown(var, sight, &mut scope)).collect();
        scope.bound = keys.iter().copied().collect();
        let body = self.conj(clauses, &mut scope)?;
        for Shown { inside, outside } in &fresh {
            if inside != outside && self.logical.attribute_vars.contains(inside) {
                self.logical.attribute_vars.push(*outside);
            }
        }
        Ok(NodeKind::Optional { keys, fresh, body })
    }

    fn shown(&mut self, outside: VarId, sight: &Sight, scope: &mut Scope) -> Shown {
        if !sight.around.contains(&outside) {
            return Shown { inside: outside, outside };
        }
        let inside = self.fresh(&self.logical.vars[outside].clone());
        let named = scope.names.values_mut().find(|var| **var == outside);
        named.into_iter().for_each(|var| *var = inside);
        Shown { inside, outside }
    }
}

/// The names that a clause binds.
fn bound_by(clause: &Clause) -> BTreeSet<&Symbol> {
    let mut names = Vec::new();
    clause.kind.binds(&mut names);
    names.into_iter().collect()
}

/// The names that a clause looks at or binds, also where it is a negation.
fn looked_at(clause: &Clause) -> BTreeSet<&Symbol> {
    let mut names = Vec::new();
    clause.kind.mentioned(&mut names);
    names.into_iter().collect()
}

fn vars<'a>(names: &'a BTreeSet<&Symbol>, scope: &'a Scope) -> impl Iterator<Item = VarId> {
    names.iter().filter_map(|name| scope.names.get(*name)).copied()
}

fn is_optional(clause: &Clause) -> bool {
    matches!(clause.kind, ClauseKind::Optional { .. })
}
