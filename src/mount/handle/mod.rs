//! What is open: folders being listed, files being read, queries being edited, transactions being
//! written.
//!
//! **Invariant:** a handle reads one value from open to release, whatever moves meanwhile.

mod draft;
mod forms;
mod names;
mod stream;
mod waiting;

pub use draft::{Draft, Drafts, Outcome, Refused};
pub use forms::{Forms, Said};
pub use names::Names;
pub use stream::Stream;
pub use waiting::Waiting;

use crate::error::{Failure, Kind, Result};
use crate::spool::Content;
use crate::tree::Listing;
use crate::tree::node::Node;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something open.
pub enum Handle {
    /// A folder and what it lists.
    Folder(Box<(Node, Listing)>),
    /// Bytes to read.
    Bytes(Content),
    /// A query, an entity, a document, or scratch, that may be changed.
    Draft(Box<Editing>),
    /// Where transactions are written to, and those that are.
    Transact(Box<(Node, Mutex<Stream>)>),
    /// Where names of branches are written to that are merged, and those that are.
    Merge(Box<(Node, Mutex<Names>)>),
    /// What waits for a change.
    Waiting(Waiting),
    /// What was open to be written when its branch was taken away.
    Gone(Node),
}

/// A draft that is open.
pub struct Editing {
    /// What is changed.
    pub draft: Arc<Draft>,
    /// The process that opened it.
    pub opener: Option<u32>,
    /// Whether something was written by this handle: only then it commits.
    has_written: AtomicBool,
    /// Whether this handle had it committed, or tried to.
    is_done: AtomicBool,
}

impl Editing {
    /// A draft that is open now.
    pub fn new(draft: Arc<Draft>, opener: Option<u32>) -> Box<Self> {
        draft.opened();
        let (has_written, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
        Box::new(Self { draft, opener, has_written, is_done })
    }

    /// Whether something was written by this handle.
    pub fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    /// Something was written by this handle.
    pub fn wrote(&self) {
        self.has_written.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is written any more by this handle.
    pub fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    /// This handle is at its end.
    pub fn done(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }
}

/// What is open in a mount.
#[derive(Default)]
pub struct Handles(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<u64, Arc<Handle>>,
    last: u64,
}

impl Handles {
    /// A number for something that was opened.
    pub fn open(&self, handle: Handle) -> u64 {
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        table.open.insert(number, Arc::new(handle));
        number
    }

    /// What is open under a number.
    pub fn get(&self, number: u64) -> Result<Arc<Handle>> {
        let missing = || Failure::new(Kind::BadHandle, "no such handle");
        self.lock().open.get(&number).cloned().ok_or_else(missing)
    }

    /// Takes it away.
    pub fn close(&self, number: u64) -> Option<Arc<Handle>> {
        self.lock().open.remove(&number)
    }

    /// What one of those that are open has to say.
    pub fn find<T>(&self, mut of: impl FnMut(&Handle) -> Option<T>) -> Option<T> {
        self.lock().open.values().find_map(|open| of(open))
    }

    /// Puts other handles in the place of those that have another; who uses one of them just now
    /// goes on with the old one for that.
    pub fn replace(&self, other: impl Fn(&Handle) -> Option<Handle>) {
        for open in self.lock().open.values_mut() {
            if let Some(other) = other(open) {
                *open = Arc::new(other);
            }
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
