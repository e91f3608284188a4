//! Making a branch anew from its log: trees, novelty, schema and counts.
//!
//! **Invariant:** new objects under new names, then one swap of the head; commit, tail and log stay
//! as they are, byte for byte. The log is found by its segments, not by trees that may be damaged,
//! and believed only where the chain of ids leads from the head to the first commit. Memory: about
//! 100 bytes a commit, and [`CHUNK`] datoms.

use super::Step;
use crate::commit::{
    About, Base, FormatError, Frame, Garbage, Head, INLINE_BYTES, Novelty, ObjectRef, Segment,
    log_name, novelty_name,
};
use crate::conn::{
    ConnError, Inlined, LogPlace, PACK_BYTES, Place, commit_key, commit_of_row, commit_row,
    merge_order, pack_name,
};
use crate::datom::{Datom, Facts, Order};
use crate::db::Layer;
use crate::hash::NodeHash;
use crate::id::{AttrId, CommitId, T};
use crate::index::{Direction, Forest, PackId, PackWriter, RowScan, Shape};
use crate::schema::Schema;
use crate::store::{Expect, Fetch, RefRead, StoreError, Swap, Version};
use std::collections::{BTreeMap, BTreeSet};

/// How many datoms are merged into the trees at once.
const CHUNK: usize = 400_000;

