//! One head without what is erased: trees, novelty, log and tail, with the same commits.
//!
//! **Invariant:** the new head equals a replay of its log without the erased facts, at its own
//! commit: trees, novelty, counts and log are rewritten together. Commit, parents, instants and ids
//! stay. All that it names is written under new names before it is given to anybody. A head that
//! has nothing of what is erased is left as it is.

use super::super::build::{Objects, spill, write_novelty};
use super::super::flush::{Flushed, PACK_BYTES};
use super::super::{ConnError, Place, commits};
use super::survey::Survey;
use super::target::parts;
use crate::commit::{
    About, Base, FormatError, Frame, Head, Novelty, Opened, Segment, SegmentRef, log_name,
};
use crate::datom::{Facts, KeyRange, Order};
use crate::db::Layer;
use crate::hash::NodeHash;
use crate::id::{AttrId, T, Tx};
use crate::index::{
    Forest, Node, PackId, PackWriter, Rewrite, Rewritten, Shape, Tree, TreeError, count,
};
use crate::store::Fetch;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// A log segment that was written anew.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) named: SegmentRef,
    /// Where each frame is now, and what was erased of it: how many, and its content.
    frames: Vec<(Range<u64>, Option<(u64, NodeHash)>)>,
}

/// What was written so far, for all heads.
#[derive(Debug, Default)]
pub(super) struct Written {
    trees: [Rewritten; 3],
    commits: Rewritten,
    pub(super) segments: BTreeMap<u128, Replaced>,
    base: Option<ErasedBase>,
}

/// What became of what a head has below its tail. It is the same for all heads with that base: only
/// the tail of a head that moves is rewritten each time.
#[derive(Debug)]
struct ErasedBase {
    from: Base,
    to: Base,
}

impl Place {
    /// A head without what is erased; `None` if it has nothing of that.
    pub(super) async fn erased_from(
        &self,
        object: &str,
        head: &Head,
        survey: &Survey,
        written: &mut Written,
    ) -> Result<Option<Head>, ConnError> {
        let mut next = head.clone();
        next.tail = self.erased_tail(object, head, survey)?;
        if let Some(known) = written.base.as_ref().filter(|known| known.from == head.base) {
            next.base = known.to.clone();
            if next == *head {
                return Ok(None);
            }
            // Where the tail has become too large beside it, it is spilled: that is another base.
            if next.encode().is_ok() {
                return Ok(Some(next));
            }
            next.base = head.base.clone();
        }
        self.replace_segments(survey, written).await?;
        let opened = self.open_head(object, head.clone()).await?;
        let flushed = self.erased_trees(head, survey, written).await?;
        self.put_all(&flushed.packs).await?;
        self.nodes.offer(&flushed.inlined);
        (next.base.trees, next.base.commits) = (flushed.trees, flushed.commits);
        next.base.inlined = flushed.inlined;
        for segment in &mut next.base.log {
            if let Some(replaced) = written.segments.get(&segment.name) {
                *segment = SegmentRef { last: segment.last, ..replaced.named };
            }
        }
        let novelty = survey.target.left(opened.novelty.facts(Order::Eavt));
        if novelty.is_none() && next == *head {
            let base = head.base.clone();
            written.base = Some(ErasedBase { from: base.clone(), to: base });
            return Ok(None);
        }
        let facts = novelty.unwrap_or_else(|| opened.novelty.facts(Order::Eavt).as_ref().clone());
        let about = self.counted(&next, &opened, &facts, survey)?;
        let (next, objects) = self.with_novelty(object, next, about, facts)?;
        self.put_all(&objects).await?;
        let is_spilled = next.tail.len() < head.tail.len();
        let base = ErasedBase { from: head.base.clone(), to: next.base.clone() };
        written.base = (!is_spilled).then_some(base);
        Ok(Some(next))
    }

