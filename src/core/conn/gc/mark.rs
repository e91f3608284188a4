//! Marking: all objects that a head reaches.
//!
//! **Invariant:** what is marked from a head is all that is needed to read it and its whole
//! history: novelty, log segments that it lists, packs of all its nodes, long values among them,
//! and the segments that its COMMITS tree names. A node that several heads share is visited once.

use super::super::flush::pack_name;
use super::super::walk::Walker;
use super::super::{ConnError, Place};
use crate::commit::{Head, Refs, Tag, log_name, novelty_name};
use crate::id::T;
use crate::index::{NodeRef, PackId};
use crate::store::Fetch;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What a node costs in the footer of its pack, about; and a footer without nodes.
const FOOTED_BYTES: u64 = 48;
const FOOTER_BYTES: u64 = 128;

/// What is reachable.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Names of objects.
    pub(super) objects: BTreeSet<String>,
    /// Bytes of packs that are in use, with what they cost in the footer.
    live_bytes: BTreeMap<PackId, u64>,
    seen: HashSet<NodeRef>,
}

impl Marks {
    pub(super) fn has(&self, name: &str) -> bool {
        self.objects.contains(name)
    }

    /// Marks the heads and snapshots that `refs` names, and what is in the snapshots. What is in
    /// the heads comes later: they move.
    pub(super) async fn refs(&mut self, place: &Place, refs: &Refs) -> Result<(), ConnError> {
        self.objects.extend(refs.branches.values().map(|branch| branch.head.clone()));
        let tags: Vec<Tag> =
            refs.snapshots().filter(|tag| !self.has(&tag.snapshot)).cloned().collect();
        for tag in tags {
            let fetch = Fetch { key: tag.snapshot.clone(), range: None };
            let bytes = place.store.get(&fetch).await?;
            let head = Head::decode(&bytes).map_err(|e| place.damaged(&tag.snapshot, e))?;
            self.head(place, &head)?;
            self.objects.insert(tag.snapshot);
        }
        Ok(())
    }

    /// Marks all that a head reaches.
    pub(super) fn head(&mut self, place: &Place, head: &Head) -> Result<(), ConnError> {
        self.objects.extend(head.base.novelty.map(|novelty| novelty_name(novelty.name)));
        self.objects.extend(head.base.log.iter().map(|segment| log_name(segment.name)));
        place.walk(head, self)
    }

    /// Marks the pack of a node; whether the node is new here.
    fn node(&mut self, node: &NodeRef) -> bool {
        let new = self.seen.insert(*node);
        if new {
            self.objects.insert(pack_name(node.pack));
            let bytes = self.live_bytes.entry(node.pack).or_insert(FOOTER_BYTES);
            *bytes += u64::from(node.len) + FOOTED_BYTES;
        }
        new
    }

    /// The packs of which less than 30 % is in use, the largest waste first.
    pub(super) fn sparse(&self, sizes: &BTreeMap<&str, u64>) -> Vec<PackId> {
        let mut sparse = Vec::new();
        for (pack, live_bytes) in &self.live_bytes {
            let Some(size_bytes) = sizes.get(pack_name(*pack).as_str()) else { continue };
            if live_bytes * 10 < size_bytes * 3 {
                sparse.push((size_bytes - live_bytes, *pack));
            }
        }
        sparse.sort_by_key(|(waste, pack)| (std::cmp::Reverse(*waste), *pack));
        sparse.into_iter().map(|(_, pack)| pack).collect()
    }
}

impl Walker for Marks {
    fn meets(&mut self, node: &NodeRef, _: bool) -> bool {
        self.node(node)
    }

    fn long(&mut self, node: &NodeRef) {
        self.node(node);
    }

    fn segment(&mut self, name: u128, _: T) {
        self.objects.insert(log_name(name));
    }
}
