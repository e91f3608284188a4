//! Where in the text of a pattern an error is.
//!
//! **Invariant:** the place is of the first form that is written as the error says; it is found
//! when there is an error, and costs nothing else.

use super::PullError;
use crate::edn::{Form, FormKind, Span};
use crate::value::{Keyword, Value};

impl PullError {
    /// The place of the form at fault in the pattern that it is about.
    pub fn place(&self, pattern: &Form) -> Option<Span> {
        self.form(pattern).map(|form| form.span)
    }

    /// The form at fault in the pattern that it is about.
    pub fn form<'a>(&self, pattern: &'a Form) -> Option<&'a Form> {
        let attribute = |name: &Keyword| named(pattern, name);
        match self {
            Self::Syntax { found, .. } => {
                let is = |form: &Form| super::parse::shown(&form.to_value()) == *found;
                find(pattern, &is)
            }
            Self::Attribute { attribute: name, .. } | Self::Xform { attribute: name, .. } => {
                attribute(name)
            }
            Self::UnknownXform { name, .. } => {
                let is = |form: &Form| match form.as_value() {
                    Some(Value::Symbol(symbol)) => symbol.as_str() == name,
                    _ => false,
                };
                find(pattern, &is)
            }
            Self::TooDeep { .. } | Self::TooLarge { .. } | Self::Db(_) => None,
        }
    }
}

/// The first form that is this keyword.
pub(super) fn named<'a>(pattern: &'a Form, name: &Keyword) -> Option<&'a Form> {
    find(pattern, &|form| form.as_keyword() == Some(name))
}

/// The first form of this kind, from the outside in the order of the text.
fn find<'a>(form: &'a Form, is: &dyn Fn(&Form) -> bool) -> Option<&'a Form> {
    if is(form) {
        return Some(form);
    }
    match &form.kind {
        FormKind::Vector(items) | FormKind::List(items) | FormKind::Set(items) => {
            items.iter().find_map(|item| find(item, is))
        }
        FormKind::Map(entries) => {
            entries.iter().find_map(|(key, value)| find(key, is).or_else(|| find(value, is)))
        }
        FormKind::Tagged(_, inner) => find(inner, is),
        FormKind::Value(_) => None,
    }
}
