//! Looking for what is to be erased: in every log segment that is reached, and in every node of
//! every pack that is.
//!
//! The log says all that was ever said, so the keys of what is erased are found there; a pack also
//! holds nodes that no head reaches any more, and is left wholly if any of its nodes holds an
//! erased fact, its long value, or a separator that may tell of one.
//!
//! **Invariant:** what several heads share is read once. What is found only grows, and nothing that
//! was looked at can hold something that is found later: a fact is in the log before it is in a
//! node. Memory: the keys of what is erased, a few numbers for each commit that is concerned, and
//! the separators of all branch nodes.

use super::super::flush::pack_name;
use super::super::walk::Walker;
use super::super::{ConnError, Place};
use super::target::{Spoiled, Target};
use crate::codec::CodecError;
use crate::commit::{Frame, Head, Segment, log_name};
use crate::datom::{Facts, Order};
use crate::db::fact_key;
use crate::hash::NodeHash;
use crate::id::{T, Tx};
use crate::index::{Node, NodeRef, PackFooter, PackId};
use crate::store::{Fetch, StoreError};
use crate::value::ValRef;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Objects asked for together.
const OBJECTS: usize = 4;

/// A log segment that was looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The last `t` that some head reaches.
    pub(super) reached: T,
    /// The commits of which datoms are erased, and how many.
    pub(super) erased: BTreeMap<T, (Tx, u64)>,
}

/// What was found so far.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) target: Arc<Target>,
    /// Of erased facts, by EAVT.
    pub(super) keys: BTreeSet<Vec<u8>>,
    pub(super) segments: BTreeMap<u128, Seen>,
    /// Packs, and whether they hold an erased fact.
    packs: BTreeMap<PackId, bool>,
    separators: Vec<(PackId, Vec<u8>)>,
    /// Long values, by their hashes, and where they are.
    long: Vec<(PackId, NodeHash)>,
    /// Of erased long values.
    digests: BTreeSet<NodeHash>,
    nodes: HashSet<NodeRef>,
    /// What follows from all that.
    pub(super) spoiled: Spoiled,
    pub(super) leave: BTreeSet<PackId>,
    judged: Option<(usize, usize)>,
}

impl Survey {
    pub(super) fn new(target: Target) -> Self {
        let (keys, segments, packs) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (separators, long, nodes) = (Vec::new(), Vec::new(), HashSet::new());
        let digests = BTreeSet::new();
        let (spoiled, leave, judged) = (Spoiled::default(), BTreeSet::new(), None);
        Self {
            target: Arc::new(target),
            keys,
            segments,
            packs,
            separators,
            long,
            digests,
            nodes,
            spoiled,
            leave,
            judged,
        }
    }

    /// Whether nothing of it is anywhere.
    pub(super) fn is_clean(&self) -> bool {
        self.keys.is_empty() && self.leave.is_empty()
    }

    /// How many packs were read.
    pub(super) fn looked_at(&self) -> u64 {
        (self.packs.len() + self.segments.len()) as u64
    }

    /// Looks at all that a head reaches and that was not looked at before.
    pub(super) async fn head(
        &mut self,
        place: &Place,
        object: &str,
        head: &Head,
    ) -> Result<(), ConnError> {
        let (packs, segments) = (BTreeSet::new(), BTreeMap::new());
        let mut reached = Reached { nodes: &mut self.nodes, packs, segments };
        place.walk(head, &mut reached)?;
        for segment in &head.base.log {
            reached.segment(segment.name, segment.last);
        }
        let Reached { packs, segments, .. } = reached;
        for frame in &head.tail {
            let (_, frame) = Frame::decode(frame).map_err(|e| place.damaged(object, e))?;
            self.frame(&frame);
        }
        self.read_segments(place, &segments).await?;
        self.read_packs(place, packs).await?;
        self.judge();
        Ok(())
    }

    async fn read_segments(
        &mut self,
        place: &Place,
        reached: &BTreeMap<u128, T>,
    ) -> Result<(), ConnError> {
        let mut unknown = Vec::new();
        for (name, last) in reached {
            match self.segments.get_mut(name) {
                Some(seen) => seen.reached = seen.reached.max(*last),
                None => unknown.push((*name, *last)),
            }
        }
        for some in unknown.chunks(OBJECTS) {
            let names = some.iter().map(|(name, _)| log_name(*name)).collect();
            for ((name, last), bytes) in some.iter().zip(read(place, names).await?) {
                let damaged = |e| place.damaged(&log_name(*name), e);
                let segment = Segment::decode(&bytes).map_err(damaged)?;
                let mut seen = Seen { reached: *last, erased: BTreeMap::new() };
                for frame in &segment.frames {
                    let (id, frame) = Frame::decode(frame).map_err(damaged)?;
                    let erased = self.frame(&frame);
                    if erased > 0 {
                        seen.erased.insert(id.t, (frame.tx, erased));
                    }
                }
                self.segments.insert(*name, seen);
            }
        }
        Ok(())
    }

