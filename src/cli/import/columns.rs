//! What the name of a column, or the key of an object, means.
//!
//! **Invariant:** a name has one meaning in one import: an attribute, an attribute reached through
//! an identity, the entity's id, or nothing (skipped). A name that means none of these is an error,
//! not a guess.

use crate::cli::exit::Problem;
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
    /// What a column stands for.
    pub fn target(&self, column: &str) -> Result<Target, Problem> {
        let name = self.renamed.get(column).map_or(column, String::as_str);
        let name = name.strip_prefix(':').unwrap_or(name);
        if self.renamed.get(column).is_some_and(String::is_empty) {
            return Ok(Target::Skip);
        }
        if name == "db/id" || self.entity_id.as_deref() == Some(column) {
            return Ok(Target::EntityId);
        }
        if name.is_empty() {
            return Err(Problem::invalid("a column has no name").hint("skip it: --map =''"));
        }
        if let Some(c) =
            name.chars().find(|c| c.is_whitespace() || "()[]{}\"';,@^`~\\".contains(*c))
        {
            let text = format!("column `{column}`: {c:?} cannot be part of an attribute's name");
            return Err(Problem::invalid(text).hint(map_hint(column)));
        }
        let (name, via) = through(name);
        let ident = match (name.contains('/'), &self.namespace) {
            (true, _) => name.to_owned(),
            (false, Some(namespace)) => format!("{namespace}/{name}"),
            (false, None) => {
                let text = format!("column `{column}`: which attribute is it?");
                let hint = format!("--namespace NS makes it NS/{column}; or {}", map_hint(column));
                return Err(Problem::invalid(text).hint(hint));
            }
        };
        Ok(Target::Attribute { ident, via: via.map(str::to_owned) })
    }
}

fn map_hint(column: &str) -> String {
    format!("--map '{column}=some/attribute' names it, --map '{column}=' skips it")
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
