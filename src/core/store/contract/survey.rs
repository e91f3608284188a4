//! A look at everything a store promises, for people: what is kept and what is not, in groups.
//!
//! **Invariant:** a group that could not be tried, because the store cannot be reached or not be
//! written, is an error and no verdict.

use super::{Scope, Violation, objects, refs};
use crate::store::{Host, Store, StoreError, StoreErrorKind};

/// One group of promises.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// What was looked at.
    pub about: &'static str,
    /// The first promise of the group that is not kept.
    pub violation: Option<Violation>,
}

/// Puts a store through all groups of promises, also after one that is broken.
pub async fn survey(store: &dyn Store, host: &dyn Host) -> Result<Vec<Surveyed>, StoreError> {
    let scope = Scope::new(store, host);
    let found = [
        ("objects read as they were written; ranges; listings", objects::check(&scope).await),
        ("a read sees the last swap", refs::reading(&scope).await),
        ("a stale or contested swap has one winner", refs::check_swaps(&scope).await),
    ];
    scope.clean().await;
    let surveyed = found.into_iter().map(|(about, result)| match result {
        Err(Violation { source: Some(error), .. }) if is_no_verdict(error.kind) => Err(*error),
        other => Ok(Surveyed { about, violation: other.err() }),
    });
    surveyed.collect()
}

/// Whether an error says that nothing could be found out.
fn is_no_verdict(kind: StoreErrorKind) -> bool {
    match kind {
        StoreErrorKind::ReadOnly
        | StoreErrorKind::Denied
        | StoreErrorKind::Full
        | StoreErrorKind::Unavailable
        | StoreErrorKind::NotFound => true,
        StoreErrorKind::Corrupt | StoreErrorKind::Invalid => false,
    }
}

/// How many milliseconds the store's clock is ahead of `host`'s, as far as one object tells;
/// `None` if its listing has no times.
pub async fn clock_ahead_ms(store: &dyn Store, host: &dyn Host) -> Result<Option<i64>, StoreError> {
    let scope = Scope::new(store, host);
    let name = scope.name("small");
    store.put(&name, scope.body()).await?;
    let now_ms = host.now_ms();
    let listed = store.list(&scope.base).await;
    scope.clean().await;
    let time = listed?.into_iter().find(|one| one.key == name).map(|one| one.modified_ms);
    Ok(time.filter(|ms| *ms > 0).map(|ms| ms - now_ms))
}
