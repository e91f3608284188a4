//! Making, removing and renaming: names in folders that can be changed.

use super::draft_entry;
use super::held::holds;
use super::pins::is_pins;
use crate::error::{Failure, Kind, Result};
use crate::tree::desk::query_of;
use crate::tree::node::{Desk, Node};
use crate::vfs::{Found, Mode, Opened, Vfs};

/// A name that is to be made: what can be shown, and is no longer than names are.
pub(super) fn plain(name: &[u8]) -> Result<&str> {
    if name.len() > 255 {
        return Err(Failure::new(Kind::NameTooLong, "a name has at most 255 bytes"));
    }
    std::str::from_utf8(name).map_err(|_| Failure::new(Kind::Invalid, "a name that is not UTF-8"))
}

impl Vfs {
    /// Makes a file in a folder of what is written.
    pub fn create(&self, parent: u64, name: &[u8], mode: Mode) -> Result<(Found, Opened)> {
        let parent = self.inode(parent)?;
        if holds(&parent.resolved.node) {
            return self.create_held(&parent.resolved.node, name, mode);
        }
        let (desk, name) = self.desk_file(&parent.resolved.node, name)?;
        self.check_desk(&desk)?;
        let saved = match query_of(name) {
            Some(query) => self.tree.saved_text(&desk, query)?,
            None => None,
        };
        let now_ms = self.tree.now_ms();
        let draft = match saved {
            Some((text, _)) if !mode.truncate => {
                self.drafts.begin(&parent.resolved.node, name, text.as_bytes(), now_ms)
            }
            _ => self.drafts.create(&parent.resolved.node, name, now_ms),
        };
        let found = self.refer(draft_entry(&draft));
        Ok((found, self.open_draft(draft, mode)))
    }

    /// The queries folder and the file that are meant, or the failure of changing anything else.
    fn desk_file<'a>(&self, parent: &Node, name: &'a [u8]) -> Result<(Desk, &'a str)> {
        let Node::Queries(desk) = parent else {
            let message = format!("nothing can be made or removed in {}", parent.path());
            let hint = "files can be made in queries/ and STORE/head/inbox/; data is written to \
                        STORE/head/transact";
            let failure = Failure::new(Kind::ReadOnly, message).hint(hint);
            self.note(&parent.path(), Some(&failure));
            return Err(failure);
        };
        Ok((desk.clone(), plain(name)?))
    }

    /// Removes a file of a queries folder.
    pub fn unlink(&self, parent: u64, name: &[u8]) -> Result<()> {
        let parent = self.inode(parent)?;
        if is_pins(&parent.resolved.node) {
            return self.unname_pin(name);
        }
        if let Some(Node::Part(..)) = std::str::from_utf8(name)
            .ok()
            .and_then(|name| crate::tree::path::child(&parent.resolved.node, name))
        {
            let message = "facts are not removed by removing files";
            let hint = "write [[:db/retractEntity EID]] to transact";
            return Err(Failure::new(Kind::NotPermitted, message).hint(hint));
        }
        if let Node::Tags(store) = &parent.resolved.node {
            return self.remove_tag(store, name);
        }
        if holds(&parent.resolved.node) {
            return self.unlink_held(&parent.resolved.node, name);
        }
        let (desk, name) = self.desk_file(&parent.resolved.node, name)?;
        self.check_desk(&desk)?;
        let draft = self.drafts.unlink(&parent.resolved.node, name);
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

    /// Renames a file within a folder of what is written, or moves it to another.
    pub fn rename(&self, from: (u64, &[u8]), to: (u64, &[u8]), may_replace: bool) -> Result<()> {
        let (from_parent, to_parent) = (self.inode(from.0)?, self.inode(to.0)?);
        let (from_folder, to_folder) = (&from_parent.resolved.node, &to_parent.resolved.node);
        if is_pins(from_folder) && from.0 == to.0 {
            return self.rename_pin(from.1, to.1, may_replace);
        }
        if let Node::Branches(_) | Node::Tags(_) = from_folder {
            return self.rename_named((from_folder, to_folder), from.1, to.1);
        }
        if holds(from_folder) && from_folder == to_folder {
            return self.rename_held(from_folder, (from.1, to.1), may_replace);
        }
        let is_written = |folder: &Node| holds(folder) || matches!(folder, Node::Queries(_));
        if is_written(from_folder) && is_written(to_folder) && from_folder != to_folder {
            // Programs that move files then copy them themselves.
            return Err(Failure::new(Kind::CrossDevice, "files of another place are copied"));
        }
        let (from_desk, from_name) = self.desk_file(&from_parent.resolved.node, from.1)?;
        let (to_desk, to_name) = self.desk_file(&to_parent.resolved.node, to.1)?;
        self.check_desk(&from_desk)?;
        self.check_desk(&to_desk)?;
        if from_name == to_name {
            return Ok(());
        }
        let is_there = self.resolve_child(&to_parent.resolved.node, to.1).is_ok();
        if is_there && !may_replace {
            return Err(Failure::new(Kind::Exists, format!("`{to_name}` is there already")));
        }
        let draft = match self.drafts.get(from_folder, from_name) {
            Some(draft) => draft,
            None => {
                let bytes = self.saved_bytes(&from_desk, from_name)?;
                self.drafts.begin(from_folder, from_name, &bytes, self.tree.now_ms())
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

    /// The failure of making a folder, a link or a special file anywhere.
    pub fn refuse(&self, parent: u64, name: &[u8]) -> Failure {
        let path = self.inode(parent).map(|inode| inode.resolved.node.path()).unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let message =
            format!("{path}/{name} cannot be made: only files of queries/ and inbox/ can");
        let failure = Failure::new(Kind::ReadOnly, message);
        self.note(&path, Some(&failure));
        failure
    }
}
