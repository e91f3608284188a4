//! Import: rows of csv, tsv, JSON or EDN become entities of transactions.
//!
//! **Invariant:** a row becomes the facts that it states, each value exactly or not at all; an
//! error names the line and the column. Which attribute a column means, and of which type, is
//! decided by its name and the database's schema alone.
//!
//! The stages: `rows` reads the input, `columns` says what a name means, `infer` proposes a schema
//! for names that are unknown, `entity` makes the forms of a transaction, `committer` commits them.

// floor 0
mod columns;
mod rows;
// floor 1
mod convert;
// floor 2
mod entity;
mod infer;
// floor 3
mod committer;

pub use columns::Naming;
pub use committer::{Batch, Committer, Writer};
pub use entity::{Builder, Entity};
pub use infer::infer;
pub use rows::{Item, Row, Rows};

#[cfg(test)]
mod tests;
