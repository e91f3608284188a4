//! What a query file says: a query, or a map around one.
//!
//! **Invariant:** every input of `:in` gets its value from the file, from the mount or from the path, in that order; this
//! module reads the text and knows no database.

use crate::error::{Failure, Kind, Result};
use factfs_core::edn::{self, Form, FormKind};
use factfs_core::value::{Symbol, Value};

/// A query file.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The query.
    pub query: Form,
    /// What it is for.
    pub doc: Option<String>,
    /// Values of inputs, by name.
    pub inputs: Vec<(Symbol, Form)>,
    /// What `%` is bound to.
    pub rules: Option<Form>,
}

/// An element of `:in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `$x`
    Source(Symbol),
    /// `%`
    Rules,
    /// `?x`
    Scalar(Symbol),
    /// A collection, tuple or relation, or a pull pattern's name.
    Other(Form),
}

impl Saved {
    /// Reads a query file.
    pub fn read(text: &str) -> Result<Self> {
        let form = edn::read_one(text)?;
        let form = unquoted(form)?;
        let Some(query) = form.get("query") else {
            return Ok(Self { query: form, doc: None, inputs: Vec::new(), rules: None });
        };
        for (key, _) in form.as_map().unwrap_or_default() {
            let known = key.as_keyword().map(|k| k.as_str());
            if !matches!(known, Some("query" | "doc" | "inputs" | "rules")) {
                let hint = "a query file is a query, or {:query … :doc … :inputs {…} :rules […]}";
                return Err(wrong(format!("`{key}` is no key of a query file"), key).hint(hint));
            }
        }
        let doc = form.get("doc").and_then(Form::as_str).map(str::to_owned);
        let inputs = form.get("inputs").map(read_inputs).transpose()?.unwrap_or_default();
        let rules = form.get("rules").cloned();
        Ok(Self { query: unquoted(query.clone())?, doc, inputs, rules })
    }

    /// What the file gives an input.
    pub fn input(&self, name: &Symbol) -> Option<&Form> {
        self.inputs.iter().find(|(known, _)| known == name).map(|(_, form)| form)
    }

    /// The elements of `:in`.
    pub fn slots(&self) -> Result<Vec<Slot>> {
        let Some(forms) = clause(&self.query, "in") else {
            return Ok(vec![Slot::Source(Symbol::new("$"))]);
        };
        Ok(forms.iter().map(slot).collect())
    }

    /// The attribute whose value a variable is somewhere in `:where`, and the source it is looked up in.
    pub fn attribute_of(&self, var: &Symbol) -> Option<(Symbol, String)> {
        let clauses = clause(&self.query, "where")?;
        clauses.iter().find_map(|form| attribute_in(form, var))
    }
}

/// Queries may be strings, and quoted.
fn unquoted(form: Form) -> Result<Form> {
    match form.as_str() {
        Some(text) => Ok(edn::read_one(text)?.unquoted().clone()),
        None => Ok(form.unquoted().clone()),
    }
}

fn read_inputs(form: &Form) -> Result<Vec<(Symbol, Form)>> {
    let Some(entries) = form.as_map() else {
        return Err(wrong(":inputs is a map, {?min 10, $old \"store/at/2026-06\"}".into(), form));
    };
    let entry = |(key, value): &(Form, Form)| match key.as_symbol() {
        Some(name) => Ok((name.clone(), value.clone())),
        None => Err(wrong(format!("`{key}` is no name of an input"), key)),
    };
    entries.iter().map(entry).collect()
}

fn slot(form: &Form) -> Slot {
    match form.as_symbol() {
        Some(name) if name.as_str() == "%" => Slot::Rules,
        Some(name) if name.as_str().starts_with('$') => Slot::Source(name.clone()),
        Some(name) if name.as_str().starts_with('?') => Slot::Scalar(name.clone()),
        _ => Slot::Other(form.clone()),
    }
}

/// What follows a keyword, in the vector form or the map form.
fn clause<'a>(query: &'a Form, keyword: &str) -> Option<&'a [Form]> {
    if query.as_map().is_some() {
        return query.get(keyword)?.as_seq();
    }
    let items = query.as_vector()?;
    let start = items.iter().position(|item| item.is_keyword(keyword))? + 1;
    let is_clause = |form: &Form| form.as_keyword().is_some_and(|k| CLAUSES.contains(&k.as_str()));
    let len = items[start..].iter().position(is_clause);
    Some(len.map_or(&items[start..], |len| &items[start..start + len]))
}

const CLAUSES: [&str; 11] = [
    "find", "keys", "strs", "syms", "with", "in", "where", "order-by", "limit", "offset", "timeout",
];

fn attribute_in(form: &Form, var: &Symbol) -> Option<(Symbol, String)> {
    if let FormKind::List(items) = &form.kind {
        return items.iter().find_map(|item| attribute_in(item, var));
    }
    let items = form.as_vector()?;
    let is_source = |form: &Form| form.as_symbol().is_some_and(|s| s.as_str().starts_with('$'));
    let (source, terms) = match items.split_first() {
        Some((first, rest)) if is_source(first) => (first.as_symbol().cloned(), rest),
        _ => (None, items),
    };
    let attribute = terms.get(1).and_then(Form::as_keyword);
    let value = terms.get(2).and_then(Form::as_symbol);
    match (attribute, value) {
        (Some(attribute), Some(value)) if value == var => {
            Some((source.unwrap_or_else(|| Symbol::new("$")), attribute.as_str().to_owned()))
        }
        _ => items.iter().find_map(|item| attribute_in(item, var)),
    }
}

/// The value of an input that a file gives.
pub fn input_value(form: &Form) -> Value {
    form.to_value()
}

fn wrong(what: String, at: &Form) -> Failure {
    Failure::new(Kind::Invalid, format!("{}: {what}", at.span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> Slot {
        Slot::Source(Symbol::new(name))
    }

    #[test]
    fn a_query_alone_and_a_map_around_one() {
        let plain = Saved::read("[:find ?n :where [_ :a/n ?n]]").unwrap();
        assert_eq!(plain.slots().unwrap(), [source("$")]);
        let text = "{:query {:find [?n] :in [$ $old % ?min [?t ...]] :where [[$old _ :a/n ?min]]}
                     :doc \"names\" :inputs {?t [1 2] $old \"c/at/2026-06\"} :rules [[(r ?x) [?x]]]}";
        let saved = Saved::read(text).unwrap();
        assert_eq!(saved.doc.as_deref(), Some("names"));
        let slots = saved.slots().unwrap();
        let scalar = Slot::Scalar(Symbol::new("?min"));
        assert_eq!(&slots[..4], [source("$"), source("$old"), Slot::Rules, scalar]);
        let min = saved.attribute_of(&Symbol::new("?min"));
        assert_eq!(min, Some((Symbol::new("$old"), "a/n".to_owned())));
        assert!(saved.input(&Symbol::new("$old")).is_some());
    }

    #[test]
    fn attributes_are_found_inside_other_clauses() {
        let saved = Saved::read(
            "[:find ?e :in $ ?x :where (or [?e :a/n ?x] (and [?e :b/m ?x])) [(> ?x 3)]]",
        );
        let found = saved.unwrap().attribute_of(&Symbol::new("?x"));
        assert_eq!(found, Some((Symbol::new("$"), "a/n".to_owned())));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let failure = Saved::read("{:query [:find ?x]\n :input {}}").unwrap_err();
        assert!(failure.message.starts_with("line 2, column 2: `:input`"), "{failure}");
        assert!(Saved::read("[:find ?x").is_err());
    }
}
