//! The calls of a file system, on numbers and names, without FUSE.
//!
//! **Invariant:** queries run before an open and, where sizes are exact, before a `stat`: never in
//! a lookup, never in a read. Every failure is noted under its path before it is answered.
//!
//! A call that may need an evaluation is in three parts, so that nobody holds a thread who waits
//! for one: [`Vfs::before_open`] says what is to be made, [`Vfs::make`] has it made, and
//! [`Vfs::open_made`] goes on with it. [`Vfs::open`] is all three, and waits; `stat` is alike.

mod ahead;
mod edit;
mod folder;
mod lookup;
mod making;
mod measured;
mod polling;
mod usage;
mod waiting;

pub use folder::Named;
pub use making::{Before, Making};
pub use polling::Tell;
pub use waiting::BeforeRead;

use ahead::Ahead;
use making::{Costly, Purpose};
use measured::Measured;

use crate::error::{Failure, Kind, Result};
use crate::evaluation::Evaluations;
use crate::handle::{Drafts, Forms, Handle, Handles, Said, Stream};
use crate::inode::{Inode, Inodes};
use crate::metrics::{self, Operation};
use crate::render;
use crate::spool::{Cancel, Content};
use crate::tree::node::{Aspect, BranchPart, Node};
use crate::tree::{Entry, Rendered, Resolved, Shape, Tree};
use crate::written;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long what can never change may be cached.
pub const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the name of a folder under a branch may be cached. It always means the same folder,
/// only the branch might be deleted; what is in it is asked for by names of its own.
const FOLDER: Duration = Duration::from_secs(1);

/// A mounted tree: its numbers, what is open, what is being made.
pub struct Vfs {
    pub(crate) tree: Arc<Tree>,
    inodes: Inodes,
    handles: Handles,
    drafts: Drafts,
    evaluations: Evaluations,
    costly: Costly,
    measured: Measured,
    waits: waiting::Waits,
    polls: polling::Polls,
    ahead: Ahead,
    exact_sizes: bool,
}

/// What `stat` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The number.
    pub ino: u64,
    /// What kind of thing.
    pub shape: Shape,
    /// Size in bytes; 0 if it is not known yet.
    pub size_bytes: u64,
    /// Milliseconds since 1970.
    pub mtime_ms: i64,
    /// Permission bits.
    pub mode: u16,
    /// How long this may be cached.
    pub ttl: Duration,
}

/// What a lookup gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The thing.
    pub attr: Attr,
    /// How long the name may be cached.
    pub name_ttl: Duration,
}

/// How something is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// With its old content thrown away.
    pub truncate: bool,
    /// By which process, where that is known.
    pub process: Option<u32>,
}

/// What an open gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The handle.
    pub handle: u64,
    /// How the kernel treats it.
    pub caching: Caching,
}

/// How the kernel treats an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Its pages stay good: the number never means other bytes.
    Keep,
    /// Read anew at each open.
    Fresh,
    /// Edited: a close is told.
    Edited,
    /// Edited, and what is written is not kept by the kernel: it may come to nothing.
    Direct,
    /// Every call arrives as it was made.
    Stream,
}

impl Vfs {
    /// The calls on a tree.
    pub fn new(tree: Arc<Tree>, cache_bytes: usize) -> Result<Self> {
        let root = tree.resolve(&Node::Root)?;
        let at_once = tree.limits().at_once;
        let waits = waiting::waits(&tree);
        Ok(Self {
            tree,
            inodes: Inodes::new(root),
            handles: Handles::default(),
            drafts: Drafts::default(),
            evaluations: Evaluations::new(cache_bytes, at_once),
            costly: Costly::default(),
            measured: Measured::default(),
            waits,
            polls: polling::Polls::default(),
            ahead: Ahead::default(),
            exact_sizes: false,
        })
    }

    /// The same with exact sizes everywhere: a `stat` waits for the answer.
    #[must_use]
    pub fn with_exact_sizes(mut self, exact: bool) -> Self {
        self.exact_sizes = exact;
        self
    }

    /// How many numbers and handles are in use.
    pub fn in_use(&self) -> (usize, usize) {
        (self.inodes.len(), self.handles.len())
    }

    pub(crate) fn inode(&self, ino: u64) -> Result<Inode> {
        let missing = || Failure::new(Kind::Stale, "no such inode");
        self.inodes.get(ino).ok_or_else(missing)
    }

    fn attr_of(&self, inode: &Inode) -> Attr {
        let resolved = &inode.resolved;
        let lasts = match &resolved.entry {
            Entry::Folder if !resolved.is_fixed => return self.folder_attr(inode),
            Entry::Folder => true,
            Entry::Link(_) | Entry::Bytes(_) => true,
            Entry::Work(work) => work.is_answer() && inode.size_bytes.is_some(),
            Entry::Query(_) | Entry::Transact(_) | Entry::Heads => false,
        };
        Attr {
            ino: inode.ino,
            shape: resolved.shape(),
            size_bytes: inode.size_bytes.unwrap_or(0),
            mtime_ms: resolved.mtime_ms,
            mode: resolved.mode,
            ttl: if lasts { FOREVER } else { Duration::ZERO },
        }
    }

