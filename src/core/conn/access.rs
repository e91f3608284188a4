//! Reading what a database is made of from its store.
//!
//! **Invariant:** bytes are believed only after they decoded and their hash was compared; an error
//! names the object.

use super::join::join_all;
use super::{ConnError, Place, Seen};
use crate::commit::{
    FORMAT, FormatError, HEAD, Head, Identity, Novelty, Opened, REFS, Refs, Segment, SegmentRef,
    Tip, log_name, novelty_name,
};
use crate::hash::NodeHash;
use crate::store::{BoxFuture, Fetch, RefRead, StoreError, StoreErrorKind, Version};
use bytes::Bytes;

/// How often a head is read anew because what it named was deleted meanwhile.
const MOVES: u32 = 5;

impl Place {
    /// The error of an object whose bytes are wrong.
    pub(super) fn damaged(&self, object: &str, reason: impl Into<FormatError>) -> ConnError {
        let (url, reason) = (self.store.url(), reason.into());
        ConnError::Damaged { url, object: object.to_owned(), reason }
    }

    /// A whole ref, or that it is not there.
    async fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, ConnError> {
        Ok(match self.store.read_ref(name, None).await? {
            RefRead::Found { bytes, version } => Some((bytes, version)),
            RefRead::Absent | RefRead::Unchanged => None,
        })
    }

    /// The head of a branch, by the name of its object.
    pub(super) async fn read_head(&self, name: &str) -> Result<(Head, Version), ConnError> {
        match self.read(name).await? {
            Some((bytes, version)) => {
                Ok((Head::decode(&bytes).map_err(|e| self.damaged(name, e))?, version))
            }
            None if name == HEAD => Err(ConnError::NoDatabase { url: self.store.url() }),
            None => Err(ConnError::NoBranch(name.to_owned())),
        }
    }

    /// Which commit the head of a branch is. One request; nothing that it names is read.
    pub async fn tip(&self, head: &str) -> Result<Tip, ConnError> {
        Ok(self.read_head(head).await?.0.tip)
    }

    /// The `refs` object.
    pub(super) async fn read_refs(&self) -> Result<(Refs, Version), ConnError> {
        let Some((bytes, version)) = self.read(REFS).await? else {
            return Err(ConnError::NoDatabase { url: self.store.url() });
        };
        Ok((Refs::decode(&bytes).map_err(|e| self.damaged(REFS, e))?, version))
    }

    /// Branches and tags.
    pub async fn refs(&self) -> Result<Refs, ConnError> {
        Ok(self.read_refs().await?.0)
    }

    /// Which database is here.
    pub async fn identity(&self) -> Result<Identity, ConnError> {
        let Some((bytes, _)) = self.read(FORMAT).await? else {
            return Err(ConnError::NoDatabase { url: self.store.url() });
        };
        Identity::decode(&bytes).map_err(|e| self.damaged(FORMAT, e))
    }

    /// A head with all that is in no tree. One round.
    pub(super) async fn open_head(&self, name: &str, head: Head) -> Result<Opened, ConnError> {
        let fetches = head.prefetch();
        let fetched = match fetches.is_empty() {
            true => Vec::new(),
            false => self.store.get_many(&fetches).await?,
        };
        let (novelty, ranges) = match (&head.base.novelty, fetched.split_first()) {
            (Some(expected), Some((bytes, ranges))) => {
                let object = || novelty_name(expected.name);
                let novelty = Novelty::decode_as(expected, bytes);
                (novelty.map_err(|e| self.damaged(&object(), e))?, ranges)
            }
            _ => (Novelty::default(), &fetched[..]),
        };
        Opened::new(head, novelty, ranges, self.nodes.clone()).map_err(|e| self.damaged(name, e))
    }

    /// The newest head of a branch, opened; with what is known of an older one. Two rounds, or one
    /// if the base is known.
    pub(super) async fn open_newest(
        &self,
        name: &str,
        known: Option<&Opened>,
    ) -> Result<Seen, ConnError> {
        let mut tries = 0;
        loop {
            let (head, version) = self.read_head(name).await?;
            match self.open_read(name, head, known).await {
                Ok(opened) => return Ok(Seen { opened, version }),
                // The head moved on and a collection deleted what this one named.
                Err(ConnError::Store(e)) if e.kind == StoreErrorKind::NotFound && tries < MOVES => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens a head that was read, unless it is older than the known one.
    pub(super) async fn open_read(
        &self,
        name: &str,
        head: Head,
        known: Option<&Opened>,
    ) -> Result<Opened, ConnError> {
        if let Some(known) = known.filter(|known| known.head.database != head.database) {
            let of = |head: &Head| format!("a head of the database {}", head.database);
            let (found, expected) = (of(&head), of(&known.head));
            return Err(self.damaged(name, FormatError::Another { found, expected }));
        }
        let seen = known.map_or(0, |known| known.head.revision);
        if head.revision < seen {
            let url = self.store.url();
            return Err(ConnError::Stale { url, found: head.revision, seen });
        }
        match known.and_then(|known| known.follow(head.clone())) {
            Some(opened) => opened.map_err(|e| self.damaged(name, e)),
            None => self.open_head(name, head).await,
        }
    }

    /// Writes objects, all at once.
    pub(super) async fn put_all(&self, objects: &[(String, Bytes)]) -> Result<(), StoreError> {
        let puts: Vec<BoxFuture<'_, _>> =
            objects.iter().map(|(key, bytes)| self.store.put(key, bytes.clone())).collect();
        join_all(puts).await.into_iter().collect()
    }

    /// A log segment that a head lists.
    pub(super) async fn segment(&self, segment: &SegmentRef) -> Result<Segment, ConnError> {
        let key = log_name(segment.name);
        let bytes = self.store.get(&Fetch { key: key.clone(), range: None }).await?;
        if NodeHash::of(&bytes) != segment.hash {
            return Err(self.damaged(&key, FormatError::Hash));
        }
        Segment::decode(&bytes).map_err(|e| self.damaged(&key, e))
    }
}
