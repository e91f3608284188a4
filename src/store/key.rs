//! Names of objects: what may be one.
//!
//! **Invariant:** a name that passed [`check`] stays inside the place it is looked up in: names
//! come out of heads and tree nodes, which someone else may have written.

use factfs_core::store::{Fetch, StoreError, StoreErrorKind};

/// Whether `key` is a name: ASCII letters, digits, `-`, `_`, in parts separated by one `/`.
pub(crate) fn valid(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    key.len() <= 1024 && key.split('/').all(|part| !part.is_empty() && part.bytes().all(plain))
}

/// An error unless `key` is a name.
pub(crate) fn check(url: &str, key: &str) -> Result<(), StoreError> {
    if valid(key) {
        return Ok(());
    }
    let reason = "not a name of an object: letters, digits, '-', '_', parted by '/'";
    Err(StoreError::new(StoreErrorKind::Invalid, url, format!("{key:?}"), reason))
}

/// An error unless `what` has a name and a range that does not run backwards.
pub(crate) fn check_fetch(url: &str, what: &Fetch) -> Result<(), StoreError> {
    check(url, &what.key)?;
    match &what.range {
        Some(range) if range.start > range.end => Err(past_the_end(url, what, None)),
        _ => Ok(()),
    }
}

/// The most bytes of an object that is read whole: a service that names a larger one is not obeyed.
pub(crate) const MAX_OBJECT_BYTES: u64 = 1 << 30;
/// The most bytes of a ref.
pub(crate) const MAX_REF_BYTES: u64 = 64 << 20;

/// An error if an object is larger than any that was ever written.
pub(crate) fn check_size(url: &str, key: &str, size: u64, most: u64) -> Result<(), StoreError> {
    if size <= most {
        return Ok(());
    }
    let reason = format!("{size} bytes: this is no object of a database");
    Err(StoreError::new(StoreErrorKind::Corrupt, url, key, reason))
}

/// The error for a range that the object does not have.
pub(crate) fn past_the_end(url: &str, what: &Fetch, length: Option<u64>) -> StoreError {
    let range = what.range.clone().unwrap_or_default();
    let of = length.map_or_else(|| "its length".into(), |n| format!("its {n} bytes"));
    let reason = format!("bytes {} to {} are not all within {of}", range.start, range.end);
    StoreError::new(StoreErrorKind::Corrupt, url, &what.key, reason)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        for good in ["head", "pack/9f3c", "branch/a-b_c/head"] {
            assert!(super::valid(good), "{good}");
        }
        for bad in ["", "/", "/etc/passwd", "../up", "a//b", "a/", "a b", ".lock", "é", "a\0"] {
            assert!(!super::valid(bad), "{bad:?}");
        }
    }
}
