//! A store at the far end of a bad network.
//!
//! Each request is applied after a delay and answered after another. Some answers are lost: then
//! the client hears of a timeout, and the request may still be applied, later. Some swaps that were
//! applied are answered `Lost`, as a client does that tries again by itself. A request whose client
//! has died is applied or not.
//!
//! **Invariant:** time, randomness and the order of all events come from the seed. Versions are
//! hashes of bodies: two equal bodies have one version.

use crate::conn::testing::mix;
use crate::hash::NodeHash;
use crate::store::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap,
    Version,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The longest that a request is under way.
const LIFETIME_MS: u64 = 40;
/// When a client gives up.
const TIMEOUT_MS: u64 = 25;

#[derive(Clone, Debug)]
enum Request {
    Get(Vec<Fetch>),
    Put(String, Bytes),
    Read(String, Option<Version>),
    Swap(String, Expect, Bytes),
    Sleep,
}

#[derive(Debug)]
enum Reply {
    Got(Result<Vec<Bytes>, StoreError>),
    Put(Result<(), StoreError>),
    Read(Result<RefRead, StoreError>),
    Swapped(Swap),
    Slept,
}

enum Event {
    /// The request is applied. Lost: nobody hears of it.
    Apply { call: u64, request: Request, lost: bool },
    /// The client hears of it.
    Answer { call: u64, reply: Reply },
}

#[derive(Default)]
struct Call {
    reply: Option<Reply>,
    waker: Option<Waker>,
}

/// What a swap changed: the name and the body before and after.
pub(super) type Change = (String, Option<Bytes>, Bytes);

#[derive(Default)]
struct State {
    now_ms: u64,
    random: u64,
    /// Chances in 1000.
    loss: u64,
    events: BTreeMap<(u64, u64), Event>,
    calls: BTreeMap<u64, Call>,
    next: u64,
    objects: BTreeMap<String, Bytes>,
    changes: Vec<Change>,
}

/// The network, the store behind it, the clock and the dice.
#[derive(Clone, Default)]
pub(super) struct Network(Arc<Mutex<State>>);

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

impl State {
    fn dice(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random)
    }

    fn at(&mut self, after_ms: u64, event: Event) {
        self.next += 1;
        let key = (self.now_ms + after_ms, self.next);
        self.events.insert(key, event);
    }

    fn apply(&mut self, request: Request) -> Reply {
        match request {
            Request::Get(fetches) => Reply::Got(fetches.iter().map(|f| self.read(f)).collect()),
            Request::Put(key, bytes) => {
                self.objects.insert(key, bytes);
                Reply::Put(Ok(()))
            }
            Request::Read(name, known) => Reply::Read(Ok(match self.objects.get(&name) {
                None => RefRead::Absent,
                Some(bytes) if known == Some(version(bytes)) => RefRead::Unchanged,
                Some(bytes) => RefRead::Found { bytes: bytes.clone(), version: version(bytes) },
            })),
            Request::Swap(name, expect, bytes) => {
                let now = self.objects.get(&name).map(version);
                let expected = match expect {
                    Expect::Absent => now.is_none(),
                    Expect::Version(v) => now == Some(v),
                };
                if !expected {
                    return Reply::Swapped(Swap::Lost);
                }
                let before = self.objects.insert(name.clone(), bytes.clone());
                let swapped = version(&bytes);
                self.changes.push((name, before, bytes));
                Reply::Swapped(Swap::Swapped(swapped))
            }
            Request::Sleep => Reply::Slept,
        }
    }

    fn read(&self, fetch: &Fetch) -> Result<Bytes, StoreError> {
        let error = |kind, why| StoreError::new(kind, "sim:", &fetch.key, why);
        let found = self.objects.get(&fetch.key);
        let bytes = found.ok_or_else(|| error(StoreErrorKind::NotFound, "not there"))?;
        let Some(range) = &fetch.range else { return Ok(bytes.clone()) };
        let (from, to) = (range.start as usize, range.end as usize);
        let inside = from <= to && to <= bytes.len();
        inside.then(|| bytes.slice(from..to)).ok_or_else(|| error(StoreErrorKind::Corrupt, "range"))
    }
}

