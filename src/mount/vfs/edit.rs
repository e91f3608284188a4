//! Writing: transactions, and files of queries folders.

use super::{Attr, Caching, Found, Mode, Opened, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Handle, Stream};
use crate::inode::Inode;
use crate::spool::Content;
use crate::tree::desk::{self, query_of};
use crate::tree::node::{BranchPart, Desk, Node};
use crate::tree::{Entry, Key, Resolved, Shape};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// A query's attributes now: it may have been saved elsewhere meanwhile.
    pub(super) fn query_attr(&self, inode: &Inode) -> Result<Attr> {
        let Node::QueryFile(desk, name) = &inode.resolved.node else {
            return Ok(self.attr_of(inode));
        };
        if let Some(draft) = self.drafts.get(desk, name) {
            return Ok(draft_attr(inode.ino, &draft));
        }
        let resolved = self.tree.resolve(&inode.resolved.node)?;
        let size_bytes = self.size_at_hand(&resolved);
        Ok(self.attr_of(&Inode { ino: inode.ino, resolved: Arc::new(resolved), size_bytes }))
    }

    pub(super) fn open_query(&self, resolved: &Resolved, mode: Mode) -> Result<Opened> {
        let Node::QueryFile(desk, name) = &resolved.node else {
            return Err(Failure::new(Kind::Invalid, "no query"));
        };
        let draft = self.drafts.get(desk, name);
        if !mode.write {
            // Who reads sees one text, whatever is saved meanwhile.
            let bytes = match &draft {
                Some(draft) => draft.bytes(),
                None => self.saved_bytes(desk, name)?,
            };
            let handle = self.handles.open(Handle::Bytes(Content::of(&bytes)));
            return Ok(Opened { handle, caching: Caching::Fresh });
        }
        self.check_desk(desk)?;
        let now_ms = self.tree.now_ms();
        let draft = match draft {
            Some(draft) => draft,
            None => {
                let bytes = self.saved_bytes(desk, name)?;
                self.drafts.begin(desk, name, &bytes, now_ms)
            }
        };
        if mode.truncate && !draft.bytes().is_empty() {
            draft.resize(0, now_ms).ok_or_else(too_large)?;
        }
        Ok(self.open_draft(draft))
    }

    fn open_draft(&self, draft: Arc<Draft>) -> Opened {
        draft.opened();
        Opened { handle: self.handles.open(Handle::Draft(draft)), caching: Caching::Edited }
    }

    fn saved_bytes(&self, desk: &Desk, name: &str) -> Result<Vec<u8>> {
        let missing = || Failure::not_found(format!("no file `{name}` among the queries"));
        let query = query_of(name).ok_or_else(missing)?;
        let (text, _) = self.tree.saved_text(desk, query)?.ok_or_else(missing)?;
        Ok(text.into_bytes())
    }

    /// The failure of saving queries there, if nothing can be saved.
    fn check_desk(&self, desk: &Desk) -> Result<()> {
        let checked = match desk {
            Desk::Branch(store, _) => self.tree.check_writable(self.tree.mounted(store)?),
            Desk::Mount if self.tree.is_read_only() => {
                Err(Failure::new(Kind::ReadOnly, "the mount is read-only"))
            }
            Desk::Mount => Ok(()),
        };
        let path = Node::Queries(desk.clone()).path();
        if let Err(failure) = &checked {
            self.note(&path, Some(failure));
        }
        checked
    }

    /// Writes to what is open; a transaction that is completed by it is committed by it.
    pub fn write(&self, ino: u64, handle: u64, offset: u64, bytes: &[u8]) -> Result<usize> {
        let handle = self.handles.get(handle)?;
        let done = match &*handle {
            Handle::Transact(stream) => locked(stream).write(bytes),
            Handle::Draft(draft) => {
                draft.write(offset, bytes, self.tree.now_ms()).ok_or_else(too_large)
            }
            Handle::Bytes(_) | Handle::Folder(_) => {
                Err(Failure::new(Kind::BadHandle, "not open for writing"))
            }
        };
        self.note_at(ino, done.as_ref().err());
        // What committed of a write that then failed was accepted: the failure is to be read
        // already.
        if let (Ok(_), Handle::Transact(stream)) = (&done, &*handle) {
            let failed = locked(stream).failed().cloned();
            self.note_at(ino, failed.as_ref());
        }
        done
    }

    fn note_at(&self, ino: u64, failure: Option<&Failure>) {
        if let Ok(inode) = self.inode(ino) {
            self.note(&inode.resolved.node.path(), failure);
        }
    }

    /// A descriptor of an open file was closed by a process, where that is known.
    pub fn flush(&self, ino: u64, handle: u64, process: Option<u32>) -> Result<()> {
        let done = match &*self.handles.get(handle)? {
            Handle::Transact(stream) => locked(stream).flush(process),
            Handle::Draft(draft) => self.save(draft, false),
            Handle::Bytes(_) | Handle::Folder(_) => return Ok(()),
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

    /// Saves a draft of a query's name, if there is something to save. A scratch file is never
    /// saved.
    fn save(&self, draft: &Arc<Draft>, at_last_close: bool) -> Result<()> {
        let name = draft.name();
        let Some(query) = query_of(&name) else { return Ok(()) };
        if draft.needs_saving(at_last_close) {
            self.put(&draft.desk, query, Some(&draft.text()))?;
            draft.saved();
        }
        Ok(())
    }

    /// Keeps or removes a saved query.
    fn put(&self, desk: &Desk, query: &str, text: Option<&str>) -> Result<()> {
        let held = self.tree.saved_text(desk, query)?.map(|(text, _)| text);
        if held.as_deref() == text {
            return Ok(());
        }
        match desk {
            Desk::Mount => self.tree.desk().put(query, text, self.tree.now_ms()),
            Desk::Branch(store, branch) => {
                desk::store(self.tree.mounted(store)?, branch, query, text)
            }
        }
    }

    /// Makes a file in a queries folder.
    pub fn create(&self, parent: u64, name: &[u8], mode: Mode) -> Result<(Found, Opened)> {
        let parent = self.inode(parent)?;
        let (desk, name) = self.desk_file(&parent.resolved.node, name)?;
        self.check_desk(&desk)?;
        let saved = match query_of(name) {
            Some(query) => self.tree.saved_text(&desk, query)?,
            None => None,
        };
        let now_ms = self.tree.now_ms();
        let draft = match saved {
            Some((text, _)) if !mode.truncate => {
                self.drafts.begin(&desk, name, text.as_bytes(), now_ms)
            }
            _ => self.drafts.create(&desk, name, now_ms),
        };
        let found = self.refer(draft_entry(&draft));
        Ok((found, self.open_draft(draft)))
    }

    /// The queries folder and the file that are meant, or the failure of changing anything else.
    fn desk_file<'a>(&self, parent: &Node, name: &'a [u8]) -> Result<(Desk, &'a str)> {
        let Node::Queries(desk) = parent else {
            let message = format!("nothing can be made or removed in {}", parent.path());
            let hint = "files can be made in queries/; data is written to STORE/head/transact";
            let failure = Failure::new(Kind::ReadOnly, message).hint(hint);
            self.note(&parent.path(), Some(&failure));
            return Err(failure);
        };
        let utf8 = std::str::from_utf8(name);
        let name = utf8.map_err(|_| Failure::new(Kind::Invalid, "a name that is not UTF-8"))?;
        if name.len() > 255 {
            return Err(Failure::new(Kind::NameTooLong, "a name has at most 255 bytes"));
        }
        Ok((desk.clone(), name))
    }

    /// Removes a file of a queries folder.
    pub fn unlink(&self, parent: u64, name: &[u8]) -> Result<()> {
        let parent = self.inode(parent)?;
        if let Some(Node::Part(..)) = std::str::from_utf8(name)
            .ok()
            .and_then(|name| crate::tree::path::child(&parent.resolved.node, name))
        {
            let message = "facts are not removed by removing files";
            let hint = "write [[:db/retractEntity EID]] to transact";
            return Err(Failure::new(Kind::NotPermitted, message).hint(hint));
        }
        let (desk, name) = self.desk_file(&parent.resolved.node, name)?;
        self.check_desk(&desk)?;
        let draft = self.drafts.unlink(&desk, name);
        let saved = match query_of(name) {
            Some(query) if self.tree.saved_text(&desk, query)?.is_some() => Some(query),
            _ => None,
        };
        match saved {
            Some(query) => self.put(&desk, query, None),
            None if draft.is_some() => Ok(()),
            None => Err(Failure::not_found(format!("no file `{name}` among the queries"))),
        }
    }

    /// Renames a file within a queries folder, or moves it to another.
    pub fn rename(&self, from: (u64, &[u8]), to: (u64, &[u8]), may_replace: bool) -> Result<()> {
        let (from_parent, to_parent) = (self.inode(from.0)?, self.inode(to.0)?);
        let (from_desk, from_name) = self.desk_file(&from_parent.resolved.node, from.1)?;
        let (to_desk, to_name) = self.desk_file(&to_parent.resolved.node, to.1)?;
        self.check_desk(&from_desk)?;
        self.check_desk(&to_desk)?;
        if from_desk != to_desk {
            // Programs that move files then copy them themselves.
            return Err(Failure::new(Kind::CrossDevice, "queries of another place are copied"));
        }
        if from_name == to_name {
            return Ok(());
        }
        let is_there = self.resolve_child(&to_parent.resolved.node, to.1).is_ok();
        if is_there && !may_replace {
            return Err(Failure::new(Kind::Exists, format!("`{to_name}` is there already")));
        }
        let draft = match self.drafts.get(&from_desk, from_name) {
            Some(draft) => draft,
            None => {
                let bytes = self.saved_bytes(&from_desk, from_name)?;
                self.drafts.begin(&from_desk, from_name, &bytes, self.tree.now_ms())
            }
        };
        if let Some(query) = query_of(to_name) {
            self.put(&to_desk, query, Some(&draft.text()))?;
            draft.saved();
        }
        self.drafts.rename(&draft, to_name);
        if let Some(query) = query_of(from_name) {
            self.put(&from_desk, query, None)?;
        }
        if query_of(to_name).is_some() {
            self.drafts.settle(&draft);
        }
        Ok(())
    }

    /// Cuts a file, by its name or by a handle.
    pub fn resize(&self, ino: u64, handle: Option<u64>, size: u64) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let now_ms = self.tree.now_ms();
        match (&inode.resolved.node, handle) {
            (Node::Branch(_, _, BranchPart::Transact), _) => {}
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

    /// The failure of making a folder, a link or a special file anywhere.
    pub fn refuse(&self, parent: u64, name: &[u8]) -> Failure {
        let path = self.inode(parent).map(|inode| inode.resolved.node.path()).unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let message = format!("{path}/{name} cannot be made: only files of queries/ can");
        let failure = Failure::new(Kind::ReadOnly, message);
        self.note(&path, Some(&failure));
        failure
    }
}
