//! One transaction as bytes: the same in the tail of a head and in a log segment.
//!
//! Raw layout: the *header*: transaction id (varint), parents (their number, then `t` and hash
//! each), instant (zigzag), next entity id (varint), schema changes (sized, empty for none); then
//! what was *said*: salt (8 bytes), datoms in columns, in the order they were said. The stored
//! frame is that, compressed.
//!
//! A frame of which facts were erased begins with a 0 instead (no transaction has that id): how
//! many datoms were erased (varint), the blake3 of what was said (32 bytes), the header, and the
//! datoms that are left. Its salt is gone: with it, whoever guesses an erased fact could see
//! whether the guess is right.
//!
//! **Invariant:** the commit id is the blake3 of the header and of the blake3 of what was said; so
//! it covers the parents, `t`, the instant, the transaction's own facts and all datoms, and where
//! datoms were erased still all the rest. Which datoms are left is covered by whoever names the
//! frame ([`Frame::content`]). The salt is random: two writers who say the same at the same moment
//! on the same parent make two commits, and none of them takes the other's for its own.

use super::FormatError;
use crate::codec::{CodecError, Reader, Writer, facts, frame};
use crate::datom::{Datom, Facts, FactsBuilder};
use crate::hash::{Hasher, NodeHash};
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
    /// What was erased of it, if anything was.
    pub purged: Option<Purged>,
}

/// What is known of datoms that were erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many.
    pub datoms: u64,
    /// The blake3 of all that the transaction said: the commit id holds it.
    pub said: NodeHash,
    /// The blake3 of the raw frame as it is now.
    pub content: NodeHash,
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
        let (header, mut raw) = (self.header(), Writer::new());
        let mut datoms = Writer::new();
        facts::write(&self.datoms, &mut datoms)?;
        let said = match &self.purged {
            None => {
                let mut said = Writer::new();
                said.u64(self.salt);
                said.fixed(&datoms.finish());
                let said = said.finish();
                raw.fixed(&header);
                raw.fixed(&said);
                NodeHash::of(&said)
            }
            Some(purged) => {
                raw.varint(0);
                raw.varint(purged.datoms);
                raw.fixed(&purged.said.0);
                raw.fixed(&header);
                raw.fixed(&datoms.finish());
                purged.said
            }
        };
        let id = commit_id(self.tx, &header, &said);
        Ok(Encoded { id, bytes: frame::compress(&raw.finish())?.into() })
    }

    fn header(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.varint(self.tx.0);
        w.varint(self.parents.len() as u64);
        for parent in &self.parents {
            w.varint(parent.t.0);
            w.fixed(&parent.hash);
        }
        w.zigzag(self.instant_ms);
        w.varint(self.next_entity.0);
        w.sized(self.schema.as_deref().unwrap_or_default());
        w.finish()
    }

    /// The frame that bytes hold, and its commit id.
    pub fn decode(bytes: &[u8]) -> Result<(CommitId, Frame), FormatError> {
        let (id, frame, _) = Self::parse(&frame::decompress(bytes)?)?;
        Ok((id, frame))
    }

    /// The same without its datoms, which are not looked at.
    pub fn decode_bare(bytes: &[u8]) -> Result<(CommitId, Frame), FormatError> {
        let raw = frame::decompress(bytes)?;
        let (id, frame, _) = Self::parse_with(&raw, |_, _| Ok(Facts::default()))?;
        Ok((id, frame))
    }

    /// A frame, its commit id, and the blake3 of what it said.
    fn parse(raw: &[u8]) -> Result<(CommitId, Frame, NodeHash), FormatError> {
        Self::parse_with(raw, |mut r, tx| {
            let datoms = facts::read_whole(&mut r)?;
            r.check(datoms.transactions().iter().all(|x| *x == tx.0), "a datom of another commit")?;
            r.finish()?;
            Ok(datoms)
        })
    }

    fn parse_with(
        raw: &[u8],
        datoms: impl FnOnce(Reader<'_>, Tx) -> Result<Facts, CodecError>,
    ) -> Result<(CommitId, Frame, NodeHash), FormatError> {
        let mut r = Reader::new(raw);
        let mut purged = None;
        if raw.first() == Some(&0) {
            let (_, datoms, said) = (r.u8()?, r.varint()?, NodeHash(r.array()?));
            r.check(datoms > 0, "an erasure of nothing")?;
            purged = Some(Purged { datoms, said, content: NodeHash::of(raw) });
        }
        let start = r.at();
        let tx = Tx(r.varint()?);
        r.check(tx.entity().as_tx() == Some(tx) && tx.0 < BLOCK << 21, "no transaction id")?;
        let parents = (0..r.count(33)?).map(|_| read_commit(&mut r));
        let parents = parents.collect::<Result<Vec<_>, _>>()?;
        let (instant_ms, next_entity) = (r.zigzag()?, EntityId(r.varint()?));
        let schema = Some(r.sized()?.to_vec()).filter(|changes| !changes.is_empty());
        let (header, rest) = raw.split_at(r.at());
        let salt = if purged.is_some() { 0 } else { r.u64()? };
        let datoms = datoms(r, tx)?;
        let said = purged.map_or_else(|| NodeHash::of(rest), |purged| purged.said);
        let id = commit_id(tx, &header[start..], &said);
        let frame = Self { tx, parents, instant_ms, next_entity, salt, schema, datoms, purged };
        Ok((id, frame, said))
    }

    /// A stored frame without the datoms that are marked: the same commit, and what is left of it.
    pub fn without(stored: &[u8], erased: &[bool]) -> Result<(Encoded, Frame), FormatError> {
        let (id, mut frame, said) = Self::parse(&frame::decompress(stored)?)?;
        let (mut left, mut gone) = (FactsBuilder::default(), 0);
        for row in 0..frame.datoms.len() {
            match erased.get(row) {
                Some(true) => gone += 1,
                _ => left.push_row(&frame.datoms, row),
            }
        }
        let before = frame.purged.map_or(0, |purged| purged.datoms);
        let datoms = before.saturating_add(gone);
        frame.datoms = left.finish();
        frame.purged = Some(Purged { datoms, said, content: said });
        let encoded = frame.encode()?;
        if encoded.id != id {
            let (found, expected) = (encoded.id.to_string(), id.to_string());
            return Err(FormatError::Another { found, expected });
        }
        let (_, frame) = Self::decode(&encoded.bytes)?;
        Ok((encoded, frame))
    }

    /// What the commit id does not say of the frame: its raw bytes, where datoms were erased.
    pub fn content(&self) -> Option<NodeHash> {
        self.purged.map(|purged| purged.content)
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

fn commit_id(tx: Tx, header: &[u8], said: &NodeHash) -> CommitId {
    let mut hasher = Hasher::new();
    hasher.update(header).update(&said.0);
    CommitId { t: tx.t(), hash: hasher.finish() }
}

fn read_commit(r: &mut Reader<'_>) -> Result<CommitId, CodecError> {
    Ok(CommitId { t: T(r.varint()?), hash: r.array()? })
}
