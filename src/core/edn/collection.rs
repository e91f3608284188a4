//! Sets and maps of forms.
//!
//! **Invariant:** no two elements of a set, and no two keys of a map, mean the same.

use super::error::{ErrorKind, shown};
use super::reader::Fault;
use super::{Form, FormKind};
use crate::value::{Keyword, Symbol, Value};

/// The set of these forms.
pub(super) fn set(items: Vec<Form>) -> Result<FormKind, Fault> {
    match first_double(items.iter()) {
        None => Ok(FormKind::Set(items)),
        Some(form) => {
            let element = shown(&form.to_string());
            Err((ErrorKind::DuplicateElement { element }, form.span))
        }
    }
}

/// The map of these forms, a key and a value in turn; keys without a namespace get the given one.
pub(super) fn map(items: Vec<Form>, namespace: Option<&str>) -> Result<FormKind, Fault> {
    let mut entries = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let Some(mut key) = items.next() {
        let Some(value) = items.next() else {
            return Err((ErrorKind::KeyWithoutValue, key.span));
        };
        if let Some(namespace) = namespace {
            qualify(&mut key, namespace);
        }
        entries.push((key, value));
    }
    match first_double(entries.iter().map(|(key, _)| key)) {
        None => Ok(FormKind::Map(entries)),
        Some(key) => {
            let span = key.span;
            Err((ErrorKind::DuplicateKey { key: shown(&key.to_string()) }, span))
        }
    }
}

/// Names without a namespace get this one; those in the namespace `_` lose it.
fn qualify(key: &mut Form, namespace: &str) {
    let qualified = |text: &str| match text.strip_prefix("_/") {
        Some(name) => name.to_owned(),
        None if text.contains('/') && text != "/" => text.to_owned(),
        None => format!("{namespace}/{text}"),
    };
    match &mut key.kind {
        FormKind::Value(Value::Keyword(name)) => *name = Keyword::new(&qualified(name.as_str())),
        FormKind::Value(Value::Symbol(name)) => *name = Symbol::new(&qualified(name.as_str())),
        _ => {}
    }
}

/// The first form, in the order of the text, that equals one before it.
fn first_double<'a>(forms: impl Iterator<Item = &'a Form>) -> Option<&'a Form> {
    let mut sorted: Vec<_> =
        forms.enumerate().map(|(i, form)| (form.to_value(), i, form)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    let doubles = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    doubles.map(|pair| (pair[1].1, pair[1].2)).min_by_key(|(i, _)| *i).map(|(_, form)| form)
}