    fn folder_attr(&self, inode: &Inode) -> Attr {
        let (shape, mtime_ms) = (Shape::Folder, inode.resolved.mtime_ms);
        let (ino, mode) = (inode.ino, inode.resolved.mode);
        Attr { ino, shape, size_bytes: 0, mtime_ms, mode, ttl: FOLDER }
    }

    /// What `stat` shows, having waited for what it needs.
    pub fn attr(&self, ino: u64, handle: Option<u64>, cancel: &Cancel) -> Result<Attr> {
        let made = match self.before_attr(ino) {
            Before::Answer(making) => Some(self.make_here(&making, cancel)),
            Before::Made(made) => Some(Ok(made)),
            Before::Nothing | Before::Seeks => None,
        };
        self.attr_made(ino, handle, made)
    }

    /// What `stat` shows, given what it had to wait for.
    pub fn attr_made(
        &self,
        ino: u64,
        handle: Option<u64>,
        made: Option<Result<Rendered>>,
    ) -> Result<Attr> {
        metrics::called(Operation::Attr);
        let mut inode = self.inode(ino)?;
        let open = handle.and_then(|handle| self.handles.get(handle).ok());
        match (&inode.resolved.entry, open.as_deref()) {
            (_, Some(Handle::Bytes(content))) => inode.size_bytes = Some(content.size_bytes()),
            (_, Some(Handle::Draft(open))) => return Ok(edit::draft_attr(ino, &open.draft)),
            (Entry::Query(_), _) => return self.query_attr(&inode),
            (Entry::Work(work), _) if inode.size_bytes.is_none() && work.is_answer() => {
                let at_once = || {
                    work.is_cheap()
                        .then(|| self.make_at_once(work))
                        .or_else(|| self.evaluations.kept(work.answer).map(Ok))
                };
                match made.or_else(at_once) {
                    Some(Ok(made)) => self.sized(&mut inode, &made.content),
                    Some(Err(failure)) if failure.kind == Kind::Interrupted => {
                        return Err(failure);
                    }
                    // Only who opens it is told why; a listing goes on.
                    Some(Err(_)) | None => {}
                }
            }
            _ => {}
        }
        Ok(self.attr_of(&inode))
    }

    fn sized(&self, inode: &mut Inode, content: &Content) {
        inode.size_bytes = Some(content.size_bytes());
        self.inodes.set_size(inode.ino, content.size_bytes());
    }

    fn note(&self, path: &str, failure: Option<&Failure>) {
        // Nobody is left to read that they were interrupted.
        if failure.is_none_or(|failure| failure.kind != Kind::Interrupted) {
            log(path, failure);
            self.tree.failures().note(path, failure);
        }
    }

    /// The same of writing what is read as well.
    fn note_written(&self, path: &str, failure: Option<&Failure>) {
        log(path, failure);
        self.tree.failures().note_written(path, failure);
    }

    /// Where a link leads.
    pub fn readlink(&self, ino: u64) -> Result<String> {
        match &self.inode(ino)?.resolved.entry {
            Entry::Link(target) => Ok(target.clone()),
            _ => Err(Failure::new(Kind::Invalid, "no symbolic link")),
        }
    }

    /// Opens a file, having waited for its answer to be made.
    pub fn open(&self, ino: u64, mode: Mode, cancel: &Cancel) -> Result<Opened> {
        let made = match self.before_open(ino, mode) {
            Before::Answer(making) => Some(self.make_here(&making, cancel)),
            Before::Made(made) => Some(Ok(made)),
            Before::Nothing | Before::Seeks => None,
        };
        cancel.check()?;
        self.open_made(ino, mode, made)
    }

