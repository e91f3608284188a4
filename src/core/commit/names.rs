//! The names of objects, and the `format` object.
//!
//! **Invariant:** a name with random digits is used once ever.

use super::FormatError;
use super::envelope::{self, Kind};
use crate::codec::{Reader, Writer};
use crate::value::Uuid;
use bytes::Bytes;

/// The object that says which database this is.
pub const FORMAT: &str = "format";
/// The head of the default branch.
pub const HEAD: &str = "head";
/// Branches and tags.
pub const REFS: &str = "refs";

/// The head of a branch that is not the default one.
pub fn branch_head(random: u128) -> String {
    format!("branch/{random:032x}/head")
}

/// A log segment.
pub fn log_name(random: u128) -> String {
    format!("log/{random:032x}")
}

/// What a collection found.
pub fn garbage_name(random: u128) -> String {
    format!("gc/{random:032x}")
}

/// A novelty object.
pub fn novelty_name(random: u128) -> String {
    format!("novelty/{random:032x}")
}

/// A frozen head.
pub fn snap_name(random: u128) -> String {
    format!("snap/{random:032x}")
}

/// What the `format` object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which database.
    pub database: Uuid,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Identity {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.zigzag(self.created_ms);
        envelope::seal(Kind::Format, &w.finish())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Format, bytes)?);
        let database = Uuid::from_bytes(r.array()?);
        let created_ms = r.zigzag()?;
        r.finish()?;
        Ok(Self { database, created_ms })
    }
}
