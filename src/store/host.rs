//! The machine as the core sees it: its clock, its randomness, its patience.
//!
//! **Invariant:** this is the only place of the crate that asks for the time of day or for
//! randomness.

use factfs_core::store::{BoxFuture, Host};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clock and the random numbers of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn random(&self) -> u128 {
        random_bits()
    }

    /// In a runtime a timer; outside of one, where only the caller's own thread can wait, that
    /// thread waits.
    fn sleep(&self, ms: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let time = Duration::from_millis(ms);
            match tokio::runtime::Handle::try_current() {
                Ok(_) => tokio::time::sleep(time).await,
                Err(_) => std::thread::sleep(time),
            }
        })
    }
}

/// 128 random bits.
pub(crate) fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_le_bytes(bytes),
        // A kernel that gives none (an old one, early at boot): the keys of the standard library's
        // hash maps.
        Err(_) => (u128::from(keyed()) << 64) | u128::from(keyed()),
    }
}

fn keyed() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_and_bits_that_differ() {
        let host = SystemHost;
        assert!(host.now_ms() > 1_700_000_000_000);
        let bits: std::collections::BTreeSet<_> = (0..1000).map(|_| host.random()).collect();
        assert_eq!(bits.len(), 1000);
        assert!(bits.iter().any(|n| n >> 127 == 1) && bits.iter().any(|n| n >> 127 == 0));
    }
}
