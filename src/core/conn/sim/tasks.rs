//! Who polls the clients.
//!
//! **Invariant:** one thread; which client is polled next, which dies, and which stands still,
//! comes from the seed.

use super::Plan;
use super::book::Book;
use super::client::Client;
use super::near::Near;
use super::network::Network;
use crate::conn::{CreateOptions, create};
use crate::store::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

const WRITERS: usize = 3;
/// The longest that collectors wait between collections.
const COLLECTORS_MS: [u64; 2] = [50, 900];
/// The longest that a client stands still.
const PAUSE_MS: u64 = 1_200;

/// Which tasks can go on.
#[derive(Default)]
struct Ready(Mutex<BTreeSet<usize>>);

struct TaskWaker(Arc<Ready>, usize);

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.1);
    }
}

/// The clients.
pub(super) struct Tasks {
    pub(super) client: Client,
    tasks: Vec<Option<BoxFuture<'static, ()>>>,
    ready: Arc<Ready>,
    flushers: BTreeSet<usize>,
    /// How many more of them there are than usual.
    more: u64,
    stills: u64,
    /// Who stands still, and until when.
    still: BTreeMap<usize, u64>,
}

/// Chances in 1000 that a poll is followed by the death of the client, or put off for long.
#[derive(Clone, Copy)]
struct Fate {
    deaths: u64,
    pauses: u64,
}

impl Tasks {
    pub(super) fn new(network: Network, book: Book, plan: Plan) -> Self {
        let Plan { ids, purges, long, flushers: more, stills, .. } = plan;
        let near = Arc::new(Near::new(network.clone()));
        let client = Client { network, near, book, ids, purges, long };
        let (flushers, still) = (BTreeSet::new(), BTreeMap::new());
        Self { client, tasks: Vec::new(), ready: Arc::default(), flushers, more, stills, still }
    }

    fn spawn(&mut self, task: BoxFuture<'static, ()>) {
        self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.tasks.len());
        self.tasks.push(Some(task));
    }

    fn create(&mut self) {
        let client = self.client.clone();
        self.spawn(Box::pin(async move {
            if let Err(error) = create(&client.place(), &CreateOptions::default()).await {
                client.book.wrong(format!("create: {error}"));
            }
        }));
        self.poll_all(Fate { deaths: 0, pauses: 0 });
    }

    /// A database, and what some do with it over a good network. Nobody dies.
    pub(super) fn run_well(&mut self, clients: Vec<BoxFuture<'static, ()>>) {
        self.create();
        clients.into_iter().for_each(|client| self.spawn(client));
        self.poll_all(Fate { deaths: 0, pauses: 0 });
    }

    /// The whole simulation.
    pub(super) fn run(&mut self) {
        self.create();
        // From a network that is nearly good to one that is hardly there.
        let loss = [20, 80, 80, 250][self.client.network.dice(4) as usize];
        self.client.network.set_loss(loss);
        for _ in 0..WRITERS {
            self.spawn(Box::pin(self.client.clone().write()));
        }
        for pace_ms in COLLECTORS_MS {
            self.spawn(Box::pin(self.client.clone().collect(pace_ms)));
        }
        self.spawn(Box::pin(self.client.clone().read()));
        self.spawn(Box::pin(self.client.clone().hold()));
        // Sometimes two, so that one is often late.
        for _ in 0..1 + self.more + self.client.network.dice(2) {
            self.flushers.insert(self.tasks.len());
            self.spawn(Box::pin(self.client.clone().flush()));
        }
        self.spawn(Box::pin(self.client.clone().branch()));
        if self.client.purges {
            self.spawn(Box::pin(self.client.clone().purge()));
        }
        self.poll_all(Fate { deaths: 3, pauses: 20 });
        self.client.network.set_loss(0);
        self.spawn(Box::pin(self.client.clone().check_all()));
        self.poll_all(Fate { deaths: 0, pauses: 0 });
    }

    /// Polls until all have ended.
    fn poll_all(&mut self, fate: Fate) {
        loop {
            while let Some(task) = self.next_ready() {
                self.poll(task, fate);
                for change in self.client.network.take_changes() {
                    self.client.book.check_change(&self.client.network, &change);
                }
            }
            // One wrong thing is enough; after it, clients may try for ever.
            if !self.client.book.pages().wrong.is_empty() {
                return self.tasks.clear();
            }
            if self.tasks.iter().all(Option::is_none) && fate.deaths == 0 {
                self.tasks.clear();
                return;
            }
            if !self.client.network.step() {
                let stuck = self.tasks.iter().flatten().count();
                if stuck > 0 {
                    self.client.book.wrong(format!("{stuck} clients wait for nothing"));
                }
                self.tasks.clear();
                return;
            }
        }
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.client.network.dice(ready.len().max(1) as u64) as usize;
        let task = ready.iter().nth(at).copied()?;
        ready.remove(&task);
        Some(task)
    }

    fn poll(&mut self, task: usize, fate: Fate) {
        let waker = Waker::from(Arc::new(TaskWaker(self.ready.clone(), task)));
        let network = &self.client.network;
        if self.still.get(&task).is_some_and(|until| *until > network.now()) {
            return;
        }
        // What a flusher wrote a while ago is what a collection may miss.
        let times = if self.flushers.contains(&task) { self.stills } else { 1 };
        if network.dice(1000) < fate.pauses * times {
            let ms = 1 + network.dice([PAUSE_MS, PAUSE_MS / 8][network.dice(2) as usize]);
            self.still.insert(task, network.now() + ms);
            self.client.book.pages().figures.pauses += 1;
            return network.wake_after(ms, waker);
        }
        let Some(future) = self.tasks.get_mut(task).and_then(Option::as_mut) else { return };
        let mut cx = Context::from_waker(&waker);
        if future.as_mut().poll(&mut cx).is_ready() {
            self.tasks[task] = None;
        } else if self.client.network.dice(1000) < fate.deaths {
            self.tasks[task] = None;
            self.client.book.pages().figures.crashes += 1;
            if !self.client.over() {
                // Another one in its place, of whichever kind.
                let client = self.client.clone();
                self.spawn(match self.client.network.dice(4) {
                    0 => Box::pin(client.collect(COLLECTORS_MS[1])),
                    1 if client.purges => Box::pin(client.purge()),
                    _ => Box::pin(client.write()),
                });
            }
        }
    }
}
