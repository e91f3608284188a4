//! What the simulated clients were told, and whether the store agrees.
//!
//! **Invariant:** every transaction that was acknowledged is in the history exactly once, at the
//! commit that was reported; none that was reported as failed is there; and what is read is what
//! the history says.

use super::network::{Change, Network};
use crate::commit::{Head, Opened, REFS, Refs};
use crate::conn::{Conn, ConnError, Erase, Place, TransactError, TxReport};
use crate::datom::{Datom, Order};
use crate::db::Db;
use crate::hash::NodeHash;
use crate::id::{CommitId, T};
use crate::schema::builtin;
use crate::store::{Fetch, StoreErrorKind};
use crate::value::Value;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a transaction with an id.
#[derive(Clone, Debug, Default)]
struct Entry {
    acked: Option<CommitId>,
    /// An attempt ended without a verdict: it may be there.
    maybe: bool,
    /// The last verdict was that it is not there.
    failed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    named: BTreeMap<String, Entry>,
    /// Commits of acknowledged transactions without an id, and how many ended without a verdict.
    visits: Vec<CommitId>,
    maybe_visits: usize,
    pub(super) wrong: Vec<String>,
    pub(super) figures: Figures,
    /// Erasures that were begun.
    pub(super) purges: Vec<Erase>,
    /// Entities whose erasure was answered.
    pub(super) erased: Vec<Erase>,
    /// Branches whose deletion was answered.
    pub(super) deleted: BTreeSet<String>,
    /// What was acknowledged on branches.
    pub(super) on_branches: BTreeMap<String, BTreeSet<String>>,
    next: usize,
}

/// Figures of a run, to see that what should happen does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) acks: usize,
    pub(super) unknown: usize,
    pub(super) failed: usize,
    pub(super) crashes: usize,
    pub(super) pauses: usize,
    pub(super) reads: usize,
    /// Reads of a head that was held, and those that had to go on as-of a newer one.
    pub(super) holds: usize,
    pub(super) again: usize,
    pub(super) branches: usize,
    /// Branches that were merged.
    pub(super) merges: usize,
    pub(super) flushes: usize,
    pub(super) collections: usize,
    pub(super) purges: usize,
    /// Datoms that they erased.
    pub(super) erased: usize,
    pub(super) superseded: usize,
    pub(super) deleted: usize,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.acks += other.acks;
        self.unknown += other.unknown;
        self.failed += other.failed;
        self.crashes += other.crashes;
        self.pauses += other.pauses;
        self.reads += other.reads;
        self.holds += other.holds;
        self.again += other.again;
        self.branches += other.branches;
        self.merges += other.merges;
        self.flushes += other.flushes;
        self.collections += other.collections;
        self.purges += other.purges;
        self.erased += other.erased;
        self.superseded += other.superseded;
        self.deleted += other.deleted;
    }
}

/// The book, shared by all clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(Arc<Mutex<Pages>>);

/// An attempt that is under way. Dropped without a verdict, it may have been committed.
pub(super) struct Attempt {
    book: Book,
    /// The id; `None` is a visit.
    pub(super) id: Option<String>,
    told: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.told {
            self.maybe();
        }
    }
}

impl Attempt {
    fn maybe(&self) {
        let mut pages = self.book.pages();
        match &self.id {
            Some(id) => pages.named.entry(id.clone()).or_default().maybe = true,
            None => pages.maybe_visits += 1,
        }
    }

    /// Writes down what the client was told.
    pub(super) fn told<E>(mut self, verdict: &Result<TxReport, TransactError<E>>) {
        self.told = true;
        match verdict {
            Ok(TxReport { commit: Some(commit), .. }) => self.acked(*commit),
            Ok(_) => self.book.wrong("acknowledged without a commit"),
            Err(TransactError::Unknown { .. } | TransactError::Interrupted) => {
                self.book.pages().figures.unknown += 1;
                self.maybe();
            }
            Err(error) => {
                if let TransactError::Failed(error) = error {
                    self.book.check_error("transact", error);
                }
                let mut pages = self.book.pages();
                pages.figures.failed += 1;
                if let Some(id) = &self.id {
                    pages.named.entry(id.clone()).or_default().failed = true;
                }
            }
        }
    }

