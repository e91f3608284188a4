//! One transaction as bytes: the same in the tail of a head and in a log segment.
//!
//! Raw layout: transaction id (varint), parents (their number, then `t` and hash each), instant
//! (zigzag), next entity id (varint), salt (8 bytes), schema changes (sized, empty for none),
//! datoms in columns, in the order they were said. The stored frame is that, compressed.
//!
//! **Invariant:** the commit id is the blake3 of the raw bytes; so it covers the parents, `t`, the
//! instant, the transaction's own facts and all datoms. The salt is random: two writers who say the
//! same at the same moment on the same parent make two commits, and none of them takes the other's
//! for its own.

use super::FormatError;
use crate::codec::{CodecError, Reader, Writer, facts, frame};
use crate::datom::{Datom, Facts, FactsBuilder};
use crate::hash::NodeHash;
use crate::id::{BLOCK, CommitId, EntityId, T, Tx};
use crate::schema::Schema;
use bytes::Bytes;

/// One transaction.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The transaction.
    pub tx: Tx,
    /// The commits it was made on: the one before it on its branch first (none for the first of
    /// all), then merged ones.
    pub parents: Vec<CommitId>,
    /// When it was made, milliseconds since 1970.
    pub instant_ms: i64,
    /// The next entity id to give after it.
    pub next_entity: EntityId,
    /// Random bits that no other attempt has.
    pub salt: u64,
    /// What it changed of the schema, as [`Schema::changes_since`] gives it.
    pub schema: Option<Vec<u8>>,
    /// Its datoms in the order they were said; retractions are marked.
    pub datoms: Facts,
}

/// A frame's bytes and the id of its commit.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The commit.
    pub id: CommitId,
    /// The stored frame.
    pub bytes: Bytes,
}

impl Frame {
    /// Datoms as the columns of a frame.
    pub fn columns(datoms: &[Datom]) -> Facts {
        let mut builder = FactsBuilder::with_capacity(datoms.len());
        for datom in datoms {
            if datom.added {
                builder.push(datom.key(), None);
            } else {
                builder.push_retraction(datom.key());
            }
        }
        builder.finish()
    }

    /// The datoms in the order they were said.
    pub fn datoms(&self) -> impl Iterator<Item = Datom> + '_ {
        (0..self.datoms.len()).map(|row| self.datoms.datom(row))
    }

    /// The schema after this transaction.
    pub fn schema_after(&self, before: &Schema) -> Result<Schema, CodecError> {
        match &self.schema {
            Some(changes) => before.changed_by(changes),
            None => Ok(before.clone()),
        }
    }

    /// The stored bytes and the commit id. An error if the transaction is larger than 64 MiB.
    pub fn encode(&self) -> Result<Encoded, CodecError> {
        let mut w = Writer::new();
        w.varint(self.tx.0);
        w.varint(self.parents.len() as u64);
        for parent in &self.parents {
            w.varint(parent.t.0);
            w.fixed(&parent.hash);
        }
        w.zigzag(self.instant_ms);
        w.varint(self.next_entity.0);
        w.u64(self.salt);
        w.sized(self.schema.as_deref().unwrap_or_default());
        facts::write(&self.datoms, &mut w)?;
        let raw = w.finish();
        let id = CommitId { t: self.tx.t(), hash: NodeHash::of(&raw).0 };
        Ok(Encoded { id, bytes: frame::compress(&raw)?.into() })
    }

    /// The frame that bytes hold, and its commit id.
    pub fn decode(bytes: &[u8]) -> Result<(CommitId, Frame), FormatError> {
        let raw = frame::decompress(bytes)?;
        let mut r = Reader::new(&raw);
        let tx = Tx(r.varint()?);
        r.check(tx.entity().as_tx() == Some(tx) && tx.0 < BLOCK << 21, "no transaction id")?;
        let parents = (0..r.count(33)?).map(|_| read_commit(&mut r));
        let parents = parents.collect::<Result<Vec<_>, _>>()?;
        let (instant_ms, next_entity) = (r.zigzag()?, EntityId(r.varint()?));
        let salt = r.u64()?;
        let schema = Some(r.sized()?.to_vec()).filter(|changes| !changes.is_empty());
        let datoms = facts::read_whole(&mut r)?;
        r.check(datoms.transactions().iter().all(|x| *x == tx.0), "a datom of another commit")?;
        r.finish()?;
        let id = CommitId { t: tx.t(), hash: NodeHash::of(&raw).0 };
        Ok((id, Self { tx, parents, instant_ms, next_entity, salt, schema, datoms }))
    }

    /// Checks that this frame was made on `parent`.
    pub fn follows(&self, id: CommitId, parent: Option<CommitId>) -> Result<(), FormatError> {
        let t = parent.map_or(0, |p| p.t.0) + 1;
        if self.parents.first().copied() == parent && id.t == T(t) {
            return Ok(());
        }
        let expected = parent.map_or_else(|| "the empty database".to_owned(), |p| p.to_string());
        Err(FormatError::Chain { found: id.to_string(), expected })
    }
}

fn read_commit(r: &mut Reader<'_>) -> Result<CommitId, CodecError> {
    Ok(CommitId { t: T(r.varint()?), hash: r.array()? })
}
