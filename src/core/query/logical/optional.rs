//! `optional`: what adds to rows and takes none away.
//!
//! **Invariant:** it comes last, so a variable that only it binds stands nowhere else but in
//! `:find`: which clause comes first never matters.

use super::build::{Builder, Scope};
use super::{NodeKind, VarId};
use crate::query::ast::{Clause, ClauseKind};
use crate::query::error::{Place, QueryError};
use crate::value::Symbol;
use std::collections::BTreeSet;

impl Builder {
    /// Refuses what looks at a variable that only an `optional` binds: that comes last.
    pub fn only_optional(
        &self,
        clauses: &[Clause],
        scope: &Scope,
        known: &BTreeSet<VarId>,
        bound: &BTreeSet<VarId>,
    ) -> Result<(), QueryError> {
        for clause in clauses.iter().filter(|c| is_optional(c)) {
            let mut names = Vec::new();
            clause.kind.binds(&mut names);
            let var = |name: &&Symbol| scope.names.get(*name).copied();
            let is_odd = |var: VarId| known.contains(&var) && !bound.contains(&var);
            let Some(name) = names.iter().find(|name| var(name).is_some_and(is_odd)) else {
                continue;
            };
            let shows = |other: &&Clause| {
                let mut shown = Vec::new();
                other.kind.visible(&mut shown);
                !is_optional(other) && shown.contains(name)
            };
            let at = clauses.iter().find(shows).unwrap_or(clause).place.clone();
            return Err(QueryError::OnlyOptional { var: name.to_string(), at });
        }
        Ok(())
    }

    /// What another `optional` may have left out is nothing to join with: which of them comes
    /// first would matter.
    pub fn optional(
        &mut self,
        clauses: &[Clause],
        mut scope: Scope,
        known: &mut BTreeSet<VarId>,
        at: &Place,
    ) -> Result<NodeKind, QueryError> {
        let (mut mentioned, mut shown) = (Vec::new(), Vec::new());
        clauses.iter().for_each(|clause| clause.kind.mentioned(&mut mentioned));
        clauses.iter().for_each(|clause| clause.kind.visible(&mut shown));
        let keys = self.shared(&mentioned, &scope).into_iter().filter(|v| known.contains(v));
        let keys: Vec<_> = keys.collect();
        if let Some(var) = keys.iter().find(|var| self.optional.contains(var)) {
            let name = &self.logical.vars[*var];
            let expected = format!("{name} in one optional clause only: it may be unbound");
            return Err(QueryError::Syntax { expected, at: at.clone() });
        }
        let fresh = self.shared(&shown, &scope).into_iter().filter(|v| !known.contains(v));
        let fresh: Vec<_> = fresh.collect();
        known.extend(&fresh);
        self.optional.extend(&fresh);
        let body = self.conj(clauses, &mut scope)?;
        Ok(NodeKind::Optional { keys, fresh, body })
    }
}

pub(super) fn is_optional(clause: &Clause) -> bool {
    matches!(clause.kind, ClauseKind::Optional { .. })
}