    /// Opens a file, given the answer if it had to be waited for.
    pub fn open_made(
        &self,
        ino: u64,
        mode: Mode,
        made: Option<Result<Rendered>>,
    ) -> Result<Opened> {
        metrics::called(Operation::Open);
        let mut inode = self.inode(ino)?;
        let resolved = inode.resolved.clone();
        let (handle, caching) = match &resolved.entry {
            Entry::Folder => return Err(Failure::new(Kind::IsDirectory, "a folder")),
            Entry::Link(_) => return Err(Failure::new(Kind::Invalid, "a symbolic link")),
            Entry::Query(_) => return self.open_query(&resolved, mode),
            Entry::Transact(about) if edit::is_merge(&resolved.node) => {
                return self.open_merge(&resolved, about, mode);
            }
            Entry::Transact(about) => return self.open_transact(&resolved, about, mode),
            Entry::Work(_) if mode.write && Tree::entity_of(&resolved.node).is_some() => {
                return self.open_entity(&resolved, mode);
            }
            _ if mode.write => return Err(self.read_only(&resolved.node)),
            Entry::Bytes(content) => (Handle::Bytes(content.clone()), Caching::Keep),
            Entry::Heads => return self.open_heads(&resolved),
            // The kernel looks the name up anew, and finds another file.
            Entry::Work(work) if self.tree.is_outdated(work) => {
                return Err(Failure::new(Kind::Stale, "facts were erased since it was looked up"));
            }
            Entry::Work(work) if work.is_answer() => {
                let made = made.unwrap_or_else(|| {
                    let made = self.make_at_once(work);
                    self.note(&work.answer_path(), made.as_ref().err());
                    made
                })?;
                self.sized(&mut inode, &made.content);
                (Handle::Bytes(made.content), Caching::Keep)
            }
            Entry::Work(work) => {
                let ended = made.unwrap_or_else(|| self.make_at_once(work));
                let content = match work.leaf.aspect {
                    Aspect::Wait => return self.open_answer_wait(work, ended),
                    // Costs are expected anew each time, so it is no function of its name.
                    Aspect::Explain => ended?.content,
                    _ => self.tree.about(work, &ended),
                };
                self.sized(&mut inode, &content);
                (Handle::Bytes(content), Caching::Fresh)
            }
        };
        Ok(Opened { handle: self.handles.open(handle), caching })
    }

    fn read_only(&self, node: &Node) -> Failure {
        let message = format!("{} is made from the database and cannot be written", node.path());
        let hint = "write a transaction to STORE/head/transact";
        let failure = Failure::new(Kind::ReadOnly, message).hint(hint);
        self.note(&node.path(), Some(&failure));
        failure
    }

    fn open_transact(&self, resolved: &Resolved, about: &Content, mode: Mode) -> Result<Opened> {
        if !mode.write {
            let handle = self.handles.open(Handle::Bytes(about.clone()));
            return Ok(Opened { handle, caching: Caching::Fresh });
        }
        let (store, branch, forms) = match &resolved.node {
            Node::Branch(store, branch, BranchPart::Transact) => (store, branch, Forms::edn()),
            Node::Branch(store, branch, BranchPart::TransactJson) => (store, branch, Forms::json()),
            node => return Err(self.read_only(node)),
        };
        let mounted = self.tree.mounted(store)?.clone();
        let path = resolved.node.path();
        if let Err(failure) = self.tree.check_writable(&mounted) {
            self.note(&path, Some(&failure));
            return Err(failure);
        }
        let branch = branch.to_string();
        let commit = move |said: Said| {
            let done = match said {
                Said::Edn(form) => mounted.source.transact(&branch, &form),
                Said::Json(json) => {
                    mounted.source.transact_made(&branch, None, &written::json(json))
                }
            };
            done.map(|report| render::report(&report)).map_err(hint_read_only)
        };
        self.note(&path, None);
        let stream = Stream::new(forms, Box::new(commit), mode.read, mode.process);
        let handle = self
            .handles
            .open(Handle::Transact(Box::new((resolved.node.clone(), Mutex::new(stream)))));
        Ok(Opened { handle, caching: Caching::Stream })
    }

    /// Bytes of an open file. Nothing is made here.
    pub fn read(&self, handle: u64, offset: u64, size: usize) -> Result<Vec<u8>> {
        metrics::called(Operation::Read);
        match &*self.handles.get(handle)? {
            Handle::Bytes(content) => content.read(offset, size),
            Handle::Draft(open) => Ok(open.draft.read(offset, size)),
            Handle::Transact(stream) => Ok(edit::locked(stream).read(size)),
            Handle::Merge(names) => Ok(edit::reports(names, size)),
            Handle::Waiting(waiting) => Ok(waiting.read(size).unwrap_or_default()),
            Handle::Folder(_) => Err(Failure::new(Kind::IsDirectory, "a folder")),
            Handle::Gone(node) => Err(edit::gone(node)),
        }
    }

    /// Whether letting go of an open file is no work: it was only read, and lies in memory.
    pub fn is_let_go_at_once(&self, handle: u64) -> bool {
        let lies = |content: &Content| content.resident_bytes() as u64 == content.size_bytes();
        let open = self.handles.get(handle);
        open.is_ok_and(|open| matches!(&*open, Handle::Bytes(content) if lies(content)))
    }

    /// The kernel let go of a number.
    pub fn forget(&self, ino: u64, lookups: u64) {
        self.inodes.forget(ino, lookups);
    }
}

fn log(path: &str, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        let errno = failure.kind.errno();
        tracing::warn!(%path, %errno, "{failure}");
    }
}

fn hint_read_only(failure: Failure) -> Failure {
    let is_new = failure.kind == Kind::ReadOnly && failure.hint.is_none();
    let hint = "a query over it can be saved in the mount's own queries/";
    if is_new { failure.hint(hint) } else { failure }
}

#[cfg(test)]
mod files_tests;
#[cfg(test)]
mod sizes_tests;
#[cfg(test)]
mod tests;
