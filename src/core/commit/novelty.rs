//! The novelty object: all facts that are in no tree yet and not in the tail; and what a head has
//! no room for.
//!
//! Layout: one compressed frame of: [`About`] (sized, empty where the head has it), facts in
//! columns by EAVT. A row with transaction 0 ends a fact that is in a tree.
//!
//! **Invariant:** there is at most one for a head; each spill and each flush writes a new one in
//! its place.

use super::envelope::{self, Kind};
use super::{FormatError, ObjectRef};
use crate::codec::{CodecError, Reader, Writer, facts, frame};
use crate::datom::Facts;
use crate::hash::NodeHash;
use crate::id::AttrId;
use crate::schema::Schema;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a reader must know beside the facts: the schema, and how many facts each attribute has. As
/// of the last commit before the tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The attributes.
    pub schema: Schema,
    /// How many facts hold, by attribute.
    pub counts: BTreeMap<AttrId, u64>,
}

impl About {
    /// Its bytes.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        let mut w = Writer::new();
        w.sized(&self.schema.changes_since(&Schema::default()).unwrap_or_default());
        w.varint(self.counts.len() as u64);
        for (attr, count) in &self.counts {
            w.varint(attr.0);
            w.varint(*count);
        }
        Ok(frame::compress(&w.finish())?.into())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let raw = frame::decompress(bytes)?;
        let mut r = Reader::new(&raw);
        let schema = match r.sized()? {
            [] => Schema::default(),
            changes => Schema::default().changed_by(changes)?,
        };
        let counts = (0..r.count(2)?).map(|_| Ok((AttrId(r.varint()?), r.varint()?)));
        let counts = counts.collect::<Result<_, CodecError>>()?;
        r.finish()?;
        Ok(Self { schema, counts })
    }
}

/// A novelty object.
#[derive(Clone, Debug, Default)]
pub struct Novelty {
    /// [`About`] as bytes, where the head has no room for it.
    pub about: Option<Bytes>,
    /// The facts, by EAVT.
    pub facts: Facts,
}

impl Novelty {
    /// Its bytes. An error if they are more than 64 MiB before compression.
    pub fn encode(about: Option<&Bytes>, facts: &Facts) -> Result<Bytes, CodecError> {
        let mut w = Writer::new();
        w.sized(about.map(|bytes| bytes.as_ref()).unwrap_or_default());
        facts::write(facts, &mut w)?;
        // The next spill or flush writes another in its place.
        let packed = frame::compress_at(&w.finish(), frame::Effort::Passing)?;
        Ok(envelope::seal(Kind::Novelty, &packed))
    }

    /// What the bytes of the object that a head names hold.
    pub fn decode_as(expected: &ObjectRef, bytes: &[u8]) -> Result<Self, FormatError> {
        if NodeHash::of(bytes) == expected.hash {
            Self::decode(bytes)
        } else {
            Err(FormatError::Hash)
        }
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let raw = frame::decompress(envelope::open(Kind::Novelty, bytes)?)?;
        let mut r = Reader::new(&raw);
        let about = Some(r.sized()?).filter(|bytes| !bytes.is_empty());
        let about = about.map(Bytes::copy_from_slice);
        let facts = facts::read_whole(&mut r)?;
        r.finish()?;
        Ok(Self { about, facts })
    }
}
