//! A transactor's claim on a branch: the head says where writes are best sent.
//!
//! Claims are advice, not locks. Writers that embed the database may go on to commit by themselves:
//! the swap of the head alone decides. Only transactors obey: one that finds a claim later than its
//! own accepts nothing any more, and names its successor.
//!
//! **Invariant:** epochs rise along a branch and none is given twice, also over a release, which
//! leaves the epoch with no url.

use super::settle::{Attempt, Settled};
use super::{Conn, ConnError, Seen};
use crate::commit::{Head, Opened, Writer};
use crate::store::{Expect, Swap};
use std::sync::{Arc, PoisonError};

/// How long the url of a transactor may be.
const URL_BYTES: usize = 1_024;

impl Conn {
    /// Claims the branch for the transactor `id` that takes writes at `url`. From here on this
    /// connection commits only as long as nobody claims it after. One swap of the head.
    /// A url of more than 1,024 bytes is refused: heads are small.
    pub async fn claim(&self, id: u128, url: &str) -> Result<Writer, ConnError> {
        if url.len() > URL_BYTES {
            return Err(ConnError::LongUrl { bytes: url.len(), most: URL_BYTES });
        }
        let claim = |head: &Head| {
            let epoch = head.writer.as_ref().map_or(0, |writer| writer.epoch) + 1;
            Some(Writer { id, url: url.to_owned(), epoch })
        };
        let writer = self.set_writer(claim, |head| writer_is(head, id)).await?;
        *self.inner.claim.lock().unwrap_or_else(PoisonError::into_inner) = writer.clone();
        writer.ok_or(ConnError::Closed)
    }

    /// Gives the claim back, if it is still this connection's. Others commit by themselves then.
    pub async fn release(&self) -> Result<(), ConnError> {
        let claim = || self.inner.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mine) = claim().clone() else { return Ok(()) };
        let none = Writer { id: mine.id, url: String::new(), epoch: mine.epoch };
        let is_over = |head: &Head| head.closed || head.writer.as_ref() != Some(&mine);
        self.set_writer(|_| Some(none.clone()), is_over).await?;
        // Unless it was claimed from here once more meanwhile.
        claim().take_if(|now| *now == mine);
        Ok(())
    }

    /// The transactor that serves the branch, as last seen.
    pub fn writer(&self) -> Option<Writer> {
        self.seen().opened.head.writer.clone().filter(|writer| !writer.url.is_empty())
    }

    /// Whether this connection may commit on a head: the branch is there, and no other transactor
    /// claimed it after this one.
    pub(super) fn check_open(&self, head: &Head) -> Result<(), ConnError> {
        if head.closed {
            return Err(ConnError::Closed);
        }
        let mine = self.inner.claim.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*mine, &head.writer) {
            (Some(mine), Some(by)) if by.epoch > mine.epoch => {
                Err(ConnError::Claimed { url: by.url.clone(), epoch: by.epoch })
            }
            _ => Ok(()),
        }
    }

    /// Swaps in a head with another writer, unless `is_there` already; what the head then says.
    async fn set_writer(
        &self,
        writer: impl Fn(&Head) -> Option<Writer>,
        is_there: impl Fn(&Head) -> bool,
    ) -> Result<Option<Writer>, ConnError> {
        let (place, name) = (&self.inner.place, &self.inner.head);
        let begun = self.now_ms();
        let mut losses = 0;
        loop {
            losses = self.take_turn(losses).await;
            let seen = self.newest().await?;
            let head = &seen.opened.head;
            if head.closed {
                return Err(ConnError::Closed);
            }
            if is_there(head) {
                return Ok(head.writer.clone());
            }
            let mut next = head.next(self.nonce());
            next.writer = writer(head);
            let bytes = next.encode().map_err(ConnError::TooLarge)?;
            self.note_swap();
            let nonce = next.nonce;
            let expect = Expect::Version(seen.version.clone());
            let why = match place.store.cas_ref(name, expect, bytes).await? {
                Swap::Swapped(version) => {
                    let writer = next.writer.clone();
                    let opened = Opened { head: Arc::new(next), ..seen.opened.clone() };
                    self.remember(&Seen { opened, version });
                    return Ok(writer);
                }
                Swap::Lost => String::new(),
                Swap::Unknown(error) => error.to_string(),
            };
            let attempt = Attempt { replaces: head, nonce, commit: None, why };
            if let Settled::Happened(_) = self.settle(attempt).await {
                return Ok(next.writer);
            }
            let waited_ms = (self.now_ms() - begun).max(0) as u64;
            if waited_ms >= self.inner.options.limit_ms {
                return Err(ConnError::Contended { waited_ms });
            }
            self.note_passed(head);
            losses += 1;
        }
    }
}

fn writer_is(head: &Head, id: u128) -> bool {
    head.writer.as_ref().is_some_and(|writer| writer.id == id && !writer.url.is_empty())
}
