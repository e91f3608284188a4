//! Merging: what another branch came to becomes one transaction on this one.
//!
//! The nearest common commit is found (`ancestor`), what changed from there to the source and still
//! stands (`difference`), and what that means here (`unify`): facts to say, or conflicts.
//!
//! **Invariant:** a merge is an ordinary transaction with the source as a parent beside the one
//! before it, prepared on one head and made again where that moved. With any conflict nothing is
//! written. Facts about transactions stay where they were made. A source that was merged before
//! changes nothing.

mod ancestor;
mod conflict;
mod difference;
mod unify;

#[cfg(test)]
mod tests;

pub use conflict::{Conflict, Side};

pub(super) use ancestor::{Line, fork, has};
pub(super) use difference::logged;

use super::branch::check_living;
use super::settle::pause_ms;
use super::{Conn, ConnError, Place, TransactError};
use crate::commit::{Opened, Refs};
use crate::db::{Db, DbError, Prepared, TxReport};
use crate::id::{CommitId, EntityId, T};
use crate::transact::{Facts, TxError, TxOptions, prepare_facts};
use ancestor::{Ancestry, Point};
use difference::{Net, by_log, by_trees};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most bytes of log from which the difference is made; above, from the trees.
pub(super) const LOG_BYTES: u64 = 4 << 20;

/// What a merge would do.
#[derive(Clone, Debug)]
pub struct MergePlan {
    /// The nearest common commit; `None` is the empty database.
    pub base: Option<CommitId>,
    /// What is merged into.
    pub target: Option<CommitId>,
    /// What is merged; `None` is the empty database.
    pub source: Option<CommitId>,
    /// Whether the target has all of the source already.
    pub already: bool,
    /// What would be said, with the ids it gets here.
    pub facts: Facts,
    /// Entities of the source that are entities of the target, by an identity that both have.
    pub mapped: BTreeMap<EntityId, EntityId>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
}

/// What a merge came to.
#[derive(Clone, Debug)]
pub struct Merged {
    /// What was planned, and done.
    pub plan: MergePlan,
    /// The transaction; `None` if there was nothing to merge.
    pub report: Option<TxReport>,
}

/// How a merge is committed.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// The client's id of the transaction.
    pub tx_id: Option<String>,
}

