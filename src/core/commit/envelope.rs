//! What every stored object has around it: `ffs`, a letter for its kind, the format version; at the
//! end blake3.
//!
//! **Invariant:** nothing inside is looked at before the hash was compared.

use super::{FORMAT_VERSION, FormatError};
use crate::hash::NodeHash;
use bytes::Bytes;

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Format,
    Head,
    Refs,
    Novelty,
    Log,
    Replica,
    Garbage,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Self::Format => b'f',
            Self::Head => b'h',
            Self::Refs => b'r',
            Self::Novelty => b'n',
            Self::Log => b'l',
            Self::Replica => b'c',
            Self::Garbage => b'g',
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Format => "format object",
            Self::Head => "head",
            Self::Refs => "refs object",
            Self::Novelty => "novelty object",
            Self::Log => "log segment",
            Self::Replica => "replica object",
            Self::Garbage => "list of garbage",
        }
    }
}

/// Bytes before the body.
pub(super) const PREFIX_BYTES: usize = 5;
const HASH_BYTES: usize = 32;

/// The object with this body.
pub(super) fn seal(kind: Kind, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(PREFIX_BYTES + body.len() + HASH_BYTES);
    out.extend(b"ffs");
    out.push(kind.letter());
    out.push(FORMAT_VERSION);
    out.extend(body);
    let hash = NodeHash::of(&out);
    out.extend(hash.0);
    out.into()
}

/// The body of an object of this kind.
pub(super) fn open(kind: Kind, bytes: &[u8]) -> Result<&[u8], FormatError> {
    let Some((prefix, rest)) = bytes.split_at_checked(PREFIX_BYTES) else {
        return Err(FormatError::Kind(kind.name()));
    };
    if !prefix.starts_with(b"ffs") || prefix[3] != kind.letter() {
        return Err(FormatError::Kind(kind.name()));
    }
    if prefix[4] != FORMAT_VERSION {
        return Err(FormatError::Version(prefix[4]));
    }
    let body_bytes = rest.len().checked_sub(HASH_BYTES).ok_or(FormatError::Hash)?;
    let (whole, hash) = bytes.split_at(PREFIX_BYTES + body_bytes);
    if NodeHash::of(whole).0 != *hash {
        return Err(FormatError::Hash);
    }
    Ok(&rest[..body_bytes])
}
