//! Why facts were not erased.
//!
//! **Invariant:** what is refused is refused before anything was written.

use super::super::ConnError;
use crate::db::{DbError, EraseError};
use crate::index::{NodesError, TreeError};
use crate::store::StoreError;

/// Why facts were not erased.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PurgeError {
    /// The database could not be read or written. What was done stays done, and the same purge
    /// again goes on with the rest.
    #[error(transparent)]
    Conn(#[from] ConnError),
    /// What is asked cannot be erased.
    #[error(transparent)]
    Refused(EraseError),
    /// A branch was made on which what had ended elsewhere may hold, each time that all of them
    /// were looked at.
    #[error(
        "branches were made all the time while it was found out what had ended on all of them: \
         try again"
    )]
    Branched,
}

impl From<EraseError> for PurgeError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Db(error) => error.into(),
            error => Self::Refused(error),
        }
    }
}

macro_rules! from {
    ($($error:ty),*) => {
        $(
            impl From<$error> for PurgeError {
                fn from(error: $error) -> Self {
                    Self::Conn(error.into())
                }
            }
        )*
    };
}

from!(StoreError, NodesError, TreeError, DbError);
