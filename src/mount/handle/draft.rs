//! Files that are written: queries and entities while they are edited, documents, and the scratch
//! files that editors make beside them.
//!
//! **Invariant:** a file of a query's name is saved when it is flushed with something written to
//! it, when it is renamed onto that name, and at the last close; until then its new text is here
//! only, and everybody who looks sees it. A document is here before and after it is committed, and
//! committed once; how many of those are kept is bounded. Scratch is never saved. Nobody but
//! [`Drafts`] knows a draft's place. What is done with a file is not decided here.

use crate::spool::Content;
use crate::tree::node::Node;
use crate::tree::path;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files under their folder and name.
#[derive(Default)]
pub struct Drafts(Mutex<BTreeMap<(String, String), Arc<Draft>>>);

/// A file in memory.
pub struct Draft {
    /// The folder.
    pub folder: Node,
    limit_bytes: u64,
    state: Mutex<State>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being committed: nobody changes it, and nobody else commits it.
    Committing,
    /// It is committed.
    Committed,
    /// It is not.
    Failed,
}

/// Why a file is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would be more than it may hold.
    TooLarge,
    /// It is being committed.
    Committing,
    /// It is committed.
    Committed,
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
    /// The bytes, once somebody looked at them as they are.
    content: Option<Content>,
    outcome: Option<Outcome>,
}

/// The most a file that is edited may hold.
pub const MAX_BYTES: u64 = 16 << 20;
/// The most a document may hold.
pub const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// How many documents are kept that are done with.
const KEPT_DOCUMENTS: usize = 1000;
/// How many bytes of them.
const KEPT_BYTES: usize = 64 << 20;

impl Draft {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name now.
    pub fn name(&self) -> String {
        self.lock().name.clone()
    }

    /// What its path means.
    pub fn node(&self) -> Node {
        path::child(&self.folder, &self.lock().name).unwrap_or_else(|| self.folder.clone())
    }

    /// The most it may hold.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// How many bytes it has.
    pub fn size_bytes(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Its bytes as they are now, whatever is written after.
    pub fn content(&self) -> Content {
        let mut state = self.lock();
        let content = state.content.take().unwrap_or_else(|| Content::of(&state.bytes));
        state.content = Some(content.clone());
        content
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

    /// Writes bytes at an offset, with zeros in a gap. What failed before may be put right so.
    pub fn write(&self, offset: u64, bytes: &[u8], now_ms: i64) -> Result<usize, Refused> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.limit_bytes);
        let mut state = self.lock();
        match state.outcome {
            Some(Outcome::Committing) => return Err(Refused::Committing),
            Some(Outcome::Committed) => return Err(Refused::Committed),
            Some(Outcome::Failed) | None => state.outcome = None,
        }
        let end = end.ok_or(Refused::TooLarge)? as usize;
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[end - bytes.len()..end].copy_from_slice(bytes);
        state.is_written = true;
        state.touch(now_ms);
        Ok(bytes.len())
    }

    /// Cuts or fills with zeros.
    pub fn resize(&self, size: u64, now_ms: i64) -> Result<(), Refused> {
        let size = usize::try_from(size).ok().filter(|_| size <= self.limit_bytes);
        let mut state = self.lock();
        if state.outcome == Some(Outcome::Committing) {
            return Err(Refused::Committing);
        }
        state.bytes.resize(size.ok_or(Refused::TooLarge)?, 0);
        state.touch(now_ms);
        Ok(())
    }

    /// Throws the old bytes away: what is written next is another document.
    pub fn begin_anew(&self, now_ms: i64) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.outcome == Some(Outcome::Committing) {
            return Err(Refused::Committing);
        }
        state.bytes.clear();
        state.outcome = None;
        state.touch(now_ms);
        Ok(())
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

    /// What is to be committed, if something was written since it was begun. It is given once:
    /// until it is known what became of it, it stays as it is.
    pub fn take_written(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let is_new = state.is_written && !state.is_unlinked && state.outcome.is_none();
        is_new.then(|| {
            state.is_written = false;
            state.outcome = Some(Outcome::Committing);
            state.bytes.clone()
        })
    }

