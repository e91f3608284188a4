//! Databases of SQL as a store: one table, a row for each object, refs among them.
//!
//! ```text
//!   factfs_objects
//!     place        which store: several lie in one file, or in one database of a server
//!     name         the object's name; (place, name) is the key, in the order of bytes
//!     tag          128 random bits in hex, others at each write: what a swap compares
//!     modified_ms  when it was written, milliseconds since 1970
//!     bytes        the object
//! ```
//!
//! **Invariant:** every write is one statement, committed by itself; a swap is `UPDATE … WHERE tag
//! = …` or an `INSERT` that does nothing where the row is there, and the number of rows it changed
//! is the verdict. An error that does not tell whether the statement was committed is `Unknown`.
//!
//! Which statements run how is for the two kinds of [`Table`]; here is what they share.

mod idle;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use crate::host::random_bits;
use crate::key;
use bytes::Bytes;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap, Version,
};
use std::fmt::Debug;

#[cfg(feature = "postgres")]
pub(crate) use postgres::{Address, Postgres};
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::Sqlite;

/// A row that has a tag.
#[derive(Debug)]
pub(crate) enum Tagged {
    Absent,
    Unchanged,
    Found { bytes: Bytes, tag: String },
}

/// What a write may replace.
#[derive(Debug)]
pub(crate) enum Over {
    Anything,
    Nothing,
    Tag(String),
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Wrote {
    Yes,
    /// The row was not as expected: nothing was changed.
    No,
    Unknown(StoreError),
}

/// The rows of one place.
pub(crate) trait Table: Debug + Send + Sync {
    /// Each range, in order, all as of one moment or later ones.
    fn get(&self, what: Vec<Fetch>) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>>;
    /// A row as it is now, without its bytes if it still has the tag.
    fn tagged(
        &self,
        name: String,
        unless: Option<String>,
    ) -> BoxFuture<'_, Result<Tagged, StoreError>>;
    /// Writes one row, durably. `Err` if it was not written, and will not be.
    fn write(
        &self,
        name: String,
        over: Over,
        tag: String,
        bytes: Bytes,
    ) -> BoxFuture<'_, Result<Wrote, StoreError>>;
    /// Deletes a row, if it is there.
    fn delete(&self, name: String) -> BoxFuture<'_, Result<(), StoreError>>;
    /// The rows whose names are in this range of bytes, in order.
    fn list(&self, from: String, below: String) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>>;
}

/// A table as a store.
#[derive(Debug)]
pub(crate) struct SqlStore<T> {
    url: String,
    table: T,
}

impl<T: Table> SqlStore<T> {
    pub(crate) fn new(url: String, table: T) -> Self {
        Self { url, table }
    }

    async fn put_one(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        key::check(&self.url, name)?;
        match self.table.write(name.to_owned(), Over::Anything, fresh_tag(), bytes).await? {
            Wrote::Yes => Ok(()),
            Wrote::Unknown(error) => Err(error),
            Wrote::No => {
                let reason = "the database changed no row";
                Err(StoreError::new(StoreErrorKind::Unavailable, &self.url, name, reason))
            }
        }
    }

    async fn read_name(&self, name: &str, from: Option<&Version>) -> Result<RefRead, StoreError> {
        key::check(&self.url, name)?;
        let unless = from.and_then(|version| version.e_tag.clone());
        Ok(match self.table.tagged(name.to_owned(), unless).await? {
            Tagged::Absent => RefRead::Absent,
            Tagged::Unchanged => RefRead::Unchanged,
            Tagged::Found { bytes, tag } => RefRead::Found { bytes, version: version(tag) },
        })
    }

    async fn swap(&self, name: &str, expect: Expect, bytes: Bytes) -> Result<Swap, StoreError> {
        key::check(&self.url, name)?;
        let over = match expect {
            Expect::Absent => Over::Nothing,
            Expect::Version(Version { e_tag: Some(tag), .. }) => Over::Tag(tag),
            // None of ours: it was never read here.
            Expect::Version(Version { e_tag: None, .. }) => return Ok(Swap::Lost),
        };
        let tag = fresh_tag();
        Ok(match self.table.write(name.to_owned(), over, tag.clone(), bytes).await? {
            Wrote::Yes => Swap::Swapped(version(tag)),
            Wrote::No => Swap::Lost,
            Wrote::Unknown(error) => Swap::Unknown(error),
        })
    }
}

fn version(tag: String) -> Version {
    Version { e_tag: Some(tag), version: None }
}

fn fresh_tag() -> String {
    format!("{:032x}", random_bits())
}

impl<T: Table> Store for SqlStore<T> {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let found = self.get_many(std::slice::from_ref(what)).await?;
            Ok(found.into_iter().next().unwrap_or_default())
        })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move {
            what.iter().try_for_each(|one| key::check_fetch(&self.url, one))?;
            self.table.get(what.to_vec()).await
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.put_one(key, bytes))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            key::check(&self.url, key)?;
            self.table.delete(key.to_owned()).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        // No name has a `~`, and all of their bytes are below it.
        let (from, below) = (prefix.to_owned(), format!("{prefix}~"));
        self.table.list(from, below)
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(self.read_name(name, if_changed_from))
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(self.swap(name, expect, bytes))
    }
}

#[cfg(test)]
mod tests;
