//! What a query file says: a query, or a map around one.
//!
//! **Invariant:** what a file and what the command line say of an input do not contradict each
//! other silently: the command line wins. No database is known here.

use super::exit::Problem;
use factfs_core::edn::{self, Form, FormKind};
use factfs_core::value::Value;

/// A query and what it brings with it.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The query.
    pub query: Form,
    /// Values of inputs, by name.
    inputs: Vec<(String, Form)>,
    /// What `%` is bound to.
    pub rules: Option<Form>,
}

impl Saved {
    /// Reads a query, or `{:query … :doc … :inputs {…} :rules […]}`.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let form = unquoted(edn::read_one(text)?)?;
        let Some(query) = form.get("query") else {
            return Ok(Self { query: form, inputs: vec![], rules: None });
        };
        for (key, _) in form.as_map().unwrap_or_default() {
            let known = key.as_keyword().map(|k| k.as_str());
            if !matches!(known, Some("query" | "doc" | "inputs" | "rules")) {
                let text = format!("{}: `{key}` is no key of a query file", key.span);
                let hint = "a query file is a query, or {:query … :doc … :inputs {…} :rules […]}";
                return Err(Problem::invalid(text).hint(hint).into());
            }
        }
        let inputs = form.get("inputs").and_then(Form::as_map).unwrap_or_default();
        let inputs = inputs.iter().map(|(name, value)| (name.to_string(), value.clone()));
        let rules = form.get("rules").cloned();
        Ok(Self { query: unquoted(query.clone())?, inputs: inputs.collect(), rules })
    }

    /// What the file gives an input.
    pub fn input(&self, name: &str) -> Option<&Form> {
        self.inputs.iter().find(|(known, _)| known == name).map(|(_, form)| form)
    }

    /// Says `:limit n` or the like in the query, in the place of what it says itself.
    pub fn set(&mut self, option: &str, value: i64) {
        let key = Form::from(Value::keyword(option));
        let value = Form::from(Value::Long(value));
        match &mut self.query.kind {
            FormKind::Map(entries) => {
                entries.retain(|(key, _)| !key.is_keyword(option));
                entries.push((key, value));
            }
            FormKind::Vector(items) => {
                if let Some(start) = items.iter().position(|item| item.is_keyword(option)) {
                    let rest = items[start + 1..].iter();
                    let length = rest.take_while(|item| item.as_keyword().is_none()).count();
                    items.drain(start..=start + length);
                }
                items.extend([key, value]);
            }
            _ => {}
        }
    }
}

/// A query may be quoted, or be the text of one.
fn unquoted(form: Form) -> anyhow::Result<Form> {
    let form = form.unquoted().clone();
    Ok(match form.as_str() {
        Some(text) => edn::read_one(text)?.unquoted().clone(),
        None => form,
    })
}

#[cfg(test)]
mod tests {
    use super::Saved;

    #[test]
    fn options_take_the_place_of_those_of_the_query() {
        let check = |text: &str, expected: &str| {
            let mut saved = Saved::read(text).unwrap();
            saved.set("limit", 5);
            assert_eq!(saved.query.to_string(), expected);
        };
        check("[:find ?a :limit 9 :where [?a]]", "[:find ?a :where [?a] :limit 5]");
        check("{:find [?a] :limit 9}", "{:find [?a], :limit 5}");
        check("{:query [:find ?a] :doc \"x\"}", "[:find ?a :limit 5]");
        check("'[:find ?a]", "[:find ?a :limit 5]");
        check("\"[:find ?a]\"", "[:find ?a :limit 5]");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = Saved::read("{:query [:find ?a] :input {}}").unwrap_err().to_string();
        assert!(error.starts_with("line 1, column 20: `:input` is no key"), "{error}");
    }
}
