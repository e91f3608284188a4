//! The head as bytes.
//!
//! Layout, inside the envelope: database, revision, nonce, collection generation, erasure
//! generation, flags (1 closed, 2 a writer), writer, block, tip, base, tail, sparse packs (16 bytes
//! each). Numbers are varints; lists begin with their length.
//!
//! **Invariant:** equal heads have equal bytes, and nothing over 64 KiB is written or read.

use super::envelope::{self, Kind};
use super::head::{Base, HEAD_BYTES, Head, ObjectRef, SegmentRef, Tip, Writer};
use super::{FormatError, root_bytes};
use crate::codec::{CodecError, Reader, Writer as Bytewriter};
use crate::hash::NodeHash;
use crate::id::{CommitId, EntityId, T, Tx};
use crate::index::PackId;
use crate::value::Uuid;
use bytes::Bytes;

const CLOSED: u8 = 1;
const WRITER: u8 = 2;

impl Head {
    /// Its bytes; an error if they are over 64 KiB.
    pub fn encode(&self) -> Result<Bytes, FormatError> {
        let mut w = Bytewriter::new();
        w.fixed(self.database.as_bytes());
        w.varint(self.revision);
        w.u128(self.nonce);
        w.varint(self.gc_generation);
        w.varint(self.purge_generation);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        w.u8(flag(self.closed, CLOSED) | flag(self.writer.is_some(), WRITER));
        if let Some(writer) = &self.writer {
            w.u128(writer.id);
            w.sized(writer.url.as_bytes());
            w.varint(writer.epoch);
        }
        w.varint(self.block);
        write_tip(&self.tip, &mut w);
        write_base(&self.base, &mut w);
        w.varint(self.tail.len() as u64);
        self.tail.iter().for_each(|frame| w.sized(frame));
        w.varint(self.sparse.len() as u64);
        self.sparse.iter().for_each(|pack| w.u128(pack.0));
        let bytes = envelope::seal(Kind::Head, &w.finish());
        if bytes.len() > HEAD_BYTES { Err(FormatError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > HEAD_BYTES {
            return Err(FormatError::TooLarge(bytes.len()));
        }
        let mut r = Reader::new(envelope::open(Kind::Head, bytes)?);
        let database = Uuid::from_bytes(r.array()?);
        let (revision, nonce, gc_generation) = (r.counter()?, r.u128()?, r.counter()?);
        let purge_generation = r.counter()?;
        let flags = r.u8()?;
        r.check(flags <= CLOSED | WRITER, "unknown flags of a head")?;
        let writer = if flags & WRITER == 0 { None } else { Some(read_writer(&mut r)?) };
        let block = r.varint()?;
        r.check(block < 1 << 21, "a block past the last one")?;
        let (tip, base) = (read_tip(&mut r)?, read_base(&mut r)?);
        let tail = (0..r.count(1)?).map(|_| r.sized().map(Bytes::copy_from_slice));
        let tail = tail.collect::<Result<_, CodecError>>()?;
        let sparse = (0..r.count(16)?).map(|_| r.u128().map(PackId));
        let sparse = sparse.collect::<Result<_, CodecError>>()?;
        r.finish()?;
        let closed = flags & CLOSED != 0;
        Ok(Self {
            database,
            revision,
            nonce,
            gc_generation,
            purge_generation,
            closed,
            writer,
            block,
            tip,
            base,
            tail,
            sparse,
        })
    }
}

fn read_writer(r: &mut Reader<'_>) -> Result<Writer, CodecError> {
    let (id, url) = (r.u128()?, r.sized()?);
    let url = std::str::from_utf8(url).map_err(|_| r.error("a url that is not UTF-8"))?.to_owned();
    Ok(Writer { id, url, epoch: r.counter()? })
}

fn write_tip(tip: &Tip, w: &mut Bytewriter) {
    write_commit(tip.commit, w);
    w.varint(tip.parents.len() as u64);
    tip.parents.iter().for_each(|parent| write_commit(Some(*parent), w));
    w.varint(tip.tx.0);
    w.u8(u8::from(tip.instant_ms.is_some()));
    if let Some(ms) = tip.instant_ms {
        w.zigzag(ms);
    }
    w.varint(tip.next_entity.0);
}

fn read_tip(r: &mut Reader<'_>) -> Result<Tip, CodecError> {
    let commit = read_commit(r)?;
    let parents = (0..r.count(33)?).map(|_| read_commit(r)).collect::<Result<Option<_>, _>>()?;
    let parents = parents.ok_or_else(|| r.error("a parent that is no commit"))?;
    let tx = Tx(r.varint()?);
    let instant_ms = match r.u8()? {
        0 => None,
        1 => Some(r.zigzag()?),
        _ => return Err(r.error("neither with nor without an instant")),
    };
    r.check(commit.map_or(T(0), |c| c.t) == tx.t(), "a commit and a transaction that differ")?;
    r.check(commit.is_some() == instant_ms.is_some(), "a commit without an instant")?;
    Ok(Tip { commit, parents, tx, instant_ms, next_entity: EntityId(r.varint()?) })
}

/// A commit; `None` as `t` 0.
pub(super) fn write_commit(commit: Option<CommitId>, w: &mut Bytewriter) {
    let Some(commit) = commit else { return w.varint(0) };
    w.varint(commit.t.0);
    w.fixed(&commit.hash);
}

pub(super) fn read_commit(r: &mut Reader<'_>) -> Result<Option<CommitId>, CodecError> {
    Ok(match r.varint()? {
        0 => None,
        t => Some(CommitId { t: T(t), hash: r.array()? }),
    })
}

fn write_base(base: &Base, w: &mut Bytewriter) {
    write_commit(base.commit, w);
    let trees = base.trees.current.iter().chain(&base.trees.superseded);
    for root in trees.chain([&base.commits]) {
        root_bytes::write(root.as_ref(), &base.inlined, w);
    }
    w.varint(base.flushed.0);
    w.u8(u8::from(base.novelty.is_some()));
    if let Some(novelty) = &base.novelty {
        w.u128(novelty.name);
        w.fixed(&novelty.hash.0);
        w.varint(novelty.len);
        w.varint(novelty.rows);
    }
    w.sized(base.about.as_deref().unwrap_or_default());
    w.varint(base.log.len() as u64);
    for segment in &base.log {
        w.u128(segment.name);
        w.fixed(&segment.hash.0);
        w.varint(segment.len);
        w.varint(segment.first.0);
        w.varint(segment.last.0);
    }
}

fn read_base(r: &mut Reader<'_>) -> Result<Base, CodecError> {
    let mut base = Base { commit: read_commit(r)?, ..Base::default() };
    let trees = base.trees.current.iter_mut().chain(&mut base.trees.superseded);
    for root in trees.chain([&mut base.commits]) {
        *root = root_bytes::read(r, &mut base.inlined)?;
    }
    base.flushed = T(r.varint()?);
    base.novelty = match r.u8()? {
        0 => None,
        1 => {
            let (name, hash) = (r.u128()?, NodeHash(r.array()?));
            Some(ObjectRef { name, hash, len: r.varint()?, rows: r.varint()? })
        }
        _ => return Err(r.error("neither with nor without novelty")),
    };
    base.about = Some(r.sized()?).filter(|b| !b.is_empty()).map(Bytes::copy_from_slice);
    r.check(base.about.is_some() || base.novelty.is_some(), "a head without a schema")?;
    base.log = (0..r.count(51)?).map(|_| read_segment(r)).collect::<Result<_, _>>()?;
    Ok(base)
}

fn read_segment(r: &mut Reader<'_>) -> Result<SegmentRef, CodecError> {
    let (name, hash, len) = (r.u128()?, NodeHash(r.array()?), r.varint()?);
    let (first, last) = (T(r.varint()?), T(r.varint()?));
    r.check(first <= last, "a log segment that ends before it begins")?;
    Ok(SegmentRef { name, hash, len, first, last })
}
