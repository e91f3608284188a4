//! What can go wrong at the storage seam.

use std::error::Error;
use std::sync::Arc;

/// What the caller can do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No such object: wait, or it was collected, or the store is damaged.
    NotFound,
    /// The place may be read, not written (EROFS).
    ReadOnly,
    /// The credentials do not allow it (EACCES).
    Denied,
    /// The place is full (ENOSPC).
    Full,
    /// Out of reach or too slow: try again later (EIO).
    Unavailable,
    /// The bytes are not what was written (EBADMSG).
    Corrupt,
    /// What was asked makes no sense to this store: a bad url, an unsupported scheme (EINVAL).
    Invalid,
}

/// An error of a store, naming the store and the object.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{url}: {object}: {reason}")]
pub struct StoreError {
    /// What the caller can do.
    pub kind: StoreErrorKind,
    /// The store, as users name it.
    pub url: String,
    /// The object, or the operation where there is none.
    pub object: String,
    /// One line, for people.
    pub reason: String,
    /// What the layer below said.
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a source.
    pub fn new(
        kind: StoreErrorKind,
        url: impl Into<String>,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        let (url, object, reason) = (url.into(), object.into(), reason.into());
        Self { kind, url, object, reason, source: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}
