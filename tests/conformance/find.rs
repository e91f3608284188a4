//! What a query's form says after `:find`.

use factfs_core::edn::{Form, FormKind};

/// The same query for all rows, where it asks for one tuple or one value; whether it is one value.
pub fn as_relation(query: &Form) -> Option<(Form, bool)> {
    let mut query = query.clone();
    match &mut query.kind {
        FormKind::Map(entries) => {
            let (_, find) = entries.iter_mut().find(|(key, _)| key.is_keyword("find"))?;
            let (elements, is_scalar) = elements(find.as_seq()?)?;
            find.kind = FormKind::Vector(elements);
            Some((query, is_scalar))
        }
        FormKind::Vector(items) | FormKind::List(items) => {
            let start = items.iter().position(|item| item.is_keyword("find"))? + 1;
            let rest = items[start..].iter().position(|item| item.as_keyword().is_some());
            let end = rest.map_or(items.len(), |rest| start + rest);
            let (elements, is_scalar) = elements(&items[start..end])?;
            items.splice(start..end, elements);
            Some((query, is_scalar))
        }
        _ => None,
    }
}

fn elements(find: &[Form]) -> Option<(Vec<Form>, bool)> {
    match find {
        [element, dot] if dot.is_symbol(".") => Some((vec![element.clone()], true)),
        [only] => match only.as_vector()? {
            [_, dots] if dots.is_symbol("...") => None,
            elements => Some((elements.to_vec(), false)),
        },
        _ => None,
    }
}

/// Names of functions that a query asks for in `:find`, and that can only be another program's:
/// they have a namespace.
pub fn foreign_functions(query: &Form) -> Vec<String> {
    let mut rest = vec![query];
    let mut found = Vec::new();
    while let Some(form) = rest.pop() {
        let items = form.as_seq().or_else(|| form.as_set()).unwrap_or_default();
        rest.extend(items);
        rest.extend(form.as_map().into_iter().flatten().map(|(_, value)| value));
        let head = form.as_list().and_then(|items| items.first()).and_then(Form::as_symbol);
        found.extend(head.filter(|name| name.namespace().is_some()).map(|name| name.to_string()));
    }
    found.sort();
    found
}
