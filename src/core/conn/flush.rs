//! Flush: the novelty becomes part of the trees.
//!
//! **Invariant:** a flush is made from one head: "roots R and novelty up to t0 become roots R'". It
//! applies to any later head that still has R, the same collection generation and the same
//! attributes in AVET; what came after t0 stays novelty. No transaction is part of it; of two
//! flushes at once one wins, and what the other wrote is referred to by nothing. Packs are written
//! as they fill: memory follows the novelty, not what a flush writes.

use super::build::{Objects, write_novelty};
use super::commits::{self, LogPlace};
use super::flushing::Running;
use super::settle::{Attempt, Settled};
use super::{Conn, ConnError, Flush, Place, Seen, rules};
use crate::commit::{
    Base, Frame, Head, INLINE_BYTES, INLINE_TOTAL_BYTES, Novelty, Opened, Refs, SegmentRef, Tag,
};
use crate::datom::{Datom, Facts, FactsBuilder, Order, RowKey};
use crate::db::{Layer, Trees};
use crate::id::{AttrId, T, Tx};
use crate::index::{
    self, Changes, Forest, NodeRef, Outlet, PackId, PackWriter, Root, Shape, Tree, TreeError,
};
use crate::schema::Schema;
use crate::store::{BoxFuture, Expect, StoreError, Swap};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often a flush is made anew because a collection came between.
const TRIES: u32 = 5;
/// Bytes of novelty from which a flush is due: each spill writes all of them again.
const NOVELTY_BYTES: u64 = 512 << 10;
/// The same, unpacked: whoever opens the database holds them in memory.
const NOVELTY_RAW_BYTES: u64 = 16 << 20;
/// Log segments from which a flush is due: the head has some fifty bytes for each.
const SEGMENTS: u64 = 128;

/// About how large packs are; small in tests, so that one flush writes several.
pub(crate) const PACK_BYTES: usize = if cfg!(test) { 2 << 10 } else { 8 << 20 };

/// The name of a pack.
pub(crate) fn pack_name(pack: PackId) -> String {
    format!("pack/{:032x}", pack.0)
}

/// Trees with the novelty in them.
pub(super) struct Flushed {
    pub(super) trees: Trees,
    pub(super) commits: Option<Root>,
    pub(super) inlined: Vec<(NodeRef, Bytes)>,
    /// The last packs, to be written: those before are.
    pub(super) packs: Objects,
}

impl Flushed {
    /// Trees that get their places: those of current facts, of superseded ones, and COMMITS.
    pub(super) fn new(base: &Base, trees: Vec<Option<Tree>>, mut packs: PackWriter<'_>) -> Self {
        let mut inlined = Inlined::new(base);
        let place = |tree: Option<Tree>| tree.and_then(|tree| inlined.place(tree, &mut packs));
        let mut roots: Vec<Option<Root>> = trees.into_iter().map(place).collect();
        let commits = roots.pop().flatten();
        let mut trees = Trees::default();
        let targets = trees.current.iter_mut().chain(&mut trees.superseded);
        targets.zip(roots).for_each(|(target, root)| *target = root);
        let packs = packs.finish().into_iter();
        let packs = packs.map(|(pack, bytes)| (pack_name(pack), bytes)).collect();
        Self { trees, commits, inlined: inlined.nodes, packs }
    }
}

impl Conn {
    /// Whether the novelty is over a limit: of its rows, its bytes, or the log segments that the
    /// head has to list.
    pub fn needs_flush(&self) -> bool {
        self.is_full(1)
    }

    /// Whether the novelty is so large that transactions wait for a flush.
    pub fn is_flush_late(&self) -> bool {
        self.is_full(2)
    }

    fn is_full(&self, factor: u64) -> bool {
        let opened = self.seen().opened;
        let base = &opened.head.base;
        let raw = opened.novelty.facts(Order::Eavt).size_bytes() as u64;
        let (rows, len) = base.novelty.map_or((0, 0), |novelty| (novelty.rows, novelty.len));
        rows >= self.inner.options.novelty_rows.saturating_mul(factor)
            || len >= NOVELTY_BYTES * factor
            || raw >= NOVELTY_RAW_BYTES * factor
            || base.log.len() as u64 >= SEGMENTS * factor
    }

