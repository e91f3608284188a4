//! What has to be made before a call can be answered, and making it.
//!
//! **Invariant:** what costs a few seeks is made where it is asked for; a query, a table or a list
//! of facts only by an evaluation, with a limit on the time that somebody waits for it. So nothing
//! that is at hand or costs a few seeks ever waits behind them.

use super::{Mode, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::evaluation::{Job, Lane, Patience};
use crate::metrics::{self, Outcome};
use crate::spool::Cancel;
use crate::tree::node::Aspect;
use crate::tree::{Entry, Key, Limits, Pins, Rendered, Tree, Work};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What an evaluation may cost whose only purpose is a size, before a file is opened.
const EARLY: Duration = Duration::from_millis(50);
/// Facts and rows that are read in a few milliseconds.
const SMALL: u64 = 20_000;
/// How long a size is waited for, whatever the evaluation does.
const EARLY_WAIT: Duration = Duration::from_millis(500);
/// How long an exact size waits for its evaluation to begin: a listing is to go on.
const SIZE_WAIT: Duration = Duration::from_secs(1);
/// What a query has beyond its time limit to say itself where it was.
const GRACE: Duration = Duration::from_millis(500);
/// How many answers are remembered that cost too much for a size.
const KNOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// What a call has to wait for.
pub enum Before {
    /// Nothing: it is answered from memory.
    Nothing,
    /// Nothing: this answer is at hand.
    Made(Rendered),
    /// Seeks in a store.
    Seeks,
    /// An evaluation.
    Answer(Making),
}

/// An answer to be made.
#[derive(Clone)]
pub struct Making {
    work: Arc<Work>,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A file is opened.
    Open,
    /// Its size is to be exact.
    Size,
    /// Its size is wanted if that costs little.
    EarlySize,
    /// Nobody asked yet.
    Ahead,
}

impl Making {
    /// What it takes to open a file.
    pub(super) fn to_open(work: Arc<Work>) -> Self {
        Self { work, purpose: Purpose::Open }
    }
}

/// Answers that cost too much to be made for their size.
pub(super) struct Costly(Mutex<LruCache<Key, ()>>);

impl Default for Costly {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Costly {
    fn add(&self, key: Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, ());
    }

    fn has(&self, key: Key) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }
}

impl Vfs {
    /// What opening a file has to wait for.
    pub fn before_open(&self, ino: u64, mode: Mode) -> Before {
        let Ok(inode) = self.inode(ino) else { return Before::Nothing };
        match &inode.resolved.entry {
            Entry::Work(_) if mode.write && Tree::entity_of(&inode.resolved.node).is_some() => {
                Before::Seeks
            }
            Entry::Work(_) if mode.write => Before::Nothing,
            Entry::Work(work) if self.tree.is_outdated(work) => Before::Nothing,
            Entry::Work(work) if work.is_cheap() => Before::Seeks,
            Entry::Work(work) => self.unless_kept(work, Purpose::Open),
            Entry::Query(_) | Entry::Transact(_) | Entry::Heads => Before::Seeks,
            Entry::Folder | Entry::Link(_) | Entry::Bytes(_) => Before::Nothing,
        }
    }

    /// What `stat` has to wait for.
    pub fn before_attr(&self, ino: u64) -> Before {
        let Ok(inode) = self.inode(ino) else { return Before::Nothing };
        match &inode.resolved.entry {
            Entry::Query(_) => Before::Seeks,
            Entry::Work(work) if inode.size_bytes.is_none() && work.is_answer() => {
                if work.is_cheap() {
                    Before::Seeks
                } else if self.exact_sizes || work.is_in_commit() {
                    self.unless_kept(work, Purpose::Size)
                } else if self.costly.has(work.answer) {
                    Before::Nothing
                } else {
                    self.unless_kept(work, Purpose::EarlySize)
                }
            }
            _ => Before::Nothing,
        }
    }

    fn unless_kept(&self, work: &Arc<Work>, purpose: Purpose) -> Before {
        let kept = self.evaluations.kept(work.answer).filter(|_| work.is_answer());
        if purpose == Purpose::Open {
            metrics::wanted(kept.is_some());
            if kept.is_some() {
                self.note(&work.answer_path(), None);
            }
        }
        match kept {
            Some(made) => Before::Made(made),
            None => Before::Answer(Making { work: work.clone(), purpose }),
        }
    }

