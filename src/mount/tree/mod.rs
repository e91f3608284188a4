//! The tree: what each path is, its size and its bytes, from database values alone.
//!
//! **Invariant:** a [`Resolved`] file holds every database value its bytes depend on, so that its
//! [`Key`] never means other bytes. Resolving a path never runs a query. Nothing here knows of
//! inodes, handles or FUSE.

mod answer;
mod arguments;
mod by;
mod control;
pub mod desk;
mod diff;
mod editable;
mod failures;
mod files;
mod list;
mod merges;
mod meta;
pub mod node;
pub mod path;
pub mod pins;
mod plan;
mod readme;
mod relative;
mod resolve;
mod results;
mod work;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Limits, Question};
pub use desk::LocalDesk;
pub use diff::Compared;
pub use failures::Failures;
pub use files::FileSource;
pub use list::{Listed, Listing, Shape};
use merges::Merges;
pub use plan::{Pinned, Plan};
pub use work::{Pins, Rendered, Work};

use crate::error::{Failure, Result};
use crate::local::Contents;
use crate::source::{Moment, Mounted};
use crate::spool::Content;
use factfs_core::hash::NodeHash;
use factfs_core::query::QueryFile;
use factfs_core::text::Format;
use lru::LruCache;
use node::{At, Name, Node, Place};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// How many past values are kept at hand.
const KEPT_MOMENTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);
/// How many saved queries are kept read.
const KEPT_QUERIES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// What a mount shows.
pub struct Tree {
    stores: BTreeMap<Name, Mounted>,
    desk: LocalDesk,
    pins: pins::KnownPins,
    clock: Clock,
    limits: Limits,
    formats: Vec<Format>,
    started_ms: i64,
    is_read_only: bool,
    failures: Failures,
    merges: Merges,
    contents: Contents,
    moments: Mutex<LruCache<(Name, Name), Moment>>,
    /// Saved queries that were read, by their text.
    queries: Mutex<LruCache<String, Arc<QueryFile>>>,
}

/// The time now, milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a tree is made of.
pub struct Parts {
    /// The databases.
    pub stores: Vec<Mounted>,
    /// The mount's own queries.
    pub desk: LocalDesk,
    /// The time.
    pub clock: Clock,
    /// What one evaluation may cost.
    pub limits: Limits,
    /// The formats that are listed.
    pub formats: Vec<Format>,
    /// Whether nothing may be written at all.
    pub is_read_only: bool,
}

/// What a file's bytes depend on, or where a folder is: equal keys, equal things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u128);

impl Key {
    /// The key of a description.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&NodeHash::of(text.as_bytes()).0[..16]);
        Self(u128::from_be_bytes(bytes))
    }
}

/// What is at a place.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The place.
    pub node: Node,
    /// Its identity.
    pub key: Key,
    /// What it is.
    pub entry: Entry,
    /// When it changed, milliseconds since 1970.
    pub mtime_ms: i64,
    /// Permission bits.
    pub mode: u16,
    /// Whether the name can never mean anything else.
    pub is_fixed: bool,
}

/// What is at a place.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A symbolic link and where it leads.
    Link(String),
    /// A file whose bytes are at hand.
    Bytes(Content),
    /// A file whose bytes are made when it is opened.
    Work(Arc<Work>),
    /// A saved query, which one edits: the size of its text now.
    Query(u64),
    /// The place to write transactions to, or what to merge; reading it gives these bytes.
    Transact(Content),
    /// A file whose read waits for the head of a branch to move.
    Heads,
}

