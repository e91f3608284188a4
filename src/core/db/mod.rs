//! A database as a value: one commit, seen at one time, that can be read without asking anybody.
//!
//! **Invariant:** a `Db` never changes and has no write method. Everything it shows is its trees,
//! then its layers from the oldest to the newest, seen through its [`View`]. What it reads from
//! storage goes through [`Nodes`], whole frontiers at a time.

mod access;
mod diff;
mod entid;
mod erase;
mod error;
mod layer;
mod merge;
mod prepared;
mod renew;
mod scan;
mod sort;
mod view;
mod whole;

#[cfg(test)]
mod tests;

pub use diff::{Change, ChangeKind, ChangeRows, Difference, Foreign, Known};
pub use entid::EntityRef;
pub use erase::{Erase, EraseError};
pub(crate) use erase::{Kind, fact_key};
pub use error::DbError;
pub use layer::Layer;
pub(crate) use layer::comes_into_avet;
pub use prepared::{Prepared, TxReport};
pub use renew::Renew;
pub use scan::Chunks;
pub use view::View;
pub use whole::Pieces;

use crate::datom::Datom;
use crate::id::{AttrId, BLOCK, CommitId, EntityId, T, Tx};
use crate::index::{Node, NodeRef, Nodes, NodesError, Root};
use crate::schema::Schema;
use crate::value::{Uuid, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows from which a transaction is a layer of its own, above one that has as many.
const LARGE: usize = if cfg!(test) { 12 } else { 2 << 10 };
/// The most layers that come about so: each is looked into by every read.
const LAYERS: usize = 16;

/// The roots of the six trees, by [`crate::datom::Order`]; `None` is an empty tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trees {
    /// Facts that hold.
    pub current: [Option<Root>; 3],
    /// Facts that have ended, as intervals.
    pub superseded: [Option<Root>; 3],
}

/// Everything of one commit. Fields are public to the floors above that make commits; a reader uses
/// [`Db`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which database.
    pub database: Uuid,
    /// Which commit; `None` for an empty database and for one made up by a speculative transaction.
    pub commit: Option<CommitId>,
    /// The last transaction; `Tx(0)` in an empty database.
    pub basis: Tx,
    /// When it was made, milliseconds since 1970.
    pub instant_ms: Option<i64>,
    /// The attributes.
    pub schema: Schema,
    /// What is in trees.
    pub trees: Trees,
    /// What is not yet: oldest first.
    pub layers: Vec<Arc<Layer>>,
    /// Where nodes come from.
    pub nodes: Arc<dyn Nodes>,
    /// The block that new ids are cut from.
    pub block: u64,
    /// The next entity id to give.
    pub next_entity: EntityId,
    /// How many facts hold, by attribute.
    pub counts: Arc<BTreeMap<AttrId, u64>>,
    /// The trees hold what was said up to here.
    pub flushed: T,
    /// How often facts had been erased when it was read: one commit may be less than it was.
    pub purges: u64,
}

/// A source for a database whose every fact is in memory: it has no nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNodes;

impl Nodes for NoNodes {
    fn get(&self, nodes: &[NodeRef]) -> Result<Vec<Arc<Node>>, NodesError> {
        if nodes.is_empty() { Ok(Vec::new()) } else { Err(NodesError::Missing(nodes.to_vec())) }
    }

    fn is_resident(&self, _: &NodeRef) -> bool {
        false
    }
}

impl Snapshot {
    /// The empty database.
    pub fn empty(database: Uuid, nodes: Arc<dyn Nodes>, schema: Schema) -> Self {
        Self {
            database,
            commit: None,
            basis: Tx(0),
            instant_ms: None,
            schema,
            trees: Trees::default(),
            layers: Vec::new(),
            nodes,
            block: 0,
            next_entity: EntityId(1),
            counts: Arc::default(),
            flushed: T(0),
            purges: 0,
        }
    }

