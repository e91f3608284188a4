//! Database values as text: entities, tables, datoms, the schema, what a snapshot is.
//!
//! **Invariant:** the bytes follow from the value alone, in one order always; rows are written as
//! they are read, so that a large table is not held. Queries are not here.

mod about;
mod datoms;
mod entity;
mod log;
mod rows;
mod schema;
mod table;

pub use about::{pretty, snapshot_json, store_json};
pub use datoms::datoms;
pub use entity::{entities, entity, entity_ids};
pub use log::{log_entry, report, result};
pub use rows::write_rows;
pub use schema::schema;
pub use table::{namespaces, table, table_facts};
