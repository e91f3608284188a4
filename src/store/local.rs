//! A directory of the local machine (or a network file system) as a store.
//!
//! **Invariant:** a name always reads as one whole write: bytes go to a temporary file in the same
//! directory, are synced, renamed, and the directory is synced. Of several that swap one version of
//! a ref exactly one wins, in whatever processes they are, because comparing and renaming happen
//! under one lock file. That file is never removed: two processes holding locks on two files of one
//! name would both believe to be alone.
//!
//! The version of a ref is the hash of its bytes (every body carries a nonce), never a time or an
//! inode of the file system. Reading takes no lock, and writes nothing; a ref that this process has
//! not read before is synced before it is believed. Names that begin with a dot
//! are ours: the lock, temporaries.

mod files;
mod lock;

use crate::settings::Settings;
use crate::{coalesce, key};
use bytes::Bytes;
use factfs_core::hash::NodeHash;
use factfs_core::store::{
    BoxFuture, Expect, Fetch, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap, Version,
};
use files::{Directories, WriteError, failed};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ranges this close are cheaper read through than with another call.
const GAP_BYTES: u64 = 4096;
/// No reason to read more than this at once.
const LIMIT_BYTES: u64 = 1024 * 1024;
/// How a directory that can only be read refuses to be synced.
const NO_SYNC: [io::ErrorKind; 4] = [
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ReadOnlyFilesystem,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::Unsupported,
];

/// A local directory.
#[derive(Clone, Debug)]
pub struct LocalStore {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    root: PathBuf,
    url: String,
    lock_timeout: Duration,
    /// A ref was swapped and its directory could not be synced: it is not to be believed until it
    /// can.
    unsynced: AtomicBool,
    directories: Directories,
    /// The version of each ref that is known to be on the disk.
    durable: Mutex<BTreeMap<String, Version>>,
}

impl LocalStore {
    /// A store in the directory `root`, which the first write makes. Touches nothing.
    pub fn new(root: impl Into<PathBuf>, settings: &Settings) -> Self {
        let root = root.into();
        let url = root.display().to_string();
        let (lock_timeout, unsynced) = (settings.lock_timeout, AtomicBool::new(false));
        let (directories, durable) = (Directories::default(), Mutex::default());
        let place = Place { root, url, lock_timeout, unsynced, directories, durable };
        Self { place: Arc::new(place) }
    }

    /// Deletes temporaries that were begun longer ago than `age`, left by processes that were
    /// killed; how many.
    pub fn sweep(&self, age: Duration) -> Result<usize, StoreError> {
        files::sweep(&self.place.root, age).map_err(|e| failed(&self.place.url, "sweep", &e))
    }
}

