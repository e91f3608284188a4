//! An attribute that comes into AVET with facts: they are put there in the commit that says so.
//!
//! **Invariant:** AVET holds every fact of every attribute that the schema has there: in layers,
//! which are made anew, and in trees, which get the facts from AEVT. Cost: the facts of the
//! attribute, once for a group: where it is prepared again on a newer head, and the trees are still
//! the same, so are those that were made of them ([`Backfilled`]).

use super::flush::PACK_BYTES;
use super::{ConnError, Place};
use crate::datom::{Facts, FactsBuilder, KeyRange, Order};
use crate::db::{Layer, Snapshot, Trees};
use crate::id::AttrId;
use crate::index::{
    Changes, Direction, Forest, Outlet, PackId, PackWriter, Root, Scan, Shape, TreeError,
};
use crate::schema::Schema;
use std::sync::Arc;

/// The attributes in AVET that were not there before.
pub(super) fn newly_indexed(now: &Schema, before: &Schema) -> Vec<AttrId> {
    if now == before {
        return Vec::new();
    }
    let was = |id: AttrId| before.get(id).is_some_and(|old| old.in_avet());
    now.attributes().filter(|a| a.in_avet() && !was(a.id)).map(|a| a.id).collect()
}

/// Trees that got facts in AVET, for a group that may be prepared again.
#[derive(Debug, Default)]
pub(super) struct Backfilled {
    /// Trees, the attributes that came into AVET, and the trees made of both. What they need is
    /// written.
    made: Vec<(Trees, Vec<AttrId>, Trees)>,
    /// The collection after which all of it was written.
    generation: u64,
}

impl Backfilled {
    /// For a head of this generation. What was written before a collection may be deleted by it:
    /// nothing written for an older head is found again.
    pub(super) fn on(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation {
            (self.made, self.generation) = (Vec::new(), generation);
        }
        self
    }

    fn find(&self, trees: &Trees, attrs: &[AttrId]) -> Option<Trees> {
        let found = self.made.iter().find(|(from, with, _)| from == trees && with == attrs);
        found.map(|(.., made)| made.clone())
    }
}

impl Place {
    /// Completes AVET of a snapshot whose schema changed, and writes the packs that it needs.
    pub(super) async fn backfill(
        &self,
        before: &Schema,
        snapshot: &mut Snapshot,
        known: &mut Backfilled,
    ) -> Result<(), ConnError> {
        let attrs = newly_indexed(&snapshot.schema, before);
        if attrs.is_empty() {
            return Ok(());
        }
        let schema = snapshot.schema.clone();
        for layer in &mut snapshot.layers {
            let eavt = layer.facts(Order::Eavt).as_ref().clone();
            *layer = Arc::new(Layer::new(eavt, &schema));
        }
        let from = snapshot.trees.clone();
        snapshot.trees = match known.find(&from, &attrs) {
            Some(made) => made,
            None => {
                let made = self.fill_trees(&from, &attrs).await?;
                known.made.push((from, attrs, made.clone()));
                made
            }
        };
        Ok(())
    }

    async fn fill_trees(&self, from: &Trees, attrs: &[AttrId]) -> Result<Trees, ConnError> {
        let mut packs =
            PackWriter::new(|| PackId(self.host.random())).into_outlet(self, PACK_BYTES);
        let nodes = self.nodes.as_ref();
        let mut forest = Forest { nodes, packs: &mut packs, shape: Shape::default() };
        let mut trees = from.clone();
        for trees in [&mut trees.current, &mut trees.superseded] {
            let avet = trees[Order::Avet as usize].take();
            let [_, aevt, target] = trees;
            *target = fill(&mut forest, aevt.as_ref(), avet, attrs).await?;
        }
        self.put(packs.finish()).await?;
        Ok(trees)
    }
}

/// The AVET tree with the facts of these attributes instead of what it has of them.
async fn fill(
    forest: &mut Forest<'_, '_>,
    aevt: Option<&Root>,
    avet: Option<Root>,
    attrs: &[AttrId],
) -> Result<Option<Root>, TreeError> {
    let add = collect(forest, aevt, Order::Aevt, attrs)?.sorted(Order::Avet);
    // Left from when the attribute was in AVET before.
    let remove = collect(forest, avet.as_ref(), Order::Avet, attrs)?;
    let (add, remove) = (without(&add, &remove), without(&remove, &add));
    if add.is_empty() && remove.is_empty() {
        return Ok(avet);
    }
    let changes = Changes { add: &add, remove: &remove };
    let tree = forest.merge(avet.as_ref(), Order::Avet, changes, &mut |_, _| ()).await?;
    Ok(tree.place(forest.packs))
}

/// The facts that are not among others; both are in AVET order.
fn without(facts: &Facts, others: &Facts) -> Facts {
    let mut left = FactsBuilder::default();
    let mut other = 0;
    for row in 0..facts.len() {
        let key = facts.key(row);
        while other < others.len() && others.key(other).cmp_in(Order::Avet, &key).is_lt() {
            other += 1;
        }
        if other == others.len() || others.key(other).cmp_in(Order::Avet, &key).is_ne() {
            left.push_row(facts, row);
        }
    }
    left.finish()
}

fn collect(
    forest: &Forest<'_, '_>,
    root: Option<&Root>,
    order: Order,
    attrs: &[AttrId],
) -> Result<Facts, TreeError> {
    let mut facts = FactsBuilder::default();
    for attr in attrs {
        let range = KeyRange::prefix(None, Some(*attr), None);
        let mut scan = Scan::new(root, order, range, Direction::Forward);
        while let Some(slice) = scan.next(forest.nodes)? {
            slice.rows.clone().for_each(|row| facts.push_row(&slice.facts, row));
        }
    }
    Ok(facts.finish())
}
