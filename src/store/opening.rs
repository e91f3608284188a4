//! A store that is open, before a branch of it is: its caches, and whether it may be written.
//!
//! **Invariant:** opening sends nothing. Nothing is written before the place was found to keep its
//! word, and never to a replica. [`wait`] blocks the calling thread: it may not be called from a
//! thread that runs tasks of the runtime.

use crate::trust::Trust;
use crate::{DiskCache, Error, Kind, Settings, StoreNodes, SystemHost};
use factfs_core::clone::replica_of;
use factfs_core::commit::Replica;
use factfs_core::conn::{Flush, Options, Place};
use factfs_core::store::{Host, Store, contract};
use factfs_core::value::Uuid;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// The runtime that requests run on: one for the process.
pub fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let start = || Builder::new_multi_thread().worker_threads(2).enable_all().build();
    RUNTIME
        .get_or_init(|| start().map_err(|e| e.to_string()))
        .as_ref()
        .map_err(|e| Error::new(Kind::Unavailable, format!("no threads for requests: {e}")))
}

/// What a future comes to.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> Result<T, Error> {
    Ok(runtime()?.block_on(future))
}

/// A store that is open: shared by all branches of it that are.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) place: Place,
    pub(crate) nodes: Arc<StoreNodes>,
    pub(crate) counted: Arc<crate::Counted<Arc<dyn Store>>>,
    pub(crate) url: String,
    pub(crate) options: Options,
    trust: Arc<Trust>,
    replica: Arc<Mutex<Option<Option<String>>>>,
}

impl Opening {
    pub(crate) fn new(url: &str, settings: &Settings) -> Result<Self, Error> {
        let options = options(settings)?;
        let store = crate::open(url, settings)?;
        let url = store.url();
        let trust = Arc::new(Trust::new(&url, settings));
        let counted = Arc::new(crate::Counted::new(store));
        let store: Arc<dyn Store> = counted.clone();
        let handle = runtime()?.handle().clone();
        let nodes = StoreNodes::new(store.clone(), settings.cache_bytes, handle);
        let host: Arc<dyn Host> = Arc::new(SystemHost);
        let disk = match is_remote(&url) {
            true => settings.disk_cache()?,
            false => None,
        };
        let disk = disk.map(|(root, limit_bytes)| DiskCache::shared(&root, limit_bytes, &host));
        let nodes = Arc::new(nodes.with_disk(disk));
        let place = Place { store, host, nodes: nodes.clone() };
        Ok(Self { place, nodes, counted, url, options, trust, replica: Arc::default() })
    }

    /// Before the first write of a process: replicas are not written, and neither are stores that
    /// cannot be trusted.
    pub(crate) fn require_writable(&self, uuid: Option<Uuid>) -> Result<(), Error> {
        let mut known = self.replica.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match &*known {
            Some(why) => why,
            None => {
                if let Some(uuid) = uuid {
                    wait(self.place.check_format(uuid))??;
                }
                let replica = wait(replica_of(self.place.store.as_ref()))??;
                let why = |replica: Replica| {
                    format!(
                        "{}: this is a replica of {} and is not written: write there, or make a \
                         database of its own with factfs clone --fork",
                        self.url, replica.origin
                    )
                };
                known.insert(replica.map(why))
            }
        };
        match why {
            None => self.require_trust(uuid),
            Some(why) => Err(Error::new(Kind::ReadOnly, why.clone())),
        }
    }

    /// Before the first write of a process to a remote store: some accept conditions silently and
    /// ignore them. What was found about the database `uuid` is noted.
    pub(crate) fn require_trust(&self, uuid: Option<Uuid>) -> Result<(), Error> {
        if !is_remote(&self.url) {
            return Ok(());
        }
        let probe = || -> Result<Option<String>, Error> {
            let store = self.place.store.as_ref();
            Ok(match wait(contract::probe(store, self.place.host.as_ref()))?? {
                contract::Trust::Safe => None,
                contract::Trust::Unsafe { why } => {
                    Some(format!("{}: this store cannot be written safely: {why}", self.url))
                }
            })
        };
        match self.trust.why_not(uuid, probe)? {
            None => Ok(()),
            Some(why) => Err(Error::new(Kind::ReadOnly, why)),
        }
    }
}

/// How a connection behaves: as usual, but for what the environment says. `FACTFS_FLUSH_ROWS` is
/// how many rows of novelty are merged into the trees at once: fewer make smaller flushes, and more
/// of them.
fn options(settings: &Settings) -> Result<Options, Error> {
    let usual = Options { flush: Flush::Owner, ..Options::default() };
    let Some(text) = settings.var("FACTFS_FLUSH_ROWS") else { return Ok(usual) };
    match text.parse().ok().filter(|rows| *rows > 0) {
        Some(novelty_rows) => Ok(Options { novelty_rows, ..usual }),
        None => {
            let message = format!("FACTFS_FLUSH_ROWS={text} is no number of rows");
            Err(Error::new(Kind::Invalid, message))
        }
    }
}

/// Whether a place is reached over a network.
fn is_remote(url: &str) -> bool {
    url.contains("://") && !url.starts_with("file://") && !url.starts_with("sqlite://")
}
