//! What the texts of a query file name.
//!
//! **Invariant:** only what a text says by itself is told here; whether it is there is not.

use crate::tree::diff::kind_of;
use factfs_core::db::ChangeKind;

/// The store and the branch of a path that ends with `merge.conflicts`; no branch is its head.
pub(super) fn conflicts(path: &str) -> Option<(&str, Option<&str>)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [store, "head", "merge.conflicts"] => Some((store, None)),
        [store, "branches", branch, "merge.conflicts"] => Some((store, Some(branch))),
        _ => None,
    }
}

/// The store and the range of a path `STORE/diff/A..B`, or `STORE/diff/A..B/KIND`.
pub(super) fn difference(path: &str) -> Option<(&str, &str, Option<ChangeKind>)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [store, "diff", range] => Some((store, range, None)),
        [store, "diff", range, kind] => Some((store, range, Some(kind_of(kind)?))),
        _ => None,
    }
}
