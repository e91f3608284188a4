//! Writing to what is open: transactions, and files of queries folders.

mod branches;
mod merging;
mod names;
mod pins;
mod queries;

pub(super) use merging::{is_merge, reports};

use super::{Attr, Mode, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Handle, Stream};
use crate::spool::Content;
use crate::tree::node::{BranchPart, Node};
use crate::tree::{Entry, Key, Resolved, Shape};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) fn locked(open: &(Node, Mutex<Stream>)) -> MutexGuard<'_, Stream> {
    open.1.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is being edited.
pub(super) fn draft_entry(draft: &Draft) -> Resolved {
    let node = Node::QueryFile(draft.desk.clone(), draft.name().into());
    let key = Key::of(&node.path());
    let entry = Entry::Query(Content::of(&draft.bytes()));
    Resolved { node, key, entry, mtime_ms: draft.mtime_ms(), mode: 0o644, is_fixed: false }
}

pub(super) fn draft_attr(ino: u64, draft: &Draft) -> Attr {
    let size_bytes = draft.bytes().len() as u64;
    let (mtime_ms, mode, ttl) = (draft.mtime_ms(), 0o644, Duration::ZERO);
    Attr { ino, shape: Shape::File, size_bytes, mtime_ms, mode, ttl }
}

fn too_large() -> Failure {
    Failure::new(Kind::TooLarge, "a file of queries/ may have at most 16 MiB")
}

impl Vfs {
    /// Writes to what is open; a transaction that is completed by it is committed by it.
    pub fn write(&self, ino: u64, handle: u64, offset: u64, bytes: &[u8]) -> Result<usize> {
        let handle = self.handles.get(handle)?;
        let done = match &*handle {
            Handle::Transact(stream) => locked(stream).write(bytes),
            Handle::Draft(draft) => {
                draft.write(offset, bytes, self.tree.now_ms()).ok_or_else(too_large)
            }
            Handle::Merge(names) => merging::locked(names).write(bytes),
            Handle::Bytes(_) | Handle::Folder(_) | Handle::Waiting(_) => {
                Err(Failure::new(Kind::BadHandle, "not open for writing"))
            }
        };
        if done.is_ok() {
            self.hurry();
        }
        self.note_at(ino, done.as_ref().err());
        // What committed of a write that then failed was accepted: the failure is to be read
        // already.
        if let (Ok(_), Handle::Transact(stream)) = (&done, &*handle) {
            let failed = locked(stream).failed().cloned();
            self.note_at(ino, failed.as_ref());
        }
        if let (Ok(_), Handle::Merge(names)) = (&done, &*handle) {
            let failed = merging::locked(names).failed().cloned();
            self.note_at(ino, failed.as_ref());
        }
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
            Handle::Draft(draft) => self.save(draft, false),
            Handle::Merge(names) => merging::locked(names).failed().cloned().map_or(Ok(()), Err),
            Handle::Bytes(_) | Handle::Folder(_) | Handle::Waiting(_) => return Ok(()),
        };
        if let Err(failure) = &done {
            self.note_at(ino, Some(failure));
        }
        done
    }

    /// The last descriptor of an open file was closed.
    pub fn release(&self, handle: u64) {
        let Some(handle) = self.handles.close(handle) else { return };
        if let Handle::Transact(stream) = &*handle
            && let Err(failure) = locked(stream).end()
        {
            // The close that this is the end of may have been another process's.
            self.note(&stream.0.path(), Some(&failure));
        }
        let Handle::Draft(draft) = &*handle else { return };
        if draft.closed() {
            if let Err(failure) = self.save(draft, true) {
                let node = Node::QueryFile(draft.desk.clone(), draft.name().into());
                self.note(&node.path(), Some(&failure));
            }
            self.drafts.settle(draft);
        }
    }

    /// Cuts a file, by its name or by a handle.
    pub fn resize(&self, ino: u64, handle: Option<u64>, size: u64) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let now_ms = self.tree.now_ms();
        match (&inode.resolved.node, handle) {
            (Node::Branch(_, _, BranchPart::Transact | BranchPart::Merge), _) => {}
            (Node::QueryFile(..), Some(handle)) => match &*self.handles.get(handle)? {
                Handle::Draft(draft) => draft.resize(size, now_ms).ok_or_else(too_large)?,
                _ => return Err(Failure::new(Kind::BadHandle, "not open for writing")),
            },
            (Node::QueryFile(..), None) => {
                let mode = Mode { read: false, write: true, truncate: false, process: None };
                let opened = self.open_query(&inode.resolved, mode)?;
                if let Handle::Draft(draft) = &*self.handles.get(opened.handle)? {
                    draft.resize(size, now_ms).ok_or_else(too_large)?;
                    self.save(draft, true)?;
                }
                self.release(opened.handle);
            }
            (node, _) => return Err(self.read_only(node)),
        }
        self.attr(ino, handle, &Default::default())
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
            Entry::Query(_) | Entry::Transact(_) => self.attr(ino, None, &Default::default()),
            _ => Err(self.read_only(&resolved.node)),
        }
    }
}
