//! The network as a store and as a machine.
//!
//! **Invariant:** each method is one request; all that happens to it is decided in `network.rs`.

use super::network::{Network, Reply, Request};
use crate::store::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, Swap, Version,
};
use bytes::Bytes;

impl Host for Network {
    fn now_ms(&self) -> i64 {
        // Coarse, so that two writers often see the same time.
        (self.now() / 50 * 50) as i64
    }

    fn random(&self) -> u128 {
        u128::from(self.dice(u64::MAX)) << 64 | u128::from(self.dice(u64::MAX))
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.call(Request::Sleep, Some(ms)).await;
        })
    }
}

macro_rules! answer {
    ($reply:expr, $kind:ident) => {
        match $reply {
            Reply::$kind(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
}

impl Store for Network {
    fn url(&self) -> String {
        "sim:".to_owned()
    }

    fn pace_ms(&self) -> u64 {
        self.pace()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let got = answer!(self.call(Request::Get(vec![what.clone()]), None).await, Got);
            Ok(got?.remove(0))
        })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move { answer!(self.call(Request::Get(what.to_vec()), None).await, Got) })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        let request = Request::Put(key.to_owned(), bytes);
        Box::pin(async move { answer!(self.call(request, None).await, Put) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let request = Request::Delete(key.to_owned());
        Box::pin(async move { answer!(self.call(request, None).await, Put) })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        let request = Request::List(prefix.to_owned());
        Box::pin(async move { answer!(self.call(request, None).await, Listed) })
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        known: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        let request = Request::Read(name.to_owned(), known.cloned());
        Box::pin(async move { answer!(self.call(request, None).await, Read) })
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        let request = Request::Swap(name.to_owned(), expect, bytes);
        Box::pin(async move { Ok(answer!(self.call(request, None).await, Swapped)) })
    }
}
