//! What a query file says: a query, or a map around one.
//!
//! **Invariant:** every input of `:in` gets its value from the file, from the mount or from the
//! path, in that order; this module reads the text and knows no database.

use crate::error::{Failure, Kind, Result};
use factfs_core::edn::{self, Form};
use factfs_core::query::Query;
use factfs_core::text::RowKeys;

/// A query file.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The query.
    pub form: Form,
    /// What it is for.
    pub doc: Option<String>,
    /// Values of inputs, by name.
    pub inputs: Vec<(String, Form)>,
    /// What `%` is bound to.
    pub rules: Option<Form>,
}

impl Saved {
    /// Reads a query file.
    pub fn read(text: &str) -> Result<Self> {
        let form = edn::read_one(text)?;
        let form = unquoted(form)?;
        let Some(query) = form.get("query") else {
            return Ok(Self { form, doc: None, inputs: Vec::new(), rules: None });
        };
        for (key, _) in form.as_map().unwrap_or_default() {
            let known = key.as_keyword().map(|k| k.as_str());
            if !matches!(known, Some("query" | "doc" | "inputs" | "rules")) {
                let hint = "a file is a query, or {:query … :doc … :inputs {…} :rules […]}";
                return Err(wrong(format!("`{key}` is no key of a query file"), key).hint(hint));
            }
        }
        let doc = form.get("doc").and_then(Form::as_str).map(str::to_owned);
        let inputs = form.get("inputs").map(read_inputs).transpose()?.unwrap_or_default();
        let rules = form.get("rules").cloned();
        Ok(Self { form: unquoted(query.clone())?, doc, inputs, rules })
    }

    /// What the file gives an input.
    pub fn input(&self, name: &str) -> Option<&Form> {
        self.inputs.iter().find(|(known, _)| known == name).map(|(_, form)| form)
    }

    /// What the keys of rows are in EDN, where the query asks for maps.
    pub fn row_keys(&self) -> Option<RowKeys> {
        let kinds =
            [("keys", RowKeys::Keywords), ("strs", RowKeys::Strings), ("syms", RowKeys::Symbols)];
        let items = self.form.as_vector().unwrap_or_default();
        let has = |key: &str| {
            self.form.get(key).is_some() || items.iter().any(|item| item.is_keyword(key))
        };
        kinds.into_iter().find(|(key, _)| has(key)).map(|(_, keys)| keys)
    }

    /// The query, checked.
    pub fn query(&self) -> Result<Query> {
        Ok(Query::from_form(&self.form)?)
    }
}

/// Queries may be strings, and quoted.
fn unquoted(form: Form) -> Result<Form> {
    match form.as_str() {
        Some(text) => Ok(edn::read_one(text)?.unquoted().clone()),
        None => Ok(form.unquoted().clone()),
    }
}

fn read_inputs(form: &Form) -> Result<Vec<(String, Form)>> {
    let Some(entries) = form.as_map() else {
        return Err(wrong(":inputs is a map, {?min 10, $old \"store/at/2026-06\"}".into(), form));
    };
    let entry = |(key, value): &(Form, Form)| match key.as_symbol() {
        Some(name) => Ok((name.to_string(), value.clone())),
        None => Err(wrong(format!("`{key}` is no name of an input"), key)),
    };
    entries.iter().map(entry).collect()
}

fn wrong(what: String, at: &Form) -> Failure {
    Failure::new(Kind::Invalid, format!("{}: {what}", at.span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_alone_and_a_map_around_one() {
        let plain = Saved::read("[:find ?n :where [_ :a/n ?n]]").unwrap();
        assert_eq!(plain.query().unwrap().inputs().len(), 1);
        let text = "{:query {:find [?n] :in [$ ?min] :where [[_ :a/n ?n] [(< ?min ?n)]]}
                     :doc \"names\" :inputs {?min 2}}";
        let saved = Saved::read(text).unwrap();
        assert_eq!(saved.doc.as_deref(), Some("names"));
        assert!(saved.input("?min").is_some() && saved.input("$").is_none());
        assert_eq!(saved.query().unwrap().inputs().len(), 2);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let failure = Saved::read("{:query [:find ?x]\n :input {}}").unwrap_err();
        assert!(failure.message.starts_with("line 2, column 2: `:input`"), "{failure}");
        assert!(Saved::read("[:find ?x").is_err());
        assert!(Saved::read("[:where [?e :a/b]]").unwrap().query().is_err());
    }
}
