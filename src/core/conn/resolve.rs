//! From a WHEN to a database: by `t`, age, time, tag, branch or the beginning of a commit.
//!
//! **Invariant:** a past commit of a branch is its newest head seen as of that commit, so what
//! resolves now resolves as long as the log lasts. `fixed` says whether the same words can ever
//! mean another commit.

use super::branch::db_of;
use super::{Conn, ConnError};
use crate::commit::{Opened, Refs, When};
use crate::db::Db;
use crate::id::{CommitId, CommitPrefix, T};
use std::str::FromStr;

/// A moment that was found.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The database then.
    pub db: Db,
    /// The commit; `None` is the empty database.
    pub commit: Option<CommitId>,
    /// When it was made.
    pub instant_ms: Option<i64>,
    /// The branch or tag that it is known by.
    pub name: Option<String>,
    /// Whether the words mean this commit for ever.
    pub fixed: bool,
}

/// Hex digits from which a name can be a commit.
const LEAST_HEX: usize = 8;

impl Conn {
    /// The database at a WHEN, as seen from the newest known head of this branch; ages count back
    /// from the host's clock.
    pub async fn at(&self, text: &str) -> Result<Moment, ConnError> {
        let opened = self.opened();
        match When::parse(text, self.now_ms())? {
            When::T(t) => self.at_t(&opened, t, true).await,
            When::Before(ms) => {
                let t = self.t_before(&opened, ms).await?;
                let fixed = opened.head.tip.instant_ms.is_some_and(|last| last >= ms);
                self.at_t(&opened, t, fixed).await
            }
            When::Name(name) => self.at_name(&opened, &name).await,
        }
    }

    /// The database at `t`.
    async fn at_t(&self, opened: &Opened, t: T, fixed: bool) -> Result<Moment, ConnError> {
        let (name, now) = (None, db_of(opened));
        if t == T(0) {
            let db = now.as_of(t);
            return Ok(Moment { db, commit: None, instant_ms: None, name, fixed });
        }
        let entry = self.inner.place.entry(opened, t).await?;
        let db = if t == opened.head.tip.t() { now } else { now.as_of(t) };
        let (commit, instant_ms) = (Some(entry.id), Some(entry.instant_ms));
        Ok(Moment { db, commit, instant_ms, name, fixed })
    }

    async fn at_name(&self, opened: &Opened, text: &str) -> Result<Moment, ConnError> {
        let refs = self.inner.place.refs().await?;
        let named = |opened: &Opened, fixed| Moment {
            db: db_of(opened),
            commit: opened.head.tip.commit,
            instant_ms: opened.head.tip.instant_ms,
            name: Some(text.to_owned()),
            fixed,
        };
        if let Some(tag) = refs.tags.get(text) {
            return Ok(named(&self.inner.place.open_tag(tag).await?, false));
        }
        if let Some(branch) = refs.branches.get(text) {
            let seen = self.inner.place.open_newest(&branch.head, None).await?;
            return Ok(named(&seen.opened, false));
        }
        let prefix = CommitPrefix::from_str(text).ok();
        let prefix = prefix.filter(|p| p.t.is_some() || p.hex.len() >= LEAST_HEX);
        match prefix {
            Some(prefix) => match self.t_of(opened, &prefix, text).await {
                Ok(t) => self.at_t(opened, t, true).await,
                Err(ConnError::NoCommit(_)) => self.on_another_branch(&refs, &prefix, text).await,
                Err(error) => Err(error),
            },
            None => Err(ConnError::NoCommit(text.to_owned())),
        }
    }

    /// The commit that begins so in the history of another branch. What several branches share is
    /// the same commit on each.
    async fn on_another_branch(
        &self,
        refs: &Refs,
        prefix: &CommitPrefix,
        text: &str,
    ) -> Result<Moment, ConnError> {
        let mut found: Option<Moment> = None;
        let others = refs.branches.values().filter(|branch| branch.head != self.inner.head);
        for branch in others {
            let seen = self.inner.place.open_newest(&branch.head, None).await?;
            let t = match self.t_of(&seen.opened, prefix, text).await {
                Err(ConnError::NoCommit(_)) => continue,
                found => found?,
            };
            let moment = self.at_t(&seen.opened, t, true).await?;
            if found.as_ref().is_some_and(|found| found.commit != moment.commit) {
                return Err(ConnError::Ambiguous(text.to_owned()));
            }
            found.get_or_insert(moment);
        }
        found.ok_or_else(|| ConnError::NoCommit(text.to_owned()))
    }

    /// The newest `t` whose instant is before `ms`; 0 if there is none. Instants rise along a
    /// branch: a binary search.
    pub async fn t_before(&self, opened: &Opened, ms: i64) -> Result<T, ConnError> {
        let (mut low, mut high) = (0, opened.head.tip.t().0);
        if opened.head.tip.instant_ms.is_some_and(|last| last < ms) {
            return Ok(T(high));
        }
        // The instant of `low` is before `ms`; that of `high` is not.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let entry = self.inner.place.entry(opened, T(middle)).await?;
            if entry.instant_ms < ms { low = middle } else { high = middle }
        }
        Ok(T(low))
    }

    /// The `t` of the only commit that begins so. With a `t` written, one look; else all commits
    /// are looked at.
    async fn t_of(
        &self,
        opened: &Opened,
        prefix: &CommitPrefix,
        text: &str,
    ) -> Result<T, ConnError> {
        let none = || ConnError::NoCommit(text.to_owned());
        if let Some(t) = prefix.t {
            if t == T(0) || t > opened.head.tip.t() {
                return Err(none());
            }
            let entry = self.inner.place.entry(opened, t).await?;
            return if prefix.matches(&entry.id) { Ok(t) } else { Err(none()) };
        }
        let mut found = None;
        let mut log = self.inner.place.log(opened, T(1)..=opened.head.tip.t(), true);
        while let Some(entry) = log.next_entry().await? {
            if prefix.matches(&entry.id) && found.replace(entry.id.t).is_some() {
                return Err(ConnError::Ambiguous(text.to_owned()));
            }
        }
        found.ok_or_else(none)
    }
}
