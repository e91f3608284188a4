//! From what is asked to what is erased, as all branches and tags understand it.
//!
//! **Invariant:** nothing is written here. What an earlier attempt found stays: it may have erased
//! what told of it.

use super::super::{ConnError, Place};
use super::target::Target;
use super::{Erase, PurgeError};
use crate::commit::Refs;
use crate::db::Db;

impl Place {
    /// What an erasure is of.
    pub(super) async fn target(
        &self,
        erase: &Erase,
        known: Option<&Target>,
        refs: &Refs,
    ) -> Result<Target, PurgeError> {
        let mut target = known.cloned().unwrap_or_default();
        if erase.is_of_kind() {
            target.kind.add(erase, &self.known(refs).await?)?;
        }
        if let Some(ms) = erase.moment() {
            let known = std::mem::take(&mut target.ended);
            target.ended = self.ended_by(refs, ms, known).await?;
            target.is_of_moment = true;
        }
        Ok(target)
    }

    /// All branches and tags, with their histories.
    async fn known(&self, refs: &Refs) -> Result<Vec<Db>, ConnError> {
        let lines = self.lines(refs).await?.into_iter();
        let mut lines: Vec<_> = lines.map(|line| line.opened).collect();
        for tag in refs.tags.values().filter(|tag| tag.commit.is_some()) {
            if lines.iter().all(|line| line.head.tip.commit != tag.commit) {
                lines.push(self.open_tag(tag).await?);
            }
        }
        Ok(lines.into_iter().map(|line| Db::new(line.snapshot).history()).collect())
    }
}
