//! What the name of a column, or the key of an object, means.
//!
//! **Invariant:** a name has one meaning in one import: an attribute, an attribute reached through
//! an identity, the entity's id, or nothing (skipped). A name that means none of these is an error,
//! not a guess.

use super::error::ImportProblem;
use std::collections::BTreeMap;

/// What a column stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Not imported.
    Skip,
    /// The entity's own id.
    EntityId,
    /// The value of an attribute.
    Attribute {
        /// Which, without the colon.
        ident: String,
        /// For a ref: the cell is the value of this identity of the entity that is meant.
        via: Option<String>,
    },
}

/// How names become attributes.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// For names without a namespace.
    pub namespace: Option<String>,
    /// What to call a column instead; an empty name skips it.
    pub renamed: BTreeMap<String, String>,
    /// The column that holds entity ids, beside `db/id`.
    pub entity_id: Option<String>,
}

impl Naming {
    /// Names mean what they say.
    pub const fn plain() -> Self {
        Self { namespace: None, renamed: BTreeMap::new(), entity_id: None }
    }

    /// What a column stands for.
    pub fn target(&self, column: &str) -> Result<Target, ImportProblem> {
        let name = self.renamed.get(column).map_or(column, String::as_str);
        let name = name.strip_prefix(':').unwrap_or(name);
        if self.renamed.get(column).is_some_and(String::is_empty) {
            return Ok(Target::Skip);
        }
        if name == "db/id" || self.entity_id.as_deref() == Some(column) {
            return Ok(Target::EntityId);
        }
        if name.is_empty() {
            return Err(ImportProblem::Unnamed);
        }
        let is_wrong = |c: &char| c.is_whitespace() || "()[]{}\"';,@^`~\\".contains(*c);
        if let Some(character) = name.chars().find(is_wrong) {
            return Err(ImportProblem::Character { column: column.to_owned(), character });
        }
        let (name, via) = through(name);
        let ident = match (name.contains('/'), &self.namespace) {
            (true, _) => name.to_owned(),
            (false, Some(namespace)) => format!("{namespace}/{name}"),
            (false, None) => {
                return Err(ImportProblem::NoNamespace { column: column.to_owned() });
            }
        };
        Ok(Target::Attribute { ident, via: via.map(str::to_owned) })
    }
}

/// Splits `product/supplier.supplier/id` into the ref and the identity it goes through.
fn through(name: &str) -> (&str, Option<&str>) {
    let after_namespace = name.find('/').map_or(0, |slash| slash + 1);
    match name[after_namespace..].split_once('.') {
        Some((attribute, via)) if via.contains('/') && !attribute.is_empty() => {
            (&name[..after_namespace + attribute.len()], Some(via))
        }
        _ => (name, None),
    }
}
