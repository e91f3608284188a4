//! Copying a database to another place: backup, restore, a replica to read from.
//!
//! Objects are copied as they are, each verified by the hashes it carries and by those that the
//! heads give of it, and only those that are not there; then the heads, then `refs`. A copy is a
//! replica: its object `replica` says of what, and whoever writes refuses. A fork is a new database
//! instead, with an id of its own: heads, snapshots and `refs` are written anew with that id;
//! packs, novelty and log are the same bytes, and `format` names the databases that they come from.
//!
//! **Invariant:** a head is written when all it refers to is there: a copy that was interrupted is
//! as whole as before, and the next one goes on. Nothing is ever written to the source, and nothing
//! to a place that holds anything else. Memory: `AT_ONCE` objects.

mod copy;
mod error;

#[cfg(test)]
mod tests;

pub use error::CloneError;

use crate::commit::{FORMAT, FormatError, HEAD, Head, Identity, REFS, REPLICA, Refs, Replica, Tag};
use crate::conn::ConnError;
use crate::store::{
    Expect, Fetch, Host, RefRead, Store, StoreError, StoreErrorKind, Swap, Version,
};
use crate::value::Uuid;
use bytes::Bytes;
use copy::Expected;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many objects are under way at once.
const AT_ONCE: usize = 8;
/// How often what was deleted meanwhile is looked for anew.
const TRIES: u32 = 5;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Objects that were copied.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
    /// Heads and `refs` that were written.
    pub moved: u64,
}

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes copied.
    pub bytes: u64,
    /// Bytes to be copied in all.
    pub total: u64,
}

/// What a place says of being a copy.
pub async fn replica_of(store: &dyn Store) -> Result<Option<Replica>, ConnError> {
    let RefRead::Found { bytes, .. } = store.read_ref(REPLICA, None).await? else {
        return Ok(None);
    };
    Replica::decode(&bytes).map(Some).map_err(|e| damaged(store, REPLICA, e))
}

fn damaged(store: &dyn Store, object: &str, reason: FormatError) -> ConnError {
    ConnError::Damaged { url: store.url(), object: object.to_owned(), reason }
}

/// Copies from one place to another, once or again and again.
#[derive(Debug)]
pub struct Cloning {
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
    host: Arc<dyn Host>,
    /// A new database, and not a replica.
    fork: bool,
    /// What the target has: names and lengths.
    have: Option<BTreeMap<String, u64>>,
    /// The refs of the source as last seen.
    seen: BTreeMap<String, Version>,
}

/// The refs of the source at one moment.
struct Moment {
    refs: Refs,
    /// The heads by object, `refs` itself not among them.
    heads: BTreeMap<String, (Head, Bytes)>,
    refs_bytes: Bytes,
    seen: BTreeMap<String, Version>,
}

impl Cloning {
    /// From one place to another; `fork` makes a new database there.
    pub fn new(
        source: Arc<dyn Store>,
        target: Arc<dyn Store>,
        host: Arc<dyn Host>,
        fork: bool,
    ) -> Self {
        Self { source, target, host, fork, have: None, seen: BTreeMap::new() }
    }

    /// Whether the source has changed since the last run: a request without a body for each head.
    pub async fn has_changed(&self) -> Result<bool, CloneError> {
        for (name, version) in &self.seen {
            if self.source.read_ref(name, Some(version)).await? != RefRead::Unchanged {
                return Ok(true);
            }
        }
        Ok(self.seen.is_empty())
    }

