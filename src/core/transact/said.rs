//! What a transaction has said so far, found again by what it is about.
//!
//! **Invariant:** of the datoms about one thing the last one counts: it says what holds now. Tables
//! hold places among the datoms, which are kept by who asks and only ever become more.

use crate::datom::Datom;
use crate::id::{AttrId, EntityId};
use crate::schema::Attribute;
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hash};

/// The last datoms of one-valued attributes by entity, of many-valued ones by fact, and of unique
/// ones by value.
#[derive(Default)]
pub(super) struct Said {
    ones: HashTable<u32>,
    facts: HashTable<u32>,
    owners: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Said {
    /// With room for so many datoms of one-valued attributes.
    pub(super) fn with_capacity(room: usize) -> Self {
        Self { ones: HashTable::with_capacity(room), ..Self::default() }
    }

    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        self.ones.is_empty() && self.facts.is_empty()
    }

    /// The value of a one-valued attribute, if it was said whether there is one.
    pub(super) fn one(&self, datoms: &[Datom], e: EntityId, a: AttrId) -> Option<Option<Value>> {
        let last = |at: &u32| (datoms[*at as usize].e, datoms[*at as usize].a) == (e, a);
        let datom = &datoms[*self.ones.find(self.hash((e, a)), last)? as usize];
        Some(datom.added.then(|| datom.v.clone()))
    }

    /// Whether a fact of a many-valued attribute holds, if it was said.
    pub(super) fn fact(
        &self,
        datoms: &[Datom],
        (e, a, v): (EntityId, AttrId, &Value),
    ) -> Option<bool> {
        let last = |at: &u32| is_fact(&datoms[*at as usize], (e, a, v));
        let at = self.facts.find(self.hash((e, a, v)), last)?;
        Some(datoms[*at as usize].added)
    }

    /// Who has a value of a unique attribute, if it was said.
    pub(super) fn owner(&self, datoms: &[Datom], a: AttrId, v: &Value) -> Option<Option<EntityId>> {
        let last = |at: &u32| is_value(&datoms[*at as usize], (a, v));
        let datom = &datoms[*self.owners.find(self.hash((a, v)), last)? as usize];
        Some(datom.added.then_some(datom.e))
    }

    /// Takes note of the last datom.
    pub(super) fn note(&mut self, datoms: &[Datom], attribute: &Attribute) {
        let Some((Datom { e, a, v, .. }, before)) = datoms.split_last() else { return };
        let at = before.len() as u32;
        let hasher = &self.hasher;
        if attribute.many {
            let key = |datom: &Datom| hasher.hash_one((datom.e, datom.a, &datom.v));
            let same = |datom: &Datom| is_fact(datom, (*e, *a, v));
            put(&mut self.facts, datoms, at, key, same);
        } else {
            let key = |datom: &Datom| hasher.hash_one((datom.e, datom.a));
            let same = |datom: &Datom| (datom.e, datom.a) == (*e, *a);
            put(&mut self.ones, datoms, at, key, same);
        }
        if attribute.unique.is_some() {
            let key = |datom: &Datom| hasher.hash_one((datom.a, &datom.v));
            let same = |datom: &Datom| is_value(datom, (*a, v));
            put(&mut self.owners, datoms, at, key, same);
        }
    }

    fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn is_fact(datom: &Datom, (e, a, v): (EntityId, AttrId, &Value)) -> bool {
    (datom.e, datom.a) == (e, a) && datom.v == *v
}

fn is_value(datom: &Datom, (a, v): (AttrId, &Value)) -> bool {
    datom.a == a && datom.v == *v
}

fn put(
    table: &mut HashTable<u32>,
    datoms: &[Datom],
    at: u32,
    key: impl Fn(&Datom) -> u64,
    same: impl Fn(&Datom) -> bool,
) {
    let hash = key(&datoms[at as usize]);
    let rehash = |at: &u32| key(&datoms[*at as usize]);
    let entry = table.entry(hash, |at| same(&datoms[*at as usize]), rehash);
    *entry.or_insert(at).get_mut() = at;
}
