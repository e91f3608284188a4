//! Listing folders.
//!
//! **Invariant:** a listing is taken when the folder is opened, so that it has each name once
//! however long it is read.

use super::{Attr, Found, Vfs};
use crate::error::{Failure, Kind, Result};
use crate::handle::Handle;
use crate::metrics::{self, Operation};
use crate::render;
use crate::spool::Cancel;
use crate::tree::node::{BranchPart, Leaf, Node, Part};
use crate::tree::{Key, Listed, Listing, Shape};
use factfs_core::text::Format;

/// How many entities are measured by one scan.
const BATCH: usize = 512;

/// A name of an open folder.
#[derive(Clone, Debug)]
pub struct Named {
    /// Where reading goes on after it.
    pub next: u64,
    /// The name.
    pub name: String,
    /// Its number: of a thing that was not looked up, one that only differs from the others'.
    pub ino: u64,
    /// What it is.
    pub shape: Shape,
}

impl Vfs {
    /// Opens a folder and takes its listing.
    pub fn open_folder(&self, ino: u64, cancel: &Cancel) -> Result<u64> {
        metrics::called(Operation::List);
        let inode = self.inode(ino)?;
        let node = inode.resolved.node.clone();
        let mut listing = self.tree.list(&node, cancel)?;
        if let (true, Listing::Names(names)) = (lists_drafts(&node), &mut listing) {
            let file = |name| Listed { name, shape: Shape::File };
            names.extend(self.drafts.names(&node).into_iter().map(file));
            names.sort_by(|a, b| a.name.cmp(&b.name));
            names.dedup();
        }
        self.ahead.listed(&node);
        if let Listing::Entities { place, moment, ids, scratch } = &mut listing {
            *scratch = self.drafts.names(&node);
            self.measured.listed(place, moment, ids);
        }
        Ok(self.handles.open(Handle::Folder(Box::new((node, listing)))))
    }

    /// Up to `limit` names of an open folder, from a position.
    pub fn names(&self, handle: u64, from: u64, limit: usize) -> Result<Vec<Named>> {
        let handle = self.handles.get(handle)?;
        let Handle::Folder(open) = &*handle else {
            return Err(Failure::new(Kind::NotDirectory, "no folder"));
        };
        let (node, listing) = &**open;
        let folder = node.path();
        let named = |i: usize| {
            let Listed { name, shape } = listing.get(i)?;
            let ino = listed_number(&folder, &name);
            Some(Named { next: i as u64 + 1, name, ino, shape })
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok((from..from.saturating_add(limit).min(listing.len())).filter_map(named).collect())
    }

    /// As [`names`](Self::names), with what a lookup of each would give, entities measured
    /// together. Each one given has one reference more, to be forgotten if it is not passed on.
    /// Names that went away are left out.
    pub fn found(&self, handle: u64, from: u64, limit: usize) -> Result<Vec<(Named, Found)>> {
        let handle = self.handles.get(handle)?;
        let Handle::Folder(open) = &*handle else {
            return Err(Failure::new(Kind::NotDirectory, "no folder"));
        };
        let (node, listing) = &**open;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if let Listing::Entities { ids, .. } = listing
            && from < ids.len()
        {
            return self.found_entities(listing, from, limit.min(BATCH));
        }
        let mut all = Vec::new();
        for i in from..from.saturating_add(limit).min(listing.len()) {
            let Some(Listed { name, shape }) = listing.get(i) else { break };
            let Ok(resolved) = self.resolve_child(node, name.as_bytes()) else { continue };
            let found = self.refer(resolved);
            let named = Named { next: i as u64 + 1, name, ino: found.attr.ino, shape };
            all.push((named, unsized_at_once(found)));
        }
        Ok(all)
    }

    /// Entities of one value, made by one scan.
    fn found_entities(
        &self,
        listing: &Listing,
        from: usize,
        limit: usize,
    ) -> Result<Vec<(Named, Found)>> {
        let Listing::Entities { place, moment, ids, .. } = listing else { return Ok(Vec::new()) };
        let ids = ids.get(from..from.saturating_add(limit).min(ids.len())).unwrap_or_default();
        let texts = render::entities(&moment.db, ids, Format::Edn)?;
        let mut all = Vec::new();
        for (i, (e, text)) in ids.iter().zip(texts).enumerate() {
            let Some(text) = text else { continue };
            let part = Part::Entity(*e, Leaf::answer(Format::Edn));
            let node = Node::Part(place.clone(), part);
            let resolved = self.tree.entity(&node, moment, *e)?;
            let found = self.refer_sized(resolved, Some(text.len() as u64));
            let name = format!("{e}.edn");
            let next = (from + i) as u64 + 1;
            all.push((Named { next, name, ino: found.attr.ino, shape: Shape::File }, found));
        }
        Ok(all)
    }

    /// The node that a name in a folder is, and what is there: for tests that walk.
    pub fn walk(&self, start: u64, path: &str) -> Result<Attr> {
        let mut ino = start;
        let mut attr = self.attr(ino, None, &Cancel::default())?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            attr = self.lookup(ino, name.as_bytes())?.attr;
            ino = attr.ino;
        }
        Ok(attr)
    }
}

/// Whether a folder's files are in memory, all or some.
fn lists_drafts(node: &Node) -> bool {
    matches!(node, Node::Queries(_) | Node::Branch(_, _, BranchPart::Inbox))
}

/// The number of a name that was not looked up: beside those that are counted up, and kept nowhere.
fn listed_number(folder: &str, name: &str) -> u64 {
    Key::of(&format!("listed {folder}/{name}")).0 as u64 | 1 << 63
}

/// A listing has one time to live for name and size: a size that is not known yet must be asked
/// for.
fn unsized_at_once(mut found: Found) -> Found {
    let ttl = found.attr.ttl.min(found.name_ttl);
    (found.attr.ttl, found.name_ttl) = (ttl, ttl);
    found
}
