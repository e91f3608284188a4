//! Counters around a store: hard figures for tests and for `explain`.
//!
//! **Invariant:** every call of the trait is one round and is counted when it is made, whether it
//! succeeds or not; bytes are counted when they came or were taken. It changes no answer.

use bytes::Bytes;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, Swap, Version,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A store with counters.
#[derive(Debug)]
pub struct Counted<S> {
    inner: S,
    cells: Cells,
}

/// What was asked of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects and ranges asked for: each one of a `get_many` counts.
    pub gets: u64,
    /// Reads of refs.
    pub refs: u64,
    /// Objects written.
    pub puts: u64,
    /// Compare-and-swaps.
    pub cas: u64,
    /// Listings.
    pub lists: u64,
    /// Deletions.
    pub deletes: u64,
    /// Waits for the store: a `get_many` is one, however many ranges it has.
    pub rounds: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes given to be written.
    pub bytes_out: u64,
}

#[derive(Debug, Default)]
struct Cells {
    gets: AtomicU64,
    refs: AtomicU64,
    unchanged: AtomicU64,
    puts: AtomicU64,
    cas: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    rounds: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl<S: Store> Counted<S> {
    /// Counts from nothing.
    pub fn new(inner: S) -> Self {
        Self { inner, cells: Cells::default() }
    }

    /// The store within.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.each(|cell| cell.load(Relaxed))
    }

    /// How many reads of refs found nothing new, of all so far.
    pub fn unchanged(&self) -> u64 {
        self.cells.unchanged.load(Relaxed)
    }

    /// The counts so far, and starts again from nothing.
    pub fn take(&self) -> Counts {
        self.each(|cell| cell.swap(0, Relaxed))
    }

    fn each(&self, read: impl Fn(&AtomicU64) -> u64) -> Counts {
        let cells = &self.cells;
        Counts {
            gets: read(&cells.gets),
            refs: read(&cells.refs),
            puts: read(&cells.puts),
            cas: read(&cells.cas),
            lists: read(&cells.lists),
            deletes: read(&cells.deletes),
            rounds: read(&cells.rounds),
            bytes_in: read(&cells.bytes_in),
            bytes_out: read(&cells.bytes_out),
        }
    }

    fn round(&self, cell: &AtomicU64, times: usize) {
        cell.fetch_add(times as u64, Relaxed);
        self.cells.rounds.fetch_add(1, Relaxed);
    }

    fn came(&self, bytes: &[Bytes]) {
        let length: usize = bytes.iter().map(Bytes::len).sum();
        self.cells.bytes_in.fetch_add(length as u64, Relaxed);
    }

    fn goes(&self, bytes: &Bytes) {
        self.cells.bytes_out.fetch_add(bytes.len() as u64, Relaxed);
    }
}

impl<S: Store> Store for Counted<S> {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn pace_ms(&self) -> u64 {
        self.inner.pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.gets, 1);
            let bytes = self.inner.get(what).await?;
            self.came(std::slice::from_ref(&bytes));
            Ok(bytes)
        })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.gets, what.len());
            let bytes = self.inner.get_many(what).await?;
            self.came(&bytes);
            Ok(bytes)
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.puts, 1);
            self.goes(&bytes);
            self.inner.put(key, bytes).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.deletes, 1);
            self.inner.delete(key).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.lists, 1);
            self.inner.list(prefix).await
        })
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.refs, 1);
            let found = self.inner.read_ref(name, if_changed_from).await?;
            match &found {
                RefRead::Found { bytes, .. } => self.came(std::slice::from_ref(bytes)),
                RefRead::Unchanged => drop(self.cells.unchanged.fetch_add(1, Relaxed)),
                RefRead::Absent => {}
            }
            Ok(found)
        })
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move {
            self.round(&self.cells.cas, 1);
            self.goes(&bytes);
            self.inner.cas_ref(name, expect, bytes).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use factfs_core::store::MemoryStore;

    #[tokio::test]
    async fn many_gets_are_one_round() {
        let store = Counted::new(MemoryStore::new());
        store.put("a", Bytes::from_static(b"0123456789")).await.unwrap();
        let range = |range| Fetch { key: "a".into(), range: Some(range) };
        store.get_many(&[range(0..3), range(5..6), range(0..10)]).await.unwrap();
        store.get(&range(90..99)).await.unwrap_err();
        let counts = store.take();
        let right = Counts {
            gets: 4,
            puts: 1,
            rounds: 3,
            bytes_in: 14,
            bytes_out: 10,
            ..Counts::default()
        };
        assert_eq!(counts, right);
        assert_eq!(store.counts(), Counts::default());
    }
}
