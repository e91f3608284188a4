//! The promises about immutable objects and about listings.
//!
//! **Invariant:** every check makes what it needs and depends on none before it but
//! `GetReturnsPut`.

use super::{Promise, Scope, Violation};
use crate::store::{Fetch, StoreErrorKind};
use bytes::Bytes;
use std::ops::Range;

/// Larger than a page and than any single read of a socket.
const LENGTH: u64 = 300_000;

pub(super) async fn check(scope: &Scope<'_>) -> Result<(), Violation> {
    missing(scope).await?;
    whole(scope).await?;
    ranges(scope).await?;
    past_the_end(scope).await?;
    many(scope).await?;
    put_twice(scope).await?;
    listing(scope).await?;
    delete_twice(scope).await
}

/// Bytes in which no stretch looks like its neighbour.
fn pattern() -> Bytes {
    (0..LENGTH).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn part(of: &Bytes, range: &Range<u64>) -> Bytes {
    of.slice(range.start as usize..range.end as usize)
}

fn fetch(key: &str, range: Option<Range<u64>>) -> Fetch {
    Fetch { key: key.to_owned(), range }
}

async fn missing(scope: &Scope<'_>) -> Result<(), Violation> {
    let key = scope.name("object");
    for range in [None, Some(0..4)] {
        let found = scope.store.get(&fetch(&key, range)).await;
        let kept = matches!(&found, Err(e) if e.kind == StoreErrorKind::NotFound);
        scope.hold(Promise::MissingIsNotFound, kept, || format!("{found:?}"))?;
    }
    Ok(())
}

async fn whole(scope: &Scope<'_>) -> Result<(), Violation> {
    let failed = scope.failed(Promise::GetReturnsPut);
    for (leaf, bytes) in [("object", pattern()), ("small", Bytes::new())] {
        let key = scope.name(leaf);
        scope.store.put(&key, bytes.clone()).await.map_err(&failed)?;
        let found = scope.store.get(&fetch(&key, None)).await.map_err(&failed)?;
        let lengths = || format!("{} bytes written, {} read", bytes.len(), found.len());
        scope.hold(Promise::GetReturnsPut, found == bytes, lengths)?;
    }
    Ok(())
}

async fn ranges(scope: &Scope<'_>) -> Result<(), Violation> {
    let (key, bytes) = (scope.name("object"), pattern());
    for range in [0..1, 4_000..9_000, LENGTH - 1..LENGTH, 0..LENGTH] {
        let found = scope.store.get(&fetch(&key, Some(range.clone()))).await;
        let found = found.map_err(scope.failed(Promise::RangeIsPart))?;
        let kept = found == part(&bytes, &range);
        scope.hold(Promise::RangeIsPart, kept, || format!("{range:?}: {} bytes", found.len()))?;
    }
    Ok(())
}

async fn past_the_end(scope: &Scope<'_>) -> Result<(), Violation> {
    let key = scope.name("object");
    for range in [LENGTH - 1..LENGTH + 1, LENGTH + 10..LENGTH + 20] {
        let found = scope.store.get(&fetch(&key, Some(range.clone()))).await;
        let kept = matches!(&found, Err(e) if e.kind == StoreErrorKind::Corrupt);
        let seen = || match found {
            Ok(bytes) => format!("{range:?} of {LENGTH}: {} bytes", bytes.len()),
            Err(error) => format!("{range:?} of {LENGTH}: {:?}: {error}", error.kind),
        };
        scope.hold(Promise::PastTheEndIsCorrupt, kept, seen)?;
    }
    Ok(())
}

async fn many(scope: &Scope<'_>) -> Result<(), Violation> {
    let (key, bytes) = (scope.name("object"), pattern());
    // Out of order, overlapping, neighbours, far apart, and one twice.
    let asked = [9_000..9_100, 10..20, 9_100..9_200, 15..30, 250_000..250_001, 10..20];
    let mut fetches: Vec<_> = asked.iter().map(|r| fetch(&key, Some(r.clone()))).collect();
    fetches.push(fetch(&scope.name("small"), None));
    let found = scope.store.get_many(&fetches).await;
    let found = found.map_err(scope.failed(Promise::ManyInOrder))?;
    let mut right: Vec<_> = asked.iter().map(|range| part(&bytes, range)).collect();
    right.push(Bytes::new());
    let lengths = || format!("lengths {:?}", found.iter().map(Bytes::len).collect::<Vec<_>>());
    scope.hold(Promise::ManyInOrder, found == right, lengths)?;
    fetches.push(fetch(&scope.name("created"), Some(0..4)));
    let found = scope.store.get_many(&fetches).await;
    let kept = matches!(&found, Err(e) if e.kind == StoreErrorKind::NotFound);
    let seen = || format!("{:?}", found.map(|all| all.len()));
    scope.hold(Promise::MissingIsNotFound, kept, seen)
}

async fn put_twice(scope: &Scope<'_>) -> Result<(), Violation> {
    let failed = scope.failed(Promise::PutTwice);
    let (key, bytes) = (scope.name("small"), scope.body());
    for _ in 0..2 {
        scope.store.put(&key, bytes.clone()).await.map_err(&failed)?;
    }
    let found = scope.store.get(&fetch(&key, None)).await.map_err(&failed)?;
    scope.hold(Promise::PutTwice, found == bytes, || format!("{} bytes", found.len()))
}

async fn listing(scope: &Scope<'_>) -> Result<(), Violation> {
    let failed = scope.failed(Promise::ListInOrder);
    let body = scope.body();
    for leaf in ["list/b", "list-c", "list/a"] {
        scope.store.put(&scope.name(leaf), body.clone()).await.map_err(&failed)?;
    }
    let cases: [(&str, &[&str]); 4] = [
        // '-' sorts before '/': by name, not folder by folder.
        ("list", &["list-c", "list/a", "list/b"]),
        ("list/", &["list/a", "list/b"]),
        ("list/b", &["list/b"]),
        ("none", &[]),
    ];
    for (leaf, right) in cases {
        let found = scope.store.list(&format!("{}{leaf}", scope.base)).await.map_err(&failed)?;
        let keys: Vec<_> = found.iter().map(|one| one.key.clone()).collect();
        let right: Vec<_> = right.iter().map(|leaf| scope.name(leaf)).collect();
        let below = found.iter().all(|one| one.key.starts_with(&scope.base));
        scope.hold(Promise::ListHonoursPrefix, below, || format!("{leaf}: {keys:?}"))?;
        let sizes = found.iter().all(|one| one.size_bytes == body.len() as u64);
        scope.hold(Promise::ListInOrder, keys == right && sizes, || format!("{found:?}"))?;
    }
    Ok(())
}

async fn delete_twice(scope: &Scope<'_>) -> Result<(), Violation> {
    let key = scope.name("list/a");
    for _ in 0..2 {
        scope.store.delete(&key).await.map_err(scope.failed(Promise::DeleteTwice))?;
    }
    let found = scope.store.get(&fetch(&key, None)).await;
    let gone = matches!(&found, Err(e) if e.kind == StoreErrorKind::NotFound);
    scope.hold(Promise::DeleteTwice, gone, || format!("{found:?}"))
}
