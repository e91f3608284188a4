//! Files of a queries folder while they are edited, and the scratch files that editors make beside
//! them.
//!
//! **Invariant:** a file of a query's name is saved when it is flushed with something written to
//! it, when it is renamed onto that name, and at the last close; until then its new text is here
//! only, and everybody who looks sees it. Any other name is never saved. Nobody but [`Drafts`]
//! knows a draft's place.

use crate::tree::node::Desk;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files under their folder and name.
#[derive(Default)]
pub struct Drafts(Mutex<BTreeMap<(String, String), Arc<Draft>>>);

/// A file in memory.
pub struct Draft {
    /// The folder.
    pub desk: Desk,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    name: String,
    bytes: Vec<u8>,
    mtime_ms: i64,
    opened: u32,
    /// Differs from what is saved.
    is_changed: bool,
    /// Something was written since it was last saved: a flush saves only then, as shells flush
    /// before the first write.
    is_written: bool,
    is_unlinked: bool,
}

/// The most a file of a queries folder may hold.
pub const MAX_BYTES: u64 = 16 << 20;

impl Draft {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name now.
    pub fn name(&self) -> String {
        self.lock().name.clone()
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Its bytes as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// When it was last written.
    pub fn mtime_ms(&self) -> i64 {
        self.lock().mtime_ms
    }

    /// Up to `size` bytes from `offset`.
    pub fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        let state = self.lock();
        let from = offset.min(state.bytes.len() as u64) as usize;
        let to = from.saturating_add(size).min(state.bytes.len());
        state.bytes[from..to].to_vec()
    }

    /// Writes bytes at an offset, with zeros in a gap; `None` if that is more than a file may hold.
    pub fn write(&self, offset: u64, bytes: &[u8], now_ms: i64) -> Option<usize> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= MAX_BYTES)? as usize;
        let mut state = self.lock();
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[end - bytes.len()..end].copy_from_slice(bytes);
        state.is_written = true;
        state.touch(now_ms);
        Some(bytes.len())
    }

    /// Cuts or fills with zeros; `None` if that is more than a file may hold.
    pub fn resize(&self, size: u64, now_ms: i64) -> Option<()> {
        let size = usize::try_from(size).ok().filter(|_| size <= MAX_BYTES)?;
        let mut state = self.lock();
        state.bytes.resize(size, 0);
        state.touch(now_ms);
        Some(())
    }

    /// One more handle.
    pub fn opened(&self) {
        self.lock().opened += 1;
    }

    /// One handle less: whether it was the last.
    pub fn closed(&self) -> bool {
        let mut state = self.lock();
        state.opened = state.opened.saturating_sub(1);
        state.opened == 0
    }

    /// Whether a flush has something to save, or at the last close whether anything is not saved.
    pub fn needs_saving(&self, at_last_close: bool) -> bool {
        let state = self.lock();
        state.is_changed && !state.is_unlinked && (state.is_written || at_last_close)
    }

    /// It was saved.
    pub fn saved(&self) {
        let mut state = self.lock();
        (state.is_changed, state.is_written) = (false, false);
    }
}

impl State {
    fn touch(&mut self, now_ms: i64) {
        self.is_changed = true;
        self.mtime_ms = now_ms;
    }
}

