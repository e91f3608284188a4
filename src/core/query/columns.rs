//! What a query asks of a source that is rows: how many columns, and of which types.
//!
//! **Invariant:** a type is that of the attribute whose value the column's variable is in another
//! source; a column without such a variable has none.

use super::ast::{Clause, ClauseKind, Term};
use super::{Query, attribute_of};
use crate::schema::{Schema, ValueType};
use crate::value::{Symbol, Tag};

impl Query {
    /// The types of the columns of a source that patterns name, as far as others tell: `schema` is
    /// that of a database by the name of its source. Refs are numbers, as rows know no databases.
    pub fn column_types<'s>(
        &self,
        source: &str,
        schema: &dyn Fn(&str) -> Option<&'s Schema>,
    ) -> Vec<Option<Tag>> {
        let mut patterns = Vec::new();
        collect(&self.ast.clauses, source, "$", &mut patterns);
        let width = patterns.iter().map(|terms| terms.len()).max().unwrap_or(0);
        let type_of = |var: &Symbol| {
            let clauses = self.ast.clauses.iter();
            let mut found = clauses.filter_map(|clause| attribute_of(&clause.kind, var, "$"));
            found.find_map(|(source, attribute)| {
                let of = schema(&source)?.attr(&attribute)?.value_type?;
                of.tag().filter(|_| of != ValueType::Ref)
            })
        };
        let at = |place: usize| {
            let terms = patterns.iter().filter_map(|terms| terms.get(place));
            let mut vars = terms.filter_map(|term| match term {
                Term::Var(var) => Some(var),
                _ => None,
            });
            vars.find_map(type_of)
        };
        (0..width).map(at).collect()
    }
}

/// The patterns over a source.
fn collect<'a>(
    clauses: &'a [Clause],
    source: &str,
    default: &'a str,
    out: &mut Vec<&'a Vec<Term>>,
) {
    for clause in clauses {
        let within = |named: &'a Option<Symbol>| named.as_ref().map_or(default, Symbol::as_str);
        match &clause.kind {
            ClauseKind::Data { source: named, terms } if within(named) == source => {
                out.push(terms);
            }
            ClauseKind::Not { source: named, clauses, .. }
            | ClauseKind::Optional { source: named, clauses } => {
                collect(clauses, source, within(named), out);
            }
            ClauseKind::Or { source: named, branches, .. } => {
                branches.iter().for_each(|some| collect(some, source, within(named), out));
            }
            _ => {}
        }
    }
}
