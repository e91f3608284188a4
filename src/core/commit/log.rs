//! A log segment: the frames of consecutive transactions, kept for ever.
//!
//! Layout: database (16 bytes), `t` of the first frame (varint), number of frames (varint), their
//! lengths (varints), the frames as they were in the tail.
//!
//! **Invariant:** the frames are those of `first`, `first + 1`, ...; [`Segment::places`] finds each
//! without decoding any.

use super::FormatError;
use super::envelope::{self, Kind, PREFIX_BYTES};
use crate::codec::{CodecError, Reader, Writer};
use crate::id::T;
use crate::value::Uuid;
use bytes::Bytes;
use std::ops::Range;

/// Frames of consecutive transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which database.
    pub database: Uuid,
    /// `t` of the first frame.
    pub first: T,
    /// The stored frames.
    pub frames: Vec<Bytes>,
}

impl Segment {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = self.header();
        self.frames.iter().for_each(|frame| w.fixed(frame));
        envelope::seal(Kind::Log, &w.finish())
    }

    /// Where in the encoded segment each frame lies, in order.
    pub fn places(&self) -> Vec<Range<u64>> {
        let mut start = (PREFIX_BYTES + self.header().len()) as u64;
        let place = |frame: &Bytes| {
            let from = start;
            start += frame.len() as u64;
            from..start
        };
        self.frames.iter().map(place).collect()
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Log, bytes)?);
        let database = Uuid::from_bytes(r.array()?);
        let first = T(r.varint()?);
        let lengths = (0..r.count(1)?).map(|_| r.varint()).collect::<Result<Vec<_>, _>>()?;
        let frame = |len: u64| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            r.fixed(len).map(Bytes::copy_from_slice)
        };
        let frames = lengths.into_iter().map(frame).collect::<Result<_, CodecError>>()?;
        r.finish()?;
        Ok(Self { database, first, frames })
    }

    /// The stored frame of `t`.
    pub fn frame(&self, t: T) -> Option<&Bytes> {
        let index = t.0.checked_sub(self.first.0)?;
        self.frames.get(usize::try_from(index).ok()?)
    }

    fn header(&self) -> Writer {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.varint(self.first.0);
        w.varint(self.frames.len() as u64);
        self.frames.iter().for_each(|frame| w.varint(frame.len() as u64));
        w
    }
}
