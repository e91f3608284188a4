//! The next head: transactions prepared one on another, their frames, and a spill when the tail is
//! full.
//!
//! **Invariant:** a pure function of a head that was read, the transactions, the clock and random
//! bits. All of a group are in one head or none is. New objects get names never used before at
//! every attempt: nothing is found by its hash.

use super::backfill::Backfilled;
use super::queue::{Failure, Job};
use super::{Conn, ConnError};
use crate::commit::{
    About, Base, FormatError, Frame, Head, INLINE_BYTES, Novelty, ObjectRef, Opened, Segment,
    SegmentRef, TAIL_BYTES, TAIL_RAW_BYTES, Tip, log_name, novelty_name,
};
use crate::datom::{Datom, Order};
use crate::db::{Db, Layer, Prepared, Snapshot};
use crate::hash::NodeHash;
use crate::id::{CommitId, Tx};
use crate::schema::builtin;
use crate::store::Host;
use crate::value::Value;
use bytes::Bytes;
use std::sync::Arc;

/// Objects to write, by name.
pub(super) type Objects = Vec<(String, Bytes)>;

/// A transaction that is in the next head.
pub(super) struct Draft {
    pub(super) job: Box<dyn Job>,
    pub(super) before: Db,
    pub(super) after: Db,
    pub(super) prepared: Prepared,
    pub(super) commit: CommitId,
    frame: Bytes,
}

impl Draft {
    /// The client's id of the transaction.
    pub(super) fn id(&self) -> Option<String> {
        let id = self.prepared.datoms.iter().find(|d| d.a == builtin::TX_ID && d.added)?;
        if let Value::Str(id) = &id.v { Some(id.to_string()) } else { None }
    }
}

/// A transaction that was committed before.
pub(super) struct Known {
    pub(super) job: Box<dyn Job>,
    pub(super) tx: Tx,
    pub(super) db: Db,
}

/// A group prepared on one head.
#[derive(Default)]
pub(super) struct Group {
    pub(super) drafts: Vec<Draft>,
    pub(super) known: Vec<Known>,
    pub(super) refused: Vec<Box<dyn Job>>,
}

impl Group {
    /// All transactions in the order they came, to be prepared again.
    pub(super) fn into_jobs(self) -> Vec<Box<dyn Job>> {
        let drafts = self.drafts.into_iter().map(|draft| draft.job);
        let known = self.known.into_iter().map(|known| known.job);
        let mut jobs: Vec<_> = drafts.chain(known).chain(self.refused).collect();
        jobs.sort_by_key(|job| job.number());
        // The first one of a sequence says the last word.
        jobs.iter().rev().for_each(|job| job.begin_anew());
        jobs
    }

    /// How many transactions.
    pub(super) fn size(&self) -> usize {
        self.drafts.len() + self.known.len() + self.refused.len()
    }

    /// The commit that a head with this group is.
    pub(super) fn tip(&self) -> Option<CommitId> {
        self.drafts.last().map(|draft| draft.commit)
    }

    /// Answers all with one failure.
    pub(super) fn fail(self, failure: &Failure) {
        self.into_jobs().into_iter().for_each(|job| job.fail(failure.clone()));
    }
}

/// A head ready to be swapped in, and what it needs to be there before.
pub(super) struct Plan {
    pub(super) opened: Opened,
    pub(super) bytes: Bytes,
    pub(super) objects: Objects,
}

impl Conn {
    /// Prepares transactions one on another, the first on `opened`. What the next one reads of what
    /// this one wrote is in the store, and found again in `known` if all are prepared again.
    pub(super) async fn prepare(
        &self,
        opened: &Opened,
        jobs: Vec<Box<dyn Job>>,
        known: &mut Backfilled,
    ) -> Group {
        let (mut group, known) = (Group::default(), known.on(opened.head.gc_generation));
        let mut db = Db::new(opened.snapshot.clone());
        for mut job in jobs {
            let Some(prepared) = job.prepare(&db, self.now_ms()) else {
                group.refused.push(job);
                continue;
            };
            if let Some(tx) = prepared.already {
                group.known.push(Known { job, tx, db: db.clone() });
                continue;
            }
            match self.draft(&db, &prepared, known).await {
                Ok((snapshot, commit, frame)) => {
                    let before = std::mem::replace(&mut db, Db::new(snapshot));
                    let after = db.clone();
                    group.drafts.push(Draft { job, before, after, prepared, commit, frame });
                }
                // At once: what is to follow it in a sequence is not prepared.
                Err(error) => job.fail(Failure::Failed(error)),
            }
        }
        group
    }

    async fn draft(
        &self,
        db: &Db,
        p: &Prepared,
        known: &mut Backfilled,
    ) -> Result<(Snapshot, CommitId, Bytes), ConnError> {
        let before = db.snapshot();
        check_fit(before, p)?;
        let frame = Frame {
            tx: p.tx,
            parents: before.commit.into_iter().chain(p.merged.iter().copied()).collect(),
            instant_ms: p.instant_ms,
            next_entity: p.next_entity,
            salt: self.nonce() as u64,
            schema: p.schema.changes_since(&before.schema),
            datoms: Frame::columns(&p.datoms),
            purged: None,
        };
        let encoded = frame.encode().map_err(|e| ConnError::TooLarge(e.into()))?;
        let mut after = before.with(p.tx, p.instant_ms, &p.datoms, p.schema.clone(), p.next_entity);
        after.commit = Some(encoded.id);
        self.inner.place.backfill(&before.schema, &mut after, known).await?;
        Ok((after, encoded.id, encoded.bytes))
    }

