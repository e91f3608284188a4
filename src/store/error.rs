//! The error of everything that is done with a database: a kind, and words for people.
//!
//! **Invariant:** each typed error of the core becomes one [`Kind`] here, in exhaustive matches: a
//! new variant does not compile until it has one.

use crate::Kind;
use factfs_core::catalogue::Code;
use factfs_core::clone::CloneError;
use factfs_core::conn::{ConnError, MergeError, PurgeError, TransactError};
use factfs_core::db::DbError;
use factfs_core::edn::EdnError;
use factfs_core::index::{NodesError, TreeError};
use factfs_core::pull::PullError;
use factfs_core::query::{QueryError, QueryErrorKind};
use factfs_core::store::{StoreError, StoreErrorKind};
use factfs_core::transact::{TxError, TxErrorKind, TxProblem};
use factfs_core::verify::RepairError;
use std::sync::Arc;

/// What went wrong: what the caller can do, and what to tell people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the caller can do about it.
    pub kind: Kind,
    /// One line or a few: what is wrong, where, what to do.
    pub message: String,
    /// Its row in the catalogue, if it is an error of the dialect.
    pub code: Option<Code>,
    /// What it came from.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of its own.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, source: None }
    }

    fn from_source(kind: Kind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind, message: source.to_string(), code: None, source: Some(Arc::new(source)) }
    }

    fn coded(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }
}

impl From<StoreErrorKind> for Kind {
    fn from(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::NotFound => Self::NotFound,
            StoreErrorKind::ReadOnly => Self::ReadOnly,
            StoreErrorKind::Denied => Self::Denied,
            StoreErrorKind::Full => Self::Full,
            StoreErrorKind::Unavailable => Self::Unavailable,
            StoreErrorKind::Corrupt => Self::Corrupt,
            StoreErrorKind::Invalid => Self::Invalid,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from_source(store(&error), error)
    }
}

/// `head`, `refs` and `format` are where one begins to look: without them there is no database. All
/// other names are read because something refers to them: what is missing then is damage.
fn store(error: &StoreError) -> Kind {
    match error.kind {
        StoreErrorKind::NotFound if error.object.contains('/') => Kind::Corrupt,
        kind => kind.into(),
    }
}

fn nodes(error: &NodesError) -> Kind {
    match error {
        NodesError::Store(e) => store(e),
        NodesError::Corrupt { .. } => Kind::Corrupt,
        NodesError::Missing(_) => Kind::Unavailable,
        NodesError::Cancelled => Kind::Interrupted,
    }
}

fn db(error: &DbError) -> Kind {
    match error {
        DbError::Nodes(e) => nodes(e),
        DbError::UnknownAttribute { .. }
        | DbError::NoSuchAttribute { .. }
        | DbError::NotIndexed { .. }
        | DbError::NotUnique { .. } => Kind::Invalid,
        DbError::NoSuchEntity { .. } => Kind::NotFound,
    }
}

fn conn(error: &ConnError) -> Kind {
    match error {
        ConnError::Store(e) => store(e),
        ConnError::Damaged { .. } => Kind::Corrupt,
        ConnError::NoDatabase { .. }
        | ConnError::NoBranch(_)
        | ConnError::NoTag(_)
        | ConnError::NoCommit(_) => Kind::NotFound,
        ConnError::Exists { .. } | ConnError::NameTaken(_) => Kind::Exists,
        ConnError::Stale { .. } | ConnError::Closed | ConnError::Claimed { .. } => Kind::Stale,
        ConnError::BadName(_)
        | ConnError::DefaultBranch(_)
        | ConnError::Ambiguous(_)
        | ConnError::When(_)
        | ConnError::LongUrl { .. }
        | ConnError::Foreign(_)
        | ConnError::Unfit(_) => Kind::Invalid,
        ConnError::TooLarge(_) => Kind::TooLarge,
        ConnError::Contended { .. }
        | ConnError::Collected
        | ConnError::Superseded(_)
        | ConnError::Restless { .. } => Kind::Busy,
        ConnError::Nodes(e) | ConnError::Trees(TreeError::Nodes(e)) => nodes(e),
        ConnError::Trees(_) => Kind::Corrupt,
        ConnError::Db(e) => db(e),
    }
}

fn transaction(error: &TxError) -> Kind {
    if let TxProblem::Db(error) = &error.problem {
        return db(error);
    }
    match error.kind() {
        TxErrorKind::Syntax
        | TxErrorKind::UnknownAttribute
        | TxErrorKind::WrongType
        | TxErrorKind::Constraint
        | TxErrorKind::Schema => Kind::Invalid,
        TxErrorKind::Conflict => Kind::Exists,
        TxErrorKind::Cas => Kind::Conflict,
        TxErrorKind::NoSuchEntity => Kind::NotFound,
        TxErrorKind::Unsupported => Kind::Unsupported,
        TxErrorKind::Full => Kind::Full,
        TxErrorKind::Db => Kind::Unavailable,
    }
}

