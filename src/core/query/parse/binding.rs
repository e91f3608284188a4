//! Binding forms: `?x`, `_`, `[b ...]`, `[b b]`, `[[b b]]`, nested.
//!
//! **Invariant:** the same grammar serves `:in` and function expressions.

use super::is_var;
use crate::edn::Form;
use crate::query::ast::Binding;
use crate::query::error::QueryError;

/// The binding that a form means.
pub fn parse_binding(form: &Form) -> Result<Binding, QueryError> {
    if let Some(symbol) = form.as_symbol() {
        return match symbol.as_str() {
            "_" => Ok(Binding::Ignore),
            name if is_var(name) => Ok(Binding::Var(symbol.clone())),
            _ => Err(wrong(form)),
        };
    }
    let items = form.as_seq().ok_or_else(|| wrong(form))?;
    match items {
        [] => Err(QueryError::syntax("a tuple binding cannot be empty", form)),
        [item, dots] if dots.is_symbol("...") => {
            Ok(Binding::Collection(Box::new(parse_binding(item)?)))
        }
        [tuple] if tuple.as_seq().is_some() => {
            Ok(Binding::Collection(Box::new(parse_binding(tuple)?)))
        }
        items => Ok(Binding::Tuple(items.iter().map(parse_binding).collect::<Result<_, _>>()?)),
    }
}

fn wrong(form: &Form) -> QueryError {
    QueryError::syntax("a binding is ?x, _, [?x ...], [?x ?y] or [[?x ?y]]", form)
}
