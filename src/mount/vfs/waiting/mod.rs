//! Files whose read waits: `.wait` and `.events` of a branch, `X.wait` of a result.
//!
//! **Invariant:** what was there when the file was opened is what a change is measured by, so that
//! nothing is missed between opening and reading. A read that waits holds no thread.

mod looks;

use super::{Caching, Opened, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Handle, Waiting};
use crate::source::Moment;
use crate::spool::Cancel;
use crate::tree::node::{BranchPart, Node, Part};
use crate::tree::{Entry, Key, Rendered, Resolved, Tree, Work};
use crate::vfs::making::Making;
use factfs_core::instant;
use looks::Looks;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

/// What reading an open file may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeforeRead {
    /// Nothing: its bytes are at hand.
    Nothing,
    /// A commit that is under way: it is read where there is time.
    Commit,
    /// A change, however long that takes: it is read by [`Vfs::read_later`].
    Change,
}

/// What was seen of a subject.
#[derive(Clone)]
pub(super) enum Sight {
    /// The head of a branch, as a line.
    Head(String),
    /// A file to be made.
    Answer(Arc<Work>),
}

/// All who wait in a mount.
pub(super) type Waits = Looks<Sight>;

pub(super) fn waits(tree: &Arc<Tree>) -> Waits {
    let tree = tree.clone();
    Looks::new(move |subject: &Node| look(&tree, subject))
}

fn look(tree: &Tree, subject: &Node) -> Result<(String, Sight)> {
    if let Node::Branch(store, branch, BranchPart::Wait) = subject {
        let moment = tree.head(tree.mounted(store)?, branch)?;
        return Ok((moment.version(), Sight::Head(line(store, branch, &moment))));
    }
    let missing = || Failure::not_found(format!("{} is no answer", subject.path()));
    match tree.resolve(subject)?.entry {
        Entry::Work(work) => Ok((version(work.answer), Sight::Answer(work))),
        _ => Err(missing()),
    }
}

fn version(key: Key) -> String {
    format!("{:x}", key.0)
}

/// A head, as `.wait` and `.events` tell it.
fn line(store: &str, branch: &str, moment: &Moment) -> String {
    let head = json!({
        "store": store,
        "branch": branch,
        "commit": moment.commit.map(|commit| commit.to_string()),
        "t": moment.db.basis_t().0,
        "instant": moment.instant_ms.map(instant::format),
    });
    format!("{head}\n")
}

/// An answer, as `X.wait` tells it.
fn changed(work: &Work, made: &Rendered) -> String {
    let answer = json!({
        "path": work.answer_path(),
        "blake3": made.content.hash_hex(),
        "bytes": made.content.size_bytes(),
        "rows": made.rows,
    });
    format!("{answer}\n")
}

impl Vfs {
    /// Opens `.wait` or `.events`.
    pub(super) fn open_heads(&self, resolved: &Resolved) -> Result<Opened> {
        let Node::Branch(store, branch, part) = &resolved.node else {
            return Err(Failure::new(Kind::Invalid, "no head to wait for"));
        };
        let mounted = self.tree.mounted(store)?;
        if let Some(at) = mounted.at.as_ref().filter(|_| **branch == mounted.head_branch()) {
            let message = format!("{store} is mounted as of {at}: its head never moves");
            return Err(Failure::new(Kind::Invalid, message));
        }
        let moment = self.tree.head(mounted, branch)?;
        let subject = Node::Branch(store.clone(), branch.clone(), BranchPart::Wait);
        let waiting = match part {
            BranchPart::Events => {
                Waiting::always(subject, moment.version(), &line(store, branch, &moment))
            }
            _ => Waiting::once(subject, moment.version(), None),
        };
        Ok(self.opened(waiting))
    }

    /// Opens `X.wait`, given the answer as it is now.
    pub(super) fn open_answer_wait(&self, work: &Work, made: Result<Rendered>) -> Result<Opened> {
        if let Node::Part(place, part) = &work.node
            && place.is_fixed()
            && !matches!(part, Part::QueryText(..))
        {
            let message = format!("{} never changes: it is of one commit", work.answer_path());
            return Err(Failure::new(Kind::Invalid, message).hint("wait for it in a branch"));
        }
        let bytes = Some(made?.content.hash_hex());
        Ok(self.opened(Waiting::once(work.node.clone(), version(work.answer), bytes)))
    }

    fn opened(&self, waiting: Waiting) -> Opened {
        Opened { handle: self.handles.open(Handle::Waiting(waiting)), caching: Caching::Stream }
    }

