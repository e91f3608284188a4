//! Long values: stored once as nodes of their own, and fetched where somebody reads them.
//!
//! **Invariant:** what is written to a leaf has no long value in it, and what is read through
//! [`whole`] has no reference. All references of one call are fetched in one round, each node once.
//! A reference that is in a leaf keeps its place, whatever happens to the leaf, until its pack is
//! given up ([`super::repack`]).

use super::descend::{Bounds, descend};
use super::node::Node;
use super::pack::PackWriter;
use super::{NodeRef, Nodes, NodesError, PackId, Root, TreeError};
use crate::datom::{Facts, FactsBuilder, Order, RowKey, Slice};
use crate::hash::NodeHash;
use crate::value::{Blob, Place, Tag, ValRef, form_of, moved};
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

/// How many bytes of long values a piece of facts gets, but for one value.
pub const PIECE_BYTES: u64 = 16 << 20;

impl From<Place> for NodeRef {
    fn from(place: Place) -> Self {
        let Place { hash, pack, offset, len } = place;
        Self { hash, pack: PackId(pack), offset, len }
    }
}

impl From<NodeRef> for Place {
    fn from(node: NodeRef) -> Self {
        let NodeRef { hash, pack, offset, len } = node;
        Self { hash, pack: pack.0, offset, len }
    }
}

/// The references in some rows.
pub fn blobs(facts: &Facts, rows: Range<usize>) -> impl Iterator<Item = (usize, Blob<'_>)> {
    rows.filter(|row| facts.values().tag(*row).is_blob()).filter_map(|row| match facts.v(row) {
        ValRef::Blob(blob) => Some((row, blob)),
        _ => None,
    })
}

/// How many references some rows have.
pub(super) fn count(facts: &Facts, rows: Range<usize>) -> u64 {
    blobs(facts, rows).count() as u64
}

/// The facts with references in the place of long values, which are written to the packs; each
/// once, however many facts of one writer have it.
pub(super) fn detach<'f>(
    facts: &'f Facts,
    packs: &mut PackWriter<'_>,
) -> Result<Cow<'f, Facts>, TreeError> {
    if !facts.values().has_long() {
        return Ok(Cow::Borrowed(facts));
    }
    let form = |tag: Tag, bytes: &[u8], packs: &mut PackWriter<'_>| {
        let digest = NodeHash::of(bytes);
        let node = match packs.blob(&digest) {
            Some(node) => node,
            None => {
                let stored = Node::Blob(Bytes::copy_from_slice(bytes)).encode()?;
                packs.push_blob(digest, &stored)
            }
        };
        Ok::<_, TreeError>(tag.blob().zip(form_of(bytes, digest, node.into())))
    };
    replace(facts, |v| match v.long_bytes() {
        Some(bytes) => form(v.tag(), bytes, packs),
        None => Ok(None),
    })
    .map(Cow::Owned)
}

/// Notes where the long values of facts to be added are already: in a tree, under the same
/// attribute with the same value, or beside where they go. They are not written again, then. Not
/// all that is there is found; what is found is reached by the trees, so it may be referred to.
/// Places in `without` are not taken. Cost: a descent, where there are long values.
pub fn learn(
    nodes: &dyn Nodes,
    (root, order): (Option<&Root>, Order),
    facts: &Facts,
    packs: &mut PackWriter<'_>,
    without: &BTreeSet<PackId>,
) -> Result<(), NodesError> {
    let Some(root) = root.filter(|_| facts.values().has_long()) else { return Ok(()) };
    let (mut wanted, mut bounds) = (HashSet::new(), Vec::new());
    for row in 0..facts.len() {
        let Some(bytes) = facts.v(row).long_bytes() else { continue };
        let digest = NodeHash::of(bytes);
        // By value, all facts of one value are at one place.
        if packs.blob(&digest).is_none() && (wanted.insert(digest) || order != Order::Avet) {
            let mut key = Vec::new();
            facts.key(row).encode(order, &mut key);
            let shared = key.len() - 16;
            bounds.push(Bounds::prefix(if order == Order::Avet { &key[..shared] } else { &key }));
        }
    }
    for (_, name, leaf) in descend(nodes, root, &bounds)? {
        let facts = leaf.leaf(&name)?;
        for (_, blob) in blobs(facts, 0..facts.len()) {
            let node = NodeRef::from(blob.place());
            if wanted.contains(&blob.digest()) && !without.contains(&node.pack) {
                packs.know_blob(blob.digest(), node);
            }
        }
    }
    Ok(())
}

