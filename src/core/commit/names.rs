//! The names of objects, and the `format` and `replica` objects.
//!
//! Layout of `format`, inside the envelope: database (16 bytes), when it was made (zigzag), the
//! databases it was forked from (their number as a varint, then 16 bytes each).
//!
//! Layout of `replica`, inside the envelope: database (16 bytes), when the copy was begun (zigzag),
//! where it comes from (sized, UTF-8).
//!
//! **Invariant:** a name with random digits is used once ever.

use super::FormatError;
use super::envelope::{self, Kind};
use crate::codec::{CodecError, Reader, Writer};
use crate::value::Uuid;
use bytes::Bytes;

/// The object that says which database this is.
pub const FORMAT: &str = "format";
/// The head of the default branch.
pub const HEAD: &str = "head";
/// Branches and tags.
pub const REFS: &str = "refs";

/// The object that says that this is a copy of another place, and so not to be written.
pub const REPLICA: &str = "replica";

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which database.
    pub database: Uuid,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// The databases that it was forked from, the nearest first: log segments of them are in its
    /// history.
    pub origins: Vec<Uuid>,
}

impl Identity {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.zigzag(self.created_ms);
        w.varint(self.origins.len() as u64);
        self.origins.iter().for_each(|origin| w.fixed(origin.as_bytes()));
        envelope::seal(Kind::Format, &w.finish())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Format, bytes)?);
        let database = Uuid::from_bytes(r.array()?);
        let created_ms = r.zigzag()?;
        let origins = (0..r.count(16)?).map(|_| Ok(Uuid::from_bytes(r.array()?)));
        let origins = origins.collect::<Result<_, CodecError>>()?;
        r.finish()?;
        Ok(Self { database, created_ms, origins })
    }
}

/// What the `replica` object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Which database.
    pub database: Uuid,
    /// When the copy was begun, milliseconds since 1970.
    pub since_ms: i64,
    /// What it is a copy of, as a user names it.
    pub origin: String,
}

impl Replica {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.zigzag(self.since_ms);
        w.sized(self.origin.as_bytes());
        envelope::seal(Kind::Replica, &w.finish())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Replica, bytes)?);
        let (database, since_ms) = (Uuid::from_bytes(r.array()?), r.zigzag()?);
        let origin = r.sized()?.to_vec();
        let origin = String::from_utf8(origin).map_err(|_| r.error("text that is not UTF-8"))?;
        r.finish()?;
        Ok(Self { database, since_ms, origin })
    }
}
