//! Branches and tags: the names in `refs`.
//!
//! **Invariant:** `refs` moves by compare-and-swap, after the object that it is to name exists. A name is a letter, then
//! letters, digits, `.`, `_` and `-`, and cannot be taken for a hash or for a file in some format.

use super::ConnError;

/// Ends of names that say a format.
const FORMATS: [&str; 14] = [
    "csv", "tsv", "json", "jsonl", "edn", "txt", "md", "explain", "parquet", "arrow", "err",
    "meta", "wait", "events",
];

/// Checks the name of a branch or a tag.
pub(super) fn check_name(name: &str) -> Result<(), ConnError> {
    let letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let hash = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let format = name.rsplit_once('.').is_some_and(|(_, end)| FORMATS.contains(&end));
    if letter && name.len() <= 200 && name.bytes().all(plain) && !hash && !format {
        Ok(())
    } else {
        Err(ConnError::BadName(name.to_owned()))
    }
}