impl Drafts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Draft>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The draft of a name, if there is one.
    pub fn get(&self, desk: &Desk, name: &str) -> Option<Arc<Draft>> {
        self.lock().get(&key(desk, name)).cloned()
    }

    /// The draft of a name, or one with these bytes.
    pub fn begin(&self, desk: &Desk, name: &str, bytes: &[u8], now_ms: i64) -> Arc<Draft> {
        let make = || {
            let (name, bytes) = (name.to_owned(), bytes.to_vec());
            let state = State { name, bytes, mtime_ms: now_ms, ..State::default() };
            Arc::new(Draft { desk: desk.clone(), state: Mutex::new(state) })
        };
        self.lock().entry(key(desk, name)).or_insert_with(make).clone()
    }

    /// A new file, not saved yet.
    pub fn create(&self, desk: &Desk, name: &str, now_ms: i64) -> Arc<Draft> {
        let draft = self.begin(desk, name, &[], now_ms);
        draft.lock().touch(now_ms);
        draft
    }

    /// Takes a name away; handles go on with the file, which is not saved any more.
    pub fn unlink(&self, desk: &Desk, name: &str) -> Option<Arc<Draft>> {
        let draft = self.lock().remove(&key(desk, name))?;
        draft.lock().is_unlinked = true;
        Some(draft)
    }

    /// Lets go of a file that is saved and closed; its place has it now.
    pub fn settle(&self, draft: &Arc<Draft>) {
        let mut drafts = self.lock();
        let state = draft.lock();
        let key = key(&draft.desk, &state.name);
        let same = drafts.get(&key).is_some_and(|known| Arc::ptr_eq(known, draft));
        if same && state.opened == 0 && !state.is_changed {
            drafts.remove(&key);
        }
    }

    /// Names of a folder.
    pub fn names(&self, desk: &Desk) -> Vec<String> {
        let folder = folder_key(desk);
        let drafts = self.lock();
        let inside = drafts.keys().filter(|(known, _)| *known == folder);
        inside.map(|(_, name)| name.clone()).collect()
    }

    /// Gives a file another name in the same folder; what had that name is gone.
    pub fn rename(&self, draft: &Arc<Draft>, to: &str) {
        let mut drafts = self.lock();
        let mut state = draft.lock();
        drafts.remove(&key(&draft.desk, &state.name));
        state.name = to.to_owned();
        if let Some(replaced) = drafts.insert(key(&draft.desk, to), draft.clone()) {
            drop(state);
            if !Arc::ptr_eq(&replaced, draft) {
                replaced.lock().is_unlinked = true;
            }
        }
    }
}

fn folder_key(desk: &Desk) -> String {
    crate::tree::node::Node::Queries(desk.clone()).path()
}

fn key(desk: &Desk, name: &str) -> (String, String) {
    (folder_key(desk), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_before_the_first_write_saves_nothing() {
        let drafts = Drafts::default();
        let draft = drafts.begin(&Desk::Mount, "a.edn", b"old", 1);
        draft.opened();
        draft.resize(0, 2).unwrap();
        assert!(!draft.needs_saving(false));
        draft.write(0, b"new", 3).unwrap();
        assert!(draft.needs_saving(false));
        draft.saved();
        assert!(!draft.needs_saving(true));
        assert!(draft.closed());
        drafts.settle(&draft);
        assert!(drafts.get(&Desk::Mount, "a.edn").is_none());
    }

    #[test]
    fn a_file_that_was_only_made_is_saved_at_its_last_close() {
        let drafts = Drafts::default();
        let draft = drafts.create(&Desk::Mount, "a.edn", 1);
        assert!(!draft.needs_saving(false) && draft.needs_saving(true));
        drafts.unlink(&Desk::Mount, "a.edn");
        assert!(!draft.needs_saving(true));
    }

    #[test]
    fn a_gap_is_zeros_and_renaming_replaces() {
        let drafts = Drafts::default();
        let draft = drafts.create(&Desk::Mount, "tmp", 1);
        drafts.create(&Desk::Mount, "a.edn", 1);
        draft.write(2, b"x", 1).unwrap();
        assert_eq!(draft.bytes(), b"\0\0x");
        assert!(draft.write(MAX_BYTES, b"x", 1).is_none());
        drafts.rename(&draft, "a.edn");
        assert_eq!(drafts.names(&Desk::Mount), ["a.edn"]);
        assert_eq!(drafts.get(&Desk::Mount, "a.edn").unwrap().bytes(), b"\0\0x");
    }
}
