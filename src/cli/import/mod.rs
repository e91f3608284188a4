//! Import: rows of csv, tsv, JSON or EDN become entities of transactions.
//!
//! **Invariant:** a row becomes the facts that it states, each value exactly or not at all; an
//! error names the line and the column. Which attribute a column means, and of which type, is
//! decided by its name and the database's schema alone.
//!
//! The stages: `rows` reads the input, `columns` says what a name means, `infer` proposes a schema
//! for names that are unknown, `entity` makes what a row says: values by column where it is plain
//! (`typed`), else the forms of a transaction (`convert`). `committer` commits that.

// floor 0
mod columns;
mod scan;
// floor 1
mod rows;
// floor 2
mod convert;
mod typed;
// floor 3
mod entity;
mod infer;
// floor 4
mod committer;

pub use columns::Naming;
pub use committer::{Batch, Committer, Writer};
pub use entity::{Builder, Entity};
pub use infer::infer;
pub use rows::{Item, Row, Rows};

#[cfg(test)]
mod tests;
