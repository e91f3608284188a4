//! Why the tree refuses: what kind of failure, in words, and what to do about it.
//!
//! **Invariant:** there is one table from kinds to errno ([`Kind::errno`]), and every failure that
//! reaches a caller can be read as text, in `X.err` and in `.factfs/last-error`. Nothing here knows
//! of FUSE.

use factfs_core::db::DbError;
use factfs_core::edn::EdnError;
use factfs_core::index::NodesError;
use factfs_core::store::{StoreError, StoreErrorKind};
use factfs_core::transact::{TxError, TxErrorKind};
use rustix::io::Errno;
use std::fmt;

/// What the caller can do about a failure; its number is the answer of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The text or the request is wrong: syntax, schema, types (EINVAL).
    Invalid,
    /// No such thing (ENOENT).
    NotFound,
    /// A unique value is taken, or a name is (EEXIST).
    Exists,
    /// A compare-and-swap, basis or merge conflict: nothing was written (ECANCELED).
    Conflict,
    /// Contended beyond the limit (EBUSY).
    Busy,
    /// Over the time limit, or the outcome is not known (ETIMEDOUT).
    Timeout,
    /// Too many rows or bytes (EFBIG).
    TooLarge,
    /// Out of memory (ENOMEM).
    Memory,
    /// The caller was interrupted (EINTR).
    Interrupted,
    /// Storage out of reach (EIO).
    Unavailable,
    /// The storage refuses (EACCES).
    Denied,
    /// Bytes that are not what was written (EBADMSG).
    Corrupt,
    /// May be read, not written (EROFS).
    ReadOnly,
    /// It was there and is gone (ESTALE).
    Stale,
    /// No space left (ENOSPC).
    Full,
    /// Not supported (EOPNOTSUPP).
    Unsupported,
    /// Not allowed on this name (EPERM).
    NotPermitted,
    /// Not a folder (ENOTDIR).
    NotDirectory,
    /// A folder (EISDIR).
    IsDirectory,
    /// To another place, where it has to be copied (EXDEV).
    CrossDevice,
    /// No such handle, or not open for this (EBADF).
    BadHandle,
    /// The name is too long (ENAMETOOLONG).
    NameTooLong,
}

impl Kind {
    /// The number a system call answers with.
    pub fn errno(self) -> Errno {
        match self {
            Self::Invalid => Errno::INVAL,
            Self::NotFound => Errno::NOENT,
            Self::Exists => Errno::EXIST,
            Self::Conflict => Errno::CANCELED,
            Self::Busy => Errno::BUSY,
            Self::Timeout => Errno::TIMEDOUT,
            Self::TooLarge => Errno::FBIG,
            Self::Memory => Errno::NOMEM,
            Self::Interrupted => Errno::INTR,
            Self::Unavailable => Errno::IO,
            Self::Denied => Errno::ACCESS,
            Self::Corrupt => Errno::BADMSG,
            Self::ReadOnly => Errno::ROFS,
            Self::Stale => Errno::STALE,
            Self::Full => Errno::NOSPC,
            Self::Unsupported => Errno::OPNOTSUPP,
            Self::NotPermitted => Errno::PERM,
            Self::NotDirectory => Errno::NOTDIR,
            Self::IsDirectory => Errno::ISDIR,
            Self::CrossDevice => Errno::XDEV,
            Self::BadHandle => Errno::BADF,
            Self::NameTooLong => Errno::NAMETOOLONG,
        }
    }
}

/// A failure of the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What the caller can do.
    pub kind: Kind,
    /// What is wrong and where, one to a few lines.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// No such name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The number a system call answers with.
    pub fn errno(&self) -> Errno {
        self.kind.errno()
    }
}

impl From<&StoreError> for Kind {
    fn from(error: &StoreError) -> Self {
        match error.kind {
            StoreErrorKind::NotFound => Self::Stale,
            StoreErrorKind::ReadOnly => Self::ReadOnly,
            StoreErrorKind::Denied => Self::Denied,
            StoreErrorKind::Full => Self::Full,
            StoreErrorKind::Unavailable => Self::Unavailable,
            StoreErrorKind::Corrupt => Self::Corrupt,
            StoreErrorKind::Invalid => Self::Invalid,
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let kind = match &error {
            DbError::Nodes(NodesError::Store(error)) => Kind::from(error),
            DbError::Nodes(NodesError::Corrupt { .. }) => Kind::Corrupt,
            DbError::Nodes(NodesError::Missing(_)) => Kind::Unavailable,
            DbError::Nodes(NodesError::Cancelled) => Kind::Interrupted,
            DbError::NoSuchEntity { .. } => Kind::NotFound,
            DbError::UnknownAttribute { .. } | DbError::NotUnique { .. } => Kind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<TxError> for Failure {
    fn from(error: TxError) -> Self {
        let kind = match error.kind() {
            TxErrorKind::Conflict => Kind::Exists,
            TxErrorKind::Cas => Kind::Conflict,
            TxErrorKind::Full => Kind::Full,
            TxErrorKind::Unsupported => Kind::Unsupported,
            TxErrorKind::Db => Kind::Unavailable,
            TxErrorKind::Syntax
            | TxErrorKind::UnknownAttribute
            | TxErrorKind::WrongType
            | TxErrorKind::NoSuchEntity
            | TxErrorKind::Constraint
            | TxErrorKind::Schema => Kind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EdnError> for Failure {
    fn from(error: EdnError) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }
}

/// What the tree answers with.
pub type Result<T> = std::result::Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_line_of_its_own() {
        let failure = Failure::not_found("no store is called `x`\n").hint("ls shows them");
        assert_eq!(failure.to_string(), "no store is called `x`\nhint: ls shows them");
        assert_eq!(failure.errno(), Errno::NOENT);
    }
}
