//! Folders in which drafts are something else than queries: `inbox/`, where they are documents, and
//! `entities/` of a branch, where editors keep scratch beside what they edit.
//!
//! **Invariant:** a document is committed by the first flush of who opened it after something was
//! written by this handle, by being renamed to its name, or by the close of that handle, whichever
//! is first, and then never again under this handle; a handle that wrote nothing commits nothing.
//! What came of it is a file beside it. An entity is changed by the same
//! calls; nobody but the writer sees its text before.

use super::names::plain;
use super::{draft_entry, refusal};
use crate::error::{Failure, Kind, Result};
use crate::handle::{Draft, Drafts, Editing, Handle, Outcome, Refused};
use crate::tree::node::{Aspect, BranchPart, Node, Part, Place};
use crate::tree::{Entry, Resolved, Tree, Work, path};
use crate::vfs::{Caching, Found, Mode, Opened, Vfs};
use crate::written::format_of;
use factfs_core::id::EntityId;
use factfs_core::text::Format;
use std::sync::Arc;

/// What a draft is for.
pub(super) enum Purpose {
    /// It is never committed.
    Scratch,
    /// A transaction.
    Document(Format),
    /// What an entity is to be.
    Entity(EntityId, Format),
}

/// What a file of this name in one of these folders is for.
pub(super) fn purpose(folder: &Node, name: &str) -> Purpose {
    let document = || is_inbox(folder).then(|| format_of(name)).flatten();
    match path::child(folder, name).as_ref().and_then(Tree::entity_of) {
        Some((_, e, format)) => Purpose::Entity(e, format),
        None => document().map_or(Purpose::Scratch, Purpose::Document),
    }
}

/// Whether drafts are kept in a folder, other than queries.
pub(super) fn holds(folder: &Node) -> bool {
    let is_edited = |place: &Place, part: &Part| *part == Part::Entities && !place.is_fixed();
    is_inbox(folder) || matches!(folder, Node::Part(place, part) if is_edited(place, part))
}

fn is_inbox(folder: &Node) -> bool {
    matches!(folder, Node::Branch(_, _, BranchPart::Inbox))
}

/// Whether a file says what came of a document.
pub(super) fn is_outcome(node: &Node) -> bool {
    let about = |name: &str| {
        let stem = name.strip_suffix(".result").or(name.strip_suffix(".err"));
        stem.is_some_and(|stem| format_of(stem).is_some())
    };
    matches!(node, Node::Branch(_, _, BranchPart::InboxFile(name)) if about(name))
}

fn not_there(name: &str) -> Failure {
    Failure::not_found(format!("no file `{name}` is here"))
}

impl Vfs {
    /// The draft of a name that is shown in a folder.
    pub(in crate::vfs) fn held(&self, folder: &Node, name: &str) -> Option<Resolved> {
        let is_kept = matches!(folder, Node::Queries(_)) || holds(folder);
        let draft = self.drafts.get(folder, name).filter(|_| is_kept)?;
        Some(draft_entry(&draft))
    }