    /// Moves the novelty into the trees, and keeps that head as an automatic tag; `false` if there
    /// is none, or if another flush was faster. Transactions go on meanwhile. Merging runs on the
    /// calling thread.
    pub async fn flush(&self) -> Result<bool, ConnError> {
        let Some(running) = self.inner.flushing.begin() else { return Ok(false) };
        for _ in 0..TRIES {
            let seen = self.newest().await?;
            let (head, from) = (&seen.opened.head, &seen.opened);
            if head.closed || head.base.commit.is_none_or(|c| c.t <= head.base.flushed) {
                return Ok(false);
            }
            let flushed = self.flush_from(from, Some(&running)).await;
            if let Ok(true) = flushed {
                return match self.tag_automatically().await {
                    // Without one nothing is lost: to go back there costs more.
                    Ok(()) | Err(ConnError::Collected | ConnError::Contended { .. }) => Ok(true),
                    Err(error) => Err(error),
                };
            }
            // A collection came between: what was written must be written anew.
            let collected = self.newest().await?.opened.head.gc_generation > head.gc_generation;
            if !collected {
                return flushed;
            }
        }
        Ok(false)
    }

    /// Keeps the newest head for its age, as an automatic tag.
    async fn tag_automatically(&self) -> Result<(), ConnError> {
        let list = |refs: &mut Refs, tag: &Tag| {
            if !refs.automatic.contains(tag) {
                refs.automatic.push(tag.clone());
            }
            Ok(())
        };
        let mut opened = self.opened();
        for _ in 0..TRIES {
            let t = opened.head.tip.t();
            match self.inner.place.list_snapshot(&opened, t, list).await {
                Err(ConnError::Collected) => opened = self.newest().await?.opened,
                done => return done,
            }
        }
        Err(ConnError::Collected)
    }

    /// A flush made from a head that may be an old one.
    pub(super) async fn flush_from(
        &self,
        from: &Opened,
        running: Option<&Running<'_>>,
    ) -> Result<bool, ConnError> {
        let (place, base) = (&self.inner.place, &from.head.base);
        let rows = place.commit_rows(&base.log).await?;
        // The layer as the newest schema has it: an attribute may have come into AVET since.
        let novelty = from.snapshot.layers.first().cloned().unwrap_or_default();
        let sparse = from.head.sparse.iter().copied().collect();
        let flushed = place.merge(base, &novelty, &from.snapshot.schema, &rows, &sparse).await?;
        place.put_all(&flushed.packs).await?;
        place.nodes.offer(&flushed.inlined);
        let _swapping = running.map(Running::swap);
        self.swap_trees(from, &flushed).await
    }

    /// A flush where one is due. What was committed is acknowledged: what goes wrong here is kept
    /// for [`Conn::flush_error`].
    pub async fn flush_due(&self) {
        if self.needs_flush() {
            self.flush_noted().await;
        }
    }

    /// Waits for a flush, or makes it, where novelty is twice as much as it should be.
    pub(super) async fn hold_back(&self) {
        if self.inner.options.flush == Flush::Asked || !self.is_flush_late() {
            return;
        }
        self.inner.flushing.ended().await;
        if self.is_flush_late() {
            self.flush_noted().await;
        }
    }

    async fn flush_noted(&self) {
        let error = self.flush().await.err();
        *self.inner.flush_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = error;
    }

