//! What the texts of a query file, and of a path's arguments, name.
//!
//! **Invariant:** only what a text says by itself is told here; whether it is there is not.

use crate::error::{Failure, Kind, Result};
use crate::name::{self, Unescaped};
use crate::tree::diff::kind_of;
use factfs_core::db::ChangeKind;
use factfs_core::edn::{self, Form};
use factfs_core::value::Value;

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

/// A path component as text: escapes are decoded, and what needs none may be typed as it is.
pub(super) fn argument_text(arg: &str) -> Result<String> {
    let bytes = match name::unescape(arg) {
        Some(Unescaped::Whole(bytes)) => bytes,
        Some(Unescaped::Shortened { .. }) => {
            return Err(Failure::new(Kind::NameTooLong, "an argument may be at most 240 bytes"));
        }
        None if !arg.contains('%') => arg.as_bytes().to_vec(),
        None => return Err(Failure::not_found(format!("`{arg}` is no escaped value"))),
    };
    String::from_utf8(bytes).map_err(|_| Failure::not_found("an argument that is not UTF-8"))
}

/// A value whose type nothing tells: what it is in EDN, if it is a number, keyword or the like,
/// else text.
pub(super) fn untyped(text: &str) -> Value {
    match edn::read_one(text).ok().as_ref().and_then(Form::as_value) {
        Some(Value::Symbol(_)) | None => Value::str(text),
        Some(value) => value.clone(),
    }
}