    fn acked(&self, commit: CommitId) {
        let mut pages = self.book.pages();
        pages.figures.acks += 1;
        let Some(id) = &self.id else { return pages.visits.push(commit) };
        let entry = pages.named.entry(id.clone()).or_default();
        entry.failed = false;
        match entry.acked.replace(commit) {
            Some(before) if before != commit => {
                pages.wrong.push(format!("{id} acknowledged as {before} and as {commit}"));
            }
            _ => {}
        }
    }
}

impl Book {
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wrong(&self, what: impl Into<String>) {
        self.pages().wrong.push(what.into());
    }

    /// An attempt of a new transaction, of one without a verdict, or of a visit.
    pub(super) fn begin(&self, network: &Network) -> Attempt {
        let dice = network.dice(10);
        let mut pages = self.pages();
        let open: Vec<String> = pages
            .named
            .iter()
            .filter(|(_, e)| e.maybe && e.acked.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        let id = match dice {
            0..4 => None,
            4..8 if !open.is_empty() => Some(open[dice as usize % open.len()].clone()),
            _ => {
                pages.next += 1;
                Some(format!("op-{}", pages.next))
            }
        };
        drop(pages);
        Attempt { book: self.clone(), id, told: false }
    }

    /// An attempt of a new transaction.
    pub(super) fn begin_new(&self) -> Attempt {
        let mut pages = self.pages();
        pages.next += 1;
        let id = Some(format!("op-{}", pages.next));
        drop(pages);
        Attempt { book: self.clone(), id, told: false }
    }

    /// Something was acknowledged on a branch.
    pub(super) fn said_on(&self, branch: &str, said: String) {
        self.pages().on_branches.entry(branch.to_owned()).or_default().insert(said);
    }

    /// The transactions that are acknowledged now.
    pub(super) fn acknowledged(&self) -> Vec<String> {
        let pages = self.pages();
        pages.named.iter().filter(|(_, e)| e.acked.is_some()).map(|(id, _)| id.clone()).collect()
    }

    /// Only a network that does not answer is an excuse.
    pub(super) fn check_error(&self, who: &str, error: &ConnError) {
        let excused = match error {
            ConnError::Store(e) => e.kind == StoreErrorKind::Unavailable,
            ConnError::Contended { .. } | ConnError::Superseded(_) => true,
            // Of a source that was read before facts were erased.
            ConnError::Collected => who == "merge",
            _ => false,
        };
        if !excused {
            self.wrong(format!("{who}: {error}"));
        }
    }

    /// A head that was swapped in: one revision on, and all that it names is there.
    pub(super) fn check_change(&self, network: &Network, (name, before, after): &Change) {
        if name == REFS {
            return self.check_refs(network, before.as_ref(), after);
        }
        if !name.ends_with("head") {
            return;
        }
        let Ok(head) = Head::decode(after) else { return self.wrong("a head that is none") };
        let revision = before.as_ref().and_then(|b| Head::decode(b).ok()).map_or(0, |h| h.revision);
        if head.revision != revision + 1 {
            self.wrong(format!("revision {} after {revision}", head.revision));
        }
        // The head of a new branch counts when `refs` list it, and that of a deleted one, which
        // somebody slow may still swap, no more.
        if before.is_some() && !head.closed {
            self.check_names(network, name, &head);
        }
    }

    /// What `refs` list newly is there.
    fn check_refs(&self, network: &Network, before: Option<&Bytes>, after: &Bytes) {
        let Ok(refs) = Refs::decode(after) else { return self.wrong("refs that are none") };
        let before = before.and_then(|bytes| Refs::decode(bytes).ok());
        let mut known = BTreeSet::new();
        let listed = |refs: &Refs| -> Vec<String> {
            let heads = refs.branches.values().map(|branch| branch.head.clone());
            heads.chain(refs.snapshots().map(|tag| tag.snapshot.clone())).collect()
        };
        known.extend(before.iter().flat_map(listed));
        for name in listed(&refs).into_iter().filter(|name| !known.contains(name)) {
            let bytes = network.read_now(&Fetch { key: name.clone(), range: None });
            match bytes.ok().and_then(|bytes| Head::decode(&bytes).ok()) {
                Some(head) => self.check_names(network, &name, &head),
                None => self.wrong(format!("{name} is listed and not there")),
            }
        }
    }

    fn check_names(&self, network: &Network, holder: &str, head: &Head) {
        let mut names: Vec<String> = head.prefetch().into_iter().map(|f| f.key).collect();
        names.extend(head.base.log.iter().map(|s| crate::commit::log_name(s.name)));
        names.extend(head.base.roots().map(|r| format!("pack/{:032x}", r.node.pack.0)));
        for name in names.into_iter().filter(|name| !network.has(name)) {
            self.wrong(format!("{holder} names {name}, which is not there"));
        }
        if let Some(novelty) = head.base.novelty {
            let key = crate::commit::novelty_name(novelty.name);
            let bytes = network.read_now(&Fetch { key, range: None });
            if !bytes.is_ok_and(|b| NodeHash::of(&b) == novelty.hash) {
                self.wrong("a novelty object of other bytes");
            }
        }
    }

    /// The whole history against the book.
    pub(super) async fn check_history(&self, conn: &Conn) {
        let Some((ids, visits)) = self.check_log(conn.place(), &conn.opened()).await else {
            return;
        };
        self.check_ids(&ids);
        self.check_visits(&visits);
    }

    /// The log of a head against its trees; commits by the ids of their transactions, and those
    /// without an id.
    pub(super) async fn check_log(
        &self,
        place: &Place,
        opened: &Opened,
    ) -> Option<(BTreeMap<String, Vec<CommitId>>, BTreeSet<CommitId>)> {
        let (mut log, mut parent) = (place.log(opened, T(1)..=T(u64::MAX), false), None);
        let (mut ids, mut visits) = (BTreeMap::<String, Vec<CommitId>>::new(), BTreeSet::new());
        let mut facts: BTreeSet<(u64, u64, Value)> = BTreeSet::new();
        loop {
            let (id, frame) = match log.next().await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    self.wrong(format!("log: {error}"));
                    return None;
                }
            };
            if let Err(error) = frame.follows(id, parent) {
                self.wrong(error.to_string());
            }
            parent = Some(id);
            let mut named = false;
            for Datom { e, a, v, added, .. } in frame.datoms() {
                if let (builtin::TX_ID, Value::Str(text)) = (a, &v) {
                    named = true;
                    ids.entry(text.to_string()).or_default().push(id);
                }
                let fact = (e.0, a.0, v);
                let fits = if added { facts.insert(fact) } else { facts.remove(&fact) };
                if !fits {
                    self.wrong(format!("commit {id} says again what holds, or ends what does not"));
                }
            }
            if !named {
                visits.insert(id);
            }
        }
        if parent != opened.head.tip.commit {
            self.wrong("the log does not end at the head");
        }
        self.check_facts(&Db::new(opened.snapshot.clone()), &facts);
        Some((ids, visits))
    }

    fn check_ids(&self, ids: &BTreeMap<String, Vec<CommitId>>) {
        let mut pages = self.pages();
        let mut wrong = Vec::new();
        for (id, commits) in ids {
            if commits.len() > 1 {
                wrong.push(format!("{id} was applied {} times", commits.len()));
            }
        }
        for (id, entry) in &pages.named {
            let found = ids.get(id).and_then(|commits| commits.first()).copied();
            match (entry.acked, found) {
                (Some(acked), found) if found != Some(acked) => {
                    wrong.push(format!("{id} was acknowledged as {acked} and is {found:?}"));
                }
                (None, Some(_)) if entry.failed && !entry.maybe => {
                    wrong.push(format!("{id} was reported as failed and is there"));
                }
                _ => {}
            }
        }
        pages.wrong.extend(wrong);
    }

    fn check_visits(&self, there: &BTreeSet<CommitId>) {
        let mut pages = self.pages();
        let told: BTreeSet<CommitId> = pages.visits.iter().copied().collect();
        let mut wrong = Vec::new();
        if told.len() < pages.visits.len() {
            wrong.push("two transactions were acknowledged as one commit".to_owned());
        }
        if !told.is_subset(there) {
            wrong.push("an acknowledged transaction is not there".to_owned());
        }
        if there.len() > pages.visits.len() + pages.maybe_visits {
            wrong.push("a transaction was applied twice".to_owned());
        }
        pages.wrong.extend(wrong);
    }

    fn check_facts(&self, db: &Db, facts: &BTreeSet<(u64, u64, Value)>) {
        for order in [Order::Eavt, Order::Aevt] {
            let read = match db.datoms(order, None, None, None) {
                Ok(datoms) => datoms,
                Err(error) => return self.wrong(format!("read: {error}")),
            };
            let read: BTreeSet<_> = read.into_iter().map(|d| (d.e.0, d.a.0, d.v)).collect();
            if read != *facts {
                self.wrong(format!("{order:?} holds {} facts of {}", read.len(), facts.len()));
            }
        }
    }
}
