//! A store in memory: for tests, for the simulation, and for `memory:` databases of one process.
//!
//! **Invariant:** every write gets a version that no other write of this store ever had. Nothing is
//! shared with another `MemoryStore`, and nothing outlives it.

use super::{
    BoxFuture, Expect, Fetch, Host, Listed, RefRead, Store, StoreError, StoreErrorKind, Swap,
    Version,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects and refs in a map behind a mutex.
#[derive(Debug, Default)]
pub struct MemoryStore {
    name: String,
    clock: Option<Arc<dyn Host>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    writes: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    write: u64,
    modified_ms: i64,
}

impl MemoryStore {
    /// An empty store whose objects all carry the time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with a name (its url is `memory:NAME`) and a clock for the times of its
    /// objects.
    pub fn with_clock(name: impl Into<String>, clock: Arc<dyn Host>) -> Self {
        Self { name: name.into(), clock: Some(clock), state: Mutex::default() }
    }

    /// The names of all objects and refs, in order: what a test looks at.
    pub fn names(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// Puts other bytes under a name, whatever was there: how a test damages a store.
    pub fn overwrite(&self, key: &str, bytes: Bytes) {
        self.write(&mut self.state(), key, bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code below can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, key: &str, bytes: Bytes) -> Version {
        state.writes += 1;
        let modified_ms = self.clock.as_ref().map_or(0, |clock| clock.now_ms());
        let entry = Entry { bytes, write: state.writes, modified_ms };
        let version = entry.version();
        state.entries.insert(key.to_owned(), entry);
        version
    }

    fn read(&self, what: &Fetch) -> Result<Bytes, StoreError> {
        let state = self.state();
        let error = |kind, reason: &str| StoreError::new(kind, self.url(), &what.key, reason);
        let Some(entry) = state.entries.get(&what.key) else {
            return Err(error(StoreErrorKind::NotFound, "there is no such object"));
        };
        let Some(range) = &what.range else { return Ok(entry.bytes.clone()) };
        let length = entry.bytes.len() as u64;
        if range.start > range.end || range.end > length {
            let reason = format!(
                "bytes {} to {} were asked of an object of {length}",
                range.start, range.end
            );
            return Err(error(StoreErrorKind::Corrupt, &reason));
        }
        // Both fit: they are at most the length of bytes in memory.
        Ok(entry.bytes.slice(range.start as usize..range.end as usize))
    }

    fn swap(&self, name: &str, expect: &Expect, bytes: Bytes) -> Swap {
        let mut state = self.state();
        let now = state.entries.get(name).map(Entry::version);
        let expected = match expect {
            Expect::Absent => now.is_none(),
            Expect::Version(version) => now.as_ref() == Some(version),
        };
        if expected { Swap::Swapped(self.write(&mut state, name, bytes)) } else { Swap::Lost }
    }

    fn read_name(&self, name: &str, if_changed_from: Option<&Version>) -> RefRead {
        let state = self.state();
        let Some(entry) = state.entries.get(name) else { return RefRead::Absent };
        let version = entry.version();
        if if_changed_from == Some(&version) {
            return RefRead::Unchanged;
        }
        RefRead::Found { bytes: entry.bytes.clone(), version }
    }
}

impl Entry {
    fn version(&self) -> Version {
        Version { e_tag: Some(self.write.to_string()), version: None }
    }

    fn listed(&self, key: &str) -> Listed {
        let size_bytes = self.bytes.len() as u64;
        Listed { key: key.to_owned(), size_bytes, modified_ms: self.modified_ms }
    }
}

impl Store for MemoryStore {
    fn url(&self) -> String {
        format!("memory:{}", self.name)
    }

    fn get<'a>(&'a self, what: &'a Fetch) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move { self.read(what) })
    }

    fn get_many<'a>(&'a self, what: &'a [Fetch]) -> BoxFuture<'a, Result<Vec<Bytes>, StoreError>> {
        Box::pin(async move { what.iter().map(|one| self.read(one)).collect() })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write(&mut self.state(), key, bytes);
            Ok(())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.state().entries.remove(key);
            Ok(())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            let from = state.entries.range(prefix.to_owned()..);
            let below = from.take_while(|(key, _)| key.starts_with(prefix));
            Ok(below.map(|(key, entry)| entry.listed(key)).collect())
        })
    }

    fn read_ref<'a>(
        &'a self,
        name: &'a str,
        if_changed_from: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<RefRead, StoreError>> {
        Box::pin(async move { Ok(self.read_name(name, if_changed_from)) })
    }

    fn cas_ref<'a>(
        &'a self,
        name: &'a str,
        expect: Expect,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move { Ok(self.swap(name, &expect, bytes)) })
    }
}

#[cfg(test)]
mod tests;
