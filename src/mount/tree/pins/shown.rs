//! `pins/`: what is there, and what is listed.
//!
//! **Invariant:** what is in a pin's folder never changes, but for the answers of the mount's own
//! saved queries, which are in today's wording.

use super::kept::unknown;
use super::{Pin, Recipe, whole_commit};
use crate::error::{Failure, Kind, Result};
use crate::name::is_store_name;
use crate::source::{Moment, Mounted};
use crate::tree::node::{Call, Leaf, Node, PinNode, Place, Scope};
use crate::tree::resolve::{folder, plain_link, text};
use crate::tree::{Listed, Resolved, Shape, Tree};
use factfs_core::value::Uuid;

impl Tree {
    /// The pin of an id.
    pub(in crate::tree) fn pin(&self, id: &str) -> Result<Pin> {
        self.pins.get(id)?.ok_or_else(|| unknown(id))
    }

    /// What is at a place in `pins/`.
    pub(in crate::tree) fn pin_node(&self, node: &Node, at: &PinNode) -> Result<Resolved> {
        let started_ms = self.started_ms;
        match at {
            PinNode::Pins => Ok(folder(node, started_ms, true)),
            PinNode::Pin(id) => {
                let pin = self.pin(id)?;
                Ok(folder(node, newest_ms(&pin).unwrap_or(started_ms), true))
            }
            PinNode::Named(name) => {
                let missing = || Failure::not_found(format!("no pin is called `{name}`"));
                let id = self.pins.named(name)?.ok_or_else(missing)?;
                Ok(plain_link(node, started_ms, id.to_string()))
            }
            PinNode::Text(id) => {
                let pin = self.pin(id)?;
                let mtime_ms = newest_ms(&pin).unwrap_or(started_ms);
                Ok(Resolved { is_fixed: true, ..text(node, mtime_ms, &pin.text()) })
            }
            PinNode::Store(id, store) => {
                let (mounted, pinned) = self.pinned_store(&self.pin(id)?, id, store)?;
                let commit = pinned.commit.map_or_else(|| "0".to_owned(), |c| c.to_string());
                let target = format!("../../{}/commits/{commit}", mounted.name);
                let mtime_ms = pinned.instant_ms.unwrap_or(started_ms);
                Ok(Resolved { is_fixed: true, ..plain_link(node, mtime_ms, target) })
            }
        }
    }

    /// The mounted store that a name in a pin's folder means, and its commit: the one that had the
    /// name where the pin was made, else the one that has it here.
    fn pinned_store(&self, pin: &Pin, id: &str, name: &str) -> Result<(Mounted, super::Pinned)> {
        let mounted = match pin.called(name) {
            Some(uuid) => self.store_of(uuid).ok_or_else(|| not_mounted(name, uuid))?,
            None => self
                .stores
                .get(name)
                .ok_or_else(|| Failure::not_found(format!("pin {id} has no store `{name}`")))?,
        };
        match pin.of(&mounted.source.uuid()) {
            Some(pinned) => Ok((mounted.clone(), pinned.clone())),
            None => Err(not_pinned(id, mounted)),
        }
    }

    /// What a store of a pin is listed as: its name here, unless the pin has that for another.
    fn name_in_pin(&self, pin: &Pin, uuid: &Uuid, pinned: &super::Pinned) -> Option<String> {
        let here = &self.store_of(uuid)?.name;
        let is_another = pin.called(here).is_some_and(|called| called != uuid);
        match is_another {
            true => Some(pinned.store.clone()).filter(|name| is_store_name(name)),
            false => Some(here.to_string()),
        }
    }

    /// The mounted store of a uuid.
    pub(in crate::tree) fn store_of(&self, uuid: &Uuid) -> Option<&Mounted> {
        self.stores.values().find(|mounted| mounted.source.uuid() == *uuid)
    }

    /// What a branch of a store is under a pin.
    pub(in crate::tree) fn pinned(&self, mounted: &Mounted, id: &str) -> Result<Moment> {
        let pin = self.pin(id)?;
        let pinned = pin.of(&mounted.source.uuid()).ok_or_else(|| not_pinned(id, mounted))?;
        self.commit_of(mounted, pinned.commit)
    }

    /// The value of a commit that is known by its whole hash.
    pub fn commit_of(
        &self,
        mounted: &Mounted,
        commit: Option<factfs_core::id::CommitId>,
    ) -> Result<Moment> {
        let id = commit.map_or_else(|| "0".to_owned(), |commit| commit.to_string());
        let moment = self.moment(&Place::commit(&mounted.name, &id)).map_err(|failure| {
            match failure.kind {
                Kind::NotFound => no_commit(mounted, &id),
                _ => failure,
            }
        })?;
        if moment.commit != commit {
            return Err(no_commit(mounted, &whole_commit(commit)));
        }
        Ok(moment)
    }

