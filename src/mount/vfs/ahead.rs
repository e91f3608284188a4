//! Results that are made before somebody asks for them: after a head has moved, those of folders
//! that were listed lately, so that their sizes are known and they open at once.
//!
//! **Invariant:** only what the same folder showed before is made again, one at a time, and nothing
//! begins while others use all there is. Nobody is told of a failure here: who opens the file is.
//! While nothing is listed nothing is looked at, and no head is read.

use super::{Purpose, Vfs};
use crate::spool::Cancel;
use crate::tree::node::{Node, Scope};
use crate::tree::{Entry, Key, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long after a listing its results are made ahead.
const LATELY: Duration = Duration::from_secs(60);
/// How often heads are looked at meanwhile.
const INTERVAL: Duration = Duration::from_secs(1);
/// Folders that are followed at once.
const FOLDERS: usize = 16;

/// Folders of results that were listed lately.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Vec<Folder>>);

struct Folder {
    node: Node,
    at: Instant,
    /// What each name was when it was looked at last; none before the first look.
    answers: Option<BTreeMap<String, Key>>,
}

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, Vec<Folder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder was listed.
    pub(super) fn listed(&self, node: &Node) {
        if !matches!(node, Node::Results(Scope::Mount | Scope::Snapshot(_))) {
            return;
        }
        let mut folders = self.lock();
        match folders.iter_mut().find(|folder| folder.node == *node) {
            Some(folder) => folder.at = Instant::now(),
            None => {
                if folders.len() == FOLDERS {
                    folders.remove(0);
                }
                folders.push(Folder { node: node.clone(), at: Instant::now(), answers: None });
            }
        }
    }

    /// The folders that are followed now.
    fn followed(&self) -> Vec<Node> {
        let mut folders = self.lock();
        folders.retain(|folder| folder.at.elapsed() < LATELY);
        folders.iter().map(|folder| folder.node.clone()).collect()
    }

    /// Notes what the names of a folder are: which of them are something else than before.
    fn moved(&self, node: &Node, answers: BTreeMap<String, Key>) -> BTreeSet<Key> {
        let mut folders = self.lock();
        let Some(folder) = folders.iter_mut().find(|folder| folder.node == *node) else {
            return BTreeSet::new();
        };
        let Some(before) = folder.answers.replace(answers) else { return BTreeSet::new() };
        let now = folder.answers.iter().flatten();
        let is_new = |(name, key): &(&String, &Key)| before.get(*name).is_some_and(|k| k != *key);
        now.filter(is_new).map(|(_, key)| *key).collect()
    }
}

impl Vfs {
    /// Makes results ahead from now on, on a thread of its own, for as long as the mount lasts.
    pub fn start_ahead(self: &Arc<Self>) {
        let weak: Weak<Self> = Arc::downgrade(self);
        let work = move || {
            loop {
                thread::sleep(INTERVAL);
                let Some(vfs) = weak.upgrade() else { return };
                vfs.make_ahead();
            }
        };
        if let Err(error) = thread::Builder::new().name("ahead".into()).spawn(work) {
            tracing::warn!("results are not made ahead: no thread can be had: {error}");
        }
    }

    /// Makes what is something else than at the last look, in folders that were listed lately.
    pub fn make_ahead(&self) {
        for folder in self.ahead.followed() {
            let works = self.results_in(&folder);
            let answers = works.iter().map(|(name, work)| (name.clone(), work.answer)).collect();
            let moved = self.ahead.moved(&folder, answers);
            for (_, work) in works.iter().filter(|(_, work)| moved.contains(&work.answer)) {
                if self.evaluations.kept(work.answer).is_none() {
                    // Whatever becomes of it: who opens the file is told.
                    let _ = self.make_for(work, Purpose::Ahead, &Cancel::default());
                }
            }
        }
    }

    /// What is listed in a folder of results, and has to be made.
    fn results_in(&self, folder: &Node) -> Vec<(String, Arc<Work>)> {
        let Ok(listing) = self.tree.list(folder, &Cancel::default()) else { return Vec::new() };
        let listed = (0..listing.len()).filter_map(|i| listing.get(i));
        let work = |name: String| {
            let resolved = self.resolve_child(folder, name.as_bytes()).ok()?;
            match resolved.entry {
                Entry::Work(work) if work.is_answer() => Some((name, work)),
                _ => None,
            }
        };
        listed.filter_map(|listed| work(listed.name)).collect()
    }
}
