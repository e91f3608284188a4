//! How new what is known of something that moves is: when it is looked at again, and by whom.
//!
//! **Invariant:** what is used was looked at within the limit of the pace. Who comes while it is
//! looked at waits for that look, whatever comes of it, and does not look, too. Times come from the
//! clock of the pace, so what is promised here is tested without waiting.

use crate::error::{Failure, Result};
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

struct State {
    /// When the last look began.
    begun: Duration,
    /// When the last one that succeeded ended.
    looked: Duration,
    used: Option<Duration>,
    /// The last look that failed: when that ended, and why.
    failed: Option<(Duration, Failure)>,
}

impl Fresh {
    /// It was looked at just now.
    pub(super) fn new(pace: &Pace) -> Self {
        let now = (pace.clock)();
        let state = State { begun: now, looked: now, used: None, failed: None };
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
        self.come(pace).1
    }

    /// Who uses it comes: when, and whether it is new enough.
    fn come(&self, pace: &Pace) -> (Duration, bool) {
        let now = (pace.clock)();
        let mut state = self.lock();
        state.used = Some(now);
        (now, now.saturating_sub(state.looked) < pace.limit())
    }

    /// It is used, and looked at before if it is too old for that.
    pub(super) fn used(&self, pace: &Pace, look: impl FnOnce() -> Result<()>) -> Result<()> {
        let (came, is_usable) = self.come(pace);
        if is_usable {
            return Ok(());
        }
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_usable(pace) {
            return Ok(());
        }
        let failed = self.lock().failed.clone().filter(|(at, _)| *at > came);
        failed.map_or_else(|| self.look(pace, look), |(_, failure)| Err(failure))
    }

    /// Looks now, however new it is.
    pub(super) fn look<T>(&self, pace: &Pace, look: impl FnOnce() -> Result<T>) -> Result<T> {
        self.lock().begun = (pace.clock)();
        let looked = look();
        let now = (pace.clock)();
        match &looked {
            Ok(_) => self.seen(now),
            Err(failure) => self.lock().failed = Some((now, failure.clone())),
        }
        looked
    }

    /// It is known as it was at a time, by something else than a look.
    pub(super) fn seen(&self, at: Duration) {
        let mut state = self.lock();
        state.looked = state.looked.max(at);
        state.failed = None;
    }

    /// Looks if it was used lately and the last look is an interval ago: how long until the next
    /// one is due; none of what is not in use.
    pub(super) fn poll(&self, pace: &Pace, look: impl FnOnce() -> Result<()>) -> Option<Duration> {
        let now = (pace.clock)();
        let state = self.lock();
        state.used.filter(|used| now.saturating_sub(*used) < LATELY)?;
        let ago = now.saturating_sub(state.begun.max(state.looked));
        drop(state);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Each time it is asked is later than before.
    fn ticking() -> Pace {
        let now = AtomicUsize::new(0);
        let clock = Arc::new(move || Duration::from_secs(now.fetch_add(10, SeqCst) as u64));
        Pace { interval: Duration::from_secs(1), looker: Looker::User, clock }
    }

    #[test]
    fn who_waits_for_a_look_that_fails_does_not_look_too() {
        let (pace, begun) = (ticking(), Barrier::new(2));
        let fresh = Fresh::new(&pace);
        let out_of_reach = || {
            let used = fresh.lock().used;
            begun.wait();
            while fresh.lock().used == used {
                std::thread::yield_now();
            }
            Err(Failure::new(Kind::Unavailable, "out of reach"))
        };
        std::thread::scope(|scope| {
            let one = scope.spawn(|| fresh.used(&pace, out_of_reach).unwrap_err());
            begun.wait();
            let other = fresh.used(&pace, || panic!("nobody looks again")).unwrap_err();
            assert_eq!(
                (one.join().unwrap().kind, other.kind),
                (Kind::Unavailable, Kind::Unavailable)
            );
        });
        // Who comes later does.
        assert!(fresh.used(&pace, || Ok(())).is_ok());
    }
}