    /// The tail of a head without what is erased.
    fn erased_tail(
        &self,
        object: &str,
        head: &Head,
        survey: &Survey,
    ) -> Result<Vec<Bytes>, ConnError> {
        let mut tail = head.tail.clone();
        for frame in &mut tail {
            let (_, decoded) = Frame::decode(frame).map_err(|e| self.damaged(object, e))?;
            let erased = survey.target.datoms(&decoded);
            if erased.contains(&true) {
                let left = Frame::without(frame, &erased).map_err(|e| self.damaged(object, e))?;
                *frame = left.0.bytes;
            }
        }
        Ok(tail)
    }

    /// The head with this novelty and these counts, and the objects that takes. Where the tail has
    /// become too large for the head, it is spilled.
    pub(super) fn with_novelty(
        &self,
        object: &str,
        mut head: Head,
        about: About,
        facts: Facts,
    ) -> Result<(Head, Objects), ConnError> {
        let damaged = |e: FormatError| self.damaged(object, e);
        let bytes = about.encode().map_err(|e| damaged(e.into()))?;
        let layer = Arc::new(Layer::new(facts.clone(), &about.schema));
        let nodes = self.nodes.clone();
        let novelty = Novelty { about: Some(bytes), facts };
        let mut with_about = head.clone();
        with_about.base.about = None;
        let mut opened = Opened::new(with_about, novelty, &[], nodes).map_err(damaged)?;
        (opened.about, opened.novelty) = (Arc::new(about), layer);
        let written = write_novelty(&mut head.base, &opened, self.host.as_ref());
        let mut objects: Objects = written.map_err(ConnError::TooLarge)?.into_iter().collect();
        if let Err(FormatError::TooLarge(_)) = head.encode() {
            objects =
                spill(&mut head, &mut opened, self.host.as_ref()).map_err(ConnError::TooLarge)?;
            head.encode().map_err(ConnError::TooLarge)?;
        }
        Ok((head, objects))
    }

    /// Schema and counts of what is left below the tail.
    fn counted(
        &self,
        head: &Head,
        opened: &Opened,
        novelty: &Facts,
        survey: &Survey,
    ) -> Result<About, ConnError> {
        let mut about = opened.about.as_ref().clone();
        let attributes: BTreeSet<AttrId> = survey.keys.iter().map(|key| parts(key).1).collect();
        for attribute in attributes {
            let root = head.base.trees.current[Order::Aevt as usize].as_ref();
            let range = KeyRange::prefix(None, Some(attribute), None);
            let mut facts = count(self.nodes.as_ref(), root, Order::Aevt, &range)?;
            for row in (0..novelty.len()).filter(|row| novelty.a(*row) == attribute) {
                match (novelty.tx(row), novelty.end(row)) {
                    (Tx(0), Some(_)) => facts = facts.saturating_sub(1),
                    (_, None) => facts += 1,
                    (_, Some(_)) => {}
                }
            }
            if about.counts.get(&attribute).copied().unwrap_or(0) != facts {
                about.counts.insert(attribute, facts);
            }
        }
        Ok(about)
    }

    /// The trees of a head without erased facts, and without nodes in packs that have some.
    async fn erased_trees(
        &self,
        head: &Head,
        survey: &Survey,
        written: &mut Written,
    ) -> Result<Flushed, ConnError> {
        let base = &head.base;
        let mut packs =
            PackWriter::new(|| PackId(self.host.random())).into_outlet(self, PACK_BYTES);
        let nodes = self.nodes.as_ref();
        let mut forest = Forest { nodes, packs: &mut packs, shape: Shape::default() };
        let (mut trees, leave): (Vec<Option<Tree>>, _) = (Vec::new(), &survey.leave);
        for roots in [&base.trees.current, &base.trees.superseded] {
            for order in Order::ALL {
                let done = &mut written.trees[order as usize];
                let erasing = Erasing { order, survey };
                trees.push(match &roots[order as usize] {
                    Some(root) => Some(forest.rewrite(root, order, &erasing, leave, done).await?),
                    None => None,
                });
            }
        }
        let (moving, done) = (Moving(&written.segments), &mut written.commits);
        trees.push(match &base.commits {
            Some(root) => Some(forest.rewrite(root, Order::Eavt, &moving, leave, done).await?),
            None => None,
        });
        Ok(Flushed::new(base, trees, packs))
    }

