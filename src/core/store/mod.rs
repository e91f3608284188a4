//! The storage seam: what factfs asks of a place that keeps bytes.
//!
//! **Invariant:** immutable objects are written once under a name used once; only *refs* (heads and
//! `refs`) change, and they change by compare-and-swap alone. The seam knows nothing of nodes,
//! commits or credentials.
//!
//! The contract tests in [`contract`] hold for every implementation.

#[cfg(test)]
pub(crate) mod around;
mod error;
mod host;
mod join;
mod memory;
mod shared;

pub mod contract;

pub use error::{StoreError, StoreErrorKind};
pub use host::{BoxFuture, Host};
pub use join::join_all;
pub use memory::MemoryStore;

use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;

/// What a conditional write must have seen: opaque, made by the store, compared by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The entity tag, where the store has one.
    pub e_tag: Option<String>,
    /// The version id, where the store has one.
    pub version: Option<String>,
}

/// What reading a ref found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefRead {
    /// No such ref.
    Absent,
    /// Still what the caller had.
    Unchanged,
    /// Its bytes now, and the version to swap against.
    Found {
        /// The whole body.
        bytes: Bytes,
        /// What [`Store::cas_ref`] expects.
        version: Version,
    },
}

/// What a compare-and-swap requires of the ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It must not exist.
    Absent,
    /// It must be exactly this version.
    Version(Version),
}

/// What became of a compare-and-swap.
#[derive(Clone, Debug)]
pub enum Swap {
    /// Applied; the ref has this version now.
    Swapped(Version),
    /// The store says it was not as expected. A client that retries reports this for its own write
    /// that landed, too: the caller reads back.
    Lost,
    /// No answer, or one that does not tell: it may have been applied, or still be under way.
    Unknown(StoreError),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the prefix of the database.
    pub key: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it was written, by the store's clock, in milliseconds since 1970.
    pub modified_ms: i64,
}

/// One range of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The object.
    pub key: String,
    /// Which bytes of it; `None` is all.
    pub range: Option<Range<u64>>,
}

/// A place that keeps the objects of one database. Methods take `&self`: an implementation is
/// shared by threads.
///
/// Names are relative (`head`, `pack/9f3c…`), of ASCII letters, digits, `/`, `-` and `_`.
pub trait Store: Debug + Send + Sync {
    /// How users name it, without credentials: the start of every error message about it.
    fn url(&self) -> String;

    /// How far apart swaps of one ref must be, in milliseconds; 0 where it does not matter. What
    /// arrives meanwhile shares the next swap.
    fn pace_ms(&self) -> u64 {
        0
    }

    /// The bytes of an object, or of a range of it. A range that ends past the object is an error
    /// (`Corrupt`), an object that is not there is `NotFound`.
    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>>;

    /// Several ranges at once, in parallel where the store can. Answers in the order asked; the
    /// first error is the error of all. Counted as one round.
    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>>;

    /// Writes an immutable object. Durable when it returns. Writing the same bytes again is
    /// harmless.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes an object; one that is not there is no error.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// All objects whose name starts with `prefix`, in order of their names.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>>;

    /// Reads a ref, strongly consistent: it sees every swap acknowledged before. With
    /// `if_changed_from`, an unchanged ref costs no body.
    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>>;

    /// Replaces a ref if it is as expected, atomically and durably: of several contenders for one
    /// version exactly one is ever `Swapped`. `Err` only when nothing was sent (a read-only place,
    /// a full disk before the rename).
    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>>;
}
