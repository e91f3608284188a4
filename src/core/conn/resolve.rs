//! From a WHEN to a database: by `t`, age, time, tag, branch or the beginning of a commit.
//!
//! **Invariant:** a past commit of a branch is its newest head seen as of that commit, or equal to
//! that, so what resolves now resolves as long as the log lasts. `fixed` says whether the same
//! words can ever mean another commit.

use super::branch::db_of;
use super::{AsOf, Conn, ConnError};
use crate::commit::{Opened, Refs, Tag, When};
use crate::db::Db;
use crate::id::{CommitId, CommitPrefix, T};
use std::str::FromStr;
use std::sync::Arc;

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

/// Where a moment is.
#[derive(Clone, Debug)]
pub struct Found {
    /// A head in whose history it is.
    pub opened: Opened,
    /// Which commit of that history.
    pub t: T,
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
        let Found { opened, t, name, fixed } = self.find(text).await?;
        let (now, tip) = (db_of(&opened), &opened.head.tip);
        if t == tip.t() {
            let (commit, instant_ms) = (tip.commit, tip.instant_ms);
            return Ok(Moment { db: now, commit, instant_ms, name, fixed });
        }
        if t == T(0) {
            return Ok(Moment { db: now.as_of(t), commit: None, instant_ms: None, name, fixed });
        }
        let entry = self.inner.place.entry(&opened, t).await?;
        let db = self.as_of_head(&opened, t, AsOf::Cheapest).await?;
        let (commit, instant_ms) = (Some(entry.id), Some(entry.instant_ms));
        Ok(Moment { db, commit, instant_ms, name, fixed })
    }

    /// Where a WHEN leads: a head, and the `t` of its history that is meant. Whatever begins at a
    /// moment begins in that history, which may be another branch's.
    pub async fn find(&self, text: &str) -> Result<Found, ConnError> {
        let opened = self.opened();
        let found = |opened: Opened, t, fixed| Found { opened, t, name: None, fixed };
        match When::parse(text, self.now_ms())? {
            When::T(t) if t > opened.head.tip.t() => Err(ConnError::NoCommit(t.to_string())),
            When::T(t) => Ok(found(opened, t, true)),
            When::Before(ms) => {
                let t = self.t_before(&opened, ms).await?;
                let fixed = opened.head.tip.instant_ms.is_some_and(|last| last >= ms);
                Ok(found(opened, t, fixed))
            }
            When::Name(name) => self.find_name(opened, &name).await,
        }
    }

    async fn find_name(&self, opened: Opened, text: &str) -> Result<Found, ConnError> {
        let refs = self.inner.place.refs().await?;
        let named = |opened: Opened| {
            let t = opened.head.tip.t();
            Found { opened, t, name: Some(text.to_owned()), fixed: false }
        };
        if let Some(tag) = refs.tags.get(text) {
            return Ok(named(self.listed(&refs, tag).await?));
        }
        if let Some(branch) = refs.branches.get(text).filter(|branch| !branch.closed) {
            return Ok(named(self.inner.place.open_newest(&branch.head, None).await?.opened));
        }
        let prefix = CommitPrefix::from_str(text).ok();
        let prefix = prefix.filter(|p| p.t.is_some() || p.hex.len() >= LEAST_HEX);
        match prefix {
            Some(prefix) => match self.t_of(&opened, &prefix, text).await {
                Ok(t) => Ok(Found { opened, t, name: None, fixed: true }),
                Err(ConnError::NoCommit(_)) => self.elsewhere(&refs, &prefix, text).await,
                Err(error) => Err(error),
            },
            None => Err(ConnError::NoCommit(text.to_owned())),
        }
    }

    /// The database that a tag names. What `refs` list is there, however old: it has outlived each
    /// collection until now.
    async fn listed(&self, refs: &Refs, tag: &Tag) -> Result<Opened, ConnError> {
        let mut opened = self.inner.place.open_tag(tag).await?;
        let head = Arc::make_mut(&mut opened.head);
        head.gc_generation = head.gc_generation.max(refs.gc_marked);
        Ok(opened)
    }

    /// The commit that begins so in the history of another branch, or else of a tag, whose branch
    /// may be gone.
    async fn elsewhere(
        &self,
        refs: &Refs,
        prefix: &CommitPrefix,
        text: &str,
    ) -> Result<Found, ConnError> {
        let mut found = None;
        let open = refs.branches.values().filter(|branch| !branch.closed);
        for branch in open.filter(|branch| branch.head != self.inner.head) {
            let seen = self.inner.place.open_newest(&branch.head, None).await?;
            self.look_in(seen.opened, prefix, text, &mut found).await?;
        }
        let tags = refs.tags.values().filter(|_| found.is_none());
        for tag in tags.collect::<Vec<_>>() {
            match self.listed(refs, tag).await {
                Ok(opened) => self.look_in(opened, prefix, text, &mut found).await?,
                // Its snapshot is lost: others may tell.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        let found = found.map(|(_, found)| found);
        found.ok_or_else(|| ConnError::NoCommit(text.to_owned()))
    }

    /// Looks for the commit in one more history. What several share is the same commit in each.
    async fn look_in(
        &self,
        opened: Opened,
        prefix: &CommitPrefix,
        text: &str,
        found: &mut Option<(CommitId, Found)>,
    ) -> Result<(), ConnError> {
        let t = match self.t_of(&opened, prefix, text).await {
            Err(ConnError::NoCommit(_)) => return Ok(()),
            t => t?,
        };
        let id = self.inner.place.entry(&opened, t).await?.id;
        if found.as_ref().is_some_and(|(known, _)| *known != id) {
            return Err(ConnError::Ambiguous(text.to_owned()));
        }
        found.get_or_insert((id, Found { opened, t, name: None, fixed: true }));
        Ok(())
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
