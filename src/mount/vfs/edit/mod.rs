//! Writing to what is open: transactions, documents, entities, and files of queries folders.

mod branches;
mod commit;
#[cfg(test)]
mod concurrent_tests;
mod going;
mod held;
mod merging;
mod names;
mod pins;
mod queries;
#[cfg(test)]
mod tests;

pub(super) use going::{gone, is_busy};
pub(super) use merging::{is_merge, reports};

use super::{Attr, Mode, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Handle, Refused, Stream};
use crate::metrics::{self, Operation};
use crate::tree::node::{BranchPart, Node};
use crate::tree::{Entry, Key, Resolved, Shape, Tree};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) fn locked(open: &(Node, Mutex<Stream>)) -> MutexGuard<'_, Stream> {
    open.1.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is being edited.
pub(super) fn draft_entry(draft: &Draft) -> Resolved {
    let node = draft.node();
    let key = Key::of(&node.path());
    let entry = Entry::Query(draft.size_bytes());
    let mode = if held::is_outcome(&node) { 0o444 } else { 0o644 };
    Resolved { node, key, entry, mtime_ms: draft.mtime_ms(), mode, is_fixed: false }
}

pub(super) fn draft_attr(ino: u64, draft: &Draft) -> Attr {
    let size_bytes = draft.size_bytes();
    let mode = if held::is_outcome(&draft.node()) { 0o444 } else { 0o644 };
    let (mtime_ms, ttl) = (draft.mtime_ms(), Duration::ZERO);
    Attr { ino, shape: Shape::File, size_bytes, mtime_ms, mode, ttl }
}

fn refusal(draft: &Draft, refused: Refused) -> Failure {
    let busy = |what, hint| {
        let message = format!("{} is {what}", draft.node().path());
        Failure::new(Kind::Busy, message).hint(hint)
    };
    match refused {
        Refused::TooLarge => {
            let message = format!("a file here may have at most {} MiB", draft.limit_bytes() >> 20);
            Failure::new(Kind::TooLarge, message)
        }
        Refused::Committing => busy("being committed", "change it when that has ended"),
        Refused::Committed => busy("done with", "write it anew from its beginning, or another one"),
    }
}

/// Whether what is written there is committed as it comes.
fn is_stream(part: &BranchPart) -> bool {
    matches!(part, BranchPart::Transact | BranchPart::TransactJson | BranchPart::Merge)
}

/// Whether a path is one of what is written in memory first.
fn is_draft(node: &Node) -> bool {
    let is_held =
        |part: &BranchPart| matches!(part, BranchPart::InboxFile(_) | BranchPart::Scratch(_));
    match node {
        Node::QueryFile(..) => true,
        Node::Branch(_, _, part) => is_held(part),
        node => Tree::entity_of(node).is_some(),
    }
}

impl Vfs {
    /// Writes to what is open; a transaction that is completed by it is committed by it.
    pub fn write(&self, ino: u64, handle: u64, offset: u64, bytes: &[u8]) -> Result<usize> {
        metrics::called(Operation::Write);
        let (number, handle) = (handle, self.handles.get(handle)?);
        let done = match &*handle {
            Handle::Transact(stream) => locked(stream).write(bytes),
            Handle::Draft(editing) if held::holds(&editing.draft.folder) => {
                self.write_held(editing, offset, bytes)
            }
            Handle::Draft(editing) => {
                let (draft, now_ms) = (&editing.draft, self.tree.now_ms());
                draft.write(offset, bytes, now_ms).map_err(|refused| refusal(draft, refused))
            }
            Handle::Merge(names) => merging::locked(names).write(bytes),
            Handle::Gone(node) => Err(gone(node)),
            Handle::Bytes(_) | Handle::Folder(_) | Handle::Waiting(_) => {
                Err(Failure::new(Kind::BadHandle, "not open for writing"))
            }
        };
        // What committed of a write that then failed was accepted: the failure is to be read
        // already.
        let failed = match (&done, &*handle) {
            (Err(failure), _) => Some(failure.clone()),
            (Ok(_), Handle::Transact(stream)) => locked(stream).failed().cloned(),
            (Ok(_), Handle::Merge(names)) => merging::locked(names).failed().cloned(),
            (Ok(_), _) => None,
        };
        if let Handle::Transact(_) | Handle::Merge(_) = &*handle {
            self.polls.tell(number);
            if done.is_ok() {
                self.hurry();
            }
        }
        self.note_at(ino, failed.as_ref());
        done
    }

    pub(super) fn note_at(&self, ino: u64, failure: Option<&Failure>) {
        if let Ok(inode) = self.inode(ino) {
            self.note(&inode.resolved.node.path(), failure);
        }
    }

