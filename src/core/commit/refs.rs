//! The `refs` object: the names of branches and tags, and the counters of the whole database.
//!
//! **Invariant:** it moves by compare-and-swap alone, one revision at a time; a block is given once
//! ever. A closed branch stays listed until its head is known to be closed.

use super::FormatError;
use super::envelope::{self, Kind};
use super::head_bytes::{read_commit, write_commit};
use crate::codec::{CodecError, Reader, Writer};
use crate::id::CommitId;
use crate::value::Uuid;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A branch as `refs` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The name of its head object.
    pub head: String,
    /// The block its ids are cut from.
    pub block: u64,
    /// Whether it is being deleted.
    pub closed: bool,
}

/// A commit that has a name, or is kept for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name of the frozen head.
    pub snapshot: String,
    /// Which commit; `None` is the empty database.
    pub commit: Option<CommitId>,
    /// When that commit was made.
    pub instant_ms: Option<i64>,
}

/// Branches, tags and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refs {
    /// Which database.
    pub database: Uuid,
    /// One more at each swap.
    pub revision: u64,
    /// Random bits that no other attempt has.
    pub nonce: u128,
    /// The store's own name.
    pub name: String,
    /// The branch whose head is the object `head`.
    pub default_branch: String,
    /// All branches, the default one among them.
    pub branches: BTreeMap<String, Branch>,
    /// Named commits.
    pub tags: BTreeMap<String, Tag>,
    /// Commits kept for their age, oldest first.
    pub automatic: Vec<Tag>,
    /// The next block to give.
    pub next_block: u64,
    /// The last collection begun.
    pub gc_generation: u64,
    /// The last collection whose marks are complete: a branch or a tag may not begin at a head of
    /// an earlier one, which may name what is gone.
    pub gc_marked: u64,
    /// One more at each erasure: caches drop what they hold.
    pub purge_generation: u64,
}

impl Refs {
    /// The refs of a new database with one branch.
    pub fn new(database: Uuid, nonce: u128, name: &str, branch: &str) -> Self {
        let head = Branch { head: super::HEAD.to_owned(), block: 0, closed: false };
        Self {
            database,
            revision: 1,
            nonce,
            name: name.to_owned(),
            default_branch: branch.to_owned(),
            branches: [(branch.to_owned(), head)].into(),
            tags: BTreeMap::new(),
            automatic: Vec::new(),
            next_block: 1,
            gc_generation: 0,
            gc_marked: 0,
            purge_generation: 0,
        }
    }

    /// All snapshots that are kept: of tags, then of automatic tags.
    pub fn snapshots(&self) -> impl Iterator<Item = &Tag> {
        self.tags.values().chain(&self.automatic)
    }

    /// Where collections are: the last one begun, and the last one whose marks are complete.
    pub fn collections(&self) -> (u64, u64) {
        (self.gc_generation, self.gc_marked)
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(self.database.as_bytes());
        w.varint(self.revision);
        w.u128(self.nonce);
        w.sized(self.name.as_bytes());
        w.sized(self.default_branch.as_bytes());
        w.varint(self.branches.len() as u64);
        for (name, branch) in &self.branches {
            w.sized(name.as_bytes());
            w.sized(branch.head.as_bytes());
            w.varint(branch.block);
            w.u8(u8::from(branch.closed));
        }
        w.varint(self.tags.len() as u64);
        for (name, tag) in &self.tags {
            w.sized(name.as_bytes());
            write_tag(tag, &mut w);
        }
        w.varint(self.automatic.len() as u64);
        self.automatic.iter().for_each(|tag| write_tag(tag, &mut w));
        [self.next_block, self.gc_generation, self.gc_marked, self.purge_generation]
            .iter()
            .for_each(|x| w.varint(*x));
        envelope::seal(Kind::Refs, &w.finish())
    }

    /// What bytes hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(envelope::open(Kind::Refs, bytes)?);
        let database = Uuid::from_bytes(r.array()?);
        let (revision, nonce) = (r.counter()?, r.u128()?);
        let (name, default_branch) = (text(&mut r)?, text(&mut r)?);
        let branches = (0..r.count(4)?).map(|_| Ok((text(&mut r)?, read_branch(&mut r)?)));
        let branches = branches.collect::<Result<_, CodecError>>()?;
        let tags = (0..r.count(4)?).map(|_| Ok((text(&mut r)?, read_tag(&mut r)?)));
        let tags = tags.collect::<Result<_, CodecError>>()?;
        let automatic = (0..r.count(3)?).map(|_| read_tag(&mut r)).collect::<Result<_, _>>()?;
        let (next_block, gc_generation) = (r.counter()?, r.counter()?);
        let (gc_marked, purge_generation) = (r.counter()?, r.counter()?);
        r.finish()?;
        Ok(Self {
            database,
            revision,
            nonce,
            name,
            default_branch,
            branches,
            tags,
            automatic,
            next_block,
            gc_generation,
            gc_marked,
            purge_generation,
        })
    }
}

fn text(r: &mut Reader<'_>) -> Result<String, CodecError> {
    let bytes = r.sized()?.to_vec();
    String::from_utf8(bytes).map_err(|_| r.error("text that is not UTF-8"))
}

fn flag(r: &mut Reader<'_>) -> Result<bool, CodecError> {
    let byte = r.u8()?;
    r.check(byte < 2, "neither yes nor no")?;
    Ok(byte == 1)
}

fn read_branch(r: &mut Reader<'_>) -> Result<Branch, CodecError> {
    Ok(Branch { head: text(r)?, block: r.varint()?, closed: flag(r)? })
}

fn write_tag(tag: &Tag, w: &mut Writer) {
    w.sized(tag.snapshot.as_bytes());
    write_commit(tag.commit, w);
    w.u8(u8::from(tag.instant_ms.is_some()));
    if let Some(ms) = tag.instant_ms {
        w.zigzag(ms);
    }
}

fn read_tag(r: &mut Reader<'_>) -> Result<Tag, CodecError> {
    let (snapshot, commit) = (text(r)?, read_commit(r)?);
    let instant_ms = if flag(r)? { Some(r.zigzag()?) } else { None };
    Ok(Tag { snapshot, commit, instant_ms })
}
