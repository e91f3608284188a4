//! Attributes of a pattern that a database does not have: there is never anything to pull of them.
//!
//! **Invariant:** what is told here changes no result; each name is told once, in the order of the
//! pattern.

use super::{Pattern, Spec, Sub, place};
use crate::edn::Form;
use crate::nearest::hint;
use crate::schema::Schema;
use crate::value::Keyword;
use std::collections::HashSet;
use std::fmt;

/// How many are told one by one: each is compared with all names that there are, and looked for in
/// the pattern.
const TOLD: usize = 100;

/// The attributes of a pattern that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknowns {
    /// Those that are told.
    pub told: Vec<Unknown>,
    /// How many there are beside those.
    pub more: usize,
}

impl Unknowns {
    /// What is said of those that are not told.
    pub fn rest(&self) -> Option<String> {
        let Self { told, more } = self;
        (*more > 0).then(|| format!("{more} more unknown attributes, beside these {}", told.len()))
    }
}

/// An attribute that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As it was written.
    pub attribute: Keyword,
    /// The one that is most like it, if one is alike.
    pub nearest: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nearest = self.nearest.as_ref().map(|name| format!(":{name}"));
        write!(f, "unknown attribute {}{}", self.attribute, hint(&nearest))
    }
}

impl Unknown {
    /// Where it stands in the pattern that it is of.
    pub fn form<'a>(&self, pattern: &'a Form) -> Option<&'a Form> {
        place::named(pattern, &self.attribute)
    }
}

impl Pattern {
    /// The attributes that the schema does not have.
    pub fn unknown_attributes(&self, schema: &Schema) -> Unknowns {
        let mut names = Vec::new();
        self.names(&mut names);
        let (mut found, mut met) = (Unknowns::default(), HashSet::new());
        for name in names {
            let forward = name.forward();
            let forward = forward.as_ref().unwrap_or(name);
            let is_unknown = forward.as_str() != "db/id" && schema.attr(forward.as_str()).is_none();
            if !is_unknown || !met.insert(name) {
                continue;
            }
            if found.told.len() == TOLD {
                found.more += 1;
                continue;
            }
            let nearest = schema.nearest(name.as_str());
            found.told.push(Unknown { attribute: name.clone(), nearest });
        }
        found
    }

    /// All names, in the order of the pattern.
    fn names<'a>(&'a self, out: &mut Vec<&'a Keyword>) {
        for spec in &self.specs {
            let Spec::Attribute(spec) = spec else { continue };
            out.push(&spec.written);
            out.extend(spec.order.iter().filter_map(|by| by.attribute()));
            if let Sub::Pattern(pattern) = &spec.sub {
                pattern.names(out);
            }
        }
    }
}