impl Place {
    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        key::check(&self.url, key)?;
        Ok(self.root.join(key))
    }

    fn failed(&self, object: &str) -> impl Fn(io::Error) -> StoreError + use<'_> {
        let object = object.to_owned();
        move |error| failed(&self.url, &object, &error).because(error)
    }

    fn get(&self, what: &Fetch) -> Result<Bytes, StoreError> {
        key::check_fetch(&self.url, what)?;
        let path = self.path(&what.key)?;
        match files::read(&path, what.range.as_ref()).map_err(self.failed(&what.key))? {
            Ok(bytes) => Ok(bytes),
            Err(length) => Err(key::past_the_end(&self.url, what, Some(length))),
        }
    }

    fn get_many(&self, what: &[Fetch]) -> Result<Vec<Bytes>, StoreError> {
        what.iter().try_for_each(|one| key::check_fetch(&self.url, one))?;
        let pieces = coalesce::plan(what, GAP_BYTES, LIMIT_BYTES).into_iter();
        let brought = pieces.map(|piece| self.get(&piece.fetch).map(|bytes| (piece, bytes)));
        Ok(coalesce::deliver(what, brought.collect::<Result<_, _>>()?))
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let temporary = files::fresh_temporary(&path);
        let written = files::write(&self.root, &self.directories, &path, &temporary, bytes);
        written.map_err(|e| self.failed(key)(e.into()))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key)?;
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(self.failed(key))?,
        };
        // Under the lock, since this may be a ref that another process is swapping.
        let _held = lock::take(&self.root, self.lock_timeout).map_err(self.failed(key))?;
        files::remove(&path).map_err(self.failed(key))
    }

    fn read_ref(&self, name: &str, from: Option<&Version>) -> Result<RefRead, StoreError> {
        if self.unsynced.load(Ordering::Acquire) {
            files::sync_parent(&self.root, &self.path(name)?).map_err(self.failed(name))?;
            self.unsynced.store(false, Ordering::Release);
        }
        Ok(match self.current(&self.path(name)?, name)? {
            None => RefRead::Absent,
            Some((_, version)) if from == Some(&version) => RefRead::Unchanged,
            Some((bytes, version)) => {
                self.make_durable(name, &version)?;
                RefRead::Found { bytes, version }
            }
        })
    }

    /// Whoever swapped it may have been killed before it synced the directory. What is read here
    /// can be acknowledged by this process (a retry finds its transaction), so it has to stay.
    fn make_durable(&self, name: &str, version: &Version) -> Result<(), StoreError> {
        if self.durable().get(name) == Some(version) {
            return Ok(());
        }
        match files::sync_parent(&self.root, &self.path(name)?) {
            // Who may only read acknowledges nothing.
            Err(e) if NO_SYNC.contains(&e.kind()) => Ok(()),
            Err(e) => Err(self.failed(name)(e)),
            Ok(()) => {
                self.durable().insert(name.to_owned(), version.clone());
                Ok(())
            }
        }
    }

    fn durable(&self) -> MutexGuard<'_, BTreeMap<String, Version>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, path: &Path, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        match files::read(path, None) {
            Ok(Ok(bytes)) => {
                let version = version_of(&bytes);
                Ok(Some((bytes, version)))
            }
            Ok(Err(_)) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(name)(e)),
        }
    }

    fn cas_ref(&self, name: &str, expect: &Expect, bytes: &[u8]) -> Result<Swap, StoreError> {
        let path = self.path(name)?;
        if *expect == Expect::Absent {
            self.directories.make_root(&self.root).map_err(self.failed(name))?;
        } else if !self.root.exists() {
            return Ok(Swap::Lost);
        }
        let _held = lock::take(&self.root, self.lock_timeout).map_err(self.failed(name))?;
        let now = self.current(&path, name)?.map(|(_, version)| version);
        let expected = match expect {
            Expect::Absent => now.is_none(),
            Expect::Version(version) => now.as_ref() == Some(version),
        };
        if !expected {
            return Ok(Swap::Lost);
        }
        // One writer at a time: one name is enough, and what a killed process left is overwritten.
        let temporary = files::temporary(&path, "cas");
        match files::write(&self.root, &self.directories, &path, &temporary, bytes) {
            Ok(()) => {
                let version = version_of(bytes);
                self.durable().insert(name.to_owned(), version.clone());
                Ok(Swap::Swapped(version))
            }
            Err(WriteError::NotApplied(e)) => Err(self.failed(name)(e)),
            Err(WriteError::NotDurable(e)) => {
                // Whoever reads it back must not find it before it is on the disk.
                self.unsynced.store(true, Ordering::Release);
                Ok(Swap::Unknown(self.failed(name)(e)))
            }
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        files::list(&self.root, prefix).map_err(self.failed(&format!("list {prefix}")))
    }
}

fn version_of(bytes: &[u8]) -> Version {
    Version { e_tag: Some(NodeHash::of(bytes).to_string()), version: None }
}

impl LocalStore {
    /// Runs what syncs or may wait for a lock where it holds nobody up: on a thread for blocking
    /// work, if the caller is in a runtime, else right here.
    async fn apart<T: Send + 'static>(
        &self,
        object: &str,
        work: impl FnOnce(&Place) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work(&place) };
        let done = runtime.spawn_blocking(move || work(&place)).await;
        done.unwrap_or_else(|error| {
            let reason = "the thread that did it ended early";
            let kind = StoreErrorKind::Unavailable;
            Err(StoreError::new(kind, self.url(), object, reason).because(error))
        })
    }
}

/// Runs what is usually done at once, but on a network file system may hang: other tasks of the
/// runtime are taken over by another thread meanwhile.
fn here<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

impl Store for LocalStore {
    fn url(&self) -> String {
        self.place.url.clone()
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move { here(|| self.place.get(what)) })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move { here(|| self.place.get_many(what)) })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        let owned = key.to_owned();
        Box::pin(self.apart(key, move |place| place.put(&owned, &bytes)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let owned = key.to_owned();
        Box::pin(self.apart(key, move |place| place.delete(&owned)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        let owned = prefix.to_owned();
        Box::pin(self.apart(prefix, move |place| place.list(&owned)))
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(async move { here(|| self.place.read_ref(name, if_changed_from)) })
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        let owned = name.to_owned();
        Box::pin(self.apart(name, move |place| place.cas_ref(&owned, &expect, &bytes)))
    }
}

#[cfg(test)]
mod tests;