/// Why a branch was not repaired. Nothing that anybody reads was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RepairError {
    /// It could not be read or written.
    #[error(transparent)]
    Conn(#[from] ConnError),
    /// The head itself is lost: only a clone has it.
    #[error("{object}: {reason}: a head cannot be made from the log; restore it from a clone")]
    Head {
        /// The head object.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Part of the log is lost: only a clone has it.
    #[error("the log has no commit {commit}: restore its segment from a clone")]
    Log {
        /// The newest commit that is not there.
        commit: CommitId,
    },
    /// Somebody committed meanwhile.
    #[error("{object}: the head moved meanwhile, and nothing was changed: try again")]
    Moved {
        /// The head object.
        object: String,
    },
}

impl From<StoreError> for RepairError {
    fn from(error: StoreError) -> Self {
        Self::Conn(error.into())
    }
}

/// A commit in the log.
struct Logged {
    segment: u128,
    index: usize,
    parent: Option<CommitId>,
    schema: Option<Vec<u8>>,
    /// Of several that hold it the one in use is taken; else one that is not known to be garbage;
    /// of those the one of which most was erased.
    trust: (u8, u64),
}

/// Makes the trees, novelty, schema and counts of a branch from its log.
pub async fn repair(
    place: &Place,
    branch: &str,
    watch: &mut (dyn FnMut(Step) + Send),
) -> Result<(), RepairError> {
    let refs = place.refs().await?;
    let none = || ConnError::NoBranch(branch.to_owned());
    let object = refs.branches.get(branch).ok_or_else(none)?.head.clone();
    let (head, version) = read_head(place, &object).await?;
    let chain = chain(place, &head, watch).await?;
    let mut schema = initial_schema(&head);
    let wrong =
        |e: FormatError| RepairError::Head { object: object.clone(), reason: e.to_string() };
    for changes in chain.iter().filter_map(|(_, logged)| logged.schema.as_ref()) {
        schema = schema.changed_by(changes).map_err(|e| wrong(e.into()))?;
    }
    let at_base = schema.clone();
    for frame in &head.tail {
        let (_, frame) = Frame::decode(frame).map_err(wrong)?;
        schema = frame.schema_after(&schema).map_err(|e| wrong(e.into()))?;
    }
    let mut next = head.next(place.host.random());
    next.base = Base { commit: head.base.commit, ..Base::default() };
    next.base.flushed = head.base.commit.map_or(T(0), |commit| commit.t);
    let mut rebuilt = Rebuilt { place, schema: &schema, base: next.base, counts: BTreeMap::new() };
    rebuilt.replay(&chain, watch).await?;
    let about = About { schema: at_base, counts: rebuilt.counts };
    next.base = rebuilt.base;
    write_about(place, &mut next.base, &about, &object).await?;
    swap(place, &object, version, &next).await
}

async fn read_head(place: &Place, object: &str) -> Result<(Head, Version), RepairError> {
    let lost = |reason: String| RepairError::Head { object: object.to_owned(), reason };
    match place.store.read_ref(object, None).await? {
        RefRead::Found { bytes, version } => {
            Ok((Head::decode(&bytes).map_err(|e| lost(e.to_string()))?, version))
        }
        _ => Err(lost("there is no such object".into())),
    }
}

/// The commits up to the base of a head, the first one first.
async fn chain(
    place: &Place,
    head: &Head,
    watch: &mut (dyn FnMut(Step) + Send),
) -> Result<Vec<(CommitId, Logged)>, RepairError> {
    let mut known: BTreeMap<CommitId, Logged> = BTreeMap::new();
    let (reached, garbage) = (reached(place, head).await?, garbage(place).await?);
    let listed = place.store.list("log/").await?;
    for (done, object) in listed.iter().enumerate() {
        let read = place.store.get(&Fetch { key: object.key.clone(), range: None }).await;
        // What cannot be read is missed below, if it is needed.
        let segment = read.ok().and_then(|bytes| Segment::decode(&bytes).ok());
        let name = object.key.strip_prefix("log/").and_then(|x| u128::from_str_radix(x, 16).ok());
        let Some((segment, name)) = segment.zip(name) else { continue };
        for (index, frame) in segment.frames.iter().enumerate() {
            if let Ok((id, frame)) = Frame::decode(frame) {
                let (parent, schema) = (frame.parents.first().copied(), frame.schema);
                let purged = frame.purged.map_or(0, |purged| purged.datoms);
                // What was erased does not come back from a segment that waits to be deleted, and
                // what will be deleted is not referred to.
                let is_garbage = garbage.contains(&object.key);
                let trust = match reached.contains(&name) {
                    true => (2, purged),
                    false => (u8::from(!is_garbage), purged),
                };
                if known.get(&id).is_none_or(|other| other.trust < trust) {
                    known.insert(id, Logged { segment: name, index, parent, schema, trust });
                }
            }
        }
        let total = Some(listed.len() as u64);
        watch(Step { name: "segments", done: done as u64 + 1, total, bytes: 0 });
    }
    let (mut chain, mut at) = (Vec::new(), head.base.commit);
    while let Some(commit) = at {
        let logged = known.remove(&commit).ok_or(RepairError::Log { commit })?;
        at = logged.parent;
        chain.push((commit, logged));
    }
    chain.reverse();
    Ok(chain)
}

/// The log segments that heads name, as far as they can be read.
async fn reached(place: &Place, head: &Head) -> Result<BTreeSet<u128>, RepairError> {
    let refs = place.refs().await?;
    let mut heads = vec![head.clone()];
    for branch in refs.branches.values() {
        heads.extend(read_head(place, &branch.head).await.ok().map(|(head, _)| head));
    }
    for tag in refs.snapshots() {
        let read = place.store.get(&Fetch { key: tag.snapshot.clone(), range: None }).await;
        heads.extend(read.ok().and_then(|bytes| Head::decode(&bytes).ok()));
    }
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for head in heads {
        names.extend(head.base.log.iter().map(|segment| segment.name));
        let Some(root) = head.base.commits.filter(|root| seen.insert(root.node.hash.0)) else {
            continue;
        };
        let mut rows = RowScan::new(Some(&root), &[], None, Direction::Forward);
        while let Ok(Some((_, row))) = rows.next(place.nodes.as_ref()) {
            names.extend(commit_of_row(T(0), &row).ok().map(|(_, place)| place.segment));
        }
    }
    Ok(names)
}

/// What is written down to be deleted.
async fn garbage(place: &Place) -> Result<BTreeSet<String>, RepairError> {
    let mut names = BTreeSet::new();
    for note in place.store.list("gc/").await? {
        let read = place.store.get(&Fetch { key: note.key, range: None }).await;
        let note = read.ok().and_then(|bytes| Garbage::decode(&bytes).ok());
        names.extend(note.into_iter().flat_map(|note| note.objects).map(|(name, _)| name));
    }
    Ok(names)
}

/// What no transaction says of the schema: how undeclared attributes are met.
fn initial_schema(head: &Head) -> Schema {
    let about = head.base.about.as_ref().and_then(|bytes| About::decode(bytes).ok());
    let mut schema = Schema::default();
    if let Some(about) = about {
        schema.flexibility = about.schema.flexibility;
    }
    schema
}

/// What is being made.
struct Rebuilt<'a> {
    place: &'a Place,
    /// The one at the tip: it says what is in AVET.
    schema: &'a Schema,
    base: Base,
    counts: BTreeMap<AttrId, u64>,
}

type CommitRow = (Vec<u8>, Option<Vec<u8>>);

