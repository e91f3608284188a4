//! Sizes of the entities of the folder that was listed last.
//!
//! **Invariant:** a size is of one value of one place; another value starts anew. Who looks up the
//! names of a listing one by one costs one scan for many of them, not one for each.

use crate::error::Result;
use crate::render;
use crate::source::Moment;
use crate::tree::node::{Node, Place};
use factfs_core::id::EntityId;
use factfs_core::text::Format;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lookups in one listing after which the others are expected, too.
const MANY: u32 = 8;
/// Entities that are measured by one scan.
const BATCH: usize = 1024;

/// Sizes of one listing.
#[derive(Default)]
pub(super) struct Measured(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    place: Option<Place>,
    value: String,
    ids: Vec<EntityId>,
    sizes: HashMap<EntityId, u64>,
    lookups: u32,
}

impl Measured {
    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder was listed.
    pub(super) fn listed(&self, place: &Place, moment: &Moment, ids: &[EntityId]) {
        let mut listed = self.lock();
        if !listed.is_of(place, moment) {
            let (place, value, ids) = (Some(place.clone()), moment.id(), ids.to_vec());
            *listed = Listed { place, value, ids, ..Listed::default() };
        }
    }

    /// The size of an entity, if it was measured.
    pub(super) fn size(&self, place: &Place, moment: &Moment, e: EntityId) -> Option<u64> {
        let listed = self.lock();
        let size = listed.sizes.get(&e).copied();
        size.filter(|_| listed.is_of(place, moment))
    }

    /// An entity is looked up: its size, where it and those after it are worth being measured.
    pub(super) fn looked_up(
        &self,
        node: &Node,
        moment: &Moment,
        e: EntityId,
    ) -> Result<Option<u64>> {
        let Node::Part(place, _) = node else { return Ok(None) };
        let batch = {
            let mut listed = self.lock();
            let Ok(at) = listed.ids.binary_search(&e) else { return Ok(None) };
            if !listed.is_of(place, moment) {
                return Ok(None);
            }
            listed.lookups += 1;
            if listed.sizes.contains_key(&e) || listed.lookups < MANY {
                return Ok(listed.sizes.get(&e).copied());
            }
            let end = listed.ids.len().min(at + BATCH);
            listed.ids[at..end].to_vec()
        };
        let texts = render::entities(&moment.db, &batch, Format::Edn)?;
        let sizes = batch.iter().zip(texts);
        let sizes = sizes.filter_map(|(e, text)| Some((*e, text?.len() as u64)));
        let mut listed = self.lock();
        if listed.is_of(place, moment) {
            listed.sizes.extend(sizes);
        }
        Ok(listed.sizes.get(&e).copied())
    }
}

impl Listed {
    fn is_of(&self, place: &Place, moment: &Moment) -> bool {
        self.place.as_ref() == Some(place) && self.value == moment.id()
    }
}
