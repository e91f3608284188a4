//! The names of columns.
//!
//! **Invariant:** names that come out of [`unique_names`] are all different, and the first of equal
//! ones keeps its name.

use crate::edn::{Form, FormKind};
use crate::value::Value;
use std::collections::BTreeSet;

/// The name of the column of a find element: `?name` is `name`, `(sum ?r)` is `sum_r`.
pub fn column_name(element: &Form) -> String {
    match &element.kind {
        FormKind::Value(Value::Symbol(name)) => {
            let plain = name.as_str().trim_start_matches(['?', '$']);
            (if plain.is_empty() { name.as_str() } else { plain }).to_owned()
        }
        FormKind::Value(Value::Keyword(name)) => name.as_str().to_owned(),
        FormKind::Value(Value::Str(text)) => text.to_string(),
        FormKind::List(items) => {
            let simple = items.iter().filter(|item| item.as_value().is_some());
            simple.map(column_name).collect::<Vec<_>>().join("_")
        }
        _ => element.to_string(),
    }
}

/// The same names, doubled ones with `_2`, `_3`... after them.
pub fn unique_names(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let names: Vec<String> = names.into_iter().collect();
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    let mut seen = BTreeSet::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        if seen.insert(name.clone()) {
            unique.push(name);
            continue;
        }
        let mut n = 2u64;
        let free = loop {
            let candidate = format!("{name}_{n}");
            if taken.insert(candidate.clone()) {
                break candidate;
            }
            n += 1;
        };
        unique.push(free);
    }
    unique
}
