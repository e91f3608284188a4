//! The promises about refs: reading them, and compare-and-swap alone and contested.
//!
//! **Invariant:** a store is called broken only for what no retrying client explains: `Lost` for a
//! write of one's own that landed is allowed, two winners never.

use super::{Promise, Scope, Violation};
use crate::store::{Expect, RefRead, Swap, Version, join_all};
use bytes::Bytes;

/// How many write at once in a contest: more than the connections most clients open first.
const CONTENDERS: usize = 8;

pub(super) async fn check(scope: &Scope<'_>) -> Result<(), Violation> {
    reading(scope).await?;
    check_swaps(scope).await
}

/// What a commit relies upon: first one after the other, which tells most, then at once.
pub(super) async fn check_swaps(scope: &Scope<'_>) -> Result<(), Violation> {
    stale(scope).await?;
    contested_update(scope).await?;
    contest(scope, Promise::OneCreates, &scope.name("created"), &Expect::Absent).await
}

pub(super) async fn reading(scope: &Scope<'_>) -> Result<(), Violation> {
    let name = scope.name("ref");
    let found = read(scope, Promise::AbsentIsAbsent, &name, None).await?;
    scope.hold(Promise::AbsentIsAbsent, found == RefRead::Absent, || format!("{found:?}"))?;
    let first = scope.body();
    let version = win(scope, &name, Expect::Absent, &first).await?;
    let found = read(scope, Promise::ReadSeesSwap, &name, None).await?;
    let right = RefRead::Found { bytes: first, version: version.clone() };
    scope.hold(Promise::ReadSeesSwap, found == right, || format!("{found:?}, not {right:?}"))?;
    let found = read(scope, Promise::UnchangedIsSaid, &name, Some(&version)).await?;
    scope.hold(Promise::UnchangedIsSaid, found == RefRead::Unchanged, || format!("{found:?}"))?;
    let second = scope.body();
    let newer = win(scope, &name, Expect::Version(version.clone()), &second).await?;
    let found = read(scope, Promise::ReadSeesSwap, &name, Some(&version)).await?;
    let right = RefRead::Found { bytes: second, version: newer };
    scope.hold(Promise::ReadSeesSwap, found == right, || format!("{found:?}, not {right:?}"))
}

async fn stale(scope: &Scope<'_>) -> Result<(), Violation> {
    let name = scope.name("swapped");
    let first = win(scope, &name, Expect::Absent, &scope.body()).await?;
    win(scope, &name, Expect::Version(first.clone()), &scope.body()).await?;
    refused(scope, Promise::CreateNeedsAbsence, &name, Expect::Absent).await?;
    refused(scope, Promise::UpdateNeedsVersion, &name, Expect::Version(first)).await
}

async fn contested_update(scope: &Scope<'_>) -> Result<(), Violation> {
    let name = scope.name("swapped");
    let found = read(scope, Promise::OneSwaps, &name, None).await?;
    let RefRead::Found { version, .. } = found else {
        return Err(scope.broken(Promise::ReadSeesSwap, format!("{found:?}")));
    };
    contest(scope, Promise::OneSwaps, &name, &Expect::Version(version)).await
}

/// Several write at once, each its own bytes, all expecting the same.
async fn contest(
    scope: &Scope<'_>,
    promise: Promise,
    name: &str,
    expect: &Expect,
) -> Result<(), Violation> {
    let bodies: Vec<_> = (0..CONTENDERS).map(|_| scope.body()).collect();
    let swaps = bodies.iter().map(|body| scope.swap(name, expect.clone(), body.clone())).collect();
    let (mut winner, mut unclear): (Option<&Bytes>, _) = (None, None);
    for (swap, body) in join_all(swaps).await.into_iter().zip(&bodies) {
        match swap.map_err(scope.failed(promise))? {
            Swap::Lost => {}
            Swap::Unknown(error) => unclear = Some(error),
            Swap::Swapped(_) if winner.replace(body).is_none() => {}
            Swap::Swapped(_) => {
                return Err(scope.broken(promise, "two of them were told they had won".into()));
            }
        }
    }
    let found = read(scope, promise, name, None).await?;
    let RefRead::Found { bytes, .. } = &found else {
        return Err(match unclear {
            Some(error) => scope.failed(promise)(error),
            None => scope.broken(promise, format!("nobody won: {found:?}")),
        });
    };
    if let (None, Some(error), false) = (winner, unclear, bodies.contains(bytes)) {
        // It may be under way still: nobody has won yet.
        return Err(scope.failed(promise)(error));
    }
    // No winner at all is what a client makes of a repeated request; but then one of them must have
    // landed.
    let kept = winner.map_or_else(|| bodies.contains(bytes), |winner| winner == bytes);
    scope.hold(promise, kept, || "the bytes there are not the winner's".into())
}

/// A swap that nothing stands against.
async fn win(
    scope: &Scope<'_>,
    name: &str,
    expect: Expect,
    bytes: &Bytes,
) -> Result<Version, Violation> {
    let failed = scope.failed(Promise::ReadSeesSwap);
    let swap = scope.swap(name, expect.clone(), bytes.clone()).await.map_err(&failed)?;
    if let Swap::Swapped(version) = swap {
        return Ok(version);
    }
    // The answer may be about a repetition of what landed, or be lost: what is there tells.
    match (read(scope, Promise::ReadSeesSwap, name, None).await?, swap) {
        (RefRead::Found { bytes: there, version }, _) if there == *bytes => Ok(version),
        (_, Swap::Unknown(error)) => Err(failed(error)),
        (found, _) => {
            let found = format!("a swap from {expect:?} was refused, and there is {found:?}");
            Err(scope.broken(Promise::ReadSeesSwap, found))
        }
    }
}

/// A swap that must not be accepted, and must not change anything.
async fn refused(
    scope: &Scope<'_>,
    promise: Promise,
    name: &str,
    expect: Expect,
) -> Result<(), Violation> {
    let before = read(scope, promise, name, None).await?;
    let mut tries = 0;
    loop {
        let swap = scope.swap(name, expect.clone(), scope.body()).await;
        match swap.map_err(scope.failed(promise))? {
            Swap::Lost => break,
            Swap::Swapped(_) => return Err(scope.broken(promise, "it was accepted".into())),
            Swap::Unknown(_) if tries < 3 => tries += 1,
            Swap::Unknown(error) => return Err(scope.failed(promise)(error)),
        }
    }
    let after = read(scope, promise, name, None).await?;
    scope.hold(promise, before == after, || "it was refused, and applied all the same".into())
}

async fn read(
    scope: &Scope<'_>,
    promise: Promise,
    name: &str,
    from: Option<&Version>,
) -> Result<RefRead, Violation> {
    scope.store.read_ref(name, from).await.map_err(scope.failed(promise))
}
