//! How stores are opened: limits, patience, and the environment that credentials come from.
//!
//! **Invariant:** the environment is read in [`Settings::from_env`] and nowhere else in this crate:
//! a test gives its own.

use std::collections::BTreeMap;
use std::time::Duration;

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
