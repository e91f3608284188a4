//! A store around another one, for tests: each request passes a gate, which may act first, stop it
//! or refuse it.
//!
//! **Invariant:** what the gate lets pass is what was asked, and its answer.

use super::{
    BoxFuture, Expect, Fetch, Listed, MemoryStore, RefRead, Store, StoreError, Swap, Version,
};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A request, as far as a gate looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    Put,
    Swap(&'a str),
    Other,
}

pub(crate) type Request<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What becomes of requests.
pub(crate) trait Gate: Send + Sync {
    /// The request, or what stands for it. It has not begun yet.
    fn pass<'a, T: Send + 'a>(&'a self, _: Asked<'a>, request: Request<'a, T>) -> Request<'a, T> {
        request
    }

    /// How long a swap of one ref keeps the next waiting.
    fn pace_ms(&self) -> u64 {
        0
    }
}

pub(crate) struct Around<G> {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) gate: G,
}

impl<G> fmt::Debug for Around<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Around")
    }
}

impl<G: Gate> Store for Around<G> {
    fn url(&self) -> String {
        self.store.url()
    }

    fn pace_ms(&self) -> u64 {
        self.gate.pace_ms()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> Request<'a, Bytes> {
        self.gate.pass(Asked::Other, self.store.get(what))
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> Request<'a, Vec<Bytes>> {
        self.gate.pass(Asked::Other, self.store.get_many(what))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> Request<'a, ()> {
        self.gate.pass(Asked::Put, self.store.put(key, bytes))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
        self.gate.pass(Asked::Other, self.store.delete(key))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Request<'a, Vec<Listed>> {
        self.gate.pass(Asked::Other, self.store.list(prefix))
    }

    fn read_ref<'a>(&'a self, name: &'a str, known: Option<&'a Version>) -> Request<'a, RefRead> {
        self.gate.pass(Asked::Other, self.store.read_ref(name, known))
    }

    fn cas_ref<'a>(&'a self, name: &'a str, expect: Expect, bytes: Bytes) -> Request<'a, Swap> {
        self.gate.pass(Asked::Swap(name), self.store.cas_ref(name, expect, bytes))
    }
}
