//! Branches and tags as folders and links that one makes, renames and removes.
//!
//! **Invariant:** nothing is lost by it: a branch goes only if its commits are kept under another
//! name and nothing is being written in it, and a rename is one swap, so that a crash leaves one of
//! the two names. A folder that is renamed keeps its number, as does what is in it.

use super::names::plain;
use super::pins::is_pins;
use crate::error::{Failure, Kind, Result};
use crate::source::Mounted;
use crate::tree::node::{Name, Node, Place};
use crate::tree::{Entry, Key, Resolved, path};
use crate::vfs::{Found, Vfs};

impl Vfs {
    /// Makes a folder: a branch at the default head.
    pub fn make_folder(&self, parent: u64, name: &[u8]) -> Result<Found> {
        let inode = self.inode(parent)?;
        let Node::Branches(store) = &inode.resolved.node else {
            return Err(self.refuse(parent, name));
        };
        let node = self.changed(&inode.resolved.node, name, |mounted, name| {
            mounted.source.create_branch(&mounted.head_branch(), name, None)?;
            Ok(Node::Snapshot(Place::branch(store, name)))
        })?;
        Ok(self.refer(self.tree.resolve(&node)?))
    }

    /// Makes a symbolic link to a commit: a branch that begins there, or a tag; or one to a pin,
    /// which is another name of it.
    pub fn make_link(&self, parent: u64, name: &[u8], target: &[u8]) -> Result<Found> {
        let inode = self.inode(parent)?;
        let folder = &inode.resolved.node;
        if is_pins(folder) {
            return self.link_pin(parent, name, target);
        }
        let target = &*String::from_utf8_lossy(target);
        let (Node::Branches(store) | Node::Tags(store)) = folder else {
            return Err(self.refuse(parent, name));
        };
        let node = self.changed(folder, name, |mounted, name| {
            let commit = self.tree.commit_of_link(folder, store, target)?;
            let (branch, at) = (mounted.head_branch(), Some(commit.as_str()));
            match folder {
                Node::Tags(_) => {
                    mounted.source.create_tag(&branch, name, at)?;
                    Ok(Node::Tag(store.clone(), name.into()))
                }
                _ => {
                    mounted.source.create_branch(&branch, name, at)?;
                    Ok(Node::Snapshot(Place::branch(store, name)))
                }
            }
        })?;
        // Who makes a link is given a link; a branch is a folder when it is looked up.
        let key = Key::of(&format!("made {} -> {target}", node.path()));
        let (entry, mtime_ms) = (Entry::Link(target.to_owned()), self.tree.now_ms());
        Ok(self.refer(Resolved { node, key, entry, mtime_ms, mode: 0o777, is_fixed: false }))
    }

    /// Removes a folder: a branch whose commits are kept elsewhere.
    pub fn remove_folder(&self, parent: u64, name: &[u8]) -> Result<()> {
        let inode = self.inode(parent)?;
        let Node::Branches(store) = &inode.resolved.node else {
            return Err(self.refuse(parent, name));
        };
        self.changed(&inode.resolved.node, name, |mounted, name| {
            check_shown(mounted, name, "removed")?;
            let gone = Node::Snapshot(Place::branch(store, name));
            self.check_finished(&gone, "removed")?;
            mounted.source.retire_branch(name).map_err(|failure| {
                let is_needed = failure.kind == Kind::Busy && failure.hint.is_none();
                let hint = format!(
                    "merge it (echo {name} > {store}/head/merge) or tag it \
                     (ln -s ../branches/{name} {store}/tags/TAG), then remove it"
                );
                if is_needed { failure.hint(hint) } else { failure }
            })?;
            self.tree.forget_merges(store, &name.into());
            self.leave(&gone, None);
            self.inodes.retire(|node| moved(node, &gone, &gone).is_some());
            Ok(())
        })
    }

    /// Removes a tag.
    pub(super) fn remove_tag(&self, store: &Name, name: &[u8]) -> Result<()> {
        let folder = Node::Tags(store.clone());
        self.changed(&folder, name, |mounted, name| mounted.source.delete_tag(name))
    }

    /// Renames a branch or a tag.
    pub(super) fn rename_named(
        &self,
        (from, to): (&Node, &Node),
        old: &[u8],
        new: &[u8],
    ) -> Result<()> {
        if from != to {
            let message = "a branch or a tag is renamed in its folder, not moved out of it";
            return Err(Failure::new(Kind::NotPermitted, message));
        }
        let old = plain(old)?;
        let Node::Branches(store) = from else { return self.rename_tag(from, old, new) };
        self.changed(from, new, |mounted, new| {
            if old == new {
                return Ok(());
            }
            check_shown(mounted, old, "renamed")?;
            let branch = |name: &str| Node::Snapshot(Place::branch(store, name));
            let (before, after) = (branch(old), branch(new));
            self.check_finished(&before, "renamed")?;
            mounted.source.rename_branch(old, new)?;
            self.tree.forget_merges(store, &old.into());
            self.leave(&before, Some(&after));
            self.inodes.rename(|node| moved(node, &before, &after));
            Ok(())
        })
    }

    /// The new name first: a crash between leaves both.
    fn rename_tag(&self, folder: &Node, old: &str, new: &[u8]) -> Result<()> {
        self.changed(folder, new, |mounted, new| {
            if old == new {
                return Ok(());
            }
            let tags = mounted.source.tags()?;
            let missing = || Failure::not_found(format!("no tag {old}"));
            let commit = tags.iter().find(|tag| tag.name == old).ok_or_else(missing)?.commit;
            let (branch, commit) = (mounted.head_branch(), commit.to_string());
            mounted.source.create_tag(&branch, new, Some(&commit))?;
            mounted.source.delete_tag(old)
        })
    }

    /// Changes a name in a store's folder, if that can be written to, and notes how it ended.
    fn changed<T>(
        &self,
        folder: &Node,
        name: &[u8],
        change: impl FnOnce(&Mounted, &str) -> Result<T>,
    ) -> Result<T> {
        let attempt = || {
            let name = plain(name)?;
            let missing = || Failure::not_found(folder.path());
            let mounted = self.tree.mounted(folder.store().ok_or_else(missing)?)?;
            self.tree.check_writable(mounted)?;
            change(mounted, name)
        };
        let done = attempt();
        let name = String::from_utf8_lossy(name);
        self.note(&format!("{}/{name}", folder.path()), done.as_ref().err());
        self.hurry();
        done
    }
}

/// A failure if a branch is one that the mount shows as `head`, or a plain URL means.
fn check_shown(mounted: &Mounted, branch: &str, done: &str) -> Result<()> {
    if branch == mounted.source.default_branch() {
        let message = format!("{branch} is the default branch, which cannot be {done}");
        return Err(Failure::new(Kind::NotPermitted, message));
    }
    if branch == mounted.head_branch() {
        let message =
            format!("{branch} is what {}/head shows: it cannot be {done} here", mounted.name);
        return Err(Failure::new(Kind::Busy, message).hint("mount another branch of the store"));
    }
    Ok(())
}

/// Where something is, now that the folder it is in, or that it is, is at another place.
pub(super) fn moved(node: &Node, before: &Node, after: &Node) -> Option<Node> {
    let path = node.path();
    let rest = path.strip_prefix(&before.path())?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let mut names = rest.split('/').filter(|name| !name.is_empty());
    names.try_fold(after.clone(), |node, name| path::child(&node, name))
}

#[cfg(test)]
mod tests;
