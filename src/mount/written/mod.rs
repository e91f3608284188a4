//! What people write, as transactions: documents, and entities that were edited.
//!
//! **Invariant:** a text is read once, and made a transaction of whatever value is the newest when
//! it is committed; what a value printed says nothing new to it. Nothing is committed here.

mod document;
mod entity;
mod said;

pub use document::{document, format_of, json, once};
pub use entity::Edited;

#[cfg(test)]
mod tests;
