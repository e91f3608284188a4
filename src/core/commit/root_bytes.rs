//! Roots of trees as bytes, each with the root node itself where it is small.
//!
//! **Invariant:** an inlined node has the length its [`NodeRef`] says; its hash is compared by
//! whoever uses it.

use crate::codec::{CodecError, Reader, Writer};
use crate::hash::NodeHash;
use crate::id::T;
use crate::index::{NodeRef, PackId, Root};
use bytes::Bytes;

/// Appends a root, or that there is none; `inlined` are nodes whose bytes are at hand.
pub(super) fn write(root: Option<&Root>, inlined: &[(NodeRef, Bytes)], w: &mut Writer) {
    let Some(root) = root else { return w.u8(0) };
    let node = &root.node;
    let bytes = inlined.iter().find(|(n, _)| n.hash == node.hash).map(|(_, bytes)| bytes);
    w.u8(if bytes.is_some() { 2 } else { 1 });
    w.fixed(&node.hash.0);
    w.u128(node.pack.0);
    w.varint(node.offset);
    w.varint(u64::from(node.len));
    w.u8(root.height);
    w.varint(root.count);
    w.varint(root.span.0.0);
    w.varint(root.span.1.0);
    if let Some(bytes) = bytes {
        w.fixed(bytes);
    }
}

/// Reads a root; the node goes to `inlined` if its bytes are here.
pub(super) fn read(
    r: &mut Reader<'_>,
    inlined: &mut Vec<(NodeRef, Bytes)>,
) -> Result<Option<Root>, CodecError> {
    let form = r.u8()?;
    r.check(form < 3, "an unknown form of a root")?;
    if form == 0 {
        return Ok(None);
    }
    let hash = NodeHash(r.array()?);
    let (pack, offset, len) = (PackId(r.u128()?), r.varint()?, r.varint()?);
    let len = u32::try_from(len).map_err(|_| r.error("a node of more than 4 GiB"))?;
    r.check(offset.checked_add(u64::from(len)).is_some(), "a node past the end of all packs")?;
    let node = NodeRef { hash, pack, offset, len };
    let (height, count) = (r.u8()?, r.varint()?);
    let span = (T(r.varint()?), T(r.varint()?));
    if form == 2 {
        inlined.push((node, Bytes::copy_from_slice(r.fixed(len as usize)?)));
    }
    Ok(Some(Root { node, height, count, span }))
}
