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
use crate::store::{Expect, Fetch, Listed, RefRead, StoreError, StoreErrorKind, Swap, Version};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The longest that a request is under way.
const LIFETIME_MS: u64 = 40;
/// The longest that a request is under way that was forgotten somewhere.
const LIMBO_MS: u64 = 600;
/// When a client gives up.
const TIMEOUT_MS: u64 = 25;

#[derive(Clone, Debug)]
pub(super) enum Request {
    Get(Vec<Fetch>),
    Put(String, Bytes),
    Delete(String),
    List(String),
    Read(String, Option<Version>),
    Swap(String, Expect, Bytes),
    Sleep,
}

#[derive(Debug)]
pub(super) enum Reply {
    Got(Result<Vec<Bytes>, StoreError>),
    Listed(Result<Vec<Listed>, StoreError>),
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
    /// A client that stood still goes on.
    Wake(Waker),
}

#[derive(Default)]
struct Call {
    reply: Option<Reply>,
    waker: Option<Waker>,
}

/// The bytes, their version if they were asked for, and when they were written.
struct Object {
    bytes: Bytes,
    modified_ms: u64,
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
    objects: BTreeMap<String, Object>,
    changes: Vec<Change>,
    /// How far apart swaps of one ref must be, and when they were.
    pace_ms: u64,
    swapped_ms: BTreeMap<String, u64>,
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
                self.write(key, bytes);
                Reply::Put(Ok(()))
            }
            Request::Delete(key) => {
                self.objects.remove(&key);
                Reply::Put(Ok(()))
            }
            Request::List(prefix) => Reply::Listed(Ok(self.list(&prefix))),
            Request::Read(name, known) => Reply::Read(Ok(match self.bytes(&name) {
                None => RefRead::Absent,
                Some(bytes) => match version(&bytes) {
                    version if known.as_ref() == Some(&version) => RefRead::Unchanged,
                    version => RefRead::Found { bytes, version },
                },
            })),
            Request::Swap(name, expect, bytes) => {
                let now = self.bytes(&name).map(|bytes| version(&bytes));
                let expected = match expect {
                    Expect::Absent => now.is_none(),
                    Expect::Version(v) => now == Some(v),
                };
                if !expected {
                    return Reply::Swapped(Swap::Lost);
                }
                let before = self.write(name.clone(), bytes.clone());
                let swapped = version(&bytes);
                self.swapped_ms.insert(name.clone(), self.now_ms);
                self.changes.push((name, before, bytes));
                Reply::Swapped(Swap::Swapped(swapped))
            }
            Request::Sleep => Reply::Slept,
        }
    }

    /// Whether it is a swap that the store does not take yet: its client tries again by itself.
    fn is_too_soon(&self, request: &Request) -> bool {
        let Request::Swap(name, ..) = request else { return false };
        let last = self.swapped_ms.get(name).filter(|_| self.pace_ms > 0);
        last.is_some_and(|last| last + self.pace_ms * 9 / 10 > self.now_ms)
    }

    fn bytes(&self, key: &str) -> Option<Bytes> {
        self.objects.get(key).map(|object| object.bytes.clone())
    }

    fn write(&mut self, key: String, bytes: Bytes) -> Option<Bytes> {
        let object = Object { bytes, modified_ms: self.now_ms };
        self.objects.insert(key, object).map(|object| object.bytes)
    }

    fn list(&self, prefix: &str) -> Vec<Listed> {
        let from = self.objects.range(prefix.to_owned()..);
        let below = from.take_while(|(key, _)| key.starts_with(prefix));
        let listed = |(key, object): (&String, &Object)| Listed {
            key: key.clone(),
            size_bytes: object.bytes.len() as u64,
            modified_ms: object.modified_ms as i64,
        };
        below.map(listed).collect()
    }

    fn read(&self, fetch: &Fetch) -> Result<Bytes, StoreError> {
        let error = |kind, why| StoreError::new(kind, "sim:", &fetch.key, why);
        let found = self.bytes(&fetch.key);
        let bytes = found.ok_or_else(|| error(StoreErrorKind::NotFound, "not there"))?;
        let Some(range) = &fetch.range else { return Ok(bytes) };
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
        Request::Put(..) | Request::Delete(_) => Reply::Put(Err(error())),
        Request::List(_) => Reply::Listed(Err(error())),
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

    /// Swaps of one ref are taken no faster from here on.
    pub(super) fn set_pace(&self, pace_ms: u64) {
        self.lock().pace_ms = pace_ms;
    }

    pub(super) fn pace(&self) -> u64 {
        self.lock().pace_ms
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

    /// Wakes somebody later.
    pub(super) fn wake_after(&self, ms: u64, waker: Waker) {
        self.lock().at(ms, Event::Wake(waker));
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
                if state.is_too_soon(&request) {
                    let after_ms = 100 + state.dice() % 300;
                    state.at(after_ms, Event::Apply { call, request, lost });
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
            Event::Wake(waker) => waker.wake(),
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

    pub(super) async fn call(&self, request: Request, after_ms: Option<u64>) -> Reply {
        let call = {
            let mut state = self.lock();
            state.next += 1;
            let call = state.next;
            state.calls.insert(call, Call::default());
            let lost = after_ms.is_none() && state.dice() % 1000 < state.loss;
            let limbo = lost && state.dice().is_multiple_of(4);
            let under_way = match lost {
                true if limbo => LIMBO_MS,
                true => LIFETIME_MS,
                false => 8,
            };
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