    /// Copies what is not there.
    pub async fn run(
        &mut self,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Copied, CloneError> {
        let identity = self.begin().await?;
        let mut tries = 0;
        loop {
            match self.run_once(&identity, watch).await {
                // Collected meanwhile: then the heads have moved on.
                Err(CloneError::Conn(ConnError::Store(e)))
                    if e.kind == StoreErrorKind::NotFound && tries < TRIES =>
                {
                    tries += 1;
                    self.host.sleep(100).await;
                }
                other => return other,
            }
        }
    }

    async fn run_once(
        &mut self,
        identity: &Identity,
        watch: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Copied, CloneError> {
        // The heads before the listing: all that they refer to is in it.
        let moment = self.moment().await?;
        let expected = Expected::of(moment.heads.values().map(|(head, _)| head));
        let mut copied = self.copy(&expected, watch).await?;
        if self.fork {
            self.fork_snapshots(&moment.refs, identity.database).await?;
        }
        for (name, (head, bytes)) in &moment.heads {
            if name != HEAD {
                copied.moved += self.move_head(name, head, bytes, identity).await?;
            }
        }
        if let Some((head, bytes)) = moment.heads.get(HEAD) {
            copied.moved += self.move_head(HEAD, head, bytes, identity).await?;
        }
        let refs = match self.fork {
            true => Refs {
                database: identity.database,
                nonce: self.host.random(),
                ..moment.refs.clone()
            }
            .encode(),
            false => moment.refs_bytes.clone(),
        };
        copied.moved += self
            .move_ref(REFS, refs, |now, new| {
                Ok(Refs::decode(now)?.revision > Refs::decode(new)?.revision)
            })
            .await?;
        self.forget_branches(&moment).await?;
        self.seen = moment.seen;
        Ok(copied)
    }

    /// Sees that the target may be written; which database it is to be.
    async fn begin(&self) -> Result<Identity, CloneError> {
        let source = self.source.as_ref();
        let none = || ConnError::NoDatabase { url: source.url() };
        let bytes = read(source, FORMAT).await?.ok_or_else(none)?;
        let identity = Identity::decode(&bytes).map_err(|e| damaged(source, FORMAT, e))?;
        let there = match read(self.target.as_ref(), FORMAT).await? {
            Some(bytes) => {
                let target = self.target.as_ref();
                Some(Identity::decode(&bytes).map_err(|e| damaged(target, FORMAT, e))?)
            }
            None => None,
        };
        match self.fork {
            true => self.begin_fork(identity, there).await,
            false => self.begin_replica(identity, &bytes, there).await,
        }
    }

    async fn begin_replica(
        &self,
        identity: Identity,
        bytes: &Bytes,
        there: Option<Identity>,
    ) -> Result<Identity, CloneError> {
        let target = self.target.as_ref();
        let url = target.url();
        let marked = replica_of(target).await?;
        match (&there, marked) {
            (Some(there), _) if there.database != identity.database => {
                let (found, expected) = (there.database, identity.database);
                return Err(CloneError::Another { url, found, expected });
            }
            (_, Some(marked)) if marked.database != identity.database => {
                let (found, expected) = (marked.database, identity.database);
                return Err(CloneError::Another { url, found, expected });
            }
            (Some(_), None) => return Err(CloneError::NotReplica { url }),
            (_, Some(_)) => {}
            (None, None) => {
                let (database, since_ms) = (identity.database, self.host.now_ms());
                let replica = Replica { database, since_ms, origin: self.source.url() };
                self.move_ref(REPLICA, replica.encode(), |_, _| Ok(false)).await?;
            }
        }
        if there.is_none() {
            self.move_ref(FORMAT, bytes.clone(), |_, _| Ok(false)).await?;
        }
        Ok(identity)
    }

    async fn begin_fork(
        &self,
        source: Identity,
        there: Option<Identity>,
    ) -> Result<Identity, CloneError> {
        let target = self.target.as_ref();
        let exists = || ConnError::Exists { url: target.url() };
        if read(target, REFS).await?.is_some() || replica_of(target).await?.is_some() {
            return Err(exists().into());
        }
        match there {
            // A fork of this database that was interrupted.
            Some(there) if there.origins.first() == Some(&source.database) => Ok(there),
            Some(_) => Err(exists().into()),
            None => {
                let random = self.host.random().to_le_bytes();
                let database = uuid::Builder::from_random_bytes(random).into_uuid();
                let origins = [vec![source.database], source.origins].concat();
                let fork = Identity { database, created_ms: self.host.now_ms(), origins };
                self.move_ref(FORMAT, fork.encode(), |_, _| Ok(true)).await?;
                Ok(fork)
            }
        }
    }

    /// The refs of the source: `refs` first, so that the heads are of then or newer.
    async fn moment(&self) -> Result<Moment, CloneError> {
        let source = self.source.as_ref();
        let none = || ConnError::NoDatabase { url: source.url() };
        let (refs_bytes, version) = read_versioned(source, REFS).await?.ok_or_else(none)?;
        let refs = Refs::decode(&refs_bytes).map_err(|e| damaged(source, REFS, e))?;
        let mut seen = BTreeMap::from([(REFS.to_owned(), version)]);
        let mut heads = BTreeMap::new();
        for branch in refs.branches.values() {
            let name = &branch.head;
            let gone = || {
                let reason = "there is no such object";
                StoreError::new(StoreErrorKind::NotFound, source.url(), name, reason)
            };
            let (bytes, version) = read_versioned(source, name).await?.ok_or_else(gone)?;
            let head = Head::decode(&bytes).map_err(|e| damaged(source, name, e))?;
            seen.insert(name.clone(), version);
            heads.insert(name.clone(), (head, bytes));
        }
        Ok(Moment { refs, heads, refs_bytes, seen })
    }

    async fn move_head(
        &self,
        name: &str,
        head: &Head,
        bytes: &Bytes,
        identity: &Identity,
    ) -> Result<u64, CloneError> {
        let bytes = match self.fork {
            true => self.forked(head, identity.database, name)?,
            false => bytes.clone(),
        };
        let older = |now: &Bytes, new: &Bytes| {
            Ok(Head::decode(now)?.revision > Head::decode(new)?.revision)
        };
        self.move_ref(name, bytes, older).await
    }

    /// A head of the source as one of the fork.
    fn forked(&self, head: &Head, database: Uuid, name: &str) -> Result<Bytes, CloneError> {
        let nonce = self.host.random();
        let head = Head { database, nonce, writer: None, ..head.clone() };
        Ok(head.encode().map_err(|e| damaged(self.source.as_ref(), name, e))?)
    }

    /// Snapshots hold the id of their database: those of a fork are written anew.
    async fn fork_snapshots(&self, refs: &Refs, database: Uuid) -> Result<(), CloneError> {
        for Tag { snapshot, .. } in refs.tags.values().chain(&refs.automatic) {
            let fetch = Fetch { key: snapshot.clone(), range: None };
            let bytes = self.source.get(&fetch).await?;
            let source = self.source.as_ref();
            let head = Head::decode(&bytes).map_err(|e| damaged(source, snapshot, e))?;
            let bytes = self.forked(&head, database, snapshot)?;
            self.target.put(snapshot, bytes).await?;
        }
        Ok(())
    }

    /// Makes a ref of the target hold these bytes; how many were written. What `is_newer` than they
    /// are is not replaced, but in a fork, where nobody reads yet.
    async fn move_ref(
        &self,
        name: &str,
        bytes: Bytes,
        is_newer: impl Fn(&Bytes, &Bytes) -> Result<bool, FormatError>,
    ) -> Result<u64, CloneError> {
        let target = self.target.as_ref();
        let mut tries = 0;
        loop {
            let expect = match read_versioned(target, name).await? {
                Some((now, _)) if now == bytes => return Ok(u64::from(tries > 0)),
                // What is damaged there is replaced.
                Some((now, _)) if !self.fork && is_newer(&now, &bytes).unwrap_or(false) => {
                    let url = target.url();
                    return Err(CloneError::Newer { url, object: name.to_owned() });
                }
                Some((_, version)) => Expect::Version(version),
                None => Expect::Absent,
            };
            match target.cas_ref(name, expect, bytes.clone()).await? {
                Swap::Swapped(_) => return Ok(1),
                Swap::Lost | Swap::Unknown(_) if tries < TRIES => tries += 1,
                Swap::Unknown(error) => return Err(error.into()),
                Swap::Lost => {
                    let url = target.url();
                    return Err(CloneError::Contended { url, object: name.to_owned() });
                }
            }
            self.host.sleep(100).await;
        }
    }

    /// Deletes heads of branches that are no more.
    async fn forget_branches(&self, moment: &Moment) -> Result<(), CloneError> {
        let known: BTreeSet<&String> = moment.heads.keys().collect();
        let old = self.seen.keys().filter(|name| *name != REFS && !known.contains(name));
        for name in old {
            self.target.delete(name).await?;
        }
        Ok(())
    }
}

async fn read(store: &dyn Store, name: &str) -> Result<Option<Bytes>, StoreError> {
    Ok(read_versioned(store, name).await?.map(|(bytes, _)| bytes))
}

async fn read_versioned(
    store: &dyn Store,
    name: &str,
) -> Result<Option<(Bytes, Version)>, StoreError> {
    Ok(match store.read_ref(name, None).await? {
        RefRead::Found { bytes, version } => Some((bytes, version)),
        RefRead::Absent | RefRead::Unchanged => None,
    })
}
