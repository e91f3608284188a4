//! An attribute that comes into AVET with facts: they are put there in the commit that says so.
//!
//! **Invariant:** AVET holds every fact of every attribute that the schema has there: in layers,
//! which are made anew, and in trees, which get the facts from AEVT. Cost: the facts of the
//! attribute.

use super::build::Objects;
use super::{ConnError, Place};
use crate::datom::{Facts, FactsBuilder, KeyRange, Order};
use crate::db::{Layer, Snapshot};
use crate::id::AttrId;
use crate::index::{Changes, Direction, Forest, PackId, PackWriter, Root, Scan, Shape, TreeError};
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

impl Place {
    /// Completes AVET of a snapshot whose schema changed; the packs it needs.
    pub(super) fn backfill(
        &self,
        before: &Schema,
        snapshot: &mut Snapshot,
    ) -> Result<Objects, ConnError> {
        let attrs = newly_indexed(&snapshot.schema, before);
        if attrs.is_empty() {
            return Ok(Vec::new());
        }
        let schema = snapshot.schema.clone();
        for layer in &mut snapshot.layers {
            let eavt = layer.facts(Order::Eavt).as_ref().clone();
            *layer = Arc::new(Layer::new(eavt, &schema));
        }
        let mut packs = PackWriter::new(|| PackId(self.host.random()));
        let nodes = self.nodes.as_ref();
        let mut forest = Forest { nodes, packs: &mut packs, shape: Shape::default() };
        for trees in [&mut snapshot.trees.current, &mut snapshot.trees.superseded] {
            let avet = trees[Order::Avet as usize].take();
            let [_, aevt, target] = trees;
            *target = fill(&mut forest, aevt.as_ref(), avet, &attrs).map_err(ConnError::from)?;
        }
        let packs = packs.finish().into_iter();
        Ok(packs.map(|(pack, bytes)| (super::flush::pack_name(pack), bytes)).collect())
    }
}

/// The AVET tree with the facts of these attributes instead of what it has of them.
fn fill(
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
    let tree = forest.merge(avet.as_ref(), Order::Avet, changes, &mut |_, _| ())?;
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