/// The facts with some references replaced: `to` gives the new tag and heap form.
pub(super) fn replace<E>(
    facts: &Facts,
    mut to: impl FnMut(ValRef<'_>) -> Result<Option<(Tag, Vec<u8>)>, E>,
) -> Result<Facts, E> {
    let (mut out, mut kept) = (FactsBuilder::with_capacity(facts.len()), 0);
    for row in 0..facts.len() {
        let Some((tag, form)) = to(facts.v(row))? else { continue };
        let Some(blob) = Blob::of_form(tag, &form) else { continue };
        out.push_rows(facts, kept..row);
        kept = row + 1;
        push(&mut out, facts, row, ValRef::Blob(blob));
    }
    out.push_rows(facts, kept..facts.len());
    Ok(out.finish())
}

/// The facts with references to where their values are now, as far as that is told.
pub fn relocated(facts: &Facts, places: &HashMap<NodeHash, NodeRef>) -> Facts {
    let moved = replace(facts, |v| match v {
        ValRef::Blob(blob) => {
            let node = places.get(&blob.digest());
            Ok::<_, Infallible>(node.map(|node| to_place(blob, *node)))
        }
        _ => Ok(None),
    });
    moved.unwrap_or_else(|never| match never {})
}

/// A row with another value.
fn push(out: &mut FactsBuilder, facts: &Facts, row: usize, v: ValRef<'_>) {
    let key = RowKey { v, ..facts.key(row) };
    if facts.added(row) { out.push(key, facts.end(row)) } else { out.push_retraction(key) }
}

/// The same reference to where its node is now.
pub(super) fn to_place(blob: Blob<'_>, node: NodeRef) -> (Tag, Vec<u8>) {
    (blob.tag(), moved(blob, node.into()))
}

/// The first rows of a slice whose long values are of a size that is good to hold, beside `held`
/// bytes of others: all of them where there are none.
pub fn piece(slice: &Slice, held: u64) -> Range<usize> {
    let mut bytes = held;
    for (row, blob) in blobs(&slice.facts, slice.rows.clone()) {
        let with = bytes.saturating_add(blob.value_bytes());
        if bytes > 0 && with > PIECE_BYTES {
            return slice.rows.start..row;
        }
        bytes = with;
    }
    slice.rows.clone()
}

/// How many bytes of long values some rows refer to.
pub fn long_bytes(slice: &Slice) -> u64 {
    let rows = blobs(&slice.facts, slice.rows.clone());
    rows.fold(0, |bytes, (_, blob)| bytes.saturating_add(blob.value_bytes()))
}

/// Whether some rows refer to long values.
pub fn has_blobs(slice: &Slice) -> bool {
    slice.facts.values().has_blobs(slice.rows.clone())
}

/// The slices with whole values, cut where they would be too large. All that is missing is fetched
/// in one round. What has no references is not copied.
pub fn whole(nodes: &dyn Nodes, slices: Vec<Vec<Slice>>) -> Result<Vec<Vec<Slice>>, NodesError> {
    let mut wanted: Vec<NodeRef> = Vec::new();
    for slice in slices.iter().flatten().filter(|slice| has_blobs(slice)) {
        wanted.extend(
            blobs(&slice.facts, slice.rows.clone()).map(|(_, blob)| NodeRef::from(blob.place())),
        );
    }
    if wanted.is_empty() {
        return Ok(slices);
    }
    wanted.sort_by_key(|node| node.hash);
    wanted.dedup_by_key(|node| node.hash);
    let read = nodes.get(&wanted)?;
    let read: HashMap<NodeHash, Arc<Node>> =
        wanted.iter().map(|node| node.hash).zip(read).collect();
    let group = |group: Vec<Slice>| {
        let mut out = Vec::with_capacity(group.len());
        for mut slice in group {
            if !has_blobs(&slice) {
                out.push(slice);
                continue;
            }
            while !slice.is_empty() {
                let rows = piece(&slice, 0);
                slice.rows.start = rows.end;
                out.push(Slice::all(Arc::new(filled(&slice.facts, rows, &read)?)));
            }
        }
        Ok(out)
    };
    slices.into_iter().map(group).collect()
}

fn filled(
    facts: &Facts,
    rows: Range<usize>,
    read: &HashMap<NodeHash, Arc<Node>>,
) -> Result<Facts, NodesError> {
    let (mut out, mut kept) = (FactsBuilder::with_capacity(rows.len()), rows.start);
    for (row, blob) in blobs(facts, rows.clone()) {
        let name = NodeRef::from(blob.place());
        let node = read.get(&name.hash).ok_or_else(|| NodesError::corrupt(&name, "not given"))?;
        let v = value(blob, node.blob(&name)?, &name)?;
        out.push_rows(facts, kept..row);
        kept = row + 1;
        push(&mut out, facts, row, v);
    }
    out.push_rows(facts, kept..rows.end);
    Ok(out.finish())
}

/// The value that a reference is to. Its hash was compared when the node was read.
fn value<'b>(blob: Blob<'_>, bytes: &'b [u8], name: &NodeRef) -> Result<ValRef<'b>, NodesError> {
    let text = || std::str::from_utf8(bytes).ok();
    let value = match blob.tag() {
        Tag::StrBlob => text().map(ValRef::Str),
        Tag::UriBlob => text().map(ValRef::Uri),
        _ => Some(ValRef::Bytes(bytes)),
    };
    let value = value.filter(|_| blob.is_like(bytes));
    value.ok_or_else(|| NodesError::corrupt(name, "not the value that a fact refers to"))
}
