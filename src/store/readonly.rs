//! A store that refuses every write: what `--read-only` puts around a place, and what a place gets
//! whose compare-and-swap cannot be trusted.
//!
//! **Invariant:** no write reaches the store within.

use bytes::Bytes;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap, Version,
};

/// Reads pass, writes are refused with a reason.
#[derive(Debug)]
pub struct ReadOnly<S> {
    inner: S,
    why: String,
}

impl<S: Store> ReadOnly<S> {
    /// Refuses writes because of `why` (one line, shown to people).
    pub fn new(inner: S, why: impl Into<String>) -> Self {
        Self { inner, why: why.into() }
    }

    fn refuse<T: Send + 'static>(&self, object: &str) -> BoxFuture<'_, Result<T, StoreError>> {
        let kind = StoreErrorKind::ReadOnly;
        let error = StoreError::new(kind, self.inner.url(), object, self.why.clone());
        Box::pin(async move { Err(error) })
    }
}

impl<S: Store> Store for ReadOnly<S> {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn pace_ms(&self) -> u64 {
        self.inner.pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        self.inner.get(what)
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        self.inner.get_many(what)
    }

    fn put<'a>(&'a self, key: &'a str, _bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.refuse(key)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.refuse(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        self.inner.list(prefix)
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        self.inner.read_ref(name, if_changed_from)
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        _expect: Expect,
        _bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        self.refuse(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use factfs_core::store::MemoryStore;

    #[tokio::test]
    async fn writes_are_refused_and_reads_pass() {
        let inner = MemoryStore::new();
        inner.overwrite("a", Bytes::from_static(b"x"));
        let store = ReadOnly::new(inner, "opened with --read-only");
        let bytes = || Bytes::from_static(b"y");
        let refused = [
            store.put("a", bytes()).await.unwrap_err(),
            store.delete("a").await.unwrap_err(),
            store.cas_ref("a", Expect::Absent, bytes()).await.unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.kind == StoreErrorKind::ReadOnly));
        assert_eq!(refused[0].to_string(), "memory:: a: opened with --read-only");
        assert_eq!(store.list("").await.unwrap().len(), 1);
    }
}
