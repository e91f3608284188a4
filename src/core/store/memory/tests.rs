//! The contract over memory, and over stores that break it on purpose.

use super::MemoryStore;
use crate::store::contract::{Promise, Trust, check, probe};
use crate::store::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, Swap, Version,
};
use bytes::Bytes;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// Counts instead of guessing: enough where nothing is contested for real.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Host for Counting {
    fn now_ms(&self) -> i64 {
        0
    }

    fn random(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn sleep(&self, _ms: u64) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return answer;
        }
    }
}

/// What a store may do wrong with conditions.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    IgnoresAbsent,
    IgnoresVersion,
    RefusesAll,
    NeverUnchanged,
    ListsTooMuch,
    CutsShort,
}

#[derive(Debug)]
struct Flawed(MemoryStore, Flaw);

impl Store for Flawed {
    fn url(&self) -> String {
        self.0.url()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            match (&what.range, self.1) {
                (Some(range), Flaw::CutsShort) => {
                    let all = self.0.get(&Fetch { key: what.key.clone(), range: None }).await?;
                    let at = |n: u64| all.len().min(n as usize);
                    Ok(all.slice(at(range.start)..at(range.end)))
                }
                _ => self.0.get(what).await,
            }
        })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        self.0.get_many(what)
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.put(key, bytes)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        self.0.list(if self.1 == Flaw::ListsTooMuch { "" } else { prefix })
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        self.0.read_ref(name, if self.1 == Flaw::NeverUnchanged { None } else { from })
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move {
            let ignored = match (&expect, self.1) {
                (_, Flaw::RefusesAll) => return Ok(Swap::Lost),
                (Expect::Absent, Flaw::IgnoresAbsent) => true,
                (Expect::Version(_), Flaw::IgnoresVersion) => true,
                _ => false,
            };
            if ignored {
                self.0.delete(name).await?;
                return self.0.cas_ref(name, Expect::Absent, bytes).await;
            }
            self.0.cas_ref(name, expect, bytes).await
        })
    }
}

#[test]
fn memory_keeps_the_contract_and_leaves_nothing() {
    let store = MemoryStore::new();
    run(check(&store, &Counting::default())).unwrap();
    assert_eq!(run(probe(&store, &Counting::default())).unwrap(), Trust::Safe);
    assert_eq!(store.names(), Vec::<String>::new());
}

#[test]
fn every_flaw_is_named() {
    let cases = [
        (Flaw::IgnoresAbsent, Promise::CreateNeedsAbsence),
        (Flaw::IgnoresVersion, Promise::UpdateNeedsVersion),
        (Flaw::RefusesAll, Promise::ReadSeesSwap),
        (Flaw::NeverUnchanged, Promise::UnchangedIsSaid),
        (Flaw::ListsTooMuch, Promise::ListHonoursPrefix),
        (Flaw::CutsShort, Promise::PastTheEndIsCorrupt),
    ];
    for (flaw, promise) in cases {
        let store = Flawed(MemoryStore::new(), flaw);
        store.0.overwrite("other", Bytes::from_static(b"x"));
        let violation = run(check(&store, &Counting::default())).unwrap_err();
        assert_eq!(violation.promise, promise, "{flaw:?}: {violation}");
    }
}

#[test]
fn the_probe_refuses_what_ignores_conditions() {
    for flaw in [Flaw::IgnoresAbsent, Flaw::IgnoresVersion, Flaw::RefusesAll] {
        let store = Flawed(MemoryStore::new(), flaw);
        let trust = run(probe(&store, &Counting::default())).unwrap();
        assert!(matches!(trust, Trust::Unsafe { .. }), "{flaw:?}: {trust:?}");
        assert_eq!(store.0.names(), Vec::<String>::new());
    }
}
