//! Rules that are there without `%`: how two intervals `[from, to)` lie to each other, by Allen's
//! names.
//!
//! **Invariant:** a rule of the user with the same name stands instead of the one here.

use crate::query::ast::RuleDef;
use crate::query::error::QueryError;
use crate::query::parse::parse_rules;

const INTERVALS: &str = "[
  [(interval-equals? ?f ?t ?g ?u) [(= ?f ?g)] [(= ?t ?u)]]
  [(interval-overlaps? ?f ?t ?g ?u) [(< ?f ?u)] [(< ?g ?t)]]
  [(interval-overlapped-by? ?f ?t ?g ?u) (interval-overlaps? ?g ?u ?f ?t)]
  [(interval-contains? ?f ?t ?g ?u) [(<= ?f ?g)] [(<= ?u ?t)]]
  [(interval-strictly-contains? ?f ?t ?g ?u) [(< ?f ?g)] [(< ?u ?t)]]
  [(interval-during? ?f ?t ?g ?u) (interval-strictly-contains? ?g ?u ?f ?t)]
  [(interval-precedes? ?f ?t ?g ?u) [(<= ?t ?g)] [(<= ?f ?u)]]
  [(interval-strictly-precedes? ?f ?t ?g ?u) [(< ?t ?g)] [(<= ?f ?u)]]
  [(interval-immediately-precedes? ?f ?t ?g ?u) [(= ?t ?g)] [(<= ?f ?u)]]
  [(interval-before? ?f ?t ?g ?u) (interval-strictly-precedes? ?f ?t ?g ?u)]
  [(interval-meets? ?f ?t ?g ?u) (interval-immediately-precedes? ?f ?t ?g ?u)]
  [(interval-succeeds? ?f ?t ?g ?u) (interval-precedes? ?g ?u ?f ?t)]
  [(interval-strictly-succeeds? ?f ?t ?g ?u) (interval-strictly-precedes? ?g ?u ?f ?t)]
  [(interval-immediately-succeeds? ?f ?t ?g ?u) (interval-immediately-precedes? ?g ?u ?f ?t)]
  [(interval-after? ?f ?t ?g ?u) (interval-strictly-succeeds? ?f ?t ?g ?u)]
  [(interval-met-by? ?f ?t ?g ?u) (interval-immediately-succeeds? ?f ?t ?g ?u)]
  [(interval-starts? ?f ?t ?g ?u) [(= ?f ?g)] [(< ?t ?u)]]
  [(interval-started-by? ?f ?t ?g ?u) (interval-starts? ?g ?u ?f ?t)]
  [(interval-finishes? ?f ?t ?g ?u) [(= ?t ?u)] [(> ?f ?g)]]
  [(interval-finished-by? ?f ?t ?g ?u) (interval-finishes? ?g ?u ?f ?t)]
]";

/// Rules that other systems have built in, and that are not here.
const UNSUPPORTED: [&str; 4] = ["valid-at", "valid-between", "valid-during", "period-overlaps?"];

/// Whether a rule of this name needs no `%`.
pub fn is_builtin(name: &str) -> bool {
    is_unsupported(name) || INTERVALS.contains(&format!("[({name} "))
}

/// Whether a rule is known by name alone.
pub fn is_unsupported(name: &str) -> bool {
    UNSUPPORTED.contains(&name)
}

/// The built-in rules.
pub fn rules() -> Result<Vec<RuleDef>, QueryError> {
    parse_rules(&crate::edn::read_one(INTERVALS)?)
}
