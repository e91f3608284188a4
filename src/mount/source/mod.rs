//! What the tree needs of a database: values to read, a place to write, and the names of its
//! branches, tags and commits.
//!
//! **Invariant:** a [`Db`] that comes from here never changes; only [`Source::head`] may answer
//! differently from call to call. Every method may block, none is called on an event loop. How
//! stores keep their bytes is not known here.

mod activity;
mod database;
mod fresh;
mod memory;
mod merging;

pub use activity::Activity;
pub use database::DatabaseSource;
pub use memory::MemorySource;
pub use merging::Merging;

use crate::error::{Failure, Kind, Result};
use factfs_core::conn::ConnError;
use factfs_core::datom::Datom;
use factfs_core::db::{Db, Difference, TxReport};
use factfs_core::edn::Form;
use factfs_core::id::{CommitId, T, Tx};
use factfs_core::value::Uuid;
use std::sync::Arc;

/// One database, with all its branches.
pub trait Source: Send + Sync {
    /// Where it is, as users write it; without credentials.
    fn url(&self) -> String;

    /// Which database.
    fn uuid(&self) -> Uuid;

    /// Its own name, if it has one.
    fn name(&self) -> Option<String>;

    /// Why nothing can be written here, if so.
    fn read_only(&self) -> Option<String>;

    /// The branch that `head` is.
    fn default_branch(&self) -> String;

    /// The newest value of a branch, as far as it was looked at lately: none or one conditional
    /// read. What was committed through here is there at once.
    fn head(&self, branch: &str) -> Result<Moment>;

    /// The same, if it can be told without waiting.
    fn head_at_hand(&self, _branch: &str) -> Option<Moment> {
        None
    }

    /// How many nodes were fetched from storage so far, for whoever reads here.
    fn fetched(&self) -> u64 {
        0
    }

    /// How often facts had been erased, as far as is known without asking: what was read before is
    /// not shown any more.
    fn purges(&self) -> u64 {
        0
    }

    /// What it did so far and how new what is known of a branch is, without waiting; none of a
    /// database that does not tell.
    fn activity(&self, _branch: &str) -> Option<Activity> {
        None
    }

    /// A value in the past of a branch. WHEN is what [`When`](crate::when::When) reads.
    fn at(&self, branch: &str, when: &str) -> Result<Moment>;

    /// Commits one transaction, durably, and says what it did.
    fn transact(&self, branch: &str, tx: &Form) -> Result<TxReport>;

    /// Commits the transaction that is made of the newest value, made again when another writer
    /// came first. One whose id is there already is not committed again.
    fn transact_made(&self, branch: &str, tx_id: Option<&str>, make: &Make) -> Result<TxReport>;

    /// Entries of a branch's log: those up to `upto` (or the head), the newest first, at most
    /// `limit`.
    fn log(&self, branch: &str, upto: Option<T>, limit: usize) -> Result<Vec<LogEntry>>;

    /// What changed from one value to another, by whatever is cheapest.
    fn difference(&self, _branch: &str, from: &Moment, to: &Moment) -> Result<Difference> {
        let difference = from.db.difference(&to.db).map_err(ConnError::from);
        Ok(difference.map_err(factfs_store::Error::from)?)
    }

    /// The branches, by name.
    fn branches(&self) -> Result<Vec<Branch>>;

    /// The tags, by name.
    fn tags(&self) -> Result<Vec<Tag>>;

    /// Makes a branch at the head of another, or at any commit, by its printed id.
    fn create_branch(&self, from: &str, name: &str, at: Option<&str>) -> Result<()>;

    /// Deletes a branch whose commits are all kept: merged into another, or tagged. Busy otherwise.
    fn retire_branch(&self, name: &str) -> Result<()>;

    /// Gives a branch another name. Its commits have one of the two names at any moment.
    fn rename_branch(&self, from: &str, to: &str) -> Result<()>;

    /// Names the head of a branch, or any commit, by its printed id.
    fn create_tag(&self, branch: &str, name: &str, at: Option<&str>) -> Result<()>;

    /// Forgets a tag.
    fn delete_tag(&self, name: &str) -> Result<()>;

    /// Merges a branch, a tag or a moment into a branch.
    fn merge(&self, branch: &str, from: &str) -> Result<Merging>;
}

/// What makes a transaction of a value.
pub type Make = Arc<dyn Fn(&Db) -> Result<Form> + Send + Sync>;

/// A database value and which commit it is.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The value.
    pub db: Db,
    /// The commit; none in a database that nothing was committed to.
    pub commit: Option<CommitId>,
    /// When that was, milliseconds since 1970.
    pub instant_ms: Option<i64>,
    /// Whether what it was asked for by means this commit for ever.
    pub is_fixed: bool,
}

impl Moment {
    /// The folder under `commits/`: `T-HASH12`; `0` is the empty database.
    pub fn id(&self) -> String {
        self.commit.map_or_else(|| "0".to_owned(), |commit| commit.to_string())
    }

    /// Which value it is, for who keeps what was made of it: after facts were erased, a commit is
    /// less than it was.
    pub fn version(&self) -> String {
        match self.db.snapshot().purges {
            0 => self.id(),
            purges => format!("{}/{purges}", self.id()),
        }
    }
}

/// A branch and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Its newest commit; none when nothing was committed.
    pub commit: Option<CommitId>,
}

/// A tag and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// The commit.
    pub commit: CommitId,
}

/// One commit of the log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Which.
    pub commit: CommitId,
    /// What it was made from.
    pub parents: Vec<CommitId>,
    /// When, milliseconds since 1970.
    pub instant_ms: i64,
    /// Its transaction.
    pub tx: Tx,
    /// Facts added and retracted, its own included.
    pub datoms: Vec<Datom>,
    /// How many facts of it were erased for good.
    pub purged: u64,
}

/// A database under the name it was mounted as.
#[derive(Clone)]
pub struct Mounted {
    /// The folder.
    pub name: Arc<str>,
    /// The database.
    pub source: Arc<dyn Source>,
    /// The branch that `head` shows here; `None` is the default one.
    pub branch: Option<String>,
    /// A moment that all reading is fixed to.
    pub at: Option<String>,
}

impl Mounted {
    /// A database as it is, under a name.
    pub fn new(name: &str, source: Arc<dyn Source>) -> Self {
        Self { name: name.into(), source, branch: None, at: None }
    }

    /// The branch that `head` shows.
    pub fn head_branch(&self) -> String {
        self.branch.clone().unwrap_or_else(|| self.source.default_branch())
    }

    /// The failure of writing here, if nothing can be written.
    pub fn check_writable(&self) -> Result<()> {
        let fixed = self.at.as_ref().map(|at| format!("it is mounted as of {at}"));
        match fixed.or_else(|| self.source.read_only()) {
            None => Ok(()),
            Some(why) => {
                let message = format!("{} may be read, not written: {why}", self.name);
                let hint = "a query over it can be saved in the mount's own queries/";
                Err(Failure::new(Kind::ReadOnly, message).hint(hint))
            }
        }
    }
}
