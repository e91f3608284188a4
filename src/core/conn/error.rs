//! What can go wrong with a connection, and with a transaction.

use crate::commit::{FormatError, WhenError};
use crate::db::{DbError, Foreign};
use crate::id::CommitId;
use crate::index::{NodesError, TreeError};
use crate::store::{StoreError, StoreErrorKind};
use crate::transact::TxError;

/// Why a database could not be read, or something in it not be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnError {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object is not what it should be.
    #[error("{url}: {object}: {reason}")]
    Damaged {
        /// The store.
        url: String,
        /// The object.
        object: String,
        /// What is wrong with it.
        reason: FormatError,
    },
    /// There is no database here.
    #[error("{url}: no database here (create one with `factfs init`)")]
    NoDatabase {
        /// The store.
        url: String,
    },
    /// There is a database here already.
    #[error("{url}: there is a database here already")]
    Exists {
        /// The store.
        url: String,
    },
    /// The head that was read is older than one seen before: something between here and the store
    /// serves old answers.
    #[error("{url}: revision {found} of the head was read after revision {seen}")]
    Stale {
        /// The store.
        url: String,
        /// What was read.
        found: u64,
        /// What was seen before.
        seen: u64,
    },
    /// No branch has this name.
    #[error("no branch {0}")]
    NoBranch(String),
    /// No tag has this name.
    #[error("no tag {0}")]
    NoTag(String),
    /// A branch or a tag has this name.
    #[error("{0} exists")]
    NameTaken(String),
    /// A name that branches and tags cannot have.
    #[error(
        "{0}: a name is a letter, then letters, digits, `.`, `_` and `-`; \
         not like a hash, not ending like a format, and without `..`"
    )]
    BadName(String),
    /// The default branch cannot be deleted.
    #[error("{0} is the default branch")]
    DefaultBranch(String),
    /// The branch was deleted.
    #[error("the branch was deleted")]
    Closed,
    /// Another transactor serves the branch now: this one accepts nothing any more.
    #[error("the branch was claimed {}: nothing is accepted here any more", by(url, epoch))]
    Claimed {
        /// Where it takes writes; empty if it gave its claim back.
        url: String,
        /// Its claim.
        epoch: u64,
    },
    /// Nothing is known by this name or number.
    #[error("{0}: no such commit, tag or branch")]
    NoCommit(String),
    /// Several commits begin so.
    #[error("{0}: several commits begin so")]
    Ambiguous(String),
    /// A head that was read before a collection: what it names may be gone.
    #[error("a collection came between: read the head again")]
    Collected,
    /// Another collection began after this one.
    #[error("collection {0} began after this one, which stops: nothing is lost")]
    Superseded(u64),
    /// Not a point in time.
    #[error(transparent)]
    When(#[from] WhenError),
    /// A prepared transaction that does not fit the database it was prepared on.
    #[error("a prepared transaction that does not fit: {0}")]
    Unfit(&'static str),
    /// More than can be stored at once.
    #[error("too large to be stored: {0}")]
    TooLarge(FormatError),
    /// Others changed the same object all the time.
    #[error("others were faster for {waited_ms} ms: nothing was written")]
    Contended {
        /// How long it was tried.
        waited_ms: u64,
    },
    /// Branches and tags came all the time while all of them were to be gone through.
    #[error(
        "branches and tags changed all the time, each of {looks} times that they were looked at: \
         what was done stays done, try again"
    )]
    Restless {
        /// How often they were looked at.
        looks: u32,
    },
    /// A transactor's url that is too long for a head.
    #[error("the url of a transactor is {bytes} bytes long, and may have {most}")]
    LongUrl {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// Reading the trees failed.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// Making new trees failed.
    #[error(transparent)]
    Trees(TreeError),
    /// Reading the database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Values of two databases.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

impl ConnError {
    /// Whether an object was not there: what a collection deleted, or the store lost.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Store(error)
            | Self::Nodes(NodesError::Store(error))
            | Self::Trees(TreeError::Nodes(NodesError::Store(error)))
            | Self::Db(DbError::Nodes(NodesError::Store(error))) => {
                error.kind == StoreErrorKind::NotFound
            }
            _ => false,
        }
    }
}

impl From<TreeError> for ConnError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Store(error) => Self::Store(error),
            error => Self::Trees(error),
        }
    }
}

/// Why there is no report of a transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The transaction is not valid on the newest database. Nothing was written.
    #[error("{0}")]
    Refused(E),
    /// It could not be tried. Nothing was written.
    #[error(transparent)]
    Failed(ConnError),
    /// One before it in its sequence was not committed. Nothing was written.
    #[error("a transaction before it was not committed")]
    Skipped,
    /// Other writers were faster until the limit. Nothing was written.
    #[error("other writers were faster for {waited_ms} ms: nothing was written, try again")]
    Busy {
        /// How long it was tried.
        waited_ms: u64,
    },
    /// It may have been committed, or may yet be. Trying again with the same transaction id is
    /// safe.
    #[error("it is not known whether commit {commit} happened ({why}){}", retry_hint(id))]
    Unknown {
        /// What its commit would be.
        commit: CommitId,
        /// The client's id of the transaction (`:db.tx/id`), if it has one.
        id: Option<String>,
        /// What stands in the way of knowing.
        why: String,
    },
    /// The task that was committing it was dropped: it may have been committed.
    #[error("it is not known whether the transaction happened: its commit was interrupted")]
    Interrupted,
}

impl<E> TransactError<E> {
    /// Why the transaction was refused, or the error that it is else.
    pub fn refused(self) -> Result<E, TransactError<TxError>> {
        Err(match self {
            Self::Refused(why) => return Ok(why),
            Self::Failed(error) => TransactError::Failed(error),
            Self::Skipped => TransactError::Skipped,
            Self::Busy { waited_ms } => TransactError::Busy { waited_ms },
            Self::Unknown { commit, id, why } => TransactError::Unknown { commit, id, why },
            Self::Interrupted => TransactError::Interrupted,
        })
    }
}

fn by(url: &str, epoch: &u64) -> String {
    match url {
        "" => format!("by another transactor, which is gone (epoch {epoch})"),
        url => format!("by {url} (epoch {epoch})"),
    }
}

fn retry_hint(id: &Option<String>) -> String {
    match id {
        Some(id) => format!(": try again with the same id, {id}"),
        None => ": look before trying again".to_owned(),
    }
}