    /// What is to be committed, whatever became of it before; none if that is under way. If it
    /// comes to nothing, whoever wrote it may still have it committed.
    pub fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let is_free = state.outcome != Some(Outcome::Committing);
        is_free.then(|| {
            state.outcome = Some(Outcome::Committing);
            state.bytes.clone()
        })
    }

    /// What became of it, if it is done with.
    pub fn outcome(&self) -> Option<Outcome> {
        self.lock().outcome
    }

    /// It is done with, or to be gone on with.
    pub fn set_outcome(&self, outcome: Option<Outcome>) {
        self.lock().outcome = outcome;
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
        self.content = None;
        self.mtime_ms = now_ms;
    }
}

impl Drafts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Draft>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The draft of a name, if there is one.
    pub fn get(&self, folder: &Node, name: &str) -> Option<Arc<Draft>> {
        self.lock().get(&key(folder, name)).cloned()
    }

    /// A draft that only its handle knows.
    pub fn unlisted(folder: &Node, name: &str, bytes: &[u8], now_ms: i64) -> Arc<Draft> {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        let state = State { name, bytes, mtime_ms: now_ms, ..State::default() };
        let (folder, limit_bytes) = (folder.clone(), MAX_BYTES);
        Arc::new(Draft { folder, limit_bytes, state: Mutex::new(state) })
    }

    /// The draft of a name, or one with these bytes.
    pub fn begin(&self, folder: &Node, name: &str, bytes: &[u8], now_ms: i64) -> Arc<Draft> {
        let make = || Self::unlisted(folder, name, bytes, now_ms);
        self.lock().entry(key(folder, name)).or_insert_with(make).clone()
    }

    /// A new file, not saved yet.
    pub fn create(&self, folder: &Node, name: &str, now_ms: i64) -> Arc<Draft> {
        let draft = self.begin(folder, name, &[], now_ms);
        draft.lock().touch(now_ms);
        draft
    }

    /// A new file that may be as large as a document.
    pub fn create_document(&self, folder: &Node, name: &str, now_ms: i64) -> Arc<Draft> {
        let make = || {
            let state = State { name: name.to_owned(), ..State::default() };
            let (folder, limit_bytes) = (folder.clone(), MAX_DOCUMENT_BYTES);
            Arc::new(Draft { folder, limit_bytes, state: Mutex::new(state) })
        };
        let draft = self.lock().entry(key(folder, name)).or_insert_with(make).clone();
        draft.lock().touch(now_ms);
        draft
    }

    /// A file with these bytes, in the place of what had the name.
    pub fn put(&self, folder: &Node, name: &str, bytes: &[u8], now_ms: i64) {
        self.lock().insert(key(folder, name), Self::unlisted(folder, name, bytes, now_ms));
    }

    /// Takes a name away; handles go on with the file, which is not saved any more.
    pub fn unlink(&self, folder: &Node, name: &str) -> Option<Arc<Draft>> {
        let draft = self.lock().remove(&key(folder, name))?;
        draft.lock().is_unlinked = true;
        Some(draft)
    }

    /// Lets go of a file that is saved and closed; its place has it now.
    pub fn settle(&self, draft: &Arc<Draft>) {
        let mut drafts = self.lock();
        let state = draft.lock();
        let key = key(&draft.folder, &state.name);
        let same = drafts.get(&key).is_some_and(|known| Arc::ptr_eq(known, draft));
        if same && state.opened == 0 && !state.is_changed {
            drafts.remove(&key);
        }
    }

    /// Names of a folder.
    pub fn names(&self, folder: &Node) -> Vec<String> {
        let folder = folder.path();
        let drafts = self.lock();
        let inside = drafts.keys().filter(|(known, _)| *known == folder);
        inside.map(|(_, name)| name.clone()).collect()
    }

    /// Lets go of documents that were done with longest ago, of all that are more than may be kept:
    /// their names.
    pub fn trim(&self, folder: &Node) -> Vec<String> {
        let folder = folder.path();
        let mut drafts = self.lock();
        let mut done: Vec<(i64, usize, String)> = Vec::new();
        for ((place, name), draft) in drafts.iter() {
            let state = draft.lock();
            let is_done = matches!(state.outcome, Some(Outcome::Committed | Outcome::Failed));
            if *place == folder && is_done && state.opened == 0 {
                done.push((state.mtime_ms, state.bytes.len(), name.clone()));
            }
        }
        done.sort_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        let mut is_over = |at: usize, size: usize| {
            bytes += size;
            at >= KEPT_DOCUMENTS || bytes > KEPT_BYTES
        };
        let over: Vec<String> = done
            .into_iter()
            .enumerate()
            .filter_map(|(at, (_, size, name))| is_over(at, size).then_some(name))
            .collect();
        for name in &over {
            drafts.remove(&(folder.clone(), name.clone()));
        }
        over
    }

    /// A file of which something holds.
    pub fn find(&self, holds: impl Fn(&Draft) -> bool) -> Option<Arc<Draft>> {
        self.lock().values().find(|draft| holds(draft)).cloned()
    }

    /// Takes all files of some folders away; what handles have of them is never committed.
    pub fn forget(&self, is_gone: impl Fn(&Node) -> bool) -> Vec<Arc<Draft>> {
        let mut drafts = self.lock();
        let mut gone = Vec::new();
        drafts.retain(|_, draft| {
            let stays = !is_gone(&draft.folder);
            if !stays {
                draft.lock().is_unlinked = true;
                gone.push(draft.clone());
            }
            stays
        });
        gone
    }

    /// Keeps what a file was that was taken away, in another folder.
    pub fn adopt(&self, draft: &Draft, folder: Node) {
        let state = State { is_unlinked: false, opened: 0, ..draft.lock().clone() };
        let (key, limit_bytes) = (key(&folder, &state.name), draft.limit_bytes);
        let state = Mutex::new(state);
        self.lock().insert(key, Arc::new(Draft { folder, limit_bytes, state }));
    }

    /// Gives a file another name in the same folder; what had that name is gone.
    pub fn rename(&self, draft: &Arc<Draft>, to: &str) {
        let mut drafts = self.lock();
        let mut state = draft.lock();
        drafts.remove(&key(&draft.folder, &state.name));
        state.name = to.to_owned();
        if let Some(replaced) = drafts.insert(key(&draft.folder, to), draft.clone()) {
            drop(state);
            if !Arc::ptr_eq(&replaced, draft) {
                replaced.lock().is_unlinked = true;
            }
        }
    }
}

