//! What can go wrong with a copy.

use crate::conn::ConnError;
use crate::store::StoreError;
use crate::value::Uuid;

/// Why a copy was not made. What was there before is as it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloneError {
    /// One of the places could not be read or written, or an object is damaged.
    #[error(transparent)]
    Conn(#[from] ConnError),
    /// The target holds another database.
    #[error("{url}: there is another database here: {found}, and not {expected}")]
    Another {
        /// The target.
        url: String,
        /// What it holds.
        found: Uuid,
        /// What it should hold.
        expected: Uuid,
    },
    /// The target holds this database, but not as a copy.
    #[error("{url}: this is the database itself and no replica: it is not overwritten")]
    NotReplica {
        /// The target.
        url: String,
    },
    /// The target is ahead of the source.
    #[error("{url}: {object}: the replica is newer than what it is to be a copy of")]
    Newer {
        /// The target.
        url: String,
        /// The ref.
        object: String,
    },
    /// Somebody else writes to the target.
    #[error("{url}: {object}: somebody else writes here: is another clone running?")]
    Contended {
        /// The target.
        url: String,
        /// The ref.
        object: String,
    },
}

impl From<StoreError> for CloneError {
    fn from(error: StoreError) -> Self {
        Self::Conn(error.into())
    }
}