    /// What reading an open file may wait for.
    pub fn before_read(&self, handle: u64) -> BeforeRead {
        match self.handles.get(handle).as_deref() {
            Ok(Handle::Waiting(_)) => BeforeRead::Change,
            Ok(Handle::Transact(_) | Handle::Merge(_)) => BeforeRead::Commit,
            _ => BeforeRead::Nothing,
        }
    }

    /// Reads what waits for something, and passes on what comes: of no bytes, that a read would
    /// not wait. Returns at once.
    pub fn read_later(
        self: &Arc<Self>,
        handle: u64,
        size: usize,
        cancel: &Cancel,
        then: impl FnOnce(Result<Vec<u8>>) + Send + 'static,
    ) {
        if size > 0 {
            self.polls.forget_failure(handle);
        }
        match self.handles.get(handle) {
            Ok(open) => {
                let (now, vfs) = (Arc::default(), self.clone());
                let reader = Reader { vfs, open, size, cancel: cancel.clone(), now };
                let now = reader.now.clone();
                cancel.on_cancel(move || lock(&now).cancel());
                reader.read(Box::new(then));
            }
            Err(failure) => then(Err(failure)),
        }
    }

    /// Something was committed here: who waits for it need not wait for the next look.
    pub(super) fn hurry(&self) {
        self.waits.hurry();
    }

    /// Ends all reads that wait: the mount goes.
    pub fn end_waits(&self) {
        self.waits.end();
    }

    /// How many reads wait.
    pub fn waiting(&self) -> usize {
        self.waits.len()
    }
}

type Then = Box<dyn FnOnce(Result<Vec<u8>>) + Send>;

/// A read that is under way.
struct Reader {
    vfs: Arc<Vfs>,
    open: Arc<Handle>,
    size: usize,
    /// Set when the caller is to be ended.
    cancel: Cancel,
    /// The flag of what it waits for now: a read may wait for many things, one after the other.
    now: Arc<Mutex<Cancel>>,
}

fn lock(now: &Mutex<Cancel>) -> Cancel {
    now.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Reader {
    /// A flag for what it waits for next.
    fn next(&self) -> Cancel {
        let next = Cancel::default();
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        if self.cancel.is_cancelled() {
            next.cancel();
        }
        next
    }

    fn read(self, then: Then) {
        let Handle::Waiting(waiting) = &*self.open else {
            return then(Err(Failure::new(Kind::BadHandle, "nothing to wait for")));
        };
        if let Some(bytes) = waiting.read(self.size) {
            return then(Ok(bytes));
        }
        let (subject, version) = (waiting.subject().clone(), waiting.version());
        let (vfs, cancel) = (self.vfs.clone(), self.next());
        vfs.waits.wait(&subject, version, &cancel, move |seen| match seen {
            // Whoever was interrupted is told by another read, if he asks again.
            _ if self.cancel.is_cancelled() => {
                then(Err(Failure::new(Kind::Interrupted, "interrupted")));
            }
            Ok((version, Sight::Head(line))) => self.tell(version, &line, then),
            Ok((version, Sight::Answer(work))) => self.compare(version, work, then),
            Err(failure) => self.fail(failure, then),
        });
    }

    fn tell(self, version: String, line: &str, then: Then) {
        if let Handle::Waiting(waiting) = &*self.open {
            waiting.tell(version, line);
        }
        self.read(then);
    }

    /// Of another version the bytes may be the same.
    fn compare(self, version: String, work: Arc<Work>, then: Then) {
        let making = Making::to_open(work.clone());
        let (vfs, cancel) = (self.vfs.clone(), self.next());
        vfs.make(&making, &cancel, move |_, made| match (made, &*self.open.clone()) {
            (Ok(made), Handle::Waiting(waiting)) => {
                if waiting.has(&made.content.hash_hex()) {
                    waiting.pass(version);
                    return self.read(then);
                }
                self.tell(version, &changed(&work, &made), then);
            }
            // Others are evaluated: it is looked at again.
            (Err(failure), _) if failure.kind == Kind::Busy => self.read(then),
            (Err(failure), _) => self.fail(failure, then),
            (Ok(_), _) => self.read(then),
        });
    }

    fn fail(self, failure: Failure, then: Then) {
        if let Handle::Waiting(waiting) = &*self.open {
            self.vfs.note(&waiting.subject().path(), Some(&failure));
        }
        then(Err(failure));
    }
}

#[cfg(test)]
mod tests;
