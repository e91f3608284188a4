//! A store behind an `Arc` is a store: so that decorators can be put around what `open` returns.
//!
//! **Invariant:** nothing but the passing on of calls.

use super::{BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, Swap, Version};
use bytes::Bytes;
use std::sync::Arc;

impl<S: Store + ?Sized> Store for Arc<S> {
    fn url(&self) -> String {
        (**self).url()
    }

    fn pace_ms(&self) -> u64 {
        (**self).pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        (**self).get(what)
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        (**self).get_many(what)
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).put(key, bytes)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).delete(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        (**self).list(prefix)
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        (**self).read_ref(name, if_changed_from)
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        (**self).cas_ref(name, expect, bytes)
    }
}
