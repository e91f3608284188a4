//! What became of a swap that was not answered with `Swapped`: found out by reading the head back.
//!
//! **Invariant:** `Moved` is said only when the swap can never happen any more: the head is another
//! one than it was to replace. While the head is unchanged the request may still be under way; then
//! the head is swapped for itself (a *bump*), and after that it cannot.

use super::{Conn, ConnError, Seen};
use crate::commit::Head;
use crate::id::CommitId;
use crate::store::{Expect, Host, Swap};

/// What a swap was about.
pub(super) struct Attempt<'a> {
    /// The head it was to replace.
    pub(super) replaces: &'a Head,
    /// The nonce of the head that was to be swapped in.
    pub(super) nonce: u128,
    /// The last commit of that head, if it had new ones.
    pub(super) commit: Option<CommitId>,
    /// Why it is not clear.
    pub(super) why: String,
}

/// What became of it.
pub(super) enum Settled {
    /// It happened. The newest head.
    Happened(Box<Seen>),
    /// It did not, and never will. The newest head is remembered.
    Moved,
    /// Nobody could be asked until the limit.
    Unknown(String),
}

impl Conn {
    /// Finds out what became of a swap.
    pub(super) async fn settle(&self, attempt: Attempt<'_>) -> Settled {
        let host = self.inner.place.host.as_ref();
        let until = self.now_ms() + self.inner.options.limit_ms as i64;
        let (mut looks, mut why) = (0, attempt.why.clone());
        loop {
            match self.look(&attempt).await {
                Ok(Some(settled)) => return settled,
                Ok(None) => {}
                Err(error) => why = error.to_string(),
            }
            if self.now_ms() >= until {
                return Settled::Unknown(why);
            }
            looks += 1;
            host.sleep(pause_ms(host, looks)).await;
        }
    }

    /// One look at the head, and a bump if it is unchanged.
    async fn look(&self, attempt: &Attempt<'_>) -> Result<Option<Settled>, ConnError> {
        let (place, name) = (&self.inner.place, &self.inner.head);
        let known = self.seen().opened;
        let seen = place.open_newest(name, Some(&known)).await?;
        self.remember(&seen);
        let head = &seen.opened.head;
        if head.nonce == attempt.nonce {
            return Ok(Some(Settled::Happened(Box::new(seen))));
        }
        // Not by its version: some stores name the same body differently when it is read.
        let before = attempt.replaces;
        if (head.revision, head.nonce) != (before.revision, before.nonce) {
            let happened = match attempt.commit {
                Some(commit) => self.in_chain(&seen.opened, commit).await?,
                None => false,
            };
            let settled = if happened { Settled::Happened(Box::new(seen)) } else { Settled::Moved };
            return Ok(Some(settled));
        }
        if !super::rules().bump {
            return Ok(Some(Settled::Moved));
        }
        let bumped = head.next(self.nonce());
        let bytes = bumped.encode().map_err(|e| place.damaged(name, e))?;
        let expect = Expect::Version(seen.version.clone());
        Ok(match place.store.cas_ref(name, expect, bytes).await? {
            Swap::Swapped(version) => {
                let opened = place.open_read(name, bumped, Some(&seen.opened)).await?;
                let seen = Seen { opened, version };
                self.remember(&seen);
                Some(Settled::Moved)
            }
            Swap::Lost | Swap::Unknown(_) => None,
        })
    }

    /// Whether a commit is in the history of a head.
    async fn in_chain(
        &self,
        opened: &crate::commit::Opened,
        commit: CommitId,
    ) -> Result<bool, ConnError> {
        if commit.t > opened.head.tip.t() {
            return Ok(false);
        }
        Ok(self.inner.place.entry(opened, commit.t).await?.id == commit)
    }
}

/// How long to wait before another try: random, from 1-50 ms doubling to a second.
pub(super) fn pause_ms(host: &dyn Host, tries: u32) -> u64 {
    let most = (50_u64 << tries.saturating_sub(1).min(5)).min(1_000);
    1 + (host.random() % u128::from(most)) as u64
}
