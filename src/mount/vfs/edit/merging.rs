//! `merge`: names of branches that are written there are merged into the branch.
//!
//! **Invariant:** a merge is made within the write that names it, and its failure is that write's.

use crate::error::{Failure, Result};
use crate::handle::{Handle, Names};
use crate::spool::Content;
use crate::tree::Resolved;
use crate::tree::node::{BranchPart, Node};
use crate::vfs::{Caching, Mode, Opened, Vfs};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn locked(open: &(Node, Mutex<Names>)) -> MutexGuard<'_, Names> {
    open.1.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what is written there is to be merged.
pub(in crate::vfs) fn is_merge(node: &Node) -> bool {
    matches!(node, Node::Branch(_, _, BranchPart::Merge))
}

/// Reports that were not read yet.
pub(in crate::vfs) fn reports(open: &(Node, Mutex<Names>), size: usize) -> Vec<u8> {
    locked(open).read(size)
}

impl Vfs {
    pub(in crate::vfs) fn open_merge(
        &self,
        resolved: &Resolved,
        about: &Content,
        mode: Mode,
    ) -> Result<Opened> {
        let node = &resolved.node;
        let (Node::Branch(store, branch, _), true) = (node, mode.write) else {
            let handle = self.handles.open(Handle::Bytes(about.clone()));
            return Ok(Opened { handle, caching: Caching::Fresh });
        };
        let checked =
            self.tree.mounted(store).and_then(|mounted| self.tree.check_writable(mounted));
        self.note(&node.path(), checked.as_ref().err());
        checked?;
        let (tree, store, branch) = (self.tree.clone(), store.clone(), branch.clone());
        let act = move |from: &str| {
            let own = || Failure::new(crate::error::Kind::Invalid, format!("{branch} is itself"));
            if *from == *branch { Err(own()) } else { tree.merge(&store, &branch, from) }
        };
        let names = Mutex::new(Names::new(Box::new(act), mode.read));
        let handle = self.handles.open(Handle::Merge(Box::new((node.clone(), names))));
        Ok(Opened { handle, caching: Caching::Stream })
    }
}