    /// Writes anew the log segments of which something is erased, as far as some head reaches them.
    async fn replace_segments(
        &self,
        survey: &Survey,
        written: &mut Written,
    ) -> Result<(), ConnError> {
        for (name, seen) in survey.segments.iter().filter(|(_, seen)| !seen.erased.is_empty()) {
            let is_enough = |replaced: &Replaced| replaced.named.last >= seen.reached;
            if !written.segments.get(name).is_some_and(is_enough) {
                let replaced = self.replace_segment(*name, seen.reached, survey).await?;
                written.segments.insert(*name, replaced);
            }
        }
        Ok(())
    }

    async fn replace_segment(
        &self,
        name: u128,
        last: T,
        survey: &Survey,
    ) -> Result<Replaced, ConnError> {
        let key = log_name(name);
        let damaged = |e| self.damaged(&key, e);
        let bytes = self.store.get(&Fetch { key: key.clone(), range: None }).await?;
        let mut segment = Segment::decode(&bytes).map_err(damaged)?;
        let count = last.0.saturating_add(1).saturating_sub(segment.first.0);
        segment.frames.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let mut purged = Vec::with_capacity(segment.frames.len());
        for stored in &mut segment.frames {
            let (_, mut frame) = Frame::decode(stored).map_err(damaged)?;
            let erased = survey.target.datoms(&frame);
            if erased.contains(&true) {
                let (encoded, left) = Frame::without(stored, &erased).map_err(damaged)?;
                (*stored, frame) = (encoded.bytes, left);
            }
            purged.push(frame.purged.map(|purged| (purged.datoms, purged.content)));
        }
        let bytes = segment.encode();
        let named = SegmentRef {
            name: self.host.random(),
            hash: NodeHash::of(&bytes),
            len: bytes.len() as u64,
            first: segment.first,
            last,
        };
        let frames = segment.places().into_iter().zip(purged).collect();
        self.store.put(&log_name(named.name), bytes).await?;
        Ok(Replaced { named, frames })
    }
}

/// Erases facts from leaves.
struct Erasing<'a> {
    order: Order,
    survey: &'a Survey,
}

impl Rewrite for Erasing<'_> {
    fn touches(&self, from: &[u8], to: Option<&[u8]>) -> bool {
        self.survey.spoiled.touches(self.order, from, to)
    }

    fn tells(&self, separator: &[u8]) -> bool {
        self.survey.spoiled.tells(self.order, separator)
    }

    fn leaf(&self, leaf: &Node) -> Result<Option<Node>, TreeError> {
        let Node::Leaf(facts) = leaf else { return Ok(None) };
        Ok(self.survey.target.left(facts).map(|facts| Node::Leaf(Arc::new(facts))))
    }
}

/// Moves the places of commits to segments that were written anew.
struct Moving<'a>(&'a BTreeMap<u128, Replaced>);

impl Rewrite for Moving<'_> {
    fn touches(&self, _: &[u8], _: Option<&[u8]>) -> bool {
        !self.0.is_empty()
    }

    fn tells(&self, _: &[u8]) -> bool {
        false
    }

    fn leaf(&self, leaf: &Node) -> Result<Option<Node>, TreeError> {
        let Node::Rows(rows) = leaf else { return Ok(None) };
        let moved = rows.with_values(|key, value| {
            let t = commits::t_of(key);
            let Some(replaced) = self.0.get(&commits::segment(value)?) else { return Ok(None) };
            let index = t.0.checked_sub(replaced.named.first.0);
            let frame = index.and_then(|i| replaced.frames.get(usize::try_from(i).ok()?));
            let Some((range, purged)) = frame else { return Ok(None) };
            commits::moved(t, value, replaced.named.name, range.clone(), *purged).map(Some)
        });
        let moved = moved.map_err(|e: crate::codec::CodecError| TreeError::from(e))?;
        Ok(moved.map(Node::Rows))
    }
}
