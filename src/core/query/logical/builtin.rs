//! Rules that are there without `%`: when transactions are valid, and how two intervals `[from,
//! to)` lie to each other, by Allen's names.
//!
//! **Invariant:** a rule of the user with the same name stands instead of the one here. A
//! transaction that does not say from when it is valid is at no time; one that does not say until
//! when is for ever.

use crate::query::ast::RuleDef;
use crate::query::error::QueryError;
use crate::query::parse::parse_rules;

const RULES: &str = "[
  [(valid-at ?tx ?at)
   [?tx :db.valid/from ?from _ true] [(<= ?from ?at)]
   (not-join [?tx ?at] [?tx :db.valid/to ?to _ true] [(<= ?to ?at)])]
  [(valid-between ?tx ?f ?t)
   [?tx :db.valid/from ?from _ true] [(< ?from ?t)]
   (not-join [?tx ?f] [?tx :db.valid/to ?to _ true] [(<= ?to ?f)])]
  [(valid-during ?tx ?f ?t)
   [?tx :db.valid/from ?from _ true] [(<= ?f ?from)]
   [?tx :db.valid/to ?to _ true] [(<= ?to ?t)]]
  [(period-overlaps? ?tx ?f ?t) (valid-between ?tx ?f ?t)]
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

/// Whether a rule of this name needs no `%`.
pub fn is_builtin(name: &str) -> bool {
    RULES.contains(&format!("[({name} "))
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    RULES.split("[(").skip(1).filter_map(|rest| rest.split(' ').next())
}

/// The built-in rules.
pub fn rules() -> Result<Vec<RuleDef>, QueryError> {
    parse_rules(&crate::edn::read_one(RULES)?)
}