impl Rebuilt<'_> {
    async fn replay(
        &mut self,
        chain: &[(CommitId, Logged)],
        watch: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), RepairError> {
        let (mut datoms, mut rows): (Vec<Datom>, Vec<CommitRow>) = (Vec::new(), Vec::new());
        let mut at_hand: Option<(u128, Segment)> = None;
        for (done, (id, logged)) in chain.iter().enumerate() {
            if at_hand.as_ref().is_none_or(|(name, _)| *name != logged.segment) {
                at_hand = Some((logged.segment, self.segment(logged.segment).await?));
            }
            let Some((_, segment)) = &at_hand else { continue };
            let lost = || RepairError::Log { commit: *id };
            let frame = segment.frames.get(logged.index).ok_or_else(lost)?;
            let range = segment.places().swap_remove(logged.index);
            let (_, frame) = Frame::decode(frame).map_err(|_| lost())?;
            let row = commit_row(*id, &frame, &LogPlace::new(logged.segment, range, &frame));
            rows.push((commit_key(id.t).to_vec(), Some(row)));
            for datom in frame.datoms() {
                let count = self.counts.entry(datom.a).or_default();
                *count = if datom.added { *count + 1 } else { count.saturating_sub(1) };
                datoms.push(datom);
            }
            if datoms.len() >= CHUNK || done + 1 == chain.len() {
                self.merge(&std::mem::take(&mut datoms), &std::mem::take(&mut rows)).await?;
            }
            let total = Some(chain.len() as u64);
            watch(Step { name: "repair", done: done as u64 + 1, total, bytes: 0 });
        }
        Ok(())
    }

    async fn segment(&self, name: u128) -> Result<Segment, RepairError> {
        let key = log_name(name);
        let bytes = self.place.store.get(&Fetch { key: key.clone(), range: None }).await?;
        let (url, wrong) = (self.place.store.url(), Segment::decode(&bytes));
        wrong.map_err(|reason| ConnError::Damaged { url, object: key, reason }.into())
    }

    /// Puts datoms, and the places of their commits, into the trees.
    async fn merge(&mut self, datoms: &[Datom], rows: &[CommitRow]) -> Result<(), RepairError> {
        let place = self.place;
        let layer = Layer::default().apply(datoms, self.schema, self.schema);
        let packs = {
            let packs = PackWriter::new(|| PackId(place.host.random()));
            let mut packs = packs.into_outlet(place, PACK_BYTES);
            let nodes = place.nodes.as_ref();
            let mut forest = Forest { nodes, packs: &mut packs, shape: Shape::default() };
            let (mut current, mut past) = (Vec::new(), Vec::new());
            for order in Order::ALL {
                let facts: &Facts = layer.facts(order);
                let merged = merge_order(&mut forest, &self.base, order, facts, self.schema).await;
                let (now, ended) = merged.map_err(ConnError::from)?;
                current.push(now);
                past.push(ended);
            }
            let commits = forest.put_rows(self.base.commits.as_ref(), rows).await;
            let commits = commits.map_err(ConnError::from)?;
            let before = self.base.clone();
            let mut inlined = Inlined::new(&before);
            for (order, tree) in current.into_iter().enumerate() {
                self.base.trees.current[order] = inlined.place(tree, &mut packs);
            }
            for (order, tree) in past.into_iter().enumerate() {
                self.base.trees.superseded[order] = inlined.place(tree, &mut packs);
            }
            self.base.commits = inlined.place(commits, &mut packs);
            self.base.inlined = inlined.nodes;
            packs.finish()
        };
        for (pack, bytes) in packs {
            place.store.put(&pack_name(pack), bytes).await?;
        }
        Ok(())
    }
}

/// Schema and counts: into the base if they are small, else into a novelty object without facts.
async fn write_about(
    place: &Place,
    base: &mut Base,
    about: &About,
    object: &str,
) -> Result<(), RepairError> {
    let wrong = |e: crate::codec::CodecError| RepairError::Head {
        object: object.to_owned(),
        reason: e.to_string(),
    };
    let about = about.encode().map_err(wrong)?;
    if about.len() <= INLINE_BYTES {
        base.about = Some(about);
        return Ok(());
    }
    let bytes = Novelty::encode(Some(&about), &Facts::default()).map_err(wrong)?;
    let name = place.host.random();
    let (hash, len) = (NodeHash::of(&bytes), bytes.len() as u64);
    base.novelty = Some(ObjectRef { name, hash, len, rows: 0 });
    Ok(place.store.put(&novelty_name(name), bytes).await?)
}

async fn swap(
    place: &Place,
    object: &str,
    version: Version,
    head: &Head,
) -> Result<(), RepairError> {
    let bytes = head.encode().map_err(ConnError::TooLarge)?;
    match place.store.cas_ref(object, Expect::Version(version), bytes).await? {
        Swap::Swapped(_) => return Ok(()),
        Swap::Lost | Swap::Unknown(_) => {}
    }
    let (now, _) = read_head(place, object).await?;
    match now.nonce == head.nonce {
        true => Ok(()),
        false => Err(RepairError::Moved { object: object.to_owned() }),
    }
}
