//! Import: rows of csv, tsv, JSON or EDN, from a file or standard input, become transactions.
//!
//! **Invariant:** rows come as they are read, and are committed in that order. What a row says is
//! not decided here, but by `factfs_core::import`.
//!
//! The stages: `rows` reads the input, `infer` proposes a schema for names that are unknown,
//! `committer` commits what the rows say.

// floor 0
mod rows;
// floor 1
mod committer;
mod infer;

pub use committer::{Batch, Committer, Writer};
pub use factfs_core::import::{Builder, Entity, Naming, Row};
pub use infer::infer;
pub use rows::{Item, Rows};

#[cfg(test)]
mod tests;