/// Why a merge was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MergeError {
    /// Both sides say different things. Nothing was written.
    #[error("{} conflict{}: nothing was merged", .0.conflicts.len(), plural(.0.conflicts.len()))]
    Conflicts(Box<MergePlan>),
    /// What both sides say together is no valid transaction.
    #[error("what both branches say together is not valid: {0}")]
    Refused(TxError),
    /// They are of different databases.
    #[error("a branch of another database cannot be merged")]
    Foreign,
    /// There is nothing to merge into.
    #[error("nothing was ever committed here: make a branch of the other one instead")]
    Empty,
    /// The branch moved since the merge was planned.
    #[error("the branch moved")]
    Moved,
    /// What the merge needs to know could not be read.
    #[error(transparent)]
    Conn(#[from] ConnError),
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

impl From<TxError> for MergeError {
    fn from(error: TxError) -> Self {
        Self::Refused(error)
    }
}

impl From<DbError> for MergeError {
    fn from(error: DbError) -> Self {
        Self::Conn(error.into())
    }
}

impl Conn {
    /// What is merged when a name says what: a branch, a tag, or any moment of this branch.
    pub async fn source(&self, name: &str) -> Result<Opened, ConnError> {
        let found = self.find(name).await?;
        if found.t == found.opened.head.tip.t() {
            return Ok(found.opened);
        }
        let place = &self.inner.place;
        place.open_past(&place.refs().await?, &found.opened, found.t).await
    }

    /// What merging `source` into the newest head would do. Nothing is written.
    pub async fn merge_plan(&self, source: &Opened) -> Result<MergePlan, MergeError> {
        let seen = self.newest().await?;
        plan(&self.inner.place, &seen.opened, source).await
    }

    /// Merges `source` into this branch.
    pub async fn merge(
        &self,
        source: &Opened,
        options: &MergeOptions,
    ) -> Result<Merged, TransactError<MergeError>> {
        let begun = self.now_ms();
        let mut tries = 0;
        loop {
            let plan = match self.merge_plan(source).await {
                Ok(plan) => plan,
                Err(MergeError::Conn(error)) if error.is_missing() => {
                    return Err(TransactError::Refused(self.why_missing(error, source).await));
                }
                Err(error) => return Err(TransactError::Refused(error)),
            };
            // The source may still have what was erased.
            if self.opened().snapshot.purges > source.snapshot.purges {
                return Err(TransactError::Refused(ConnError::Collected.into()));
            }
            if plan.already {
                return Ok(Merged { plan, report: None });
            }
            if !plan.conflicts.is_empty() {
                return Err(TransactError::Refused(MergeError::Conflicts(Box::new(plan))));
            }
            let make = commit_of(&plan, options.tx_id.clone());
            match self.transact(make).await {
                Err(TransactError::Refused(MergeError::Moved)) => {}
                verdict => return verdict.map(|report| Merged { plan, report: Some(report) }),
            }
            let waited_ms = (self.now_ms() - begun).max(0) as u64;
            if waited_ms >= self.inner.options.limit_ms {
                return Err(TransactError::Busy { waited_ms });
            }
            tries += 1;
            let host = self.inner.place.host.as_ref();
            host.sleep(pause_ms(host, tries)).await;
        }
    }
}

impl Conn {
    /// Whether the newest head has all of `source` in its history, as far as the branches and tags
    /// of `refs` can tell. Nothing is compared.
    pub async fn has_merged(&self, refs: &Refs, source: &Opened) -> Result<bool, ConnError> {
        let Some(commit) = source.head.tip.commit else { return Ok(true) };
        let (place, target) = (&self.inner.place, self.newest().await?.opened);
        if target.head.tip.commit.is_none() {
            return Ok(false);
        }
        let base = Ancestry::new(place, refs, &target, source).await?.nearest().await?;
        Ok(base.is_some_and(|base| base.id == commit))
    }

    /// What is not there was collected, where the source is older than the last collection. What
    /// else is lost is told when it is merged as it is now.
    async fn why_missing(&self, error: ConnError, source: &Opened) -> MergeError {
        match self.inner.place.refs().await {
            Ok(refs) => check_living(&refs, source).err().unwrap_or(error).into(),
            Err(unknown) => unknown.into(),
        }
    }
}

/// The transaction of a plan: valid on the head it was made for alone.
fn commit_of(
    plan: &MergePlan,
    tx_id: Option<String>,
) -> impl FnMut(&Db, i64) -> Result<Prepared, MergeError> + Send + 'static {
    let (on, merged) = (plan.target, plan.source.into_iter().collect::<Vec<_>>());
    let facts = Arc::new(plan.facts.clone());
    move |db: &Db, now_ms: i64| {
        if db.snapshot().commit != on {
            return Err(MergeError::Moved);
        }
        let (tx_id, any_ids) = (tx_id.clone(), true);
        let options = TxOptions { now_ms, tx_id, any_ids, ..TxOptions::default() };
        let prepared = prepare_facts(db, &facts, &options)?;
        Ok(Prepared { merged: merged.clone(), ..prepared })
    }
}

/// Finds what both sides have in common, and what the source adds to the target.
async fn plan(place: &Place, target: &Opened, source: &Opened) -> Result<MergePlan, MergeError> {
    if target.head.database != source.head.database {
        return Err(MergeError::Foreign);
    }
    let commits = (target.head.tip.commit, source.head.tip.commit);
    let mut plan = MergePlan {
        base: None,
        target: commits.0,
        source: commits.1,
        already: commits.1.is_none(),
        facts: Facts::default(),
        mapped: BTreeMap::new(),
        conflicts: Vec::new(),
    };
    if plan.already {
        return Ok(plan);
    }
    if plan.target.is_none() {
        return Err(MergeError::Empty);
    }
    let refs = place.refs().await?;
    let base = Ancestry::new(place, &refs, target, source).await?.nearest().await?;
    plan.base = base.as_ref().map(|base| base.id);
    plan.already = plan.base == plan.source;
    if plan.already {
        return Ok(plan);
    }
    let net = difference(place, &refs, base.as_ref(), source).await?;
    unify::unify(&mut plan, target, source, &net)?;
    Ok(plan)
}

/// The net difference, by the way that reads less.
async fn difference(
    place: &Place,
    refs: &Refs,
    base: Option<&Point>,
    source: &Opened,
) -> Result<Net, ConnError> {
    let line = Line { opened: source.clone(), upto: source.head.tip.t() };
    if let Some(base) = base {
        let first = T(ancestor::fork(place, &base.line, &line).await?.min(base.id.t).0 + 1);
        let bytes = place.log_bytes(source, first, line.upto)?
            + place.log_bytes(&base.line.opened, first, base.id.t)?;
        if bytes > LOG_BYTES {
            match place.open_past(refs, &base.line.opened, base.id.t).await {
                Ok(base) => return by_trees(&base, source),
                // Nothing can be written here, or something is not kept any more: the log is.
                Err(ConnError::Store(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    by_log(place, base, &line).await
}
