//! A query cut into its sections: `:find`, `:in`, `:where`...
//!
//! **Invariant:** each section stands at most once, and its name is one of the dialect's.

use super::later::Later;
use crate::edn::Form;
use crate::nearest::keyword_hint;
use crate::query::error::{QueryError, nearest};

const NAMES: [&str; 11] = [
    "find", "keys", "strs", "syms", "with", "in", "where", "order-by", "limit", "offset", "timeout",
];

/// What stands beside a query: sections, its inputs, and what other systems take there, which says
/// nothing about its answer.
pub const BESIDE: [&str; 8] =
    ["order-by", "limit", "offset", "timeout", "args", "stats?", "settings", "cancel"];
/// Those of them that are sections.
const OPTIONS: &[&str] = BESIDE.split_at(4).0;

/// Sections by name; those of a map form whose value is no vector are one form long.
pub struct Sections<'a> {
    pub whole: &'a Form,
    named: Vec<(&'static str, &'a [Form])>,
}

impl<'a> Sections<'a> {
    /// Cuts a vector at its keywords; takes a map as it is.
    pub fn split(form: &'a Form, later: &mut Later) -> Result<Self, QueryError> {
        let mut sections = Self { whole: form, named: Vec::new() };
        if let Some(entries) = form.as_map() {
            for (key, value) in entries {
                let items = value.as_seq().unwrap_or(std::slice::from_ref(value));
                sections.add(key, items, later)?;
            }
        } else if let Some(items) = form.as_seq() {
            sections.cut(items, later)?;
        } else {
            return Err(QueryError::syntax("a query is a vector or a map", form));
        }
        Ok(sections)
    }

    /// Adds what stands beside a query, in `{:query ... :limit 10}`: it stands instead of what the
    /// query says itself.
    pub fn beside(&mut self, entries: &'a [(Form, Form)], later: &mut Later) {
        for (key, value) in entries.iter().filter(|(key, _)| !key.is_keyword("query")) {
            let name = key.as_keyword().map_or("", |name| name.as_str());
            let Some(name) = OPTIONS.iter().find(|option| **option == name) else {
                if !BESIDE.contains(&name) {
                    let expected =
                        "beside :query stand :args, :limit, :offset, :order-by, :timeout";
                    later.note(QueryError::syntax(expected, key));
                }
                continue;
            };
            self.named.retain(|(known, _)| known != name);
            self.named.push((name, value.as_seq().unwrap_or(std::slice::from_ref(value))));
        }
    }

    /// One section alone.
    pub fn one(name: &'static str, form: &'a Form) -> Self {
        let items = form.as_seq().unwrap_or(std::slice::from_ref(form));
        Self { whole: form, named: vec![(name, items)] }
    }

    fn cut(&mut self, items: &'a [Form], later: &mut Later) -> Result<(), QueryError> {
        let mut rest = items;
        while let Some((key, after)) = rest.split_first() {
            // Keys may be written as keywords.
            let names = ["keys", "strs", "syms"].iter().any(|name| key.is_keyword(name));
            let ends = |form: &Form| is_section(form) && (!names || is_known(form));
            let end = after.iter().position(ends).unwrap_or(after.len());
            self.add(key, &after[..end], later)?;
            rest = &after[end..];
        }
        Ok(())
    }

    fn add(&mut self, key: &Form, items: &'a [Form], later: &mut Later) -> Result<(), QueryError> {
        let Some(keyword) = key.as_keyword() else {
            return Err(QueryError::syntax("a section begins with a keyword like :find", key));
        };
        let Some(name) = NAMES.iter().find(|name| **name == keyword.as_str()) else {
            let hint = keyword_hint(&nearest(keyword.as_str(), NAMES.into_iter()));
            let expected = format!("a query has no section {keyword}{hint}");
            later.note(QueryError::syntax(expected, key));
            return Ok(());
        };
        if self.has(name) {
            return Err(QueryError::syntax(format!("{keyword} stands here a second time"), key));
        }
        self.named.push((name, items));
        Ok(())
    }

    /// Whether the section is there.
    pub fn has(&self, name: &str) -> bool {
        self.named.iter().any(|(n, _)| *n == name)
    }

    /// The forms of a section; none if it is not there.
    pub fn get(&self, name: &str) -> &'a [Form] {
        self.named.iter().find(|(n, _)| *n == name).map_or(&[], |(_, items)| items)
    }
}

fn is_known(form: &Form) -> bool {
    form.as_keyword().is_some_and(|k| NAMES.contains(&k.as_str()))
}

/// Keywords at the top begin sections, but for the directions of `:order-by`.
fn is_section(form: &Form) -> bool {
    form.as_keyword().is_some_and(|k| !matches!(k.as_str(), "asc" | "desc"))
}
