//! Import: rows of csv, tsv and JSON become entities of transactions.
//!
//! **Invariant:** a row becomes the facts that it states, each value exactly or not at all; an
//! error names the line and the column. Which attribute a column means, and of which type, is
//! decided by its name and the database's schema alone. What a database value printed as a row says
//! nothing new to it.
//!
//! The stages: `rows` makes rows of text, `columns` says what a name means, `entity` makes what a
//! row says: values by column where it is plain (`typed`), else the forms of a transaction
//! (`convert`); `forms` reads transactions that are written in JSON. Where the bytes come from, and
//! when they are committed, is not known here.

// floor 0
mod error;
// floor 1
mod columns;
mod scan;
// floor 2
mod rows;
// floor 3
mod convert;
mod relation;
mod typed;
// floor 4
mod entity;
// floor 5
mod forms;

pub use columns::{Naming, Target};
pub use convert::Converter;
pub use entity::{Builder, Entity, Retract, transaction};
pub use error::{ImportError, ImportProblem};
pub use relation::{READ, relation};
pub use rows::{Field, Row, array, header, json_error, object, object_line, row, table};
pub use scan::Names;

#[cfg(test)]
mod tests;