    /// The head with these transactions after `opened`.
    pub(super) fn plan(&self, opened: &Opened, drafts: &[Draft]) -> Result<Plan, ConnError> {
        let (mut head, mut next) = (opened.head.next(self.nonce()), opened.clone());
        if let Some(last) = drafts.last() {
            next.snapshot = last.after.snapshot().clone();
            head.base.trees = next.snapshot.trees.clone();
            let kept: Vec<_> = head.base.roots().map(|root| root.node).collect();
            head.base.inlined.retain(|(node, _)| kept.contains(node));
            let parents = last.before.snapshot().commit.into_iter();
            let parents = parents.chain(last.prepared.merged.iter().copied()).collect();
            let (tx, next_entity) = (last.prepared.tx, last.prepared.next_entity);
            let instant_ms = Some(last.prepared.instant_ms);
            head.tip = Tip { commit: Some(last.commit), parents, tx, instant_ms, next_entity };
        }
        head.tail.extend(drafts.iter().map(|draft| draft.frame.clone()));
        let mut objects = Vec::new();
        let is_long = head.tail_bytes() > self.inner.options.tail_bytes.min(TAIL_BYTES);
        if is_long || head.tail_raw_bytes() > TAIL_RAW_BYTES {
            objects = spill(&mut head, &mut next, self.inner.place.host.as_ref())
                .map_err(ConnError::TooLarge)?;
        }
        let bytes = match head.encode() {
            Err(FormatError::TooLarge(_)) if objects.is_empty() && !head.tail.is_empty() => {
                objects = spill(&mut head, &mut next, self.inner.place.host.as_ref())
                    .map_err(ConnError::TooLarge)?;
                head.encode()
            }
            encoded => encoded,
        };
        let bytes = bytes.map_err(ConnError::TooLarge)?;
        next.head = Arc::new(head);
        Ok(Plan { opened: next, bytes, objects })
    }
}

/// Moves the tail into a log segment and a new novelty object.
pub(super) fn spill(
    head: &mut Head,
    opened: &mut Opened,
    host: &dyn Host,
) -> Result<Objects, FormatError> {
    let frames = std::mem::take(&mut head.tail);
    let (first, last) = (next_t(head.base.commit), head.tip.t());
    let segment = Segment { database: head.database, first, frames };
    let segment_bytes = segment.encode();
    let log = SegmentRef {
        name: host.random(),
        hash: NodeHash::of(&segment_bytes),
        len: segment_bytes.len() as u64,
        first,
        last,
    };
    let snapshot = &mut opened.snapshot;
    let novelty = Layer::stack_all(std::mem::take(&mut snapshot.layers));
    snapshot.layers = vec![novelty.clone(), Arc::default()];
    let about = About { schema: snapshot.schema.clone(), counts: snapshot.counts.as_ref().clone() };
    opened.about = Arc::new(about);
    opened.novelty = novelty;
    let mut objects = vec![(log_name(log.name), segment_bytes)];
    head.base.commit = head.tip.commit;
    head.base.log.push(log);
    objects.extend(write_novelty(&mut head.base, opened, host)?);
    Ok(objects)
}

fn next_t(commit: Option<CommitId>) -> crate::id::T {
    crate::id::T(commit.map_or(0, |commit| commit.t.0) + 1)
}

/// Puts schema, counts and novelty of `opened` into a base: what is small into the head, the rest
/// into a new object, if there is any.
pub(super) fn write_novelty(
    base: &mut Base,
    opened: &Opened,
    host: &dyn Host,
) -> Result<Option<(String, Bytes)>, FormatError> {
    let about = opened.about.encode()?;
    let inline = about.len() <= INLINE_BYTES;
    base.about = inline.then(|| about.clone());
    base.novelty = None;
    if inline && opened.novelty.is_empty() {
        return Ok(None);
    }
    let facts = opened.novelty.facts(Order::Eavt);
    let bytes = Novelty::encode((!inline).then_some(&about), facts)?;
    let name = host.random();
    let (hash, len) = (NodeHash::of(&bytes), bytes.len() as u64);
    base.novelty = Some(ObjectRef { name, hash, len, rows: facts.len() as u64 });
    Ok(Some((novelty_name(name), bytes)))
}

/// Whether a prepared transaction can follow a snapshot: what it must keep for the log and the ids
/// to stay true.
fn check_fit(before: &Snapshot, p: &Prepared) -> Result<(), ConnError> {
    let unfit = |what| Err(ConnError::Unfit(what));
    if p.tx != before.next_tx() {
        return unfit("its transaction is not the next one");
    }
    if before.instant_ms.is_some_and(|last| p.instant_ms <= last) {
        return unfit("its instant is not later than the one before");
    }
    if p.next_entity < before.next_entity {
        return unfit("it gives entity ids again");
    }
    if p.datoms.iter().any(|datom: &Datom| datom.tx != p.tx) {
        return unfit("a datom of another transaction");
    }
    Ok(())
}
