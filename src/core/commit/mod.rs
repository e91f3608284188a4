//! The bytes of commits: the head of a branch, the transaction log, facts that are in no tree yet,
//! branches and tags.
//!
//! **Invariant:** everything stored carries its kind, its format version and the blake3 of its
//! bytes, and any bytes decode to a value or a [`FormatError`]. This module turns values into bytes
//! and back; it neither reads nor writes a store.
//!
//! A commit is one transaction: its [`Frame`] goes into the tail of the [`Head`], later verbatim
//! into a log [`Segment`]. The id of the commit is a hash of its frame and holds the ids of its
//! parents: a chain that anyone can verify, also where facts were erased.

mod envelope;
mod frame;
mod garbage;
mod head;
mod head_bytes;
mod log;
mod names;
mod novelty;
mod opened;
mod refs;
mod root_bytes;
mod when;

#[cfg(test)]
mod tests;

pub use frame::{Encoded, Frame, Purged};
pub use garbage::Garbage;
pub use head::{
    Base, HEAD_BYTES, Head, INLINE_BYTES, INLINE_TOTAL_BYTES, ObjectRef, SegmentRef, TAIL_BYTES,
    TAIL_RAW_BYTES, Tip, Writer,
};
pub use log::Segment;
pub use names::{
    FORMAT, HEAD, Identity, REFS, REPLICA, Replica, branch_head, garbage_name, log_name,
    novelty_name, snap_name,
};
pub use novelty::{About, Novelty};
pub use opened::Opened;
pub(crate) use opened::count;
pub use refs::{Branch, Refs, Tag};
pub use when::{When, WhenError};

use crate::codec::CodecError;

/// The version of everything that is stored. Version 0 may still change.
pub const FORMAT_VERSION: u8 = 1;

/// Why bytes are not what they should be, or a value cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not this kind of object.
    #[error("it is no factfs {0}")]
    Kind(&'static str),
    /// Written by a version that this one does not know.
    #[error("it has format version {0}, and this program reads version {FORMAT_VERSION}")]
    Version(u8),
    /// The bytes are not those that were written.
    #[error("its hash does not match its bytes")]
    Hash,
    /// The bytes make no sense.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// A frame that does not follow the one before it.
    #[error("commit {found} does not follow {expected}")]
    Chain {
        /// What the frame is.
        found: String,
        /// What it should come after.
        expected: String,
    },
    /// A good object in the place of another.
    #[error("it holds {found} where {expected} should be")]
    Another {
        /// What it holds.
        found: String,
        /// What was looked for.
        expected: String,
    },
    /// More than a head may hold.
    #[error("a head of {0} bytes")]
    TooLarge(usize),
}
