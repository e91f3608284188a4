//! Files of queries folders: saved queries, and what editors keep beside them.

use super::{draft_attr, refusal};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Editing, Handle};
use crate::inode::Inode;
use crate::spool::Content;
use crate::tree::Resolved;
use crate::tree::desk::{self, query_of};
use crate::tree::node::{Desk, Node};
use crate::vfs::{Attr, Caching, Mode, Opened, Vfs};
use std::sync::Arc;

impl Vfs {
    /// A query's attributes now: it may have been saved elsewhere meanwhile.
    pub(in crate::vfs) fn query_attr(&self, inode: &Inode) -> Result<Attr> {
        if let Some(draft) = self.draft_of(&inode.resolved.node) {
            return Ok(draft_attr(inode.ino, &draft));
        }
        if !matches!(inode.resolved.node, Node::QueryFile(..)) {
            return Ok(self.attr_of(inode));
        }
        let resolved = self.tree.resolve(&inode.resolved.node)?;
        let size_bytes = self.size_at_hand(&resolved);
        Ok(self.attr_of(&Inode { ino: inode.ino, resolved: Arc::new(resolved), size_bytes }))
    }

    pub(in crate::vfs) fn open_query(&self, resolved: &Resolved, mode: Mode) -> Result<Opened> {
        let Node::QueryFile(desk, name) = &resolved.node else {
            return self.open_held(resolved, mode);
        };
        let folder = Node::Queries(desk.clone());
        let draft = self.drafts.get(&folder, name);
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
                self.drafts.begin(&folder, name, &bytes, now_ms)
            }
        };
        if mode.truncate && !draft.bytes().is_empty() {
            draft.resize(0, now_ms).map_err(|refused| refusal(&draft, refused))?;
        }
        Ok(self.open_draft(draft, mode))
    }

    pub(super) fn open_draft(&self, draft: Arc<Draft>, mode: Mode) -> Opened {
        let editing = Editing::new(draft, mode.process);
        Opened { handle: self.handles.open(Handle::Draft(editing)), caching: Caching::Edited }
    }

    /// Opens a draft to read it as it is now.
    pub(super) fn open_bytes(&self, draft: &Draft) -> Opened {
        let handle = self.handles.open(Handle::Bytes(draft.content()));
        Opened { handle, caching: Caching::Fresh }
    }

    pub(super) fn saved_bytes(&self, desk: &Desk, name: &str) -> Result<Vec<u8>> {
        let missing = || Failure::not_found(format!("no file `{name}` among the queries"));
        let query = query_of(name).ok_or_else(missing)?;
        let (text, _) = self.tree.saved_text(desk, query)?.ok_or_else(missing)?;
        Ok(text.into_bytes())
    }

    /// The failure of saving queries there, if nothing can be saved.
    pub(super) fn check_desk(&self, desk: &Desk) -> Result<()> {
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

    /// Saves a draft of a query's name, if there is something to save. A scratch file is never
    /// saved.
    pub(super) fn save(&self, draft: &Arc<Draft>, at_last_close: bool) -> Result<()> {
        let name = draft.name();
        let Some(query) = query_of(&name) else { return Ok(()) };
        if draft.needs_saving(at_last_close) {
            let Node::Queries(desk) = &draft.folder else { return Ok(()) };
            self.put(desk, query, Some(&draft.text()))?;
            draft.saved();
        }
        Ok(())
    }

    /// Keeps or removes a saved query.
    pub(super) fn put(&self, desk: &Desk, query: &str, text: Option<&str>) -> Result<()> {
        let held = self.tree.saved_text(desk, query)?.map(|(text, _)| text);
        if held.as_deref() == text {
            return Ok(());
        }
        match desk {
            Desk::Mount => self.tree.desk().put(query, text, self.tree.now_ms())?,
            Desk::Branch(store, branch) => {
                desk::store(self.tree.mounted(store)?, branch, query, text)?;
            }
        }
        self.hurry();
        Ok(())
    }
}
