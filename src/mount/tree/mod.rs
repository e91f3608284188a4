//! The tree: what each path is, from database values alone.

pub mod node;
pub mod path;
