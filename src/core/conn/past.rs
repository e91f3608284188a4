//! A commit of the past as a head of its own: what a branch, a tag or a merge begins at.
//!
//! Three ways, the cheapest that applies: the head itself with a shorter tail; a retained snapshot
//! (a tag, or one kept for its age) at or before the commit with the log after it; the whole log.
//!
//! **Invariant:** what is made here equals what the branch was at that commit: schema, counts and
//! ids included. Every frame that is replayed was checked to follow the one before it. Nothing is
//! written here: what a head needs to be there is given beside it, but for trees that later frames
//! of the same replay have to read.
//!
//! Cost: the log between the snapshot and the commit. What is more than the novelty of a head
//! holds is merged into trees on the way.

use super::build::{Objects, write_novelty};
use super::replay::{Replay, Stretch};
use super::{ConnError, Place};
use crate::commit::{About, Frame, HEAD, Head, Opened, Refs, Tag, Tip};
use crate::id::T;
use crate::schema::Schema;
use crate::store::StoreErrorKind;

/// A head at a commit of the past, and objects that have to be written before it is used.
pub(super) struct Past {
    pub(super) head: Head,
    pub(super) objects: Objects,
}

impl Place {
    /// The head as it was at `t` of the history of `from`.
    pub(super) async fn past(&self, refs: &Refs, from: &Opened, t: T) -> Result<Past, ConnError> {
        if t > from.head.tip.t() {
            return Err(ConnError::NoCommit(t.to_string()));
        }
        if let Some(head) = self.cut(from, t).await? {
            return Ok(Past { head, objects: Objects::new() });
        }
        if t == T(0) {
            return Ok(Past { head: self.beginning(from)?, objects: Objects::new() });
        }
        let start = match self.retained(refs, from, t).await? {
            Some(start) if start.head.tip.t() == t => {
                return Ok(Past { head: start.head.as_ref().clone(), objects: Objects::new() });
            }
            Some(start) => start,
            None => self.open_head(HEAD, self.beginning(from)?).await?,
        };
        let mut replay = Replay::new(self.clone(), start);
        let mut next = replay.first();
        while next <= t {
            let stretch = self.stretch(from, next, t).await?;
            next = T(stretch.last().0 + 1);
            replay.apply(stretch).await?;
        }
        replay.finish()
    }

    /// The database as it was at `t`, opened, as long as that needs nothing to be written.
    pub(super) async fn open_past(
        &self,
        refs: &Refs,
        from: &Opened,
        t: T,
    ) -> Result<Opened, ConnError> {
        let Past { head, objects } = self.past(refs, from, t).await?;
        // What is read back at once; nothing refers to it afterwards.
        self.put_all(&objects).await?;
        self.open_head(HEAD, head).await
    }

    /// The head as it was at `t`, if that is since its last spill: the same with a shorter tail.
    pub(super) async fn cut(&self, opened: &Opened, t: T) -> Result<Option<Head>, ConnError> {
        let head = opened.head.as_ref();
        if t == head.tip.t() {
            return Ok(Some(head.clone()));
        }
        let base = head.base.commit.map_or(T(0), |commit| commit.t);
        if t == T(0) || t < base {
            return Ok(None);
        }
        let keep = usize::try_from(t.0 - base.0).unwrap_or(usize::MAX);
        let mut cut = head.clone();
        cut.tail.truncate(keep);
        let (id, frame) = match cut.tail.last() {
            Some(last) => Frame::decode(last).map_err(|e| self.damaged(HEAD, e))?,
            // What the head does not say of its base, the frame does.
            None => self.frame(opened, t).await?,
        };
        cut.tip = tip_of(id, &frame);
        cut.block = frame.tx.entity().block();
        Ok(Some(cut))
    }

    /// The head before the first transaction.
    fn beginning(&self, from: &Opened) -> Result<Head, ConnError> {
        let mut schema = Schema::default();
        schema.flexibility = from.snapshot.schema.flexibility;
        let about = About { schema, ..About::default() };
        let about = about.encode().map_err(|e| self.damaged(HEAD, e))?;
        let mut head = Head::empty(from.head.database, self.host.random(), about);
        head.gc_generation = from.head.gc_generation;
        head.purge_generation = from.head.purge_generation;
        Ok(head)
    }

    /// The newest snapshot that `refs` keeps of the history of `from` at or before `t`.
    pub(super) async fn retained(
        &self,
        refs: &Refs,
        from: &Opened,
        t: T,
    ) -> Result<Option<Opened>, ConnError> {
        let at = |tag: &Tag| tag.commit.map_or(T(0), |commit| commit.t);
        let kept = refs.automatic.iter().chain(refs.tags.values());
        let mut kept: Vec<&Tag> = kept.filter(|tag| at(tag) > T(0) && at(tag) <= t).collect();
        kept.sort_by_key(|tag| std::cmp::Reverse(at(tag)));
        for tag in kept {
            if Some(self.entry(from, at(tag)).await?.id) != tag.commit {
                continue;
            }
            match self.open_tag(tag).await {
                // An erasure is under way, or stopped: the tag may have what is gone from here.
                Ok(opened) if opened.snapshot.purges != from.snapshot.purges => {}
                Ok(opened) => return Ok(Some(opened)),
                // It was forgotten, and collected, since `refs` was read.
                Err(ConnError::Store(e)) if e.kind == StoreErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Frames of the history of a head from `first` on, at most up to `last`: those of some log
    /// segments, fetched in one round.
    pub(super) async fn stretch(
        &self,
        from: &Opened,
        first: T,
        last: T,
    ) -> Result<Stretch, ConnError> {
        let names = self.segments(from, first, last)?;
        let mut stretch = Stretch::default();
        let read = self.read_segments(&names).await?;
        for ((name, upto), bytes) in names.into_iter().zip(read) {
            stretch.add(self, name, &bytes, first, upto)?;
        }
        if stretch.frames.first().map(|frame| frame.id.t) != Some(first) {
            return Err(ConnError::NoCommit(first.to_string()));
        }
        Ok(stretch)
    }
}

/// The tip of a head that ends with a frame.
pub(super) fn tip_of(id: crate::id::CommitId, frame: &Frame) -> Tip {
    Tip {
        commit: Some(id),
        parents: frame.parents.clone(),
        tx: frame.tx,
        instant_ms: Some(frame.instant_ms),
        next_entity: frame.next_entity,
    }
}

impl Replay {
    /// The head that the replay came to.
    fn finish(self) -> Result<Past, ConnError> {
        let (place, mut opened, mut head) = (self.place, self.opened, self.head);
        let snapshot = &mut opened.snapshot;
        let layers = std::mem::take(&mut snapshot.layers);
        let stacked = layers.into_iter().reduce(|below, above| below.stack(&above).into());
        opened.novelty = stacked.unwrap_or_default();
        let about =
            About { schema: snapshot.schema.clone(), counts: snapshot.counts.as_ref().clone() };
        opened.about = about.into();
        let written = write_novelty(&mut head.base, &opened, place.host.as_ref());
        let objects: Objects = written.map_err(ConnError::TooLarge)?.into_iter().collect();
        Ok(Past { head, objects })
    }
}