    /// The mounted store that a query's name means under a pin.
    pub(in crate::tree) fn pinned_called(&self, id: &str, name: &str) -> Result<Option<Mounted>> {
        let pin = self.pin(id)?;
        let Some(uuid) = pin.called(name) else { return Ok(self.store_called(name).cloned()) };
        let mounted = self.store_of(uuid).cloned();
        mounted.map(Some).ok_or_else(|| not_mounted(name, uuid))
    }

    /// The only store of a pin, for `$`.
    pub(in crate::tree) fn only_pinned(&self, id: &str) -> Result<Option<Mounted>> {
        let pin = self.pin(id)?;
        let mut stores = pin.stores();
        match (stores.next(), stores.next()) {
            (Some((uuid, pinned)), None) => match self.store_of(uuid) {
                Some(mounted) => Ok(Some(mounted.clone())),
                None => Err(not_mounted(&pinned.store, uuid)),
            },
            _ => Ok(None),
        }
    }

    /// An answer under a pin that a `.meta` says how to make.
    pub(in crate::tree) fn pinned_answer(
        &self,
        node: &Node,
        scope: &Scope,
        call: &Call,
        leaf: Leaf,
    ) -> Result<Option<Resolved>> {
        let Scope::Pin(id) = scope else { return Ok(None) };
        self.pin(id)?;
        let recipe = self.pins.recipe(id, &call.query)?;
        let Some(recipe) = recipe.filter(|_| call.args.is_empty()) else { return Ok(None) };
        Ok(Some(self.made_again(node, leaf, &recipe)))
    }

    /// What `pins/` and the folder of a pin list.
    pub(in crate::tree) fn pin_names(&self, node: &Node, at: &PinNode) -> Result<Vec<Listed>> {
        match at {
            PinNode::Pins => {
                let (names, ids) = self.pins.listed()?;
                let names = names.into_iter().map(|name| Listed { name, shape: Shape::Link });
                let ids = ids.into_iter().map(|name| Listed { name, shape: Shape::Folder });
                Ok(names.chain(ids).collect())
            }
            PinNode::Pin(id) => {
                let pin = self.pin(id)?;
                let own = [("pin.edn", Shape::File), ("results", Shape::Folder)];
                let own = own.map(|(name, shape)| Listed { name: name.to_owned(), shape });
                let stores = pin.stores();
                let stores = stores.filter_map(|(uuid, of)| self.name_in_pin(&pin, uuid, of));
                let link = |name| Listed { name, shape: Shape::Link };
                Ok(own.into_iter().chain(stores.map(link)).collect())
            }
            _ => Err(Failure::new(Kind::NotDirectory, format!("{} is no folder", node.path()))),
        }
    }

    /// What `pins/ID/results` lists beside the mount's own queries: what came with the pin.
    pub(in crate::tree) fn pinned_results(&self, scope: &Scope) -> Result<Vec<Listed>> {
        let Scope::Pin(id) = scope else { return Ok(Vec::new()) };
        self.pin(id)?;
        let file = |recipe: &Recipe| {
            let name = format!("{}{}", recipe.name()?, Leaf::answer(recipe.format).suffix());
            Some(Listed { name, shape: Shape::File })
        };
        Ok(self.pins.recipes(id)?.iter().filter_map(file).collect())
    }
}

fn newest_ms(pin: &Pin) -> Option<i64> {
    pin.stores().filter_map(|(_, pinned)| pinned.instant_ms).max()
}

fn not_pinned(id: &str, mounted: &Mounted) -> Failure {
    let uuid = mounted.source.uuid();
    Failure::not_found(format!("pin {id} has no commit of {} ({uuid})", mounted.name))
}

/// The failure of reading a database that is not mounted.
pub(in crate::tree) fn not_mounted(store: &str, uuid: &Uuid) -> Failure {
    let message = format!("{store} is the database {uuid}, which is not mounted here");
    Failure::not_found(message).hint("mount it as well, under any name")
}

fn no_commit(mounted: &Mounted, commit: &str) -> Failure {
    let name = &mounted.name;
    let hint = "its history was made anew, or its branch was deleted and collected";
    Failure::not_found(format!("{name} has no commit {commit} any more")).hint(hint)
}