    /// Why the last flush that a commit began did not work, if so. The next commit over the limit
    /// tries again.
    pub fn flush_error(&self) -> Option<ConnError> {
        self.inner.flush_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Swaps the trees of the newest head, as long as it is one they apply to.
    async fn swap_trees(&self, from: &Opened, flushed: &Flushed) -> Result<bool, ConnError> {
        let (place, name) = (&self.inner.place, &self.inner.head);
        let until = self.now_ms() + self.inner.options.limit_ms as i64;
        let mut losses = 0;
        loop {
            losses = self.take_turn(losses).await;
            let seen = self.newest().await?;
            if seen.opened.head.base.trees == flushed.trees {
                return Ok(true);
            }
            if !applies(from, &seen.opened) {
                return Ok(false);
            }
            let (opened, bytes, objects) = self.with_trees(from, &seen, flushed).await?;
            self.put_all(&objects).await?;
            let nonce = opened.head.nonce;
            let expect = Expect::Version(seen.version.clone());
            self.note_swap();
            let why = match place.store.cas_ref(name, expect, bytes).await? {
                Swap::Swapped(version) => {
                    self.remember(&Seen { opened, version });
                    return Ok(true);
                }
                Swap::Lost => String::new(),
                Swap::Unknown(error) => error.to_string(),
            };
            let attempt = Attempt { replaces: &seen.opened.head, nonce, commit: None, why };
            match self.settle(attempt).await {
                Settled::Happened(_) => return Ok(true),
                Settled::Moved | Settled::Unknown(_) if self.now_ms() < until => {}
                Settled::Moved | Settled::Unknown(_) => return Ok(false),
            }
            self.note_passed(&seen.opened.head);
            losses += 1;
        }
    }

    /// The head with the new trees, and the novelty object for what they have not.
    async fn with_trees(
        &self,
        from: &Opened,
        seen: &Seen,
        flushed: &Flushed,
    ) -> Result<(Opened, Bytes, Objects), ConnError> {
        let (place, now) = (&self.inner.place, &seen.opened);
        let t0 = from.head.base.commit.map_or(T(0), |commit| commit.t);
        let mut head: Head = now.head.next(self.nonce());
        head.sparse.retain(|pack| !from.head.sparse.contains(pack));
        let base = &mut head.base;
        base.log.retain(|segment| segment.first > t0);
        let mut datoms: Vec<Datom> = Vec::new();
        for named in &base.log {
            let segment = place.segment(named).await?;
            let key = crate::commit::log_name(named.name);
            for frame in &segment.frames {
                let (id, frame) = Frame::decode(frame).map_err(|e| place.damaged(&key, e))?;
                if id.t <= named.last {
                    datoms.extend(frame.datoms());
                }
            }
        }
        let schema = &now.about.schema;
        let novelty = Arc::new(Layer::default().apply(&datoms, schema, schema));
        (base.trees, base.commits) = (flushed.trees.clone(), flushed.commits.clone());
        (base.flushed, base.inlined) = (t0, flushed.inlined.clone());
        let rest = Opened { novelty: novelty.clone(), ..now.clone() };
        let written = write_novelty(base, &rest, place.host.as_ref());
        let objects: Objects = written.map_err(ConnError::TooLarge)?.into_iter().collect();
        let bytes = head.encode().map_err(ConnError::TooLarge)?;
        let about = now.about.encode().map_err(|e| ConnError::TooLarge(e.into()))?;
        let facts = novelty.facts(Order::Eavt).as_ref().clone();
        let object = Novelty { about: Some(about), facts };
        let opened = Opened::new(head, object, &[], place.nodes.clone());
        Ok((opened.map_err(|e| place.damaged(&self.inner.head, e))?, bytes, objects))
    }
}

impl Place {
    /// The rows of COMMITS for log segments.
    pub(super) async fn commit_rows(
        &self,
        log: &[SegmentRef],
    ) -> Result<Vec<(Vec<u8>, Option<Vec<u8>>)>, ConnError> {
        let mut rows = Vec::new();
        for named in log {
            let segment = self.segment(named).await?;
            let key = crate::commit::log_name(named.name);
            for (frame, range) in segment.frames.iter().zip(segment.places()) {
                let decoded = Frame::decode_bare(frame);
                let (id, frame) = decoded.map_err(|e| self.damaged(&key, e))?;
                // The rest of a segment belongs to the branch that this one was made from.
                if id.t > named.last {
                    break;
                }
                let place = LogPlace::new(named.name, range, &frame);
                rows.push((commits::key(id.t).to_vec(), Some(commits::value(id, &frame, &place))));
            }
        }
        Ok(rows)
    }

    /// The trees of a base with what is in none of them; rows of COMMITS for it. What they have in
    /// sparse packs is written again.
    pub(super) async fn merge(
        &self,
        base: &Base,
        novelty: &Layer,
        schema: &Schema,
        rows: &[(Vec<u8>, Option<Vec<u8>>)],
        sparse: &BTreeSet<PackId>,
    ) -> Result<Flushed, ConnError> {
        let mut packs =
            PackWriter::new(|| PackId(self.host.random())).into_outlet(self, PACK_BYTES);
        let nodes = self.nodes.as_ref();
        for order in [Order::Avet, Order::Aevt] {
            let root = base.trees.current[order as usize].as_ref();
            index::learn(nodes, (root, order), novelty.facts(order), &mut packs, sparse)?;
        }
        let mut forest = Forest { nodes, packs: &mut packs, shape: Shape::default() };
        let (mut current, mut superseded) = (Vec::new(), Vec::new());
        for order in Order::ALL {
            let facts = novelty.facts(order);
            let (now, past) = merge_order(&mut forest, base, order, facts, schema).await?;
            current.push(now);
            superseded.push(past);
        }
        let commits = forest.put_rows(base.commits.as_ref(), rows).await?;
        let mut trees = Vec::new();
        for tree in current.into_iter().chain(superseded).chain([commits]) {
            let tree = forest.repack(tree, sparse).await?;
            trees.push(Some(forest.lift(tree)?));
        }
        Ok(Flushed::new(base, trees, packs))
    }
}

impl Outlet for Place {
    fn put(&self, packs: Vec<(PackId, Bytes)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let named = packs.into_iter().map(|(pack, bytes)| (pack_name(pack), bytes));
            self.put_all(&named.collect::<Objects>()).await
        })
    }
}

