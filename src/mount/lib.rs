//! factfs-mount: databases as folders.
//!
//! The tree is a function of (databases, path): what a path is, its bytes and its size follow from
//! database values alone (and from the files that the mount's own queries name), and nothing below
//! the last floor knows of FUSE. Modules are listed floor by floor; a module imports only from
//! floors below it (a test reads the floors from here).

#![forbid(unsafe_code)]

// floor 0
pub mod error;
pub mod metrics;
pub mod name;
mod notify;
pub mod when;
// floor 1
pub mod journal;
pub mod point;
pub mod pool;
pub mod source;
pub mod spool;
// floor 2
pub mod local;
pub mod overflow;
pub mod render;
pub mod written;
// floor 3
pub mod tree;
// floor 4
pub mod again;
pub mod evaluation;
pub mod handle;
pub mod inode;
pub mod interrupt;
// floor 5
pub mod child;
pub mod vfs;
// floor 6
pub mod fuse;
// floor 7
mod serve;

pub use serve::{PATIENCE, Setup, default_queries, open_store, open_tree, serve};

#[cfg(test)]
mod fixture;
