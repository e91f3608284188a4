//! factfs-core: a database as an immutable value, and everything that can be done with it without
//! touching the machine.
//!
//! No tokio, no files, no clock, no environment: this crate also runs in a browser. Modules are
//! listed floor by floor; a module imports only from floors below it (a test reads the floors from
//! here).

#![forbid(unsafe_code)]

// floor 0
pub mod catalogue;
pub mod hash;
pub mod id;
pub mod instant;
pub mod nearest;
// floor 1
pub mod value;
// floor 2
pub mod datom;
pub mod edn;
// floor 3
pub mod codec;
pub mod store;
pub mod text;
// floor 4
pub mod schema;
// floor 5
pub mod index;
// floor 6
pub mod db;
// floor 7
pub mod commit;
pub mod pull;
// floor 8
pub mod query;
// floor 9
pub mod transact;
// floor 10
pub mod conn;
pub mod import;
// floor 11
pub mod clone;
pub mod verify;
