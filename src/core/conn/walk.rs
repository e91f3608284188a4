//! All nodes of a head's trees, a level at a time: what a collection marks, and a purge looks at.
//!
//! **Invariant:** branch nodes know the place of their children and whether there are long values
//! below, so of the leaves of facts only those that refer to some are read; of COMMITS all are. A
//! node that was met before is not gone below again.

use super::flush::pack_name;
use super::{ConnError, Place, commits};
use crate::commit::Head;
use crate::id::T;
use crate::index::{Child, Node, NodeRef, NodesError, Root, Rows, blobs};

/// Nodes asked for together.
const WINDOW: usize = 64;

/// Who walks.
pub(super) trait Walker {
    /// A node, and whether it is one that is read; whether to go there.
    fn meets(&mut self, node: &NodeRef, is_read: bool) -> bool;
    /// A long value of a leaf that is read.
    fn long(&mut self, node: &NodeRef);
    /// A log segment, and a commit that is in it.
    fn segment(&mut self, name: u128, t: T);
}

impl Place {
    /// Walks over all trees of a head.
    pub(super) fn walk(&self, head: &Head, walker: &mut impl Walker) -> Result<(), ConnError> {
        let trees = head.base.trees.current.iter().chain(&head.base.trees.superseded);
        trees.flatten().try_for_each(|root| self.walk_tree(root, false, walker))?;
        match &head.base.commits {
            Some(commits) => self.walk_tree(commits, true, walker),
            None => Ok(()),
        }
    }

    fn walk_tree(
        &self,
        root: &Root,
        is_commits: bool,
        walker: &mut impl Walker,
    ) -> Result<(), ConnError> {
        let (mut level, mut height) = (vec![(root.node, true)], root.height);
        loop {
            level.retain(|(node, is_read)| walker.meets(node, *is_read));
            let read = level.iter().filter(|(_, is_read)| *is_read).map(|(node, _)| *node);
            let read: Vec<NodeRef> = read.collect();
            let mut below = Vec::new();
            for window in read.chunks(WINDOW) {
                for (name, node) in window.iter().zip(self.nodes.get(window)?) {
                    match node.as_ref() {
                        Node::Branch(branch) if branch.height() == height => {
                            let is_read =
                                |child: &Child| height > 1 || is_commits || child.long > 0;
                            let children = branch.children().iter();
                            below.extend(children.map(|child| (child.node, is_read(child))));
                        }
                        Node::Leaf(facts) if height == 0 && !is_commits => {
                            let long = blobs(facts, 0..facts.len());
                            long.for_each(|(_, blob)| walker.long(&blob.place().into()));
                        }
                        Node::Rows(rows) if height == 0 && is_commits => {
                            self.walk_rows(name, rows, walker)?;
                        }
                        _ => {
                            let reason = "a node of another kind or height".to_owned();
                            return Err(NodesError::Corrupt { node: *name, reason }.into());
                        }
                    }
                }
            }
            if height == 0 {
                return Ok(());
            }
            (level, height) = (below, height - 1);
        }
    }

    fn walk_rows(
        &self,
        name: &NodeRef,
        rows: &Rows,
        walker: &mut impl Walker,
    ) -> Result<(), ConnError> {
        for row in 0..rows.len() {
            let segment = commits::segment(rows.value(row));
            let segment = segment.map_err(|e| self.damaged(&pack_name(name.pack), e))?;
            walker.segment(segment, commits::t_of(rows.key(row)));
        }
        Ok(())
    }
}
