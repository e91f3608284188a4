//! What changed between two values of the database, by the way whose cost follows the change.
//!
//! Values that share their trees differ in what is in memory: nothing is read. Else the log between
//! them is read, if both are in histories that are known here and it is not large: that costs what
//! was said. Else the trees, where what both share by hash is skipped; or, for a value that is a
//! later one filtered, all of both.
//!
//! **Invariant:** each way gives the same. The log is not asked where it does not tell all: where
//! something of it was erased, or an attribute keeps no history and a value of the past so does not
//! show what ended since.

use super::merge::{LOG_BYTES, Line, fork, has, logged};
use super::{Conn, ConnError};
use crate::commit::Opened;
use crate::db::{Db, Difference, Known};
use crate::id::{CommitId, T, Tx};

/// The most commits of a log whose size is looked up.
const COMMITS: u64 = 64 << 10;

impl Conn {
    /// What changed from one value of this database to another, whichever their branches are.
    pub async fn difference(&self, from: &Db, to: &Db) -> Result<Difference, ConnError> {
        if from.database() == to.database() && !from.shares_trees(to) {
            match self.log_says(from, to).await {
                Ok(Some(known)) => return Ok(from.difference_known(to, known)?),
                // The log cannot be had, or not where it is looked for: the values can.
                Ok(None) | Err(ConnError::Store(_) | ConnError::NoCommit(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(from.difference(to)?)
    }

    /// What the log says, if it says all and that is not much.
    async fn log_says(&self, from: &Db, to: &Db) -> Result<Option<Vec<Known>>, ConnError> {
        let forgets = |db: &Db| !db.schema().forgetful().is_empty();
        let is_part = |db: &Db| db.view().since.is_some();
        if [from, to].into_iter().any(|db| forgets(db) || is_part(db)) {
            return Ok(None);
        }
        // Trees tell without a search, whose line a value is on.
        let search = !(from.is_plain() && to.is_plain());
        let from = self.line_of(from, search).await?;
        let (Some(from), Some(to)) = (from, self.line_of(to, search).await?) else {
            return Ok(None);
        };
        if !self.is_short(&from, &to).await? {
            return Ok(None);
        }
        let base = Some(&from).filter(|line| line.upto > T(0));
        let logged = logged(&self.inner.place, base, &to).await?;
        let known = logged.facts.into_iter().map(|((e, a, v), (added, tx))| {
            let tx = tx.unwrap_or(Tx(0));
            Known { e, a, v, added, tx }
        });
        Ok((!logged.purged).then(|| known.collect()))
    }

    /// A history that a value is in; of other branches, if those are to be searched, too.
    async fn line_of(&self, db: &Db, search: bool) -> Result<Option<Line>, ConnError> {
        let upto = db.basis_t();
        let line = |opened: Opened| Line { opened, upto };
        let opened = self.opened();
        let Some(commit) = db.snapshot().commit else {
            return Ok((upto == T(0)).then(|| line(opened)));
        };
        if self.is_in(&opened, commit).await? {
            return Ok(Some(line(opened)));
        }
        if !search {
            return Ok(None);
        }
        let place = &self.inner.place;
        let refs = place.refs().await?;
        for branch in refs.branches.values().filter(|b| !b.closed && b.head != self.inner.head) {
            let opened = place.open_newest(&branch.head, None).await?.opened;
            if self.is_in(&opened, commit).await? {
                return Ok(Some(line(opened)));
            }
        }
        Ok(None)
    }

    async fn is_in(&self, opened: &Opened, commit: CommitId) -> Result<bool, ConnError> {
        let line = Line { upto: opened.head.tip.t(), opened: opened.clone() };
        has(&self.inner.place, &line, commit).await
    }

    /// Whether the log from where two lines forked to the end of each is not large.
    async fn is_short(&self, from: &Line, to: &Line) -> Result<bool, ConnError> {
        let place = &self.inner.place;
        let fork = fork(place, from, to).await?;
        let mut bytes = 0;
        for line in [from, to] {
            if line.upto.0 - fork.0 > COMMITS {
                return Ok(false);
            }
            if line.upto > fork {
                bytes += place.log_bytes(&line.opened, T(fork.0 + 1), line.upto)?;
            }
        }
        Ok(bytes <= LOG_BYTES)
    }
}
