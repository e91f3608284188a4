//! The database as of a `t`, by the cheaper of two ways.
//!
//! Where the trees of a retained snapshot (an automatic tag, or any) are at hand with little log
//! between, they are the answer: a query there is a query at a head. Else the head is filtered:
//! facts that hold, and the superseded ones whose interval has the moment. Filtering is taken, too,
//! where it costs nothing: no superseded fact is in a tree, or none that held so late.
//!
//! **Invariant:** both give the same answer to every question. So the schema is the newest one on
//! both, and where an attribute keeps no history, or came into AVET since, only one is possible. A
//! snapshot that cannot be had is no error: the head can always be filtered.

use super::branch::db_of;
use super::{Conn, ConnError, Place};
use crate::commit::{Opened, Refs};
use crate::datom::Datom;
use crate::db::{Db, Layer, Snapshot};
use crate::id::T;
use crate::schema::Schema;
use std::sync::{Arc, PoisonError};

/// The most bytes of log that are read to come from a snapshot to a later commit.
const REPLAY_BYTES: u64 = 1 << 20;
/// Past databases that are kept opened.
const KEPT: usize = 8;

/// Which way an as-of is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The cheaper one.
    Cheapest,
    /// The head, filtered.
    Filtered,
    /// The trees of a retained snapshot, if there is one, whatever it costs.
    Retained,
}

impl Conn {
    /// The newest known database as of `t`, read by a way that the caller chooses: for tests and
    /// measurements. [`Conn::at`] takes the cheapest.
    pub async fn as_of(&self, t: T, way: AsOf) -> Result<Db, ConnError> {
        self.as_of_head(&self.opened(), t, way).await
    }

    pub(super) async fn as_of_head(
        &self,
        opened: &Opened,
        t: T,
        way: AsOf,
    ) -> Result<Db, ConnError> {
        let filtered = db_of(opened).as_of(t);
        let forgets = !opened.snapshot.schema.forgetful().is_empty();
        if way == AsOf::Filtered || forgets || t == T(0) || t >= opened.head.tip.t() {
            return Ok(filtered);
        }
        if let Some(known) = self.known_past(opened, t) {
            return Ok(Db::new(known).as_of(t));
        }
        let found = match self.inner.place.cut(opened, t).await? {
            Some(head) => {
                let nodes = opened.snapshot.nodes.clone();
                let (about, novelty) = (opened.about.clone(), opened.novelty.clone());
                let cut = Opened::on_base(head, about, novelty, nodes);
                Some(cut.map_err(|e| self.inner.place.damaged(&self.inner.head, e))?.snapshot)
            }
            None if way == AsOf::Cheapest && is_free(opened, t) => None,
            None => self.retained_past(opened, t, way).await?,
        };
        let Some(snapshot) = found else { return Ok(filtered) };
        let snapshot = under(snapshot, &opened.snapshot.schema);
        // Facts may have been erased since that head was read.
        if opened.snapshot.purges == self.opened().snapshot.purges {
            self.keep_past(opened, snapshot.clone());
        }
        Ok(Db::new(snapshot).as_of(t))
    }

    async fn retained_past(
        &self,
        opened: &Opened,
        t: T,
        way: AsOf,
    ) -> Result<Option<Snapshot>, ConnError> {
        let place = &self.inner.place;
        let found = match place.refs().await {
            Ok(refs) => place.snapshot_at(&refs, opened, t, way).await,
            Err(error) => Err(error),
        };
        match found {
            Err(ConnError::Store(_)) => Ok(None),
            found => found,
        }
    }

    fn known_past(&self, opened: &Opened, t: T) -> Option<Snapshot> {
        let kept = self.inner.past.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = &opened.snapshot.schema;
        // The history of a branch only grows, but for what is erased of it: its commit at `t` is
        // the same for ever. Another branch, whose ids are of another block, may have another
        // commit there.
        let purges = opened.snapshot.purges;
        let is_it = |s: &Snapshot| s.basis.t() == t && s.schema == *schema && s.purges == purges;
        let line = opened.head.block;
        kept.iter().find(|(of, s)| *of == line && is_it(s)).map(|(_, s)| s.clone())
    }

    fn keep_past(&self, opened: &Opened, snapshot: Snapshot) {
        let mut kept = self.inner.past.lock().unwrap_or_else(PoisonError::into_inner);
        let line = opened.head.block;
        kept.retain(|(of, known)| *of != line || known.basis != snapshot.basis);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((line, snapshot));
    }
}

/// Whether filtering reads nothing that a query at the head would not.
fn is_free(opened: &Opened, t: T) -> bool {
    let trees = &opened.head.base.trees;
    t >= opened.head.base.flushed || trees.superseded.iter().all(Option::is_none)
}

/// A snapshot of the past with the schema of now.
fn under(mut snapshot: Snapshot, schema: &Schema) -> Snapshot {
    for layer in &mut snapshot.layers {
        *layer = Arc::new(layer.indexed(schema));
    }
    snapshot.schema = schema.clone();
    snapshot
}

impl Place {
    /// The database at `t` from a retained snapshot and the log after it, if there is one near
    /// enough whose AVET has what the newest schema has there.
    async fn snapshot_at(
        &self,
        refs: &Refs,
        opened: &Opened,
        t: T,
        way: AsOf,
    ) -> Result<Option<Snapshot>, ConnError> {
        let Some(start) = self.retained(refs, opened, t).await? else { return Ok(None) };
        let schema = &opened.snapshot.schema;
        if !super::backfill::newly_indexed(schema, &start.snapshot.schema).is_empty() {
            return Ok(None);
        }
        let (mut next, mut datoms) = (T(start.head.tip.t().0 + 1), Vec::<Datom>::new());
        if way == AsOf::Cheapest && self.log_bytes(opened, next, t)? > REPLAY_BYTES {
            return Ok(None);
        }
        let mut snapshot = under(start.snapshot, schema);
        let mut parent = snapshot.commit;
        while next <= t {
            let stretch = self.stretch(opened, next, t).await?;
            next = T(stretch.last().0 + 1);
            for logged in &stretch.frames {
                let frame = &logged.frame;
                frame.follows(logged.id, parent).map_err(|e| self.damaged("log", e))?;
                parent = Some(logged.id);
                datoms.extend(frame.datoms());
                (snapshot.basis, snapshot.instant_ms) = (frame.tx, Some(frame.instant_ms));
                snapshot.next_entity = frame.next_entity;
            }
        }
        snapshot.commit = parent;
        snapshot.counts = Arc::new(crate::commit::count(&snapshot.counts, &datoms));
        let newest: Arc<Layer> = snapshot.layers.pop().unwrap_or_default();
        snapshot.layers.push(Arc::new(newest.apply(&datoms, schema, schema)));
        Ok(Some(snapshot))
    }
}