impl Tree {
    /// A tree of these parts.
    pub fn new(parts: Parts) -> Self {
        let stores = parts.stores.into_iter().map(|mounted| (mounted.name.clone(), mounted));
        let started_ms = (parts.clock)();
        Self {
            stores: stores.collect(),
            pins: pins::KnownPins::beside(&parts.desk),
            desk: parts.desk,
            clock: parts.clock,
            limits: parts.limits,
            formats: parts.formats,
            started_ms,
            is_read_only: parts.is_read_only,
            failures: Failures::default(),
            merges: Merges::default(),
            contents: Contents::outside(),
            moments: Mutex::new(LruCache::new(KEPT_MOMENTS)),
            queries: Mutex::new(LruCache::new(KEPT_QUERIES)),
        }
    }

    /// What failed lately.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// What one evaluation may cost.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The pins that are known here.
    pub fn pins(&self) -> &pins::KnownPins {
        &self.pins
    }

    /// The mount's own queries.
    pub fn desk(&self) -> &LocalDesk {
        &self.desk
    }

    /// The time now, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Whether nothing may be written at all.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The store of a name.
    pub fn mounted(&self, name: &str) -> Result<&Mounted> {
        self.stores.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.stores.keys().map(|name| &**name).collect();
            let failure = Failure::not_found(format!("no store is mounted as `{name}`"));
            failure.hint(format!("there are: {}", known.join(" ")))
        })
    }

    /// The newest value of a branch, or the one it is mounted at.
    pub(crate) fn head(&self, mounted: &Mounted, branch: &str) -> Result<Moment> {
        match &mounted.at {
            Some(when) if branch == mounted.head_branch() => mounted.source.at(branch, when),
            _ => mounted.source.head(branch),
        }
    }

    /// The value that a snapshot folder is, if it can be told without waiting.
    pub(crate) fn moment_at_hand(&self, place: &Place) -> Option<Moment> {
        let mounted = self.stores.get(&place.store)?;
        match &place.at {
            At::Branch(branch) if mounted.at.is_none() => mounted.source.head_at_hand(branch),
            At::Branch(_) => None,
            At::Commit(id) => {
                let key = (place.store.clone(), id.clone());
                let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
                moments.get(&key).cloned()
            }
        }
    }

    /// A value in the past of a branch.
    fn moment_at(&self, mounted: &Mounted, branch: &str, when: &str) -> Result<Moment> {
        mounted.source.at(branch, when)
    }

    /// Whether facts were erased since what a file is made of was read.
    pub fn is_outdated(&self, work: &Work) -> bool {
        match &work.pins {
            Pins::Moment(pinned) => is_outdated(&pinned.0, &pinned.1),
            Pins::Plan(Ok(plan)) => plan.sources.iter().any(|pinned| {
                let mounted = self.stores.get(pinned.store.as_str());
                mounted.is_some_and(|mounted| is_outdated(mounted, &pinned.moment))
            }),
            Pins::Difference(compared) => {
                let ends = [&compared.from, &compared.to];
                ends.into_iter().any(|moment| is_outdated(&compared.mounted, moment))
            }
            Pins::Plan(Err(_)) => false,
        }
    }

    /// The value that a snapshot folder is.
    pub(crate) fn moment(&self, place: &Place) -> Result<Moment> {
        let mounted = self.mounted(&place.store)?;
        let id = match &place.at {
            At::Branch(branch) => return self.head(mounted, branch),
            At::Commit(id) => id,
        };
        let key = (place.store.clone(), id.clone());
        let kept = |moments: &Mutex<LruCache<_, Moment>>| {
            moments.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
        };
        let is_new = |kept: &Moment| !is_outdated(mounted, kept);
        if let Some(moment) = kept(&self.moments).filter(is_new) {
            return Ok(moment);
        }
        let moment = mounted.source.at(&mounted.head_branch(), id)?;
        if moment.id() != **id {
            let message = format!("{} has no commit `{id}`", place.store);
            return Err(Failure::not_found(message));
        }
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        moments.put(key, moment.clone());
        Ok(moment)
    }
}

/// Whether facts were erased since a value was read.
fn is_outdated(mounted: &Mounted, moment: &Moment) -> bool {
    mounted.source.purges() > moment.db.snapshot().purges
}
