//! Pull: what is known of entities, as nested maps in the shape of a pattern.
//!
//! **Invariant:** a pattern is followed level by level: all entities of a level are read in one
//! scan an index, however many there are. The same database and pattern give the same value. Depth
//! and size of what recursion makes are bounded, and going beyond is an error.
//!
//! A [`Pattern`] is what was written; `plan` is what it means in one database; `run` reads and
//! builds.

mod error;
mod order;
mod parse;
mod place;
mod plan;
mod run;
mod unknown;
mod xform;

#[cfg(test)]
mod tests;

pub use error::PullError;
pub use parse::parse;
pub use unknown::{Unknown, Unknowns};

use crate::db::Db;
use crate::id::EntityId;
use crate::value::{Keyword, Value};
use xform::Xform;

/// What is to be pulled.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub(crate) specs: Vec<Spec>,
}

/// One thing of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spec {
    /// `*`
    Wildcard,
    /// An attribute.
    Attribute(AttributeSpec),
}

/// An attribute of a pattern, with its options.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttributeSpec {
    /// As it was written, also the key of the result.
    written: Keyword,
    /// The attribute; for the reverse of one, that one.
    forward: Keyword,
    reverse: bool,
    alias: Option<Value>,
    limit: Limit,
    order: Vec<order::By>,
    default: Option<Value>,
    xform: Option<Xform>,
    sub: Sub,
}

/// How many values of one attribute at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// Nothing was said: 1000.
    Unsaid,
    /// `:limit nil`
    All,
    /// `:limit n`
    Most(usize),
}

/// What to pull of the entities that an attribute refers to.
#[derive(Clone, Debug, PartialEq)]
enum Sub {
    /// Their ids; everything of parts.
    Nothing,
    /// This.
    Pattern(Pattern),
    /// What this pattern pulls of its own entity, so many levels deep, or until an entity comes
    /// again.
    Recursion(Option<u32>),
}

/// What the pattern says of each entity, in the order given; nil for one of which nothing is known.
pub fn pull_many(
    db: &Db,
    pattern: &Pattern,
    entities: &[EntityId],
) -> Result<Vec<Value>, PullError> {
    let plans = plan::plans(db, pattern)?;
    run::run(db, &plans, entities)
}

/// What the pattern says of one entity.
pub fn pull(db: &Db, pattern: &Pattern, entity: EntityId) -> Result<Value, PullError> {
    Ok(pull_many(db, pattern, &[entity])?.pop().unwrap_or(Value::Nil))
}
