//! A query as people keep it: alone, or in a map with what it is asked with.
//!
//! **Invariant:** each input has one value at most, whether it is said by name or by place. What a
//! name of a database means is for others to know.

use super::error::{QueryError, nearest};
use super::parse::{BESIDE, unquoted};
use super::{InputSpec, Query};
use crate::edn::{self, Form, FormKind};
use crate::nearest::keyword_hint;

/// A query and what it brings with it.
#[derive(Clone, Debug)]
pub struct QueryFile {
    /// The query, with the options that stand beside it.
    pub query: Query,
    /// What it is for.
    pub doc: Option<String>,
    /// What `%` is bound to.
    pub rules: Option<Form>,
    inputs: Vec<(String, Form)>,
}

/// What a file says beside a query, but for what every query takes there.
const KEYS: [&str; 4] = ["query", "doc", "inputs", "rules"];

impl QueryFile {
    /// Reads a query, or `{:query … :doc … :inputs {?x …} :rules […] :args […] :limit …}`.
    pub fn read(text: &str) -> Result<Self, QueryError> {
        let form = unquoted(&edn::read_one(text)?)?;
        let Some(query) = form.get("query") else {
            let query = Query::from_form(&form)?;
            return Ok(Self { query, doc: None, rules: None, inputs: Vec::new() });
        };
        let entries = form.as_map().unwrap_or_default();
        entries.iter().try_for_each(|(key, _)| check_key(key))?;
        let options: Vec<_> = entries.iter().filter(|(key, _)| !is_own(key)).cloned().collect();
        let query = match options.as_slice() {
            [] => Query::from_form(&unquoted(query)?)?,
            _ => {
                let key = entries.iter().filter(|(key, _)| key.is_keyword("query")).cloned();
                let kind = FormKind::Map(key.chain(options).collect());
                Query::from_form(&Form { kind, span: form.span })?
            }
        };
        let doc = form.get("doc").and_then(Form::as_str).map(str::to_owned);
        let rules = form.get("rules").cloned();
        let inputs = form.get("inputs").map(read_inputs).transpose()?.unwrap_or_default();
        let mut file = Self { query, doc, rules, inputs };
        file.take_args()?;
        Ok(file)
    }

    /// What the file gives an input: under its name as it is written, or, if it has several, under
    /// one of them.
    pub fn input(&self, name: &str) -> Option<&Form> {
        let is_in = |written: &str| {
            let mut words = name.split(|c: char| c.is_whitespace() || "[]".contains(c));
            name.starts_with('[') && words.any(|word| word == written)
        };
        let found = self.inputs.iter().find(|(known, _)| known == name);
        let found = found.or_else(|| self.inputs.iter().find(|(known, _)| is_in(known)));
        found.map(|(_, form)| form)
    }

    /// What stands in `:args` has the names of `:in`.
    fn take_args(&mut self) -> Result<(), QueryError> {
        let args: Vec<(InputSpec, Form)> = self.query.args().collect();
        for (InputSpec { name, .. }, value) in &args {
            let elsewhere = match name.as_str() {
                "%" if self.rules.is_some() => Some("rules"),
                name => self.input(name).map(|_| "inputs"),
            };
            if let Some(elsewhere) = elsewhere {
                let expected = format!("{name} has a value in :{elsewhere} and in :args");
                return Err(QueryError::syntax(expected, value));
            }
        }
        self.inputs.extend(args.into_iter().map(|(input, value)| (input.name, value)));
        Ok(())
    }
}

fn is_own(key: &Form) -> bool {
    KEYS.iter().any(|own| key.is_keyword(own))
}

fn check_key(key: &Form) -> Result<(), QueryError> {
    let known = || KEYS.into_iter().chain(BESIDE);
    if known().any(|known| key.is_keyword(known)) {
        return Ok(());
    }
    let name = key.as_keyword().map_or("", |name| name.as_str());
    let hint = keyword_hint(&nearest(name, known()));
    Err(QueryError::syntax(format!("a query file has no {key}{hint}"), key))
}

