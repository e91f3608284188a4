//! What a query's form says of its rows, and which functions it calls.

use factfs_core::edn::{Form, FormKind};

/// What a query takes of its rows.
pub enum Part {
    /// Some of them.
    Rows,
    /// One.
    Tuple,
    /// The first element of one.
    Value,
}

/// A query for all rows of another.
pub struct AllRows {
    pub query: Form,
    pub of: Part,
}

/// The same query for all its rows, where it takes some of them and does not say which.
pub fn all_rows(query: &Form) -> Option<AllRows> {
    let mut sections = sections(query)?;
    if sections.iter().any(|(key, _)| key.is_keyword("order-by")) {
        return None;
    }
    let is_limit = |key: &Form| key.is_keyword("limit") || key.is_keyword("offset");
    let is_limited = sections.iter().any(|(key, _)| is_limit(key));
    sections.retain(|(key, _)| !is_limit(key));
    let (_, find) = sections.iter_mut().find(|(key, _)| key.is_keyword("find"))?;
    let of = match elements(find) {
        Some((elements, is_scalar)) => {
            *find = elements;
            if is_scalar { Part::Value } else { Part::Tuple }
        }
        None if is_limited => Part::Rows,
        None => return None,
    };
    let entry = |(key, items): (Form, Vec<Form>)| {
        let kind = FormKind::Vector(items);
        (key, Form { kind, span: Default::default() })
    };
    let kind = FormKind::Map(sections.into_iter().map(entry).collect());
    Some(AllRows { query: Form { kind, span: query.span }, of })
}

/// The sections of a query in either form, with what stands beside it.
fn sections(query: &Form) -> Option<Vec<(Form, Vec<Form>)>> {
    if let Some(inner) = query.get("query") {
        let beside = query.as_map()?.iter().filter(|(key, _)| !key.is_keyword("query"));
        let beside = beside.map(|(key, value)| (key.clone(), vec![value.clone()]));
        return Some(sections(inner)?.into_iter().chain(beside).collect());
    }
    if let Some(entries) = query.as_map() {
        let items = |form: &Form| match form.as_seq() {
            Some(items) => items.to_vec(),
            None => vec![form.clone()],
        };
        return Some(entries.iter().map(|(key, form)| (key.clone(), items(form))).collect());
    }
    let mut sections: Vec<(Form, Vec<Form>)> = Vec::new();
    for item in query.as_seq()? {
        match sections.last_mut() {
            Some((_, items)) if item.as_keyword().is_none() => items.push(item.clone()),
            _ => sections.push((item.clone(), Vec::new())),
        }
    }
    Some(sections)
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

/// Whether a query has a section.
pub fn says(query: &Form, key: &str) -> bool {
    sections(query).is_some_and(|all| all.iter().any(|(known, _)| known.is_keyword(key)))
}

/// Whether a query, or one within it, calls one of these functions.
pub fn calls(query: &Form, functions: &[&str]) -> bool {
    let mut rest = vec![query];
    while let Some(form) = rest.pop() {
        let items = form.as_seq().or_else(|| form.as_set()).unwrap_or_default();
        rest.extend(items);
        rest.extend(form.as_map().into_iter().flatten().map(|(_, value)| value));
        let head = form.as_list().and_then(|items| items.first());
        if head.is_some_and(|head| functions.iter().any(|name| head.is_symbol(name))) {
            return true;
        }
    }
    false
}
