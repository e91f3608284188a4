//! Branches that go.
//!
//! **Invariant:** nothing can be committed on a branch any more when its name goes. Where its
//! commits are to be kept, `refs` say first that it goes, in a swap that finds there what keeps
//! them and does not go itself: of two branches that keep each other one stays. A branch that moved
//! meanwhile stays, too.

use super::{ConnError, Place, rules};
use crate::commit::{Branch, Refs};
use crate::id::CommitId;
use crate::store::{Expect, Swap};

/// What has the commits of a branch that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Another branch, by the name of its head.
    Branch(String),
    /// A tag of its newest commit.
    Tag,
    /// There is no commit to keep.
    Nothing,
}

impl Keeper {
    /// Whether it is there, and stays.
    fn stays(&self, refs: &Refs, commit: Option<CommitId>) -> bool {
        let is_it = |branch: &Branch, head: &str| branch.head == *head && !branch.closed;
        match self {
            Self::Branch(head) => refs.branches.values().any(|branch| is_it(branch, head)),
            Self::Tag => refs.tags.values().any(|tag| tag.commit == commit),
            Self::Nothing => commit.is_none(),
        }
    }
}

impl Place {
    /// Deletes a branch: first nothing can be committed on it any more, then its name goes.
    pub async fn delete_branch(&self, name: &str) -> Result<(), ConnError> {
        let object = self.head_to_delete(name).await?;
        if rules().close_first {
            self.close(&object, None).await?;
        }
        self.forget(&object, |_| true).await.map(drop)
    }

    /// Deletes a branch that is still at this commit, while something else keeps that: whether both
    /// was so.
    pub async fn delete_branch_at(
        &self,
        name: &str,
        at: Option<CommitId>,
        keeper: &Keeper,
    ) -> Result<bool, ConnError> {
        let object = self.head_to_delete(name).await?;
        let is_kept = |refs: &Refs| keeper.stays(refs, at);
        if !self.announce_end(&object, is_kept).await? {
            return Ok(false);
        }
        if !self.close(&object, Some(at)).await? {
            self.keep_open(&object).await?;
            return Ok(false);
        }
        self.forget(&object, is_kept).await
    }

    /// A branch of which `refs` say that it goes stays after all, unless its head is closed:
    /// whoever said so was interrupted, or begins again.
    pub async fn keep_branch(&self, name: &str) -> Result<(), ConnError> {
        let object = self.head_to_delete(name).await?;
        self.keep_open(&object).await
    }

    async fn head_to_delete(&self, name: &str) -> Result<String, ConnError> {
        let refs = self.refs().await?;
        if refs.default_branch == name {
            return Err(ConnError::DefaultBranch(name.to_owned()));
        }
        let branch = refs.branches.get(name);
        Ok(branch.ok_or_else(|| ConnError::NoBranch(name.to_owned()))?.head.clone())
    }

    /// Says in `refs` that a branch goes, if it is kept: whether it was, or has gone.
    async fn announce_end(
        &self,
        object: &str,
        is_kept: impl Fn(&Refs) -> bool,
    ) -> Result<bool, ConnError> {
        let (mut goes, mut said) = (false, false);
        self.update_refs(|refs| {
            let kept = is_kept(refs);
            let Some(branch) = listed(refs, object) else {
                goes = true;
                return Ok(());
            };
            // An earlier attempt that seemed to fail may have said it.
            branch.closed = kept || (branch.closed && !said);
            (goes, said) = (kept, said || kept);
            Ok(())
        })
        .await?;
        Ok(goes)
    }

    async fn keep_open(&self, object: &str) -> Result<(), ConnError> {
        self.update_refs(|refs| {
            if let Some(branch) = listed(refs, object) {
                branch.closed = false;
            }
            Ok(())
        })
        .await
    }

    /// Takes the name away of a branch whose head is closed: whether it is gone. One of which
    /// somebody said meanwhile that it stays is to be kept still.
    async fn forget(
        &self,
        object: &str,
        is_kept: impl Fn(&Refs) -> bool,
    ) -> Result<bool, ConnError> {
        let mut is_gone = true;
        self.update_refs(|refs| {
            let kept = is_kept(refs);
            is_gone = listed(refs, object).is_none_or(|branch| branch.closed || kept);
            if is_gone {
                refs.branches.retain(|_, branch| branch.head != object);
            }
            Ok(())
        })
        .await?;
        Ok(is_gone)
    }

    /// Closes a head, if it is at this commit, where one is given: whether it was.
    async fn close(&self, object: &str, at: Option<Option<CommitId>>) -> Result<bool, ConnError> {
        let begun = self.host.now_ms();
        loop {
            let (head, version) = self.read_head(object).await?;
            if at.is_some_and(|commit| head.tip.commit != commit) {
                return Ok(false);
            }
            if head.closed {
                return Ok(true);
            }
            let mut closed = head.next(self.host.random());
            closed.closed = true;
            let bytes = closed.encode().map_err(|e| self.damaged(object, e))?;
            match self.store.cas_ref(object, Expect::Version(version), bytes).await? {
                Swap::Swapped(_) => return Ok(true),
                // Read again: it is closed, or it moved.
                Swap::Lost | Swap::Unknown(_) => {
                    self.within_limit(begun)?;
                    self.host.sleep(super::settle::pause_ms(self.host.as_ref(), 1)).await;
                }
            }
        }
    }
}

/// The branch of this head.
fn listed<'r>(refs: &'r mut Refs, object: &str) -> Option<&'r mut Branch> {
    refs.branches.values_mut().find(|branch| branch.head == object)
}
