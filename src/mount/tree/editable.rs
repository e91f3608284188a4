//! Entities as files: on a branch they may be edited.
//!
//! **Invariant:** a file that may be edited is another file than that of the same bytes in a
//! commit, which may not.

use super::node::*;
use super::work::Pins;
use super::{Resolved, Tree};
use crate::source::{Moment, Mounted};
use factfs_core::id::EntityId;
use factfs_core::text::Format;

impl Tree {
    /// The entity that a file is the text of, on a branch: what is written to it changes it.
    pub fn entity_of(node: &Node) -> Option<(&Place, EntityId, Format)> {
        let Node::Part(place, Part::Entity(e, leaf)) = node else { return None };
        let is_edited = !place.is_fixed() && leaf.aspect == Aspect::Answer;
        is_edited.then_some((place, *e, leaf.format))
    }

    /// The file of an entity that is there.
    pub(super) fn entity_file(
        &self,
        node: &Node,
        mounted: &Mounted,
        moment: &Moment,
        e: EntityId,
        leaf: Leaf,
    ) -> Resolved {
        let mut identity = format!("{} {} entity {e}", mounted.source.uuid(), moment.version());
        let branch = Self::entity_of(node).map(|(place, ..)| place);
        if let Some(Place { at: At::Branch(branch), .. }) = branch {
            identity.push_str(" on ");
            identity.push_str(branch);
        }
        let pins = Pins::Moment(Box::new((mounted.clone(), moment.clone())));
        let mtime_ms = moment.instant_ms.unwrap_or(self.started_ms);
        let is_fixed = moment_is_fixed(node);
        let resolved = self.work(node, leaf, identity, pins, mtime_ms, is_fixed);
        let is_editable = branch.is_some() && self.check_writable(mounted).is_ok();
        Resolved { mode: if is_editable { 0o644 } else { resolved.mode }, ..resolved }
    }
}

fn moment_is_fixed(node: &Node) -> bool {
    matches!(node, Node::Part(place, _) if place.is_fixed())
}