    /// The snapshot after a transaction: `datoms` are what it really changed (no re-assertion, each
    /// retraction of a fact that holds). They join the newest layer; where both are large they are
    /// a layer of their own. Cost: the size of the layer that they are in.
    #[must_use]
    pub fn with(
        &self,
        tx: Tx,
        instant_ms: i64,
        datoms: &[Datom],
        schema: Schema,
        next_entity: EntityId,
    ) -> Self {
        let mut next = self.clone();
        let is_large = next.layers.last().is_some_and(|layer| layer.len() >= LARGE);
        let newest = match is_large && datoms.len() >= LARGE {
            true => Arc::default(),
            false => next.layers.pop().unwrap_or_default(),
        };
        if next.layers.len() >= LAYERS {
            // The first one is what storage has as one.
            let above = next.layers.split_off(1);
            next.layers.push(Layer::stack_all(above));
        }
        if layer::comes_into_avet(&schema, &self.schema) {
            for older in &mut next.layers {
                *older = Arc::new(older.indexed(&schema));
            }
        }
        next.layers.push(Arc::new(newest.apply(datoms, &schema, &self.schema)));
        let mut counts = self.counts.as_ref().clone();
        for datom in datoms {
            let count = counts.entry(datom.a).or_default();
            *count = if datom.added { *count + 1 } else { count.saturating_sub(1) };
        }
        next.counts = Arc::new(counts);
        next.commit = None;
        next.basis = tx;
        next.instant_ms = Some(instant_ms);
        next.schema = schema;
        next.next_entity = next_entity;
        next
    }

    /// The transaction id that follows.
    pub fn next_tx(&self) -> Tx {
        Tx::new(self.block, T(self.basis.t().0 + 1))
    }
}

/// A database value: a snapshot seen through a view. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    snapshot: Arc<Snapshot>,
    view: View,
    forgotten: Forgotten,
    renewal: Option<renew::Renewal>,
}

/// Attributes whose ended facts are not shown, sorted; `None` is none of them.
type Forgotten = Option<Arc<[(AttrId, T)]>>;

impl Db {
    /// The snapshot as it is.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: Arc::new(snapshot), view: View::default(), forgotten: None, renewal: None }
    }

    /// The commit behind the view.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Which database: ids of different ones never mean the same.
    pub fn database(&self) -> Uuid {
        self.snapshot.database
    }

    /// The attributes, as of the snapshot also in views of the past.
    pub fn schema(&self) -> &Schema {
        &self.snapshot.schema
    }

    /// The last transaction that is visible.
    pub fn basis_t(&self) -> T {
        let t = self.snapshot.basis.t();
        self.view.as_of.map_or(t, |as_of| as_of.min(t))
    }

    /// How time is looked at.
    pub fn view(&self) -> View {
        self.view
    }

    /// The database as it was after transaction `t`.
    #[must_use]
    pub fn as_of(&self, t: T) -> Self {
        let as_of = Some(self.view.as_of.map_or(t, |earlier| earlier.min(t)));
        self.seen(View { as_of, ..self.view })
    }

    /// Only what was said after transaction `t`.
    #[must_use]
    pub fn since(&self, t: T) -> Self {
        let since = Some(self.view.since.map_or(t, |later| later.max(t)));
        self.seen(View { since, ..self.view })
    }

    /// All assertions and retractions, also of facts that ended.
    #[must_use]
    pub fn history(&self) -> Self {
        self.seen(View { history: true, ..self.view })
    }

    fn seen(&self, view: View) -> Self {
        let forgotten = || self.snapshot.schema.forgetful();
        let forgotten = Some(forgotten()).filter(|all| !all.is_empty()).map(Arc::from);
        Self { snapshot: self.snapshot.clone(), view, forgotten, renewal: self.renewal.clone() }
    }

    /// The view as far as it matters here: an as-of that is not before the snapshot hides nothing.
    fn sight(&self) -> View {
        let as_of = self.view.as_of.filter(|t| *t < self.snapshot.basis.t());
        View { as_of, ..self.view }
    }

    /// Whether the superseded trees can hold something that is visible. What they hold had ended
    /// when it was flushed.
    fn needs_ended(&self) -> bool {
        let view = self.sight();
        view.history || view.as_of.is_some_and(|t| t < self.snapshot.flushed)
    }

    /// The value of a one-valued attribute of an entity (the first of many).
    pub fn value(&self, e: EntityId, a: AttrId) -> Result<Option<Value>, DbError> {
        let slices = self.seek_one(e, a)?;
        Ok(slices.iter().find_map(|s| s.datoms().next()).map(|d| d.v))
    }

    /// The block of an id: whether the branch of this snapshot made it.
    pub fn is_own_id(&self, e: EntityId) -> bool {
        e.0 / BLOCK == self.snapshot.block
    }
}