/// Whether trees made from one head can replace those of another.
fn applies(from: &Opened, now: &Opened) -> bool {
    let indexed = |schema: &Schema| -> Vec<AttrId> {
        schema.attributes().filter(|a| a.in_avet()).map(|a| a.id).collect()
    };
    let (old, new) = (&from.head, &now.head);
    !new.closed
        && (new.base.trees == old.base.trees && new.base.flushed == old.base.flushed
            || !rules().same_trees)
        && (new.gc_generation == old.gc_generation || !rules().same_generation)
        && indexed(&from.snapshot.schema) == indexed(&now.snapshot.schema)
}

/// The two trees of one order with the novelty in them.
pub(crate) async fn merge_order(
    forest: &mut Forest<'_, '_>,
    base: &Base,
    order: Order,
    novelty: &Facts,
    schema: &Schema,
) -> Result<(Tree, Tree), TreeError> {
    let (mut add, mut remove) = (FactsBuilder::default(), FactsBuilder::default());
    let mut past = FactsBuilder::default();
    let keeps = |a: AttrId, end: Tx| schema.get(a).is_none_or(|a| end.t() > a.forgotten_to());
    let mut ends: Vec<Tx> = Vec::new();
    // Mostly nothing has ended: all of it is added, as it is.
    let ends_none = !novelty.has_ends();
    for row in if ends_none { 0..0 } else { 0..novelty.len() } {
        match (novelty.tx(row), novelty.end(row)) {
            (Tx(0), Some(end)) => {
                remove.push(novelty.key(row), None);
                ends.push(end);
            }
            (_, Some(end)) if keeps(novelty.a(row), end) => past.push_row(novelty, row),
            (_, Some(_)) => {}
            (_, None) => add.push(novelty.key(row), None),
        }
    }
    let (add, remove) = (add.finish(), remove.finish());
    let changes = Changes { add: if ends_none { novelty } else { &add }, remove: &remove };
    let mut removed = |key: RowKey<'_>, row: usize| {
        let end = ends.get(row).copied();
        if end.is_some_and(|end| keeps(key.a, end)) {
            past.push(key, end);
        }
    };
    let root = |roots: &[Option<Root>; 3]| roots[order as usize].clone();
    let root_now = root(&base.trees.current);
    let current = forest.merge(root_now.as_ref(), order, changes, &mut removed).await?;
    let (past, none) = (past.finish().sorted(order), Facts::default());
    let changes = Changes { add: &past, remove: &none };
    let root_past = root(&base.trees.superseded);
    let superseded = forest.merge(root_past.as_ref(), order, changes, &mut |_, _| ()).await?;
    Ok((current, superseded))
}

/// Gives roots their places, and keeps the small ones for the head.
pub(crate) struct Inlined<'a> {
    before: &'a [(NodeRef, Bytes)],
    pub(crate) nodes: Vec<(NodeRef, Bytes)>,
    total: usize,
}

impl<'a> Inlined<'a> {
    pub(crate) fn new(base: &'a Base) -> Self {
        Self { before: &base.inlined, nodes: Vec::new(), total: 0 }
    }

    pub(crate) fn place(&mut self, tree: Tree, packs: &mut PackWriter<'_>) -> Option<Root> {
        let fresh = tree.root_bytes().map(Bytes::copy_from_slice);
        let root = tree.place(packs)?;
        let kept = || self.before.iter().find(|(n, _)| *n == root.node).map(|(_, b)| b.clone());
        if let Some(bytes) = fresh.or_else(kept)
            && bytes.len() <= INLINE_BYTES
            && self.total + bytes.len() <= INLINE_TOTAL_BYTES
        {
            self.total += bytes.len();
            self.nodes.push((root.node, bytes));
        }
        Some(root)
    }
}