fn version(bytes: &Bytes) -> Version {
    Version { e_tag: Some(NodeHash::of(bytes).to_string()), version: None }
}

fn timeout(request: &Request) -> Reply {
    let error = || StoreError::new(StoreErrorKind::Unavailable, "sim:", "", "no answer");
    match request {
        Request::Get(_) => Reply::Got(Err(error())),
        Request::Put(..) => Reply::Put(Err(error())),
        Request::Read(..) => Reply::Read(Err(error())),
        Request::Swap(..) => Reply::Swapped(Swap::Unknown(error())),
        Request::Sleep => Reply::Slept,
    }
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        let network = Self::default();
        network.lock().random = mix(seed);
        network
    }

    /// How many of 1000 requests get no answer; and, of swaps, a wrong one.
    pub(super) fn set_loss(&self, per_mille: u64) {
        self.lock().loss = per_mille;
    }

    /// A number below `below`.
    pub(super) fn dice(&self, below: u64) -> u64 {
        self.lock().dice() % below
    }

    pub(super) fn now(&self) -> u64 {
        self.lock().now_ms
    }

    /// Swaps that were applied since the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().changes)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.lock().objects.contains_key(key)
    }

    /// Reads without a network.
    pub(super) fn read_now(&self, fetch: &Fetch) -> Result<Bytes, StoreError> {
        self.lock().read(fetch)
    }

    /// Lets the next event happen; `false` if there is none.
    pub(super) fn step(&self) -> bool {
        let mut state = self.lock();
        let Some(((at, _), event)) = state.events.pop_first() else { return false };
        state.now_ms = state.now_ms.max(at);
        match event {
            Event::Apply { call, request, lost } => {
                let abandoned = !lost && !state.calls.contains_key(&call);
                if abandoned && state.dice().is_multiple_of(2) {
                    return true;
                }
                let mut reply = state.apply(request);
                if lost {
                    return true;
                }
                let wrong = state.loss > 0 && state.dice().is_multiple_of(20);
                if wrong && matches!(reply, Reply::Swapped(Swap::Swapped(_))) {
                    reply = Reply::Swapped(Swap::Lost);
                }
                let after_ms = state.dice() % 8;
                state.at(after_ms, Event::Answer { call, reply });
            }
            Event::Answer { call, reply } => {
                if let Some(call) = state.calls.get_mut(&call) {
                    call.reply = Some(reply);
                    if let Some(waker) = call.waker.take() {
                        waker.wake();
                    }
                }
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, request: Request, after_ms: Option<u64>) -> Reply {
        let call = {
            let mut state = self.lock();
            state.next += 1;
            let call = state.next;
            state.calls.insert(call, Call::default());
            let lost = after_ms.is_none() && state.dice() % 1000 < state.loss;
            let under_way = if lost { LIFETIME_MS } else { 8 };
            let delay_ms = after_ms.unwrap_or_else(|| state.dice() % under_way);
            if lost {
                let reply = timeout(&request);
                state.at(TIMEOUT_MS, Event::Answer { call, reply });
            }
            state.at(delay_ms, Event::Apply { call, request, lost });
            call
        };
        let waiting = Waiting { network: self, call };
        poll_fn(|cx| {
            let mut state = waiting.network.lock();
            let Some(call) = state.calls.get_mut(&waiting.call) else { return Poll::Pending };
            match call.reply.take() {
                Some(reply) => Poll::Ready(reply),
                None => {
                    call.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// A call that somebody waits for, until dropped.
struct Waiting<'a> {
    network: &'a Network,
    call: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.network.lock().calls.remove(&self.call);
    }
}

impl Host for Network {
    fn now_ms(&self) -> i64 {
        // Coarse, so that two writers often see the same time.
        (self.now() / 50 * 50) as i64
    }

    fn random(&self) -> u128 {
        let mut state = self.lock();
        u128::from(state.dice()) << 64 | u128::from(state.dice())
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
        panic!("nobody deletes {key}")
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        panic!("nobody lists {prefix}")
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
