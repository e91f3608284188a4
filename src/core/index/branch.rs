//! Branch nodes: the children of one node, what separates them, and what they hold.
//!
//! Layout of the body (*numbers*, *strings*: columns of the codec):
//!
//! | | |
//! |---|---|
//! | height | 1 byte, at least 1: children are leaves |
//! | children | varint, at least 1 |
//! | packs | varint, then 16 bytes little endian each: the packs of the children, by first use |
//! | pack, offset, length | numbers: index into the packs, place in the pack, stored bytes |
//! | count | numbers: facts (or rows) below |
//! | long | numbers: those of the facts below whose values are long |
//! | first t, t span | numbers: the first transaction of the facts below, and the last less it |
//! | hashes | 32 bytes each |
//! | separators | strings: the first empty; each next after the keys before, not after its own |
//!
//! **Invariant:** separators ascend strictly, and a child's keys lie between its separator and the
//! next.

use super::descend::Bounds;
use super::keys::Keys;
use super::{NodeRef, PackId};
use crate::codec::{CodecError, Reader, Writer, words};
use crate::hash::NodeHash;
use crate::id::T;
use std::ops::Range;

/// What a branch node knows of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Where it is.
    pub node: NodeRef,
    /// Facts, or rows, below.
    pub count: u64,
    /// Those of them that refer to long values: who looks for those passes by the others.
    pub long: u64,
    /// The first and the last transaction that added one of the facts below; zeros where it holds
    /// rows.
    pub span: (T, T),
}

/// A branch node.
#[derive(Clone, Debug)]
pub struct Branch {
    height: u8,
    separators: Keys,
    children: Vec<Child>,
}

impl Branch {
    /// Of children with the separators before them; the first separator is not kept.
    pub(super) fn new<'a>(height: u8, entries: impl Iterator<Item = (&'a [u8], Child)>) -> Self {
        let (mut separators, mut children) = (Keys::default(), Vec::new());
        for (separator, child) in entries {
            separators.push(if children.is_empty() { &[] } else { separator });
            children.push(child);
        }
        Self { height, separators, children }
    }

    /// How far it is from the leaves; at least 1.
    pub fn height(&self) -> u8 {
        self.height
    }

    /// Its children in order.
    pub fn children(&self) -> &[Child] {
        &self.children
    }

    /// What separates a child from the one before; empty for the first.
    pub fn separator(&self, child: usize) -> &[u8] {
        self.separators.get(child)
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.separators.size_bytes() + self.children.capacity() * size_of::<Child>()
    }

    /// The child under which a key is, or would be.
    pub(super) fn child_of(&self, key: &[u8]) -> usize {
        self.separators.partition_point(|separator| separator <= key).saturating_sub(1)
    }

    /// The children that may hold keys within bounds.
    pub(super) fn children_in(&self, bounds: &Bounds) -> Range<usize> {
        let first = self.separators.partition_point(|x| bounds.begins_after(x));
        let end = self.separators.partition_point(|x| bounds.ends_after(x));
        let first = first.saturating_sub(1);
        first..end.max(first)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let children = &self.children;
        w.u8(self.height);
        w.varint(children.len() as u64);
        let mut packs: Vec<PackId> = Vec::new();
        let mut index = Vec::with_capacity(children.len());
        for child in children {
            let known = packs.iter().rposition(|pack| *pack == child.node.pack);
            index.push(known.unwrap_or(packs.len()) as u64);
            if known.is_none() {
                packs.push(child.node.pack);
            }
        }
        w.varint(packs.len() as u64);
        packs.iter().for_each(|pack| w.u128(pack.0));
        words::write(&index, w);
        let mut column = |of: &dyn Fn(&Child) -> u64| {
            words::write(&children.iter().map(of).collect::<Vec<_>>(), w);
        };
        column(&|child| child.node.offset);
        column(&|child| u64::from(child.node.len));
        column(&|child| child.count);
        column(&|child| child.long);
        column(&|child| child.span.0.0);
        column(&|child| child.span.1.0.wrapping_sub(child.span.0.0));
        children.iter().for_each(|child| w.fixed(&child.node.hash.0));
        self.separators.write(w);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let height = r.u8()?;
        r.check(height > 0, "a branch node at the height of leaves")?;
        let rows = r.count(32)?;
        r.check(rows > 0, "a branch node without children")?;
        let packs = (0..r.count(16)?).map(|_| r.u128()).collect::<Result<Vec<_>, _>>()?;
        let mut column = || words::read(r, rows);
        let (index, offset, len) = (column()?, column()?, column()?);
        let (count, long) = (column()?, column()?);
        let (first, span) = (column()?, column()?);
        let mut children = Vec::with_capacity(rows);
        for i in 0..rows {
            let pack = usize::try_from(index[i]).ok().and_then(|i| packs.get(i));
            let len = u32::try_from(len[i]).ok();
            let last = first[i].checked_add(span[i]);
            let (Some(pack), Some(len), Some(last)) = (pack, len, last) else {
                return Err(r.error("a child whose place is none"));
            };
            let hash = NodeHash(r.array()?);
            let node = NodeRef { hash, pack: PackId(*pack), offset: offset[i], len };
            let span = (T(first[i]), T(last));
            children.push(Child { node, count: count[i], long: long[i], span });
        }
        let total = count.iter().try_fold(0u64, |sum, x| sum.checked_add(*x));
        r.check(total.is_some(), "counts that overflow")?;
        let within = long.iter().zip(&count).all(|(long, count)| long <= count);
        r.check(within, "more long values than facts")?;
        let separators = Keys::read(r, rows)?;
        let ordered = separators.get(0).is_empty() && separators.is_ascending();
        r.check(ordered, "separators out of order")?;
        Ok(Self { height, separators, children })
    }
}
