//! What a collection found that nothing refers to: the objects `gc/<random>`.
//!
//! Layout, inside the envelope: database, generation (varint), number of objects (varint), for each
//! its name (length, bytes) and its size (varint).
//!
//! **Invariant:** such an object is written only after the marks of its collection are complete:
//! what it names can never be reached again. So whoever finds it old enough may delete what it
//! names, and then itself.

use super::FormatError;
use super::envelope::{self, Kind};
use crate::codec::{CodecError, Reader, Writer};
use crate::value::Uuid;
use bytes::Bytes;

/// Garbage of one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// Which database.
    pub database: Uuid,
    /// Which collection.
    pub generation: u64,
    /// Names and sizes.
    pub objects: Vec<(String, u64)>,
}

impl Garbage {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.varint(self.generation);
        w.varint(self.objects.len() as u64);
        for (name, size_bytes) in &self.objects {
            w.sized(name.as_bytes());
            w.varint(*size_bytes);
        }
        envelope::seal(Kind::Garbage, &w.finish())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Garbage, bytes)?);
        let (database, generation) = (Uuid::from_bytes(r.array()?), r.varint()?);
        let objects = (0..r.count(2)?).map(|_| read_object(&mut r)).collect::<Result<_, _>>()?;
        r.finish()?;
        Ok(Self { database, generation, objects })
    }
}

fn read_object(r: &mut Reader<'_>) -> Result<(String, u64), CodecError> {
    let name = String::from_utf8(r.sized()?.to_vec());
    Ok((name.map_err(|_| r.error("a name that is not UTF-8"))?, r.varint()?))
}