    /// Has an answer made, and passes on how that ended. Returns at once.
    pub fn make(
        self: &Arc<Self>,
        making: &Making,
        cancel: &Cancel,
        then: impl FnOnce(&Self, Result<Rendered>) + Send + 'static,
    ) {
        let (vfs, known) = (self.clone(), making.clone());
        if let Some(failure) = self.known_failure(&making.work) {
            return then(self, Err(failure));
        }
        let (job, patience) = (self.job(making), self.patience(making));
        self.evaluations.ask(job, patience, cancel, move |made| {
            vfs.note_made(&known, &made);
            then(&vfs, made);
        });
    }

    /// The same, and waits here.
    pub(super) fn make_here(&self, making: &Making, cancel: &Cancel) -> Result<Rendered> {
        if let Some(failure) = self.known_failure(&making.work) {
            return Err(failure);
        }
        let made = self.evaluations.get(self.job(making), self.patience(making), cancel);
        self.note_made(making, &made);
        made
    }

    /// An answer made for this, waited for here.
    pub(super) fn make_for(
        &self,
        work: &Arc<Work>,
        purpose: Purpose,
        cancel: &Cancel,
    ) -> Result<Rendered> {
        self.make_here(&Making { work: work.clone(), purpose }, cancel)
    }

    /// An answer that costs a few seeks, or is there.
    pub(super) fn make_at_once(&self, work: &Work) -> Result<Rendered> {
        if let Some(made) = self.evaluations.kept(work.answer) {
            return Ok(made);
        }
        let made = self.tree.render(work, &Cancel::default());
        if let Ok(made) = &made {
            self.evaluations.keep(work.answer, made);
        }
        made
    }

    /// What a file about an answer says without having it made again.
    fn known_failure(&self, work: &Work) -> Option<Failure> {
        let is_error = matches!(work.leaf.aspect, Aspect::Error | Aspect::ExplainError);
        if !is_error && work.leaf.aspect != Aspect::Meta {
            return None;
        }
        let (path, failures) = (work.answer_path(), self.tree.failures());
        let written = || failures.of_written(&path).filter(|_| is_error);
        failures.of(&path).or_else(written)
    }

    fn job(&self, making: &Making) -> Job {
        let (tree, work) = (self.tree.clone(), making.work.clone());
        let is_early = making.purpose == Purpose::EarlySize;
        let make = move |cancel: &Cancel| {
            let running = metrics::begin(work.answer_path());
            let made = match is_early {
                true => early(&tree, &work, cancel),
                false => tree.render(&work, cancel),
            };
            running.end(outcome(&made), made.as_ref().map_or(0, |made| made.content.size_bytes()));
            made
        };
        let (key, lane) = (making.work.answer, lane(&making.work));
        Job { key, lane, is_early, make: Box::new(make) }
    }

    fn patience(&self, making: &Making) -> Patience {
        let limit = self.tree.limits().time;
        // Facts as they are stored come one after the other, however many they are.
        let end = (lane(&making.work) == Lane::Queries).then_some(limit + GRACE);
        match making.purpose {
            Purpose::Open => Patience { begin: limit, end },
            Purpose::Size => Patience { begin: SIZE_WAIT.min(limit), end },
            Purpose::EarlySize => Patience { begin: Duration::ZERO, end: Some(EARLY_WAIT) },
            Purpose::Ahead => Patience { begin: Duration::ZERO, end },
        }
    }

    fn note_made(&self, making: &Making, made: &Result<Rendered>) {
        let (path, failure) = (making.work.answer_path(), made.as_ref().err());
        let is_busy = failure.is_some_and(|failure| failure.kind == Kind::Busy);
        match making.purpose {
            Purpose::Open => self.note(&path, failure),
            Purpose::Size if !is_busy => self.note(&path, failure),
            Purpose::EarlySize if failure.is_some() && !is_busy => {
                self.costly.add(making.work.answer);
            }
            Purpose::Size | Purpose::EarlySize | Purpose::Ahead => {}
        }
    }
}

fn outcome(made: &Result<Rendered>) -> Outcome {
    match made {
        Ok(_) => Outcome::Answered,
        Err(failure) if matches!(failure.kind, Kind::Interrupted | Kind::Timeout) => {
            Outcome::GivenUp
        }
        Err(_) => Outcome::Failed,
    }
}

fn lane(work: &Work) -> Lane {
    match work.pins {
        Pins::Plan(_) => Lane::Queries,
        Pins::Moment(_) | Pins::Difference(_) => Lane::Facts,
    }
}

/// An answer that is expected to cost little, unless it costs more after all.
fn early(tree: &Tree, work: &Work, cancel: &Cancel) -> Result<Rendered> {
    let limits = Limits { time: EARLY, expected_rows: SMALL, ..*tree.limits() };
    tree.render_within(work, &limits, cancel)
}
