//! Moving `refs`.
//!
//! **Invariant:** a change is a function of the refs that were read; it is made again on newer ones
//! until a swap is known to have happened. So a change must see whether an earlier attempt of it,
//! that seemed to fail, is in them already.

use super::settle::pause_ms;
use super::{ConnError, Place};
use crate::commit::{REFS, Refs};
use crate::store::{Expect, Swap, Version};

/// How long a change of `refs`, or of a head for the sake of one, is tried.
const LIMIT_MS: i64 = 30_000;

/// How often `refs` are looked at for names that came meanwhile.
const LOOKS: u32 = if cfg!(test) { 100 } else { 1_000 };

/// What became of a swap of `refs`.
pub(super) enum Step {
    /// It happened.
    Done,
    /// It did not, or it did and another came after: read them again.
    Again,
}

impl Place {
    /// Swaps `refs`, with the revision and the nonce they need.
    pub(super) async fn swap_refs(
        &self,
        version: &Version,
        mut refs: Refs,
    ) -> Result<Step, ConnError> {
        (refs.revision, refs.nonce) = (refs.revision + 1, self.host.random());
        let expect = Expect::Version(version.clone());
        Ok(match self.store.cas_ref(REFS, expect, refs.encode()).await? {
            Swap::Swapped(_) => Step::Done,
            Swap::Lost | Swap::Unknown(_) => {
                let (now, _) = self.read_refs().await?;
                self.host.sleep(pause_ms(self.host.as_ref(), 1)).await;
                if now.nonce == refs.nonce { Step::Done } else { Step::Again }
            }
        })
    }

    /// Changes `refs`.
    pub(super) async fn update_refs(
        &self,
        mut change: impl FnMut(&mut Refs) -> Result<(), ConnError>,
    ) -> Result<(), ConnError> {
        let begun = self.host.now_ms();
        loop {
            let (mut refs, version) = self.read_refs().await?;
            let before = refs.clone();
            change(&mut refs)?;
            if refs == before {
                return Ok(());
            }
            if let Step::Done = self.swap_refs(&version, refs).await? {
                return Ok(());
            }
            self.within_limit(begun)?;
        }
    }

    /// An error when `refs` were looked at so often, and never stood still.
    pub(super) fn within_looks(&self, looks: u32) -> Result<(), ConnError> {
        if looks < LOOKS { Ok(()) } else { Err(ConnError::Restless { looks }) }
    }

    /// An error when what was begun then has been tried for long enough.
    pub(super) fn within_limit(&self, begun: i64) -> Result<(), ConnError> {
        let waited_ms = (self.host.now_ms() - begun).max(0);
        match waited_ms > LIMIT_MS {
            true => Err(ConnError::Contended { waited_ms: waited_ms.unsigned_abs() }),
            false => Ok(()),
        }
    }
}
