//! Listings with attributes.
//!
//! **Invariant:** the kernel keeps each name that it is given with attributes until it needs the
//! memory, so that nobody's listing of names makes it keep many. What was looked up and is not
//! passed on is let go of.

use super::file_attr;
use crate::error::Result;
use crate::tree::Shape;
use crate::vfs::{Attr, FOREVER, Found, Named, Vfs};
use fuser::{Generation, INodeNo, ReplyDirectoryPlus};
use std::time::Duration;

/// Names that are looked up for one batch of a listing with attributes.
const BATCH: usize = 24;
/// Names that begin a listing: the kernel asks for attributes with the first ones whether or not
/// somebody wants them, and keeps all it was given. With the others it does if somebody does.
const FIRST: usize = 8;
/// `.` and `..` come before what a folder lists.
pub(super) const DOTS: u64 = 2;

/// The names that a reply begins with.
pub(super) fn first(vfs: &Vfs, handle: u64, offset: u64) -> Result<Vec<(Named, Found)>> {
    let most = if offset == 0 { FIRST } else { BATCH };
    vfs.found(handle, offset.saturating_sub(DOTS), most)
}

/// Fills a listing with attributes until it is full. What was looked up and not passed on is let go
/// of.
pub(super) fn fill(
    vfs: &Vfs,
    reply: &mut ReplyDirectoryPlus,
    (ino, handle, offset): (INodeNo, u64, u64),
    first: Vec<(Named, Found)>,
    owner: (u32, u32),
) {
    let mut is_full = false;
    let zero = Duration::ZERO;
    for (at, name) in [(0, "."), (1, "..")] {
        let attr = Attr {
            ino: ino.0,
            shape: Shape::Folder,
            size_bytes: 0,
            mtime_ms: 0,
            mode: 0o755,
            ttl: zero,
        };
        let attr = file_attr(&attr, owner);
        is_full =
            is_full || (offset <= at && reply.add(ino, at + 1, name, &zero, &attr, Generation(0)));
    }
    let mut batch = first;
    loop {
        let Some(last) = batch.last().map(|(named, _)| named.next) else { return };
        for (named, found) in batch {
            let attr = file_attr(&found.attr, owner);
            let ttl = found.attr.ttl.min(FOREVER);
            let at = named.next + DOTS;
            is_full = is_full || reply.add(attr.ino, at, &named.name, &ttl, &attr, Generation(0));
            if is_full {
                vfs.forget(found.attr.ino, 1);
            }
        }
        let is_enough = is_full || offset == 0;
        batch =
            if is_enough { Vec::new() } else { vfs.found(handle, last, BATCH).unwrap_or_default() };
    }
}
