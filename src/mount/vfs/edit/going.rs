//! A branch that goes, or gets another name, while files of it are open.
//!
//! **Invariant:** a branch stays as it is while something was written in it that is not committed.
//! With it goes all else that is open to be written, and all that is known of it in memory: nothing
//! of it is shown or committed under its name when another branch has that.

use super::branches::moved;
use super::held::{Purpose, holds, purpose};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Editing, Handle, Outcome};
use crate::tree::node::Node;
use crate::vfs::Vfs;
use std::sync::{Mutex, TryLockError};

/// The failure of using what was open when its branch was taken away.
pub(in crate::vfs) fn gone(node: &Node) -> Failure {
    let message = format!("the branch of {} was removed or renamed", node.path());
    Failure::new(Kind::Stale, message).hint("open it anew")
}

impl Vfs {
    /// The failure of taking a branch away, if something was written in it and is not committed.
    pub(super) fn check_finished(&self, branch: &Node, done: &str) -> Result<()> {
        let is_inside = |node: &Node| moved(node, branch, branch).is_some();
        let open = self.handles.find(|open| unfinished(open).filter(is_inside));
        let under_way = |draft: &Draft| {
            draft.outcome() == Some(Outcome::Committing) && is_inside(&draft.folder)
        };
        let busy = open.or_else(|| self.drafts.find(under_way).map(|draft| draft.node()));
        let Some(node) = busy else { return Ok(()) };
        let (branch, path) = (branch.path(), node.path());
        let message = format!("{branch} cannot be {done}: {path} is being written");
        Err(Failure::new(Kind::Busy, message).hint("let it be written to its end, and close it"))
    }

    /// Nothing of a branch is where it was; its files are in another folder, or gone.
    pub(super) fn leave(&self, before: &Node, after: Option<&Node>) {
        let is_inside = |node: &Node| moved(node, before, before).is_some();
        self.handles.replace(|open| written(open).filter(is_inside).map(Handle::Gone));
        for draft in self.drafts.forget(is_inside) {
            if let Some(folder) = after.and_then(|after| moved(&draft.folder, before, after)) {
                self.drafts.adopt(&draft, folder);
            }
        }
        self.tree.failures().forget(&before.path());
    }
}

/// What is open to be written.
fn written(open: &Handle) -> Option<Node> {
    match open {
        Handle::Draft(editing) => Some(editing.draft.node()),
        Handle::Transact(stream) => Some(stream.0.clone()),
        Handle::Merge(names) => Some(names.0.clone()),
        Handle::Folder(_) | Handle::Bytes(_) | Handle::Waiting(_) | Handle::Gone(_) => None,
    }
}

/// The same, if something was written that is not committed, or that is being committed.
fn unfinished(open: &Handle) -> Option<Node> {
    let is_begun = match open {
        Handle::Draft(editing) => is_begun(editing),
        Handle::Transact(stream) => match stream.1.try_lock() {
            Ok(stream) => stream.end().is_err(),
            Err(error) => matches!(error, TryLockError::WouldBlock),
        },
        Handle::Merge(_) => is_busy(open),
        Handle::Folder(_) | Handle::Bytes(_) | Handle::Waiting(_) | Handle::Gone(_) => false,
    };
    written(open).filter(|_| is_begun)
}

/// Whether something is being committed by what is open, so that a read of it would wait.
pub(in crate::vfs) fn is_busy(open: &Handle) -> bool {
    match open {
        Handle::Transact(stream) => is_locked(&stream.1),
        Handle::Merge(names) => is_locked(&names.1),
        _ => false,
    }
}

fn is_begun(editing: &Editing) -> bool {
    let draft = &editing.draft;
    if !holds(&draft.folder) {
        return draft.needs_saving(true);
    }
    let is_scratch = matches!(purpose(&draft.folder, &draft.name()), Purpose::Scratch);
    editing.has_written() && !editing.is_done() && !is_scratch && draft.outcome().is_none()
}

fn is_locked<T>(lock: &Mutex<T>) -> bool {
    matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
}
