//! The codec: stored bytes of numbers, strings, columns and facts, and their compression.
//!
//! **Invariant:** what was written reads back the same, and any other bytes give a value or a
//! [`CodecError`]: never a panic, and never more memory than the length of the (decompressed) input
//! times a small constant, or 64 MiB. Equal input gives equal bytes. It knows nothing of nodes,
//! packs or trees.
//!
//! [`Writer`] and [`Reader`] are the primitives; [`words`] and [`texts`] are columns of numbers and
//! of byte strings; [`facts`] is columns of facts; [`frame`] is compression.

mod bytes;
pub mod facts;
pub mod frame;
pub mod texts;
pub mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use bytes::{Reader, Writer};

/// The most bytes one compressed frame may hold, and the most a column of strings may unfold to: 64
/// MiB.
pub const MAX_RAW: usize = 64 << 20;

/// Bytes that are not what they should be, or a value too large to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {at}")]
pub struct CodecError {
    /// What is wrong.
    pub what: &'static str,
    /// Where, counted from the start of what was read.
    pub at: usize,
}
