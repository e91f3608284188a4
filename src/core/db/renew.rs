//! Going on with a value whose trees are gone: a collection deletes what nothing refers to, though
//! somebody may still be reading it.
//!
//! **Invariant:** what is read then is the newest head as of the same commit, which gives the same
//! answer to every question (but for attributes that keep no history: what ended since is not seen
//! there). It is done only where an object is not there, only for a value that is in the history of
//! that head, and each value that was opened is looked for once.

use super::{Db, DbError, Snapshot, View};
use crate::id::CommitId;
use crate::index::NodesError;
use crate::store::StoreErrorKind;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// Who knows newer heads. May block, as reading nodes may.
pub trait Renew: Debug + Send + Sync {
    /// The newest head that has this commit in its history; `None` where there is none, or nobody
    /// can be asked.
    fn newest(&self, commit: CommitId) -> Option<Snapshot>;
}

/// How often one read goes on over a newer head: one may be collected as well, right away.
pub(super) const TIMES: usize = 5;

/// Whom to ask, and what was found.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    who: Arc<dyn Renew>,
    found: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

impl Db {
    /// The same value, which goes on over a newer head when its trees are gone.
    #[must_use]
    pub fn renewed_by(self, who: Arc<dyn Renew>) -> Self {
        Self { renewal: Some(Renewal { who, found: Arc::default() }), ..self }
    }

    /// The same value, read from another head that has its commit in its history.
    #[must_use]
    pub fn over(&self, newest: Snapshot) -> Self {
        self.over_shared(Arc::new(newest))
    }

    fn over_shared(&self, newest: Arc<Snapshot>) -> Self {
        let view = View { as_of: Some(self.basis_t()), ..self.view };
        Self { snapshot: newest, ..self.clone() }.seen(view)
    }

    /// Reads, over a newer head where something is gone.
    pub(super) fn reading<T>(
        &self,
        read: impl Fn(&Self) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut answer = match self.found() {
            Some(newer) => read(&newer),
            None => read(self),
        };
        for _ in 0..TIMES {
            let Err(error) = &answer else { return answer };
            let Some(newer) = self.renewed(error) else { return answer };
            answer = read(&newer);
        }
        answer
    }

    /// What this value is read from since its own trees were found to be gone.
    pub(super) fn found(&self) -> Option<Self> {
        let found = self.renewal.as_ref()?.found.lock().unwrap_or_else(PoisonError::into_inner);
        Some(self.over_shared(found.clone()?))
    }

    /// The same value over the newest head, if the error says that something is gone.
    pub(super) fn renewed(&self, error: &DbError) -> Option<Self> {
        let (renewal, commit) = (self.renewal.as_ref()?, self.snapshot.commit?);
        let DbError::Nodes(NodesError::Store(error)) = error else { return None };
        if error.kind != StoreErrorKind::NotFound {
            return None;
        }
        let newest = Arc::new(renewal.who.newest(commit)?);
        let mut found = renewal.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = Some(newest.clone());
        Some(self.over_shared(newest))
    }
}
