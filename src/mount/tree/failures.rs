//! What failed lately, by path: the text of `X.err` and of `.factfs/last-error`.
//!
//! **Invariant:** bounded; a success under a path forgets what failed there.

use crate::error::{Failure, visible};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// What failed lately.
#[derive(Debug)]
pub struct Failures(Mutex<State>);

#[derive(Debug)]
struct State {
    by_path: LruCache<String, Failure>,
    /// Of writing what is read, too: reading it forgets nothing of that.
    written: LruCache<String, Failure>,
    last: Option<(String, Failure)>,
}

impl Default for Failures {
    fn default() -> Self {
        Self(Mutex::new(State {
            by_path: LruCache::new(KEPT),
            written: LruCache::new(KEPT),
            last: None,
        }))
    }
}

impl Failures {
    /// Remembers how using `path` ended.
    pub fn note(&self, path: &str, failure: Option<&Failure>) {
        self.keep(path, failure, |state| &mut state.by_path);
    }

    /// Remembers how writing `path` ended, which is read as well.
    pub fn note_written(&self, path: &str, failure: Option<&Failure>) {
        self.keep(path, failure, |state| &mut state.written);
    }

    fn keep(
        &self,
        path: &str,
        failure: Option<&Failure>,
        place: fn(&mut State) -> &mut LruCache<String, Failure>,
    ) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = failure else {
            place(&mut state).pop(path);
            return;
        };
        place(&mut state).put(path.to_owned(), failure.clone());
        state.last = Some((path.to_owned(), failure.clone()));
    }

    /// Forgets what failed in a folder: what has its name next is another one.
    pub fn forget(&self, folder: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_inside = |path: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let State { by_path, written, .. } = &mut *state;
        for known in [by_path, written] {
            let gone = known.iter().map(|(path, _)| path.clone()).filter(|path| is_inside(path));
            for path in gone.collect::<Vec<_>>() {
                known.pop(&path);
            }
        }
    }

    /// What failed of writing `path`, if the last attempt did.
    pub fn of_written(&self, path: &str) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).written.get(path).cloned()
    }

    /// What failed under `path`, if the last use of it did.
    pub fn of(&self, path: &str) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_path.get(path).cloned()
    }

    /// The last failure: path and text, or nothing.
    pub fn last(&self) -> String {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text =
            |(path, failure): &(String, Failure)| format!("{}: {}", visible(path), failure.text());
        state.last.as_ref().map(text).unwrap_or_default()
    }
}
