//! Names to numbers.
//!
//! **Invariant:** a lookup runs no query. That a name is not there is no failure; that it cannot be
//! told is one, and is noted as any other.

use super::{FOLDER, FOREVER, Found, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::inode::Inode;
use crate::metrics::{self, Operation};
use crate::tree::node::{Leaf, Node, Part};
use crate::tree::{Entry, Pins, Resolved, path};
use factfs_core::text::Format;
use std::time::Duration;

impl Vfs {
    /// A name in a folder. Costs no query.
    pub fn lookup(&self, parent: u64, name: &[u8]) -> Result<Found> {
        metrics::called(Operation::Lookup);
        let parent = self.inode(parent)?;
        let resolved = self.resolve_child(&parent.resolved.node, name);
        let resolved = resolved.inspect_err(|why| self.note_lookup(&parent, name, why))?;
        if let (Node::Part(_, Part::Entity(e, leaf)), Entry::Work(work)) =
            (&resolved.node, &resolved.entry)
            && let Pins::Moment(pinned) = &work.pins
            && is_edn(*leaf)
        {
            let size = self.measured.looked_up(&resolved.node, &pinned.1, *e)?;
            return Ok(self.refer_sized(resolved, size));
        }
        Ok(self.refer(resolved))
    }

    /// The same, if it can be told without waiting: for entities of a listing that were measured.
    pub fn lookup_at_hand(&self, parent: u64, name: &[u8]) -> Option<Found> {
        let parent = self.inode(parent).ok()?;
        let node = path::child(&parent.resolved.node, std::str::from_utf8(name).ok()?)?;
        let Node::Part(place, Part::Entity(e, leaf)) = &node else { return None };
        let moment = self.tree.moment_at_hand(place)?;
        let size = self.measured.size(place, &moment, *e).filter(|_| is_edn(*leaf))?;
        let resolved = self.tree.entity(&node, &moment, *e).ok()?;
        metrics::called(Operation::Lookup);
        Some(self.refer_sized(resolved, Some(size)))
    }

    /// A store that is out of reach, say, is told as any failure; a name that is not there is none.
    fn note_lookup(&self, parent: &Inode, name: &[u8], failure: &Failure) {
        if !matches!(failure.kind, Kind::NotFound | Kind::NameTooLong) {
            let folder = parent.resolved.node.path();
            let name = String::from_utf8_lossy(name);
            self.note(&format!("{}/{name}", folder.trim_end_matches('/')), Some(failure));
        }
    }

    pub(super) fn resolve_child(&self, parent: &Node, name: &[u8]) -> Result<Resolved> {
        let name = std::str::from_utf8(name).map_err(|_| Failure::not_found("not UTF-8"))?;
        if name.len() > 255 {
            return Err(Failure::new(Kind::NameTooLong, "a name has at most 255 bytes"));
        }
        if let Some(held) = self.held(parent, name) {
            return Ok(held);
        }
        let missing = || Failure::not_found(format!("nothing is called `{name}` here"));
        let node = path::child(parent, name).ok_or_else(missing)?;
        if let Node::ControlFile(_) = node {
            self.note_usage();
        }
        self.tree.resolve(&node)
    }

    pub(crate) fn refer(&self, resolved: Resolved) -> Found {
        let size = self.size_at_hand(&resolved);
        self.refer_sized(resolved, size)
    }

    pub(super) fn refer_sized(&self, resolved: Resolved, size: Option<u64>) -> Found {
        let is_fixed = resolved.is_fixed;
        let inode = self.inodes.refer(resolved, size);
        let name_ttl = match &inode.resolved.entry {
            _ if is_fixed => FOREVER,
            Entry::Folder => FOLDER,
            _ => Duration::ZERO,
        };
        Found { attr: self.attr_of(&inode), name_ttl }
    }

    /// A size that costs nothing.
    pub(super) fn size_at_hand(&self, resolved: &Resolved) -> Option<u64> {
        match &resolved.entry {
            Entry::Folder => Some(0),
            Entry::Link(target) => Some(target.len() as u64),
            Entry::Bytes(content) | Entry::Transact(content) => Some(content.size_bytes()),
            Entry::Query(size_bytes) => Some(*size_bytes),
            Entry::Heads => Some(0),
            Entry::Work(work) if work.is_answer() => {
                self.evaluations.kept(work.answer).map(|made| made.content.size_bytes())
            }
            Entry::Work(_) => None,
        }
    }
}

/// Whether a file is an entity as it is listed.
fn is_edn(leaf: Leaf) -> bool {
    leaf == Leaf::answer(Format::Edn)
}
