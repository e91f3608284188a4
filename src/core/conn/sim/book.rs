//! What the simulated clients were told, and whether the store agrees.
//!
//! **Invariant:** every transaction that was acknowledged is in the history exactly once, at the
//! commit that was reported; none that was reported as failed is there; and what is read is what
//! the history says.

use super::network::{Change, Network};
use crate::commit::Head;
use crate::conn::{Conn, ConnError, TransactError, TxReport};
use crate::datom::{Datom, Order};
use crate::db::{Db, DbError};
use crate::hash::NodeHash;
use crate::id::{CommitId, T};
use crate::schema::builtin;
use crate::store::{Fetch, StoreErrorKind};
use crate::value::Value;
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
    pub(super) acks: usize,
    pub(super) unknown: usize,
    pub(super) failed: usize,
    pub(super) crashes: usize,
    pub(super) reads: usize,
    next: usize,
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
    pub(super) fn told(mut self, verdict: &Result<TxReport, TransactError<DbError>>) {
        self.told = true;
        match verdict {
            Ok(TxReport { commit: Some(commit), .. }) => self.acked(*commit),
            Ok(_) => self.book.wrong("acknowledged without a commit"),
            Err(TransactError::Unknown { .. } | TransactError::Interrupted) => {
                self.book.pages().unknown += 1;
                self.maybe();
            }
            Err(error) => {
                if let TransactError::Failed(error) = error {
                    self.book.check_error("transact", error);
                }
                let mut pages = self.book.pages();
                pages.failed += 1;
                if let Some(id) = &self.id {
                    pages.named.entry(id.clone()).or_default().failed = true;
                }
            }
        }
    }

    fn acked(&self, commit: CommitId) {
        let mut pages = self.book.pages();
        pages.acks += 1;
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

    /// The transactions that are acknowledged now.
    pub(super) fn acknowledged(&self) -> Vec<String> {
        let pages = self.pages();
        pages.named.iter().filter(|(_, e)| e.acked.is_some()).map(|(id, _)| id.clone()).collect()
    }

    /// Only a network that does not answer is an excuse.
    pub(super) fn check_error(&self, who: &str, error: &ConnError) {
        let excused = match error {
            ConnError::Store(e) => e.kind == StoreErrorKind::Unavailable,
            ConnError::Contended { .. } => true,
            _ => false,
        };
        if !excused {
            self.wrong(format!("{who}: {error}"));
        }
    }

    /// A head that was swapped in: one revision on, and all that it names is there.
    pub(super) fn check_change(&self, network: &Network, (name, before, after): &Change) {
        if !name.ends_with("head") {
            return;
        }
        let Ok(head) = Head::decode(after) else { return self.wrong("a head that is none") };
        let revision = before.as_ref().and_then(|b| Head::decode(b).ok()).map_or(0, |h| h.revision);
        if head.revision != revision + 1 {
            self.wrong(format!("revision {} after {revision}", head.revision));
        }
        let mut names: Vec<String> = head.prefetch().into_iter().map(|f| f.key).collect();
        names.extend(head.base.log.iter().map(|s| crate::commit::log_name(s.name)));
        names.extend(head.base.roots().map(|r| format!("pack/{:032x}", r.node.pack.0)));
        for name in names.into_iter().filter(|name| !network.has(name)) {
            self.wrong(format!("revision {} names {name}, which is not there", head.revision));
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
        let opened = conn.opened();
        let (mut log, mut parent) = (conn.place().log(&opened, T(1)..=T(u64::MAX), false), None);
        let (mut ids, mut visits) = (BTreeMap::<String, Vec<CommitId>>::new(), BTreeSet::new());
        let mut facts: BTreeSet<(u64, u64, Value)> = BTreeSet::new();
        loop {
            let (id, frame) = match log.next().await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => return self.wrong(format!("log: {error}")),
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
        self.check_ids(&ids);
        self.check_visits(&visits);
        self.check_facts(&conn.db(), &facts);
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
