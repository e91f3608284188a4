//! What the protocol needs of the machine: time and randomness, as arguments, so that a simulation
//! can own both.

use std::future::Future;
use std::pin::Pin;

/// A boxed future: `Send` natively, not on wasm, where there is one thread.
#[cfg(not(target_family = "wasm"))]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A boxed future: `Send` natively, not on wasm, where there is one thread.
#[cfg(target_family = "wasm")]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Clock, randomness and waiting.
pub trait Host: std::fmt::Debug + Send + Sync {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;

    /// 128 random bits, unpredictable and never repeated.
    fn random(&self) -> u128;

    /// Resolves after `ms` milliseconds.
    fn sleep(&self, ms: u64) -> BoxFuture<'_, ()>;
}