    /// Notes what is erased of a transaction; how many datoms.
    fn frame(&mut self, frame: &Frame) -> u64 {
        let erased = self.target.datoms(frame);
        let rows = (0..frame.datoms.len()).filter(|row| erased.get(*row) == Some(&true));
        let mut count = 0;
        for row in rows {
            self.note(&frame.datoms, row);
            count += 1;
        }
        count
    }

    /// Notes an erased fact.
    fn note(&mut self, facts: &Facts, row: usize) {
        self.keys.insert(fact_key(&facts.key(row)));
        self.digests.extend(match facts.v(row) {
            ValRef::Blob(blob) => Some(blob.digest()),
            v => v.long_bytes().map(NodeHash::of),
        });
    }

    async fn read_packs(
        &mut self,
        place: &Place,
        packs: BTreeSet<PackId>,
    ) -> Result<(), ConnError> {
        let new: Vec<PackId> =
            packs.into_iter().filter(|pack| !self.packs.contains_key(pack)).collect();
        for some in new.chunks(OBJECTS) {
            let names = some.iter().map(|pack| pack_name(*pack)).collect();
            for (pack, bytes) in some.iter().zip(read(place, names).await?) {
                let is_dirty = self.pack(*pack, &bytes);
                let damaged =
                    |e| place.damaged(&pack_name(*pack), crate::commit::FormatError::Codec(e));
                self.packs.insert(*pack, is_dirty.map_err(damaged)?);
            }
        }
        Ok(())
    }

    /// Looks at each node of a pack, also at those that nothing refers to any more.
    fn pack(&mut self, pack: PackId, bytes: &Bytes) -> Result<bool, CodecError> {
        let mut is_dirty = false;
        for (footed, stored) in PackFooter::nodes_of(bytes)? {
            if NodeHash::of(stored) != footed.hash {
                let what = "a node that is not that of its hash";
                return Err(CodecError { what, at: footed.offset as usize });
            }
            match Node::decode_unverified(stored)? {
                Node::Leaf(facts) => {
                    let erased = |row: &usize| self.target.fact(&facts, *row);
                    let rows: Vec<usize> = (0..facts.len()).filter(erased).collect();
                    for row in rows {
                        self.note(&facts, row);
                        is_dirty = true;
                    }
                }
                Node::Branch(branch) => {
                    let separators = (1..branch.children().len()).map(|i| branch.separator(i));
                    // Shorter ones have nothing of a value.
                    let long = separators.filter(|separator| separator.len() > 8);
                    self.separators.extend(long.map(|separator| (pack, separator.to_vec())));
                }
                Node::Blob(bytes) => self.long.push((pack, NodeHash::of(&bytes))),
                Node::Rows(_) => {}
            }
        }
        Ok(is_dirty)
    }

    /// Which packs are to be left, once all is known.
    fn judge(&mut self) {
        let now = (self.keys.len(), self.packs.len());
        if self.judged.replace(now) == Some(now) {
            return;
        }
        self.spoiled = Spoiled::new(&self.keys);
        let tells =
            |separator: &[u8]| Order::ALL.iter().any(|order| self.spoiled.tells(*order, separator));
        let dirty = self.packs.iter().filter(|(_, is_dirty)| **is_dirty).map(|(pack, _)| *pack);
        let told = self.separators.iter().filter(|(_, separator)| tells(separator));
        let long = self.long.iter().filter(|(_, digest)| self.digests.contains(digest));
        let others = told.map(|(pack, _)| *pack).chain(long.map(|(pack, _)| *pack));
        self.leave = dirty.chain(others).collect();
    }
}

/// What a head reaches, beside what was met before.
struct Reached<'a> {
    nodes: &'a mut HashSet<NodeRef>,
    packs: BTreeSet<PackId>,
    /// Log segments, and their last commits.
    segments: BTreeMap<u128, T>,
}

impl Walker for Reached<'_> {
    fn meets(&mut self, node: &NodeRef, is_read: bool) -> bool {
        self.packs.insert(node.pack);
        is_read && self.nodes.insert(*node)
    }

    fn long(&mut self, node: &NodeRef) {
        self.packs.insert(node.pack);
    }

    fn segment(&mut self, name: u128, t: T) {
        let last = self.segments.entry(name).or_default();
        *last = (*last).max(t);
    }
}

/// Whole objects, in one round.
async fn read(place: &Place, names: Vec<String>) -> Result<Vec<Bytes>, StoreError> {
    let fetches: Vec<Fetch> = names.into_iter().map(|key| Fetch { key, range: None }).collect();
    place.store.get_many(&fetches).await
}
