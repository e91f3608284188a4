//! Deleting: garbage is written down first, and deleted when it has been known for the time of
//! grace.
//!
//! **Invariant:** the time of grace counts from when garbage was written down, which is after
//! nothing referred to it any more; both times are the store's own. An object `gc/<random>` is
//! deleted after all that it names, so a collection that was interrupted is finished by the next.

use super::super::{ConnError, Place, rules};
use super::Total;
use crate::commit::{Garbage, garbage_name};
use crate::store::{BoxFuture, Fetch, Listed, StoreErrorKind, join_all};
use std::collections::{BTreeMap, BTreeSet};

/// Where garbage is written down.
const NOTES: &str = "gc/";
/// The most objects that one note names.
const MOST: usize = 16_384;
/// Requests at once.
const WINDOW: usize = 16;

/// What became of garbage.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) deleted: Vec<(String, u64)>,
    pub(super) waiting: Vec<(String, u64)>,
}

impl Place {
    /// Writes down what is new among this garbage, and deletes what is old enough of all that is
    /// written down.
    pub(super) async fn sweep(
        &self,
        found: Garbage,
        grace_ms: u64,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<Swept, ConnError> {
        let mut notes = self.notes().await?;
        let known: BTreeSet<String> = notes.values().flat_map(|(_, g)| names(g)).collect();
        let new = found.objects.iter().filter(|(name, _)| !known.contains(name));
        let new: Vec<(String, u64)> = new.cloned().collect();
        if new.is_empty() && notes.is_empty() {
            return Ok(Swept::default());
        }
        // At least one note, also an empty one: its time is the store's now.
        let mut mine = Vec::new();
        let chunks = new.chunks(MOST).map(<[_]>::to_vec);
        for objects in chunks.chain(new.is_empty().then(Vec::new)) {
            let note = Garbage { objects, ..found.clone() };
            let name = garbage_name(self.host.random());
            self.store.put(&name, note.encode()).await?;
            mine.push((name, note));
        }
        let times: BTreeMap<String, i64> = self.note_times().await?;
        let now_ms = mine.iter().filter_map(|(name, _)| times.get(name)).max().copied();
        for (name, note) in mine {
            // Another collection that has found it old enough may have deleted it already.
            if let Some(time) = times.get(&name) {
                notes.insert(name, (*time, note));
            }
        }
        let grace_ms = if rules().grace { i64::try_from(grace_ms).unwrap_or(i64::MAX) } else { 0 };
        let mut swept = Swept::default();
        for (name, (time, note)) in notes {
            let is_due = now_ms.is_some_and(|now| now.saturating_sub(time) >= grace_ms);
            if is_due || note.objects.is_empty() {
                self.delete_noted(&name, &note, swept.deleted.len() as u64, progress).await?;
                swept.deleted.extend(note.objects);
            } else {
                swept.waiting.extend(note.objects);
            }
        }
        for objects in [&mut swept.deleted, &mut swept.waiting] {
            objects.sort();
            objects.dedup();
        }
        Ok(swept)
    }

    /// Deletes what a note names, then the note.
    async fn delete_noted(
        &self,
        name: &str,
        note: &Garbage,
        before: u64,
        progress: &mut (dyn FnMut(u64, &'static str) + Send),
    ) -> Result<(), ConnError> {
        let mut done = Total { objects: before, bytes: 0 };
        for window in note.objects.chunks(WINDOW) {
            progress(done.objects, "deleting");
            let deleting: Vec<BoxFuture<'_, _>> =
                window.iter().map(|(object, _)| self.store.delete(object)).collect();
            join_all(deleting).await.into_iter().collect::<Result<(), _>>()?;
            window.iter().for_each(|(_, bytes)| done.add(*bytes));
        }
        Ok(self.store.delete(name).await?)
    }

    /// What is written down: when, and what.
    async fn notes(&self) -> Result<BTreeMap<String, (i64, Garbage)>, ConnError> {
        let mut notes = BTreeMap::new();
        for Listed { key, modified_ms, .. } in self.store.list(NOTES).await? {
            let bytes = match self.store.get(&Fetch { key: key.clone(), range: None }).await {
                Ok(bytes) => bytes,
                // Another collection is at it.
                Err(error) if error.kind == StoreErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let note = Garbage::decode(&bytes).map_err(|e| self.damaged(&key, e))?;
            notes.insert(key, (modified_ms, note));
        }
        Ok(notes)
    }

    async fn note_times(&self) -> Result<BTreeMap<String, i64>, ConnError> {
        let listed = self.store.list(NOTES).await?.into_iter();
        Ok(listed.map(|note| (note.key, note.modified_ms)).collect())
    }

    /// The garbage that is old enough, by this machine's clock.
    pub(super) async fn due(&self, grace_ms: u64) -> Result<BTreeSet<String>, ConnError> {
        let now_ms = self.host.now_ms();
        let grace_ms = i64::try_from(grace_ms).unwrap_or(i64::MAX);
        let notes = self.notes().await?;
        let due = notes.values().filter(|(time, _)| now_ms.saturating_sub(*time) >= grace_ms);
        Ok(due.flat_map(|(_, note)| names(note)).collect())
    }
}

fn names(note: &Garbage) -> impl Iterator<Item = String> {
    note.objects.iter().map(|(name, _)| name.clone())
}