    /// A descriptor of an open file was closed by a process, where that is known.
    pub fn flush(&self, ino: u64, handle: u64, process: Option<u32>) -> Result<()> {
        let done = match &*self.handles.get(handle)? {
            Handle::Transact(stream) => locked(stream).flush(process),
            Handle::Draft(editing) if held::holds(&editing.draft.folder) => {
                // It says itself, and where it can be read, how it ended.
                return if process == editing.opener { self.finish(editing) } else { Ok(()) };
            }
            Handle::Draft(editing) => self.save(&editing.draft, false),
            Handle::Merge(names) => merging::locked(names).failed().cloned().map_or(Ok(()), Err),
            Handle::Bytes(_) | Handle::Folder(_) | Handle::Waiting(_) | Handle::Gone(_) => {
                return Ok(());
            }
        };
        if let Err(failure) = &done {
            self.note_at(ino, Some(failure));
        }
        done
    }

    /// What was written is to be on disk. A document is not at its end by that.
    pub fn sync(&self, ino: u64, handle: u64, process: Option<u32>) -> Result<()> {
        match &*self.handles.get(handle)? {
            Handle::Draft(editing) if held::holds(&editing.draft.folder) => Ok(()),
            _ => self.flush(ino, handle, process),
        }
    }

    /// The last descriptor of an open file was closed.
    pub fn release(&self, handle: u64) {
        self.polls.close(handle);
        let Some(handle) = self.handles.close(handle) else { return };
        if let Handle::Transact(stream) = &*handle
            && let Err(failure) = locked(stream).end()
        {
            // The close that this is the end of may have been another process's.
            self.note(&stream.0.path(), Some(&failure));
        }
        let Handle::Draft(editing) = &*handle else { return };
        let draft = &editing.draft;
        if held::holds(&draft.folder) {
            // Nobody is left to be told; how it ended can be read.
            let _ = self.finish(editing);
            draft.closed();
        } else if draft.closed() {
            if let Err(failure) = self.save(draft, true) {
                self.note(&draft.node().path(), Some(&failure));
            }
            self.drafts.settle(draft);
        }
    }

    /// Cuts a file, by its name or by a handle.
    pub fn resize(&self, ino: u64, handle: Option<u64>, size: u64) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let now_ms = self.tree.now_ms();
        match (&inode.resolved.node, handle) {
            (Node::Branch(_, _, part), _) if is_stream(part) => {}
            (node, _) if held::is_outcome(node) => return Err(self.read_only(node)),
            (node, Some(handle)) if is_draft(node) => match &*self.handles.get(handle)? {
                Handle::Draft(editing) => {
                    let draft = &editing.draft;
                    draft.resize(size, now_ms).map_err(|refused| refusal(draft, refused))?;
                }
                _ => return Err(Failure::new(Kind::BadHandle, "not open for writing")),
            },
            (Node::QueryFile(..), None) => {
                let mode = Mode { read: false, write: true, truncate: false, process: None };
                let opened = self.open_query(&inode.resolved, mode)?;
                let resized = self.resize_open(opened.handle, size);
                self.release(opened.handle);
                resized?;
            }
            (node, None) if is_draft(node) && Tree::entity_of(node).is_none() => {
                let Some(draft) = self.draft_of(node) else { return Err(self.read_only(node)) };
                draft.resize(size, now_ms).map_err(|refused| refusal(&draft, refused))?;
            }
            (node, _) => return Err(self.read_only(node)),
        }
        self.attr(ino, handle, &Default::default())
    }

    fn resize_open(&self, handle: u64, size: u64) -> Result<()> {
        if let Handle::Draft(editing) = &*self.handles.get(handle)? {
            let draft = &editing.draft;
            let resized = draft.resize(size, self.tree.now_ms());
            resized.map_err(|refused| refusal(draft, refused))?;
            self.save(draft, true)?;
        }
        Ok(())
    }

    /// Times and permission bits are not kept. Who sets them on a file of queries/ is not refused,
    /// as editors do; who wants other bits on anything else is told that he does not get them.
    pub fn touch(&self, ino: u64, mode: Option<u32>) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let resolved = &inode.resolved;
        let is_other = mode.is_some_and(|mode| mode & 0o7777 != u32::from(resolved.mode));
        match &resolved.entry {
            Entry::Transact(_) if is_other => {
                let message = format!("the permissions of {} are fixed", resolved.node.path());
                let hint = "who may write is who mounted it: chmod has no place to be kept";
                Err(Failure::new(Kind::NotPermitted, message).hint(hint))
            }
            Entry::Work(_) if is_other || Tree::entity_of(&resolved.node).is_none() => {
                Err(self.read_only(&resolved.node))
            }
            Entry::Query(_) | Entry::Transact(_) | Entry::Work(_) => {
                self.attr(ino, None, &Default::default())
            }
            _ => Err(self.read_only(&resolved.node)),
        }
    }
}