fn key(folder: &Node, name: &str) -> (String, String) {
    (folder.path(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::node::Desk;

    fn queries() -> Node {
        Node::Queries(Desk::Mount)
    }

    #[test]
    fn a_flush_before_the_first_write_saves_nothing() {
        let drafts = Drafts::default();
        let draft = drafts.begin(&queries(), "a.edn", b"old", 1);
        draft.opened();
        draft.resize(0, 2).unwrap();
        assert!(!draft.needs_saving(false));
        draft.write(0, b"new", 3).unwrap();
        assert!(draft.needs_saving(false));
        draft.saved();
        assert!(!draft.needs_saving(true));
        assert!(draft.closed());
        drafts.settle(&draft);
        assert!(drafts.get(&queries(), "a.edn").is_none());
    }

    #[test]
    fn a_file_that_was_only_made_is_saved_at_its_last_close() {
        let drafts = Drafts::default();
        let draft = drafts.create(&queries(), "a.edn", 1);
        assert!(!draft.needs_saving(false) && draft.needs_saving(true));
        drafts.unlink(&queries(), "a.edn");
        assert!(!draft.needs_saving(true));
    }

    #[test]
    fn a_gap_is_zeros_and_renaming_replaces() {
        let drafts = Drafts::default();
        let draft = drafts.create(&queries(), "tmp", 1);
        drafts.create(&queries(), "a.edn", 1);
        draft.write(2, b"x", 1).unwrap();
        assert_eq!(draft.bytes(), b"\0\0x");
        assert_eq!(draft.write(MAX_BYTES, b"x", 1), Err(Refused::TooLarge));
        drafts.rename(&draft, "a.edn");
        assert_eq!(drafts.names(&queries()), ["a.edn"]);
        assert_eq!(drafts.get(&queries(), "a.edn").unwrap().bytes(), b"\0\0x");
    }

    #[test]
    fn a_document_is_given_once_and_not_kept_for_ever() {
        let drafts = Drafts::default();
        let folder = queries();
        for n in 0..KEPT_DOCUMENTS as i64 + 5 {
            let draft = drafts.create_document(&folder, &format!("{n}.csv"), n);
            assert!(draft.take_written().is_none());
            draft.write(0, b"x", n).unwrap();
            assert_eq!((draft.take_written(), draft.take_written()), (Some(b"x".to_vec()), None));
            draft.set_outcome(Some(Outcome::Committed));
        }
        let gone = ["4.csv", "3.csv", "2.csv", "1.csv", "0.csv"];
        assert_eq!(drafts.trim(&folder), gone);
        assert_eq!(drafts.names(&folder).len(), KEPT_DOCUMENTS);
    }
}
