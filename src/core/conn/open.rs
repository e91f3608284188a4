//! Opening a branch, and looking for a newer head.
//!
//! **Invariant:** opening writes nothing. A head older than one seen before is refused, and one
//! that belongs to another database, or to another branch of this one.

use super::flushing::Flushing;
use super::queue::Queue;
use super::turns::Turns;
use super::{Conn, ConnError, Inner, Options, Place, Seen};
use crate::commit::{FormatError, HEAD, Head};
use crate::db::{Db, Snapshot};
use crate::id::CommitId;
use crate::store::RefRead;
use crate::value::Uuid;
use std::sync::{Arc, Mutex};

impl Place {
    /// An error where the default branch's head, which is of the database `of`, is not of the one
    /// that `format` says: before the first write, since whoever reads needs only the head.
    pub async fn check_format(&self, of: Uuid) -> Result<(), ConnError> {
        match self.identity().await {
            Ok(identity) => self.check_database(of, identity.database),
            // What is lost without it is for `verify` to tell.
            Err(ConnError::NoDatabase { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An error where the default branch's head is of another database than the one expected.
    pub fn check_database(&self, of: Uuid, expected: Uuid) -> Result<(), ConnError> {
        if of == expected {
            return Ok(());
        }
        let head = |uuid: Uuid| format!("a head of the database {uuid}");
        let (found, expected) = (head(of), head(expected));
        Err(self.damaged(HEAD, FormatError::Another { found, expected }))
    }

    /// An error where a head is in the place of another: copied from another database, or from
    /// another branch.
    fn check_owner(
        &self,
        name: &str,
        head: &Head,
        database: Uuid,
        block: u64,
    ) -> Result<(), ConnError> {
        let of_database = |uuid: Uuid| format!("a head of the database {uuid}");
        let of_branch = |block: u64| format!("the head of a branch whose ids are of block {block}");
        let (found, expected) = match (head.database != database, head.block != block) {
            (true, _) => (of_database(head.database), of_database(database)),
            (_, true) => (of_branch(head.block), of_branch(block)),
            _ => return Ok(()),
        };
        Err(self.damaged(name, FormatError::Another { found, expected }))
    }
}

impl Conn {
    /// Opens a branch; `None` is the default one. Two rounds: the head, then novelty and roots
    /// together; a named branch takes one more, for `refs`.
    pub async fn open(
        place: Place,
        branch: Option<&str>,
        options: Options,
    ) -> Result<Self, ConnError> {
        let (head, seen) = match branch {
            None => {
                let seen = place.open_newest(HEAD, None).await?;
                let head = &seen.opened.head;
                place.check_owner(HEAD, head, head.database, 0)?;
                (HEAD.to_owned(), seen)
            }
            Some(name) => {
                let refs = place.refs().await?;
                let found = refs.branches.get(name).filter(|branch| !branch.closed);
                let branch = found.ok_or_else(|| ConnError::NoBranch(name.to_owned()))?;
                let seen = place.open_newest(&branch.head, None).await?;
                place.check_owner(&branch.head, &seen.opened.head, refs.database, branch.block)?;
                (branch.head.clone(), seen)
            }
        };
        place.nodes.purged(seen.opened.head.database, seen.opened.head.purge_generation);
        let seen = Mutex::new(seen);
        let (branch, queue) = (branch.map(str::to_owned), Queue::default());
        let (flushing, flush_error) = (Flushing::default(), Mutex::default());
        let (past, claim, turns) = (Mutex::default(), Mutex::default(), Turns::default());
        let inner = Inner {
            place,
            options,
            head,
            branch,
            seen,
            queue,
            flushing,
            flush_error,
            turns,
            past,
            claim,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The newest database. An unchanged head costs one request without a body.
    pub async fn refresh(&self) -> Result<Db, ConnError> {
        let seen = self.newest().await?;
        Ok(Db::new(seen.opened.snapshot))
    }

    /// The same database once more, for a reader whose objects a collection deleted: seen from the
    /// newest head as of then. [`ConnError::Collected`] where that is not in the history of this
    /// branch.
    pub async fn again(&self, db: &Db) -> Result<Db, ConnError> {
        match db.snapshot().commit {
            Some(commit) => Ok(db.over(self.newest_with(commit).await?)),
            None => Err(ConnError::Collected),
        }
    }

    /// The newest head, if its history has this commit.
    pub async fn newest_with(&self, commit: CommitId) -> Result<Snapshot, ConnError> {
        let opened = self.newest().await?.opened;
        let has = match commit.t <= opened.head.tip.t() {
            true => self.inner.place.entry(&opened, commit.t).await?.id == commit,
            false => false,
        };
        if has { Ok(opened.snapshot) } else { Err(ConnError::Collected) }
    }

    /// The newest head.
    pub(super) async fn newest(&self) -> Result<Seen, ConnError> {
        let (place, name) = (&self.inner.place, &self.inner.head);
        let known = self.seen();
        let read = place.store.read_ref(name, Some(&known.version)).await?;
        let seen = match read {
            RefRead::Unchanged => return Ok(known),
            RefRead::Found { bytes, version } => {
                let head = Head::decode(&bytes).map_err(|e| place.damaged(name, e))?;
                match place.open_read(name, head, Some(&known.opened)).await {
                    Ok(opened) => Seen { opened, version },
                    // Something it names was deleted since, or another task here saw a newer one.
                    Err(ConnError::Store(_)) => {
                        place.open_newest(name, Some(&known.opened)).await?
                    }
                    Err(error) => return Err(error),
                }
            }
            RefRead::Absent if name == HEAD => {
                return Err(ConnError::NoDatabase { url: place.store.url() });
            }
            // It was deleted, and collected.
            RefRead::Absent => return Err(ConnError::Closed),
        };
        self.remember(&seen);
        Ok(seen)
    }
}
