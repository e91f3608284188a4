//! How new what is known of something that moves is: when it is looked at again, and by whom.
//!
//! **Invariant:** what is used was looked at within the limit of the pace. Who comes while it is
//! looked at waits for that look, and does not look, too. Times come from the clock of the pace, so
//! what is promised here is tested without waiting.

use crate::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after it was used something is still looked at.
const LATELY: Duration = Duration::from_secs(60);
/// The time that others have for a look before who uses it looks himself, at most.
const GRACE: Duration = Duration::from_secs(1);

/// The time since some moment.
pub(super) type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The time since now, as this machine has it.
pub(super) fn clock() -> Clock {
    let begun = Instant::now();
    Arc::new(move || begun.elapsed())
}

/// Who looks while something is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looker {
    /// Who uses it: that costs next to nothing.
    User,
    /// A thread.
    Thread,
    /// Whoever calls for it.
    #[cfg(test)]
    Test,
}

/// How often it is looked.
#[derive(Clone)]
pub(super) struct Pace {
    pub interval: Duration,
    pub looker: Looker,
    pub clock: Clock,
}

impl Pace {
    /// How old what is used may be.
    fn limit(&self) -> Duration {
        match self.looker {
            Looker::User => self.interval,
            _ => self.interval + self.interval.min(GRACE),
        }
    }
}

/// When something was looked at and used.
pub(super) struct Fresh {
    state: Mutex<State>,
    /// Held by who looks.
    looking: Mutex<()>,
}

#[derive(Clone, Copy)]
struct State {
    /// When the last look began.
    begun: Duration,
    /// When the last one that succeeded ended.
    looked: Duration,
    used: Option<Duration>,
}

impl Fresh {
    /// It was looked at just now.
    pub(super) fn new(pace: &Pace) -> Self {
        let now = (pace.clock)();
        let state = State { begun: now, looked: now, used: None };
        Self { state: Mutex::new(state), looking: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago it was looked at.
    pub(super) fn age(&self, pace: &Pace) -> Duration {
        (pace.clock)().saturating_sub(self.lock().looked)
    }

    /// It is used: whether it is new enough for that. Does not wait.
    pub(super) fn is_usable(&self, pace: &Pace) -> bool {
        let now = (pace.clock)();
        let mut state = self.lock();
        state.used = Some(now);
        now.saturating_sub(state.looked) < pace.limit()
    }

    /// It is used, and looked at before if it is too old for that.
    pub(super) fn used(&self, pace: &Pace, look: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_usable(pace) {
            return Ok(());
        }
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_usable(pace) { Ok(()) } else { self.look(pace, look) }
    }

    /// Looks now, however new it is.
    pub(super) fn look<T>(&self, pace: &Pace, look: impl FnOnce() -> Result<T>) -> Result<T> {
        self.lock().begun = (pace.clock)();
        let found = look()?;
        self.seen((pace.clock)());
        Ok(found)
    }

    /// It is known as it was at a time, by something else than a look.
    pub(super) fn seen(&self, at: Duration) {
        let mut state = self.lock();
        state.looked = state.looked.max(at);
    }

    /// Looks if it was used lately and the last look is an interval ago: how long until the next
    /// one is due; none of what is not in use.
    pub(super) fn poll(&self, pace: &Pace, look: impl FnOnce() -> Result<()>) -> Option<Duration> {
        let now = (pace.clock)();
        let state = *self.lock();
        state.used.filter(|used| now.saturating_sub(*used) < LATELY)?;
        let ago = now.saturating_sub(state.begun.max(state.looked));
        if ago < pace.interval {
            return Some(pace.interval - ago);
        }
        // If somebody looks already nobody else need; if it fails, who uses it is told.
        if let Ok(_one) = self.looking.try_lock() {
            let _ = self.look(pace, look);
        }
        Some(pace.interval)
    }
}
