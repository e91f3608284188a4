//! The promises of [`Store`], each as a check that any implementation can be put through.
//!
//! **Invariant:** a check touches only names below `probe/<random>/` and deletes them afterwards,
//! so it may be run against a place that holds a database. The checks of compare-and-swap are also
//! the *probe* that a process makes before its first commit to a remote store: some stores accept
//! every condition silently.
//!
//! Checks of durability and of speed are not here: they need a machine to be switched off.

mod objects;
mod refs;
mod survey;

pub use survey::{Surveyed, clock_ahead_ms, survey};

use super::{BoxFuture, Host, Store, StoreError, Swap};
use bytes::Bytes;

/// A promise of the trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Promise {
    /// What was put is what is read.
    #[error("an object reads as it was written")]
    GetReturnsPut,
    /// A range is that part of the object.
    #[error("a range is that part of the object")]
    RangeIsPart,
    /// An object that is not there is an error of its own kind.
    #[error("an object that is not there is NotFound")]
    MissingIsNotFound,
    /// A range that ends behind the object is never cut short silently.
    #[error("a range past the end is Corrupt")]
    PastTheEndIsCorrupt,
    /// `get_many` answers in the order asked.
    #[error("several ranges come in the order asked")]
    ManyInOrder,
    /// Writing the same bytes again changes nothing.
    #[error("writing an object twice is harmless")]
    PutTwice,
    /// Deleting what is not there is no error.
    #[error("deleting twice is harmless")]
    DeleteTwice,
    /// A listing is sorted by name, and its sizes are right.
    #[error("a listing is complete and in order")]
    ListInOrder,
    /// A listing holds what starts with the prefix and nothing else.
    #[error("a listing holds the prefix alone")]
    ListHonoursPrefix,
    /// A ref that is not there reads as absent.
    #[error("a ref that is not there reads as absent")]
    AbsentIsAbsent,
    /// A read sees every swap acknowledged before.
    #[error("a read sees the last swap")]
    ReadSeesSwap,
    /// A ref that did not change says so.
    #[error("an unchanged ref says so")]
    UnchangedIsSaid,
    /// Creating a ref that exists is refused.
    #[error("creating what exists is refused")]
    CreateNeedsAbsence,
    /// Swapping against a version that is not the last is refused.
    #[error("a stale swap is refused")]
    UpdateNeedsVersion,
    /// Of several that create one ref at once, exactly one wins.
    #[error("a contested creation has one winner")]
    OneCreates,
    /// Of several that replace one version at once, exactly one wins.
    #[error("a contested swap has one winner")]
    OneSwaps,
}

/// A broken promise.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{url}: not kept: {promise}: {found}")]
pub struct Violation {
    /// The store.
    pub url: String,
    /// What it does not keep.
    pub promise: Promise,
    /// What was seen instead.
    pub found: String,
    /// The error of the store, where that is what was seen.
    #[source]
    pub source: Option<Box<StoreError>>,
}

/// Whether commits may rely on a store's compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It refuses what it must refuse.
    Safe,
    /// It does not: the place can be read, and must not be committed to.
    Unsafe {
        /// What it did, in one line.
        why: String,
    },
}

/// Puts a store through every promise; the first that is broken is the answer.
pub async fn check(store: &dyn Store, host: &dyn Host) -> Result<(), Violation> {
    let scope = Scope::new(store, host);
    let result = match objects::check(&scope).await {
        Ok(()) => refs::check(&scope).await,
        broken => broken,
    };
    scope.clean().await;
    result
}

/// Finds out whether a store's compare-and-swap can be relied upon: about twenty small requests. An
/// error means that it could not be found out, because the store cannot be reached or not be
/// written.
pub async fn probe(store: &dyn Store, host: &dyn Host) -> Result<Trust, StoreError> {
    let scope = Scope::new(store, host);
    let result = refs::check_swaps(&scope).await;
    scope.clean().await;
    match result {
        Ok(()) => Ok(Trust::Safe),
        Err(Violation { source: Some(error), .. }) => Err(*error),
        Err(violation) => {
            Ok(Trust::Unsafe { why: format!("{}: {}", violation.promise, violation.found) })
        }
    }
}

/// One run: a store, and names that nobody else uses.
struct Scope<'a> {
    store: &'a dyn Store,
    host: &'a dyn Host,
    base: String,
}

/// All names a run may use, so that it can delete them without trusting `list`.
const NAMES: [&str; 8] =
    ["object", "small", "list/a", "list/b", "list-c", "ref", "created", "swapped"];

impl<'a> Scope<'a> {
    fn new(store: &'a dyn Store, host: &'a dyn Host) -> Self {
        Self { store, host, base: format!("probe/{:032x}/", host.random()) }
    }

    fn name(&self, leaf: &str) -> String {
        debug_assert!(NAMES.contains(&leaf), "{leaf} would not be deleted");
        format!("{}{leaf}", self.base)
    }

    /// Bytes that were never written before, as every head's are.
    fn body(&self) -> Bytes {
        Bytes::from(format!("probe {:032x}", self.host.random()))
    }

    async fn clean(&self) {
        for leaf in NAMES {
            // Who may write may not be allowed to delete: what is left is small, and nobody reads
            // it.
            let _ = self.store.delete(&self.name(leaf)).await;
        }
    }

    /// Breaks `promise` unless `kept`.
    fn hold(
        &self,
        promise: Promise,
        kept: bool,
        found: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        if kept { Ok(()) } else { Err(self.broken(promise, found())) }
    }

    fn broken(&self, promise: Promise, found: String) -> Violation {
        Violation { url: self.store.url(), promise, found, source: None }
    }

    fn failed(&self, promise: Promise) -> impl Fn(StoreError) -> Violation + use<'_> {
        move |error| {
            let (url, found) = (self.store.url(), error.to_string());
            Violation { url, promise, found, source: Some(Box::new(error)) }
        }
    }

    fn swap<'s>(
        &'s self,
        name: &'s str,
        expect: super::Expect,
        bytes: Bytes,
    ) -> BoxFuture<'s, Result<Swap, StoreError>> {
        self.store.cas_ref(name, expect, bytes)
    }
}