fn read_inputs(form: &Form) -> Result<Vec<(String, Form)>, QueryError> {
    let Some(entries) = form.as_map() else {
        return Err(QueryError::syntax("`:inputs` is a map, {?min 10, $old \"…\"}", form));
    };
    let entry = |(key, value): &(Form, Form)| match (key.as_symbol(), key.as_vector()) {
        (None, None) => Err(QueryError::syntax("an input has a name, as in :in", key)),
        _ => Ok((key.to_string(), value.clone())),
    };
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> QueryFile {
        QueryFile::read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(QueryFile::read(text).unwrap_err().to_string(), message, "{text}");
    }

    fn given(file: &QueryFile, name: &str) -> String {
        file.input(name).map_or_else(String::new, Form::to_string)
    }

    #[test]
    fn a_query_alone_and_a_map_around_one() {
        for query in ["[:find ?n :where [_ :a/n ?n]]", "{:find [?n] :where [[_ :a/n ?n]]}"] {
            let alone = read(query).query.text().to_owned();
            for text in [query.to_owned(), format!("'{query}"), format!("{query:?}")] {
                assert_eq!(read(&text).query.text(), alone);
                let file = read(&format!("{{:query {text} :doc \"names\"}}"));
                assert_eq!((file.query.text(), file.doc.as_deref()), (&*alone, Some("names")));
            }
        }
    }

    #[test]
    fn inputs_are_given_by_name() {
        let file = read(
            "{:query [:find ?n :in $ ?min [?x ...] [[?a ?b]] :where [_ :a/n ?n]]
              :inputs {?min 2, ?x [1 2], [[?a ?b]] [[3 4]]}}",
        );
        assert_eq!(given(&file, "?min"), "2");
        assert_eq!(given(&file, "[?x ...]"), "[1 2]");
        assert_eq!(given(&file, "[[?a ?b]]"), "[[3 4]]");
        assert_eq!(given(&file, "$"), "");
    }

    #[test]
    fn inputs_are_given_by_place() {
        let query = "[:find ?n :in $ ?min % [?x ...] :where [_ :a/n ?n] (r ?n)]";
        for args in ["[2 [] [1 2]]", "(2 [] [1 2])", "[$ 2 [] [1 2]]", "[db 2 [] [1 2]]"] {
            let file = read(&format!("{{:query {query} :args {args}}}"));
            assert_eq!(given(&file, "?min"), "2", "{args}");
            assert_eq!(given(&file, "%"), "[]", "{args}");
            assert_eq!(given(&file, "[?x ...]"), "[1 2]", "{args}");
            assert_eq!(given(&file, "$"), "", "{args}");
        }
        let file = read("{:query [:find ?n :in $ _ _ ?n :where [_ :a/n ?n]] :args [7 8 2]}");
        assert_eq!(given(&file, "?n"), "2");
        let file = read(&format!("{{:query {query} :args [\"old/at/3\" 2 [] [1 2]]}}"));
        assert_eq!(given(&file, "$"), "\"old/at/3\"");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        refused(
            "{:query [:find ?n :where [_ :a/n ?n]]\n :input {}}",
            "a query file has no :input (did you mean :inputs?), in :input at line 2, column 2",
        );
        refused(
            "{:query [:find ?n :in $ ?x :where [_ ?x ?n]] :args [1 2 3]}",
            "`:args` has a value for each of [$ ?x], or for each that is no database, \
             in [1 2 3] at line 1, column 52",
        );
        refused(
            "{:query [:find ?n :in $ ?x :where [_ ?x ?n]] :args 1}",
            "`:args` takes a vector of inputs, in 1 at line 1, column 52",
        );
        refused(
            "{:query [:find ?n :in $ ?x :where [_ ?x ?n]] :args [1] :inputs {?x 2}}",
            "?x has a value in :inputs and in :args, in 1 at line 1, column 53",
        );
        refused(
            "{:query [:find ?n :where [_ :a/n ?n]] :inputs []}",
            "`:inputs` is a map, {?min 10, $old \"…\"}, in [] at line 1, column 47",
        );
    }
}
