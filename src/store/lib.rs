//! The storage behind factfs: places that keep bytes, and what is put around them.
//!
//! Promise: [`open`] turns what a user writes (`/srv/inventory`, `s3://team-a/catalog`) into a
//! [`Store`](factfs_core::store::Store), the trait that the core is written against; every store
//! here keeps that trait's contract (`factfs_core::store::contract`). Nothing here knows what the
//! bytes mean.
//!
//! ```text
//!   open(url) ──► LocalStore      a directory: lock file, temporary + fsync + rename
//!             ──► ObjectStore     S3, GCS, Azure by conditional PUT; https:// to read
//!             ──► SqlStore        a SQLite file, a PostgreSQL database: a row for each object
//!             ──► MemoryStore     (in the core), shared by name within the process
//!
//!   around any of them:  Counted   Faulty   ReadOnly   Retried
//!   above them:          NodeCache   decoded nodes, bounded in bytes, one load a node
//!                        DiskCache   stored nodes of remote stores as files, shared by processes
//! ```
//!
//! Words: an *object* is written once under a name used once; a *ref* changes by compare-and-swap
//! (*cas*); a *round* is one wait for the store, however many requests go out together.
//!
//! ```
//! use factfs_store::{Settings, open};
//! let store = open("memory:example", &Settings::default())?;
//! assert_eq!(store.url(), "memory:example");
//! # Ok::<(), factfs_core::store::StoreError>(())
//! ```
#![forbid(unsafe_code)]

// floor 0: what may be shown of a place
mod shown;

// floor 1: what is put around a place, and what the places share
mod cache;
mod coalesce;
mod counted;
mod fault;
mod host;
mod key;
mod kind;
mod locator;
mod readonly;
mod retry;
mod settings;

// floor 2: the places, and what is known of them
mod local;
mod object;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod trust;

// floor 3: from what a user writes to a store
mod url;

// floor 4: what reads a database, what looks at a place
mod check;
mod newest;
mod nodes;

// floor 5: what callers are told
mod error;

// floor 6: a store that is open
mod opening;

// floor 7: what is done beside transactions, and for readers
mod flusher;
mod renewing;

// floor 8: a database for callers that wait
mod database;

// floor 9: looking through a database, copying it, erasing from it, deleting branches, transactions
// of other kinds
mod made;
mod purging;
mod retiring;
mod upkeep;

pub use cache::{
    CacheStats, Class, DiskCache, DiskStats, Erasures, Flight, Found, Loaded, NodeCache, Wait,
    WaitError,
};
pub use check::{CheckOptions, Checked, Finding, check_store, check_stores};
pub use counted::{Counted, Counts};
pub use database::{
    BranchInfo, Database, LogEntry, TagInfo, TransactOptions, Transaction, check_place,
};
pub use error::Error;
pub use fault::{Fault, FaultPlan, Faulty, Operation};
pub use host::SystemHost;
pub use kind::{Kind, TABLE};
pub use local::LocalStore;
pub use locator::Locator;
pub use nodes::StoreNodes;
pub use object::ObjectStore;
pub use opening::runtime;
pub use readonly::ReadOnly;
pub use retry::Retried;
pub use settings::Settings;
pub use shown::shown;
pub use upkeep::{Copying, repair, verify};
pub use url::{canonical_url, open};