impl From<NodesError> for Error {
    fn from(error: NodesError) -> Self {
        Self::from_source(nodes(&error), error)
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let code = error.code();
        Self::from_source(db(&error), error).coded(code)
    }
}

impl From<ConnError> for Error {
    fn from(error: ConnError) -> Self {
        Self::from_source(conn(&error), error)
    }
}

impl From<PurgeError> for Error {
    fn from(error: PurgeError) -> Self {
        let (kind, code) = match &error {
            PurgeError::Conn(error) => (conn(error), None),
            PurgeError::Branched => (Kind::Busy, None),
            PurgeError::Refused(error) => (Kind::Invalid, Some(error.code())),
        };
        Self { code, ..Self::from_source(kind, error) }
    }
}

impl From<TxError> for Error {
    fn from(error: TxError) -> Self {
        let code = error.code();
        Self::from_source(transaction(&error), error).coded(code)
    }
}

impl<E: Into<Self> + std::error::Error + Send + Sync + 'static> From<TransactError<E>> for Error {
    fn from(error: TransactError<E>) -> Self {
        match error {
            TransactError::Refused(e) => e.into(),
            TransactError::Failed(e) => e.into(),
            TransactError::Skipped => Self::from_source(Kind::Conflict, error),
            TransactError::Busy { .. } => Self::from_source(Kind::Busy, error),
            TransactError::Unknown { .. } | TransactError::Interrupted => {
                Self::from_source(Kind::Timeout, error)
            }
        }
    }
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Refused(_) => Self::from_source(Kind::Invalid, error),
            MergeError::Conn(e) => e.into(),
            MergeError::Foreign | MergeError::Empty => Self::from_source(Kind::Invalid, error),
            MergeError::Moved => Self::from_source(Kind::Busy, error),
            MergeError::Conflicts(_) => Self::from_source(Kind::Conflict, error),
        }
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        let kind = match (&error, error.kind()) {
            (QueryError::Db(e) | QueryError::Resolve { source: e, .. }, _) => db(e),
            (_, QueryErrorKind::Limit) => match error {
                QueryError::Limit { what: "memory", .. } => Kind::Memory,
                _ => Kind::TooLarge,
            },
            (_, QueryErrorKind::Syntax | QueryErrorKind::Unbound) => Kind::Invalid,
            (_, QueryErrorKind::Inputs | QueryErrorKind::Type) => Kind::Invalid,
            (_, QueryErrorKind::Timeout) => Kind::Timeout,
            (_, QueryErrorKind::Cancelled) => Kind::Interrupted,
            (_, QueryErrorKind::Unsupported) => Kind::Unsupported,
            (_, QueryErrorKind::Db) => Kind::Unavailable,
        };
        let code = error.code();
        Self::from_source(kind, error).coded(code)
    }
}

impl From<CloneError> for Error {
    fn from(error: CloneError) -> Self {
        let kind = match &error {
            CloneError::Conn(e) => conn(e),
            CloneError::Another { .. } | CloneError::NotReplica { .. } => Kind::Exists,
            CloneError::Newer { .. } => Kind::Stale,
            CloneError::Contended { .. } => Kind::Busy,
        };
        Self::from_source(kind, error)
    }
}

impl From<RepairError> for Error {
    fn from(error: RepairError) -> Self {
        let kind = match &error {
            RepairError::Conn(e) => conn(e),
            RepairError::Head { .. } | RepairError::Log { .. } => Kind::Corrupt,
            RepairError::Moved { .. } => Kind::Conflict,
        };
        Self::from_source(kind, error)
    }
}

impl From<EdnError> for Error {
    fn from(error: EdnError) -> Self {
        let code = error.code();
        Self::from_source(Kind::Invalid, error).coded(code)
    }
}

impl From<PullError> for Error {
    fn from(error: PullError) -> Self {
        let kind = match &error {
            PullError::Syntax { .. }
            | PullError::Attribute { .. }
            | PullError::UnknownXform { .. }
            | PullError::Xform { .. } => Kind::Invalid,
            PullError::TooDeep { .. } | PullError::TooLarge { .. } => Kind::TooLarge,
            PullError::Db(e) => db(e),
        };
        let code = error.code();
        Self::from_source(kind, error).coded(code)
    }
}
