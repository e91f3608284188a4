//! The branches of a database that are open, and how new what is known of them is.
//!
//! **Invariant:** one open branch is shared by all who ask. Where looking costs a request, the
//! heads in use are looked at by a thread, and whoever reads one finds it there; the thread is
//! there only while something is in use. A store that is out of reach is told to who reads, never
//! by the thread.

use super::entries::Entries;
use crate::error::{Failure, Kind, Result};
use crate::source::fresh::{Fresh, Looker, Pace};
use factfs_core::commit::Refs;
use factfs_core::conn::ConnError;
use factfs_core::db::Db;
use factfs_store::Database;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// All of them.
pub(super) struct Heads {
    /// On its default branch.
    pub database: Database,
    pub default_branch: String,
    pub pace: Pace,
    pub entries: Entries,
    branches: Mutex<BTreeMap<String, Arc<Open>>>,
    /// Which branch each name means.
    names: Fresh,
    polls: AtomicU64,
    has_thread: AtomicBool,
}

/// A branch that is open.
pub(super) struct Open {
    pub database: Database,
    pub fresh: Fresh,
}

impl Heads {
    pub(super) fn new(database: Database, default_branch: String, pace: Pace) -> Self {
        Self {
            database,
            default_branch,
            entries: Entries::default(),
            branches: Mutex::default(),
            names: Fresh::new(&pace),
            pace,
            polls: AtomicU64::new(0),
            has_thread: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Open>>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are open, without waiting.
    pub(super) fn at_hand(&self) -> Option<MutexGuard<'_, BTreeMap<String, Arc<Open>>>> {
        match self.branches.try_lock() {
            Ok(open) => Some(open),
            Err(TryLockError::Poisoned(open)) => Some(open.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How many looks nobody waited for.
    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Relaxed)
    }

    /// The branch of a name.
    pub(super) fn branch(self: &Arc<Self>, name: &str) -> Result<Arc<Open>> {
        if name != self.default_branch {
            let seen = self.names.used(&self.pace, || self.look_at_names().map(drop));
            self.start();
            seen?;
        }
        if let Some(open) = self.lock().get(name) {
            return Ok(open.clone());
        }
        let database = if name == self.database.branch()? {
            self.database.clone()
        } else {
            self.database.on_branch(name)?
        };
        let open = Arc::new(Open { database, fresh: Fresh::new(&self.pace) });
        Ok(self.lock().entry(name.to_owned()).or_insert(open).clone())
    }

    /// The newest value of a branch; the one that was seen last if that is not long ago.
    pub(super) fn db(self: &Arc<Self>, open: &Open) -> Result<Db> {
        let look = || open.database.db().map(drop).map_err(gone);
        let seen = open.fresh.used(&self.pace, look);
        self.start();
        seen.map(|()| open.database.cached_db())
    }

    /// Another branch may have the name of this one by now.
    pub(super) fn forget(&self, open: &Arc<Open>) {
        self.lock().retain(|_, known| !Arc::ptr_eq(known, open));
        self.entries.clear();
    }

    /// Sees which branch each name means now, whatever happened elsewhere.
    pub(super) fn see_names(&self) -> Result<Refs> {
        self.names.look(&self.pace, || self.look_at_names())
    }

    /// Lets go of branches whose names were taken away, or mean another one.
    fn look_at_names(&self) -> Result<Refs> {
        let refs = self.database.refs().map_err(gone)?;
        let mut branches = self.lock();
        let known = branches.len();
        branches.retain(|name, open| open.database.is_called(name, &refs));
        if branches.len() < known {
            self.entries.clear();
        }
        Ok(refs)
    }

    /// Looks at what is in use and due: how long until something is again; none if nothing is in
    /// use.
    pub(super) fn poll(&self) -> Option<Duration> {
        let counted = || self.polls.fetch_add(1, Relaxed);
        let open: Vec<Arc<Open>> = self.lock().values().cloned().collect();
        let heads = open.iter().map(|open| {
            let look = || {
                counted();
                open.database.db().map(drop).map_err(gone)
            };
            open.fresh.poll(&self.pace, look)
        });
        let names = self.names.poll(&self.pace, || {
            counted();
            self.look_at_names().map(drop)
        });
        heads.chain([names]).flatten().min()
    }

    /// Something is in use: has a thread look while that is so.
    fn start(self: &Arc<Self>) {
        let is_wanted = self.pace.looker == Looker::Thread;
        if !is_wanted || self.has_thread.swap(true, Relaxed) {
            return;
        }
        let weak = Arc::downgrade(self);
        let work = move || {
            loop {
                let Some(heads) = weak.upgrade() else { return };
                let Some(pause) = heads.poll() else {
                    // Who comes just now finds what was looked at, or looks; the next one begins a
                    // thread.
                    return heads.has_thread.store(false, Relaxed);
                };
                drop(heads);
                thread::sleep(pause);
            }
        };
        if let Err(error) = thread::Builder::new().name("heads".into()).spawn(work) {
            tracing::warn!("heads are looked at by who reads: no thread can be had: {error}");
            self.has_thread.store(false, Relaxed);
        }
    }
}

/// Where a database was opened and none is any more, the storage is not what it was: that is no
/// name that is not there.
fn gone(error: factfs_store::Error) -> Failure {
    let found = error.source.as_ref().and_then(|source| source.downcast_ref::<ConnError>());
    let is_gone = matches!(found, Some(ConnError::NoDatabase { .. }));
    let failure = Failure::from(error);
    if !is_gone {
        return failure;
    }
    let hint = "it was there when it was mounted: bring it back, or unmount it";
    Failure { kind: Kind::Unavailable, ..failure }.hint(hint)
}
