//! How stores are opened: limits, patience, and the environment that credentials come from.
//!
//! **Invariant:** the environment is read in [`Settings::from_env`] and nowhere else in this crate:
//! a test gives its own.

use factfs_core::store::{StoreError, StoreErrorKind};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How many bytes of nodes are kept on disk, unless told otherwise.
const DISK_CACHE_BYTES: u64 = 2 << 30;

/// What [`crate::open`] needs to know beside the url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The variables that credentials and endpoints are read from: `AWS_*`, `GOOGLE_*`, `AZURE_*`,
    /// `HOME`...
    pub env: BTreeMap<String, String>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long credentials may take to come, where somebody has to be asked for them.
    pub credentials_timeout: Duration,
    /// How long one request may take, its answer included.
    pub request_timeout: Duration,
    /// After this long no request is tried again.
    pub retry_timeout: Duration,
    /// How often one request is tried again at most.
    pub retries: usize,
    /// How many GETs of one `get_many` are under way at once.
    pub parallel_gets: usize,
    /// Ranges of one object closer than this are fetched together.
    pub coalesce_gap_bytes: u64,
    /// No ranges are put together beyond this length: longer ones come faster in parallel.
    pub coalesce_limit_bytes: u64,
    /// How long a local write waits for the lock of its directory.
    pub lock_timeout: Duration,
    /// How many bytes of decoded nodes are kept in memory.
    pub cache_bytes: usize,
}

impl Default for Settings {
    /// An empty environment: nothing but what is written here.
    fn default() -> Self {
        Self {
            env: BTreeMap::new(),
            connect_timeout: Duration::from_secs(5),
            credentials_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(10),
            retries: 8,
            parallel_gets: 32,
            coalesce_gap_bytes: 64 * 1024,
            coalesce_limit_bytes: 4 * 1024 * 1024,
            lock_timeout: Duration::from_secs(20),
            cache_bytes: 256 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// The defaults with the environment of this process. Variables that are not Unicode are left
    /// out.
    pub fn from_env() -> Self {
        let unicode = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Self { env: std::env::vars_os().filter_map(unicode).collect(), ..Self::default() }
    }

    /// Where nodes of remote stores are kept on disk, and how many bytes of them: `FACTFS_CACHE` is
    /// a directory or `off`, by default `factfs` in the user's directory of caches;
    /// `FACTFS_CACHE_BYTES` is a number, with K, M, G or T for powers of 1024.
    pub fn disk_cache(&self) -> Result<Option<(PathBuf, u64)>, StoreError> {
        let home = || self.var("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let usual = || self.var("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let root = match self.var("FACTFS_CACHE") {
            Some("off" | "0" | "no" | "false") => None,
            Some(root) => Some(PathBuf::from(root)),
            None => usual().filter(|root| root.is_absolute()).map(|root| root.join("factfs")),
        };
        let Some(root) = root else { return Ok(None) };
        let text = self.var("FACTFS_CACHE_BYTES");
        let limit = text.map_or(Some(DISK_CACHE_BYTES), bytes);
        let Some(limit) = limit else {
            let text = text.unwrap_or_default();
            let reason = format!("{text:?} is no number of bytes, such as 500M or 2G");
            let (kind, name) = (StoreErrorKind::Invalid, "FACTFS_CACHE_BYTES");
            return Err(StoreError::new(kind, "the cache", name, reason));
        };
        Ok((limit > 0).then_some((root, limit)))
    }

    /// A number of bytes as people write it: `1500`, `500M`; K, M, G and T are powers of 1024.
    pub fn bytes(text: &str) -> Option<u64> {
        bytes(text)
    }

    /// A variable that is set to something.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable says yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let yes = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes");
        self.var(name).is_some_and(yes)
    }
}

/// A number of bytes as people write it.
fn bytes(text: &str) -> Option<u64> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let last = text.chars().last()?.to_ascii_uppercase();
    match units.iter().find(|(unit, _)| *unit == last) {
        Some((_, bits)) => text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(1 << bits),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes() {
        let read = [("0", 0), ("1500", 1500), ("2k", 2048), ("3G", 3 << 30)];
        read.iter().for_each(|(text, expected)| assert_eq!(bytes(text), Some(*expected), "{text}"));
        assert!(["", "M", "1.5G", "-1", "9999999999T"].iter().all(|text| bytes(text).is_none()));
    }

    #[track_caller]
    fn check(env: &[(&str, &str)], expected: Option<&str>) {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let settings = Settings { env: env.collect(), ..Settings::default() };
        let found = settings.disk_cache().unwrap().map(|(root, _)| root);
        assert_eq!(found.as_deref(), expected.map(std::path::Path::new));
    }

    #[test]
    fn where_the_cache_is() {
        check(&[], None);
        check(&[("HOME", "/h")], Some("/h/.cache/factfs"));
        check(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], Some("/c/factfs"));
        check(&[("XDG_CACHE_HOME", "relative")], None);
        check(&[("HOME", "/h"), ("FACTFS_CACHE", "/x")], Some("/x"));
        check(&[("HOME", "/h"), ("FACTFS_CACHE", "off")], None);
        check(&[("HOME", "/h"), ("FACTFS_CACHE_BYTES", "0")], None);
    }
}
