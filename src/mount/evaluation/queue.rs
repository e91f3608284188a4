//! Which evaluations wait, which run, and who waits for them.
//!
//! **Invariant:** pure bookkeeping, no thread and no clock of its own. Of each [`Lane`] no more
//! than the bound run that somebody waits for, and no more than twice the bound run at all: one
//! that was given up does not count against the bound while it comes to its end, but those that
//! never end cannot take all threads there are. They begin in the order they were asked for.

use super::{Job, Lane, Make, Patience, Then};
use crate::spool::Cancel;
use crate::tree::Key;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// The evaluations of a mount that have not ended.
#[derive(Default)]
pub(super) struct Queue {
    /// By number, which is the order they came in.
    all: BTreeMap<u64, Evaluation>,
    /// Those that one more may wait for.
    open: HashMap<(Key, bool), u64>,
    last: u64,
}

struct Evaluation {
    key: (Key, bool),
    lane: Lane,
    /// What is to be done, until it begins.
    make: Option<Make>,
    cancel: Cancel,
    waiters: BTreeMap<u64, Waiter>,
}

/// Somebody who waits.
struct Waiter {
    then: Then,
    patience: Patience,
    since: Instant,
}

/// One that begins now.
pub(super) struct Begun {
    pub(super) number: u64,
    pub(super) make: Make,
    pub(super) cancel: Cancel,
}

/// Who waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    evaluation: u64,
    waiter: u64,
}

/// Why somebody waits no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// It did not begin within this time.
    NotBegun(Duration),
    /// It did not end within this time.
    NotEnded(Duration),
}

impl Evaluation {
    fn is_running(&self) -> bool {
        self.make.is_none()
    }

    fn is_given_up(&self) -> bool {
        self.waiters.is_empty()
    }
}

impl Waiter {
    fn expires(&self, is_running: bool) -> Option<(Instant, Expired)> {
        let begin = (!is_running).then_some((self.patience.begin, Expired::NotBegun as fn(_) -> _));
        let end = self.patience.end.map(|end| (end, Expired::NotEnded as fn(_) -> _));
        let (limit, expired) = begin.into_iter().chain(end).min_by_key(|(limit, _)| *limit)?;
        Some((self.since + limit, expired(limit)))
    }
}

impl Queue {
    /// One more who waits: for the evaluation that is under way, else for a new one.
    pub(super) fn join(&mut self, job: Job, patience: Patience, then: Then) -> Ticket {
        let key = (job.key, job.is_early);
        self.last += 1;
        let waiter = self.last;
        let evaluation = *self.open.entry(key).or_insert(waiter);
        let fresh = || Evaluation {
            key,
            lane: job.lane,
            make: Some(job.make),
            cancel: Cancel::default(),
            waiters: BTreeMap::new(),
        };
        let joined = self.all.entry(evaluation).or_insert_with(fresh);
        joined.waiters.insert(waiter, Waiter { then, patience, since: Instant::now() });
        Ticket { evaluation, waiter }
    }

    /// Takes out those that may begin now.
    pub(super) fn begin(&mut self, bound: usize) -> Vec<Begun> {
        let mut begun = Vec::new();
        for lane in [Lane::Queries, Lane::Facts] {
            let running = self.all.values().filter(|e| e.lane == lane && e.is_running());
            let (mut total, mut wanted) = (0, 0);
            for evaluation in running {
                total += 1;
                wanted += usize::from(!evaluation.is_given_up());
            }
            let waiting = |e: &Evaluation| e.lane == lane && !e.is_running();
            for (number, evaluation) in self.all.iter_mut().filter(|(_, e)| waiting(e)) {
                let is_early = evaluation.key.1;
                let may = wanted < bound && total < if is_early { bound } else { 2 * bound };
                if let Some(make) = evaluation.make.take_if(|_| may) {
                    let cancel = evaluation.cancel.clone();
                    begun.push(Begun { number: *number, make, cancel });
                    (total, wanted) = (total + 1, wanted + 1);
                }
            }
        }
        begun
    }

    /// One waits no more: who is to be told, and the flag of the evaluation if he was the last.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<(Then, Option<Cancel>)> {
        let evaluation = self.all.get_mut(&ticket.evaluation)?;
        let waiter = evaluation.waiters.remove(&ticket.waiter)?;
        if !evaluation.is_given_up() {
            return Some((waiter.then, None));
        }
        let (key, cancel) = (evaluation.key, evaluation.cancel.clone());
        let is_running = evaluation.is_running();
        self.close(key, ticket.evaluation);
        if !is_running {
            self.all.remove(&ticket.evaluation);
        }
        Some((waiter.then, Some(cancel)))
    }

    /// One has ended: what it was, and all who wait for it.
    pub(super) fn end(&mut self, number: u64) -> Option<(Key, Vec<Then>)> {
        let evaluation = self.all.remove(&number)?;
        self.close(evaluation.key, number);
        let waiters = evaluation.waiters.into_values().map(|waiter| waiter.then);
        Some((evaluation.key.0, waiters.collect()))
    }

    /// Nobody can join it any more.
    fn close(&mut self, key: (Key, bool), number: u64) {
        if self.open.get(&key) == Some(&number) {
            self.open.remove(&key);
        }
    }

    /// When somebody will have waited too long.
    pub(super) fn expires(&self, ticket: Ticket) -> Option<Instant> {
        let evaluation = self.all.get(&ticket.evaluation)?;
        let waiter = evaluation.waiters.get(&ticket.waiter)?;
        waiter.expires(evaluation.is_running()).map(|(at, _)| at)
    }

    /// Who has waited too long, and when the next one will have.
    pub(super) fn expired(&self, now: Instant) -> (Vec<(Ticket, Expired)>, Option<Instant>) {
        let (mut expired, mut next) = (Vec::new(), None);
        for (evaluation, running) in &self.all {
            for (waiter, waiting) in &running.waiters {
                let Some((at, why)) = waiting.expires(running.is_running()) else { continue };
                if at <= now {
                    let ticket = Ticket { evaluation: *evaluation, waiter: *waiter };
                    expired.push((ticket, why));
                } else {
                    next = Some(next.map_or(at, |next: Instant| next.min(at)));
                }
            }
        }
        (expired, next)
    }

    /// How many have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.all.values().filter(|evaluation| !evaluation.is_running()).count()
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