    fn name_of<'a>(&self, folder: &Node, name: &'a [u8]) -> Result<&'a str> {
        let name = plain(name)?;
        let node = path::child(folder, name).ok_or_else(|| not_there(name))?;
        match &node {
            node if is_outcome(node) => {
                let message = format!("{} says what came of a document", node.path());
                Err(Failure::new(Kind::NotPermitted, message))
            }
            Node::Part(_, Part::Entity(_, leaf)) if leaf.aspect != Aspect::Answer => {
                Err(self.read_only(&node))
            }
            _ => Ok(name),
        }
    }

    fn check_held(&self, folder: &Node) -> Result<()> {
        let Some(store) = folder.store() else { return Err(self.read_only(folder)) };
        let checked = self.tree.check_writable(self.tree.mounted(store)?);
        if let Err(failure) = &checked {
            self.note(&folder.path(), Some(failure));
        }
        checked
    }

    /// Makes a file in one of these folders.
    pub(super) fn create_held(
        &self,
        folder: &Node,
        name: &[u8],
        mode: Mode,
    ) -> Result<(Found, Opened)> {
        let name = self.name_of(folder, name)?;
        self.check_held(folder)?;
        let now_ms = self.tree.now_ms();
        let draft = match purpose(folder, name) {
            Purpose::Entity(e, _) => {
                let there = path::child(folder, name).map(|node| self.tree.resolve(&node));
                let Some(Ok(there)) = there else {
                    let message = format!("there is no entity {e}");
                    let hint = "who is new gets an id from a transaction: write to transact";
                    return Err(Failure::new(Kind::NotPermitted, message).hint(hint));
                };
                return Ok((self.refer(there.clone()), self.open_entity(&there, mode)?));
            }
            _ if is_inbox(folder) => self.drafts.create_document(folder, name, now_ms),
            _ => self.drafts.create(folder, name, now_ms),
        };
        self.begin_anew(&draft, mode)?;
        let found = self.refer(draft_entry(&draft));
        Ok((found, self.open_draft(draft, mode)))
    }

    /// Opens a draft of one of these folders.
    pub(in crate::vfs) fn open_held(&self, resolved: &Resolved, mode: Mode) -> Result<Opened> {
        let (Node::Branch(store, branch, part), Some(held)) =
            (&resolved.node, self.draft_of(&resolved.node))
        else {
            return Err(not_there(&resolved.node.path()));
        };
        if !mode.write {
            return Ok(self.open_bytes(&held));
        }
        if is_outcome(&resolved.node) {
            return Err(self.read_only(&resolved.node));
        }
        let folder = match part {
            BranchPart::InboxFile(_) => {
                Node::Branch(store.clone(), branch.clone(), BranchPart::Inbox)
            }
            _ => Node::Part(Place::branch(store, branch), Part::Entities),
        };
        self.check_held(&folder)?;
        self.begin_anew(&held, mode)?;
        Ok(self.open_draft(held, mode))
    }

    /// The draft that a path leads to.
    pub(in crate::vfs) fn draft_of(&self, node: &Node) -> Option<Arc<Draft>> {
        match node {
            Node::QueryFile(desk, name) => self.drafts.get(&Node::Queries(desk.clone()), name),
            Node::Branch(store, branch, BranchPart::InboxFile(name)) => {
                let inbox = Node::Branch(store.clone(), branch.clone(), BranchPart::Inbox);
                self.drafts.get(&inbox, name)
            }
            Node::Branch(store, branch, BranchPart::Scratch(name)) => {
                let folder = Node::Part(Place::branch(store, branch), Part::Entities);
                self.drafts.get(&folder, name)
            }
            _ => None,
        }
    }

    /// A document that is opened with its old text thrown away is another one.
    fn begin_anew(&self, draft: &Draft, mode: Mode) -> Result<()> {
        if mode.truncate && (draft.size_bytes() > 0 || draft.outcome().is_some()) {
            let begun = draft.begin_anew(self.tree.now_ms());
            begun.map_err(|refused| refusal(draft, refused))?;
        }
        Ok(())
    }

    /// Opens an entity to change it.
    pub(in crate::vfs) fn open_entity(&self, resolved: &Resolved, mode: Mode) -> Result<Opened> {
        let node = &resolved.node;
        let (Some((place, ..)), Entry::Work(work)) = (Tree::entity_of(node), &resolved.entry)
        else {
            return Err(self.read_only(node));
        };
        let folder = Node::Part(place.clone(), Part::Entities);
        self.check_held(&folder)?;
        let bytes = if mode.truncate { Vec::new() } else { self.whole(work)? };
        let path = node.path();
        let name = path.rsplit('/').next().unwrap_or_default();
        let draft = Drafts::unlisted(&folder, name, &bytes, self.tree.now_ms());
        let handle = self.handles.open(Handle::Draft(Editing::new(draft, mode.process)));
        Ok(Opened { handle, caching: Caching::Direct })
    }

    /// The text of an entity.
    fn whole(&self, work: &Work) -> Result<Vec<u8>> {
        let content = self.make_at_once(work)?.content;
        content.read(0, usize::try_from(content.size_bytes()).unwrap_or(usize::MAX))
    }

    /// Removes a draft.
    pub(super) fn unlink_held(&self, folder: &Node, name: &[u8]) -> Result<()> {
        let name = String::from_utf8_lossy(name);
        self.check_held(folder)?;
        let draft = self.drafts.unlink(folder, &name);
        draft.map(drop).ok_or_else(|| not_there(&name))
    }

    /// Renames a draft within its folder: to the name of a document or an entity, it is committed.
    pub(super) fn rename_held(
        &self,
        folder: &Node,
        (from, to): (&[u8], &[u8]),
        may_replace: bool,
    ) -> Result<()> {
        let (from, to) = (self.name_of(folder, from)?, self.name_of(folder, to)?);
        self.check_held(folder)?;
        if from == to {
            return Ok(());
        }
        if !may_replace && self.resolve_child(folder, to.as_bytes()).is_ok() {
            return Err(Failure::new(Kind::Exists, format!("`{to}` is there already")));
        }
        if let Purpose::Entity(..) = purpose(folder, from) {
            return self.set_aside(folder, from, to);
        }
        let draft = self.drafts.get(folder, from).ok_or_else(|| not_there(from))?;
        let is_committed = draft.outcome() == Some(Outcome::Committed);
        match purpose(folder, to) {
            Purpose::Entity(e, format) => {
                let change = |bytes: &[u8]| self.change_entity(folder, to, (e, format), bytes);
                self.commit_whole(&draft, change)?;
                self.drafts.unlink(folder, from);
            }
            Purpose::Document(format) if !is_committed => {
                let commit = |bytes: &[u8]| self.commit_document(folder, to, format, bytes);
                self.commit_whole(&draft, commit)?;
                self.drafts.rename(&draft, to);
            }
            _ if draft.outcome() == Some(Outcome::Committing) => {
                return Err(refusal(&draft, Refused::Committing));
            }
            _ => {
                for suffix in ["result", "err"] {
                    let said = self.drafts.get(folder, &format!("{from}.{suffix}"));
                    said.iter().for_each(|said| {
                        self.drafts.rename(said, &format!("{to}.{suffix}"));
                    });
                }
                self.drafts.rename(&draft, to);
            }
        }
        Ok(())
    }

    /// Commits a draft as it is. Who has it open finds that it is done with; if it fails, it is
    /// to be gone on with.
    fn commit_whole(&self, draft: &Draft, commit: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let bytes = draft.take().ok_or_else(|| refusal(draft, Refused::Committing))?;
        let done = commit(&bytes);
        if done.is_ok() {
            draft.saved();
        }
        draft.set_outcome(done.is_ok().then_some(Outcome::Committed));
        done
    }

    /// An editor puts the old text aside before it writes the new one. The entity stays.
    fn set_aside(&self, folder: &Node, from: &str, to: &str) -> Result<()> {
        let (Purpose::Scratch, Some(node)) = (purpose(folder, to), path::child(folder, from))
        else {
            let message = "an entity has no other name";
            return Err(Failure::new(Kind::NotPermitted, message));
        };
        let Entry::Work(work) = self.tree.resolve(&node)?.entry else {
            return Err(not_there(from));
        };
        self.drafts.put(folder, to, &self.whole(&work)?, self.tree.now_ms());
        Ok(())
    }

    /// Writes to a draft of one of these folders.
    pub(super) fn write_held(&self, editing: &Editing, offset: u64, bytes: &[u8]) -> Result<usize> {
        let draft = &editing.draft;
        if editing.is_done() {
            return Err(refusal(draft, Refused::Committed));
        }
        let written = draft.write(offset, bytes, self.tree.now_ms()).map_err(|refused| {
            let failure = refusal(draft, refused);
            if refused == Refused::TooLarge {
                self.abandon(editing, &failure);
            }
            failure
        })?;
        editing.wrote();
        Ok(written)
    }

    /// The process that wrote was ended by a signal: what it wrote may be the beginning of what it
    /// wanted to write.
    pub fn cut_short(&self, handle: u64, process: Option<u32>) {
        if let Ok(handle) = self.handles.get(handle)
            && let Handle::Draft(editing) = &*handle
            && holds(&editing.draft.folder)
            && editing.opener == process
        {
            let message = "the program that wrote it was ended by a signal: nothing was committed";
            self.abandon(editing, &Failure::new(Kind::Interrupted, message));
        }
    }

    /// Lets what was written by this handle come to nothing.
    fn abandon(&self, editing: &Editing, failure: &Failure) {
        let draft = &editing.draft;
        let (folder, name) = (&draft.folder, draft.name());
        if !editing.has_written() || draft.take_written().is_none() {
            return;
        }
        editing.done();
        draft.set_outcome(Some(Outcome::Failed));
        match purpose(folder, &name) {
            Purpose::Scratch => {}
            Purpose::Document(_) => self.keep_word(folder, &name, Err(failure)),
            Purpose::Entity(..) => {
                self.note_written(&draft.node().path(), Some(failure));
            }
        }
    }

    /// Commits what was written by this handle, if something was and it was not yet.
    pub(super) fn finish(&self, editing: &Editing) -> Result<()> {
        let draft = &editing.draft;
        let (folder, name) = (&draft.folder, draft.name());
        let (bytes, purpose) = match purpose(folder, &name) {
            // What another handle wrote is committed when that one is closed.
            _ if !editing.has_written() => return Ok(()),
            Purpose::Scratch => return Ok(()),
            purpose => (draft.take_written(), purpose),
        };
        let Some(bytes) = bytes else { return Ok(()) };
        editing.done();
        let done = match purpose {
            Purpose::Document(format) => self.commit_document(folder, &name, format, &bytes),
            Purpose::Entity(e, format) => self.change_entity(folder, &name, (e, format), &bytes),
            Purpose::Scratch => Ok(()),
        };
        let outcome = if done.is_ok() { Outcome::Committed } else { Outcome::Failed };
        draft.set_outcome(Some(outcome));
        done
    }
}
