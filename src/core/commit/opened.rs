//! From a head to a database: the base, and each frame of the tail on top.
//!
//! **Invariant:** every frame is checked to follow the one before it, and the last one to be the
//! tip. A base that was opened before is not read again, and frames that were decoded before are
//! not decoded again.

use super::head::Head;
use super::{About, FormatError, Frame, Novelty};
use crate::datom::Datom;
use crate::db::{Layer, Snapshot, comes_into_avet};
use crate::id::{AttrId, CommitId};
use crate::index::{NodeRef, Nodes};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A head with all that is in no tree decoded. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The head.
    pub head: Arc<Head>,
    /// Schema and counts at the base.
    pub about: Arc<About>,
    /// The facts of the novelty object.
    pub novelty: Arc<Layer>,
    /// The database at the tip: its layers are the novelty and the tail.
    pub snapshot: Snapshot,
}

impl Opened {
    /// Opens a head with the answers to [`Head::prefetch`]: the novelty (see
    /// [`Novelty::decode_as`]), and the ranges after it.
    pub fn new(
        head: Head,
        novelty: Novelty,
        ranges: &[Bytes],
        nodes: Arc<dyn Nodes>,
    ) -> Result<Self, FormatError> {
        let about = head.base.about.as_ref().or(novelty.about.as_ref());
        let about = match about {
            Some(bytes) => About::decode(bytes)?,
            None => About::default(),
        };
        nodes.offer(&root_nodes(&head, ranges));
        let novelty = Arc::new(Layer::new(novelty.facts, &about.schema));
        Self::on_base(head, Arc::new(about), novelty, nodes)
    }

    /// Opens a later head of the same branch; `None` if its base is another one and must be
    /// fetched.
    pub fn follow(&self, head: Head) -> Option<Result<Self, FormatError>> {
        if head.base != self.head.base {
            return None;
        }
        let nodes = self.snapshot.nodes.clone();
        let known = self.head.tail.len();
        if !head.tail.starts_with(&self.head.tail) {
            return Some(Self::on_base(head, self.about.clone(), self.novelty.clone(), nodes));
        }
        let mut next = self.clone();
        next.head = Arc::new(head);
        Some(next.append(known).map(|()| next))
    }

    /// Opens a head whose base was opened before.
    pub fn on_base(
        head: Head,
        about: Arc<About>,
        novelty: Arc<Layer>,
        nodes: Arc<dyn Nodes>,
    ) -> Result<Self, FormatError> {
        let mut snapshot = Snapshot::empty(head.database, nodes, about.schema.clone());
        snapshot.commit = head.base.commit;
        (snapshot.trees, snapshot.flushed) = (head.base.trees.clone(), head.base.flushed);
        snapshot.layers = vec![novelty.clone(), Arc::default()];
        snapshot.counts = Arc::new(about.counts.clone());
        let mut opened = Self { head: Arc::new(head), about, novelty, snapshot };
        opened.append(0)?;
        Ok(opened)
    }

    /// Applies the frames of the tail from `known` on, and the tip.
    fn append(&mut self, known: usize) -> Result<(), FormatError> {
        let head = self.head.clone();
        let (mut commit, mut schema) = (self.snapshot.commit, self.snapshot.schema.clone());
        let mut datoms: Vec<Datom> = Vec::new();
        for bytes in &head.tail[known..] {
            let (id, frame) = Frame::decode(bytes)?;
            frame.follows(id, commit)?;
            schema = frame.schema_after(&schema)?;
            datoms.extend(frame.datoms());
            commit = Some(id);
        }
        check_tip(&head, commit)?;
        let snapshot = &mut self.snapshot;
        if let Some(tail) = snapshot.layers.pop() {
            let applied = tail.apply(&datoms, &schema, &snapshot.schema);
            // An attribute that is new in AVET has facts in what is below, too.
            if comes_into_avet(&schema, &snapshot.schema) {
                for layer in &mut snapshot.layers {
                    *layer = Arc::new(layer.indexed(&schema));
                }
            }
            snapshot.layers.push(Arc::new(applied));
        }
        snapshot.counts = Arc::new(count(&snapshot.counts, &datoms));
        (snapshot.commit, snapshot.schema) = (commit, schema);
        (snapshot.basis, snapshot.instant_ms) = (head.tip.tx, head.tip.instant_ms);
        (snapshot.block, snapshot.next_entity) = (head.block, head.tip.next_entity);
        snapshot.purges = head.purge_generation;
        Ok(())
    }
}

fn check_tip(head: &Head, commit: Option<CommitId>) -> Result<(), FormatError> {
    if head.tip.commit == commit {
        return Ok(());
    }
    let name = |c: Option<CommitId>| c.map_or("the empty database".to_owned(), |c| c.to_string());
    Err(FormatError::Chain { found: name(head.tip.commit), expected: name(commit) })
}

/// Counts after datoms.
pub(crate) fn count(before: &BTreeMap<AttrId, u64>, datoms: &[Datom]) -> BTreeMap<AttrId, u64> {
    let mut counts = before.clone();
    for datom in datoms {
        let count = counts.entry(datom.a).or_default();
        *count = if datom.added { *count + 1 } else { count.saturating_sub(1) };
    }
    counts
}

/// Root nodes whose bytes are at hand: inlined, or in the ranges that were fetched.
fn root_nodes(head: &Head, fetched: &[Bytes]) -> Vec<(NodeRef, Bytes)> {
    let mut nodes = head.base.inlined.clone();
    for ((fetch, inside), bytes) in head.root_ranges().into_iter().zip(fetched) {
        let start = fetch.range.map_or(0, |range| range.start);
        for node in inside {
            let from = (node.offset - start) as usize;
            if let Some(to) = from.checked_add(node.len as usize).filter(|to| *to <= bytes.len()) {
                nodes.push((node, bytes.slice(from..to)));
            }
        }
    }
    nodes
}
