//! Looking through a whole database: every object that a head, a tag or an automatic tag reaches,
//! every hash, and the log against everything that was made of it.
//!
//! Each pack is read once and whole, each of its nodes verified and summed up; the log is read from
//! its first commit, the chain of ids computed anew; then trees are compared with the log by sums
//! that do not depend on order (`sums.rs`).
//!
//! **Invariant:** memory is bounded by the number of nodes (a few hundred bytes each, about a
//! thousandth of the database), the novelty of one head and a few packs, never by the facts. What
//! is wrong is told with the name of the object, and the rest is still looked through. Nothing is
//! written but by [`repair()`].

mod head;
mod log;
mod packs;
mod repair;
mod sums;
mod trees;

#[cfg(test)]
mod tests;

pub use repair::{RepairError, repair};

use crate::commit::{
    FORMAT, FormatError, HEAD, Head, Identity, REFS, Refs, Tag, log_name, novelty_name,
};
use crate::conn::{ConnError, Place, pack_name};
use crate::id::CommitId;
use crate::index::NodesError;
use crate::store::{Fetch, Listed, RefRead, StoreError, StoreErrorKind};
use crate::value::Uuid;
use bytes::Bytes;
use head::Named;
use log::Logs;
use packs::Packs;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trees::Trees;

/// How many problems are kept; all are counted.
pub const MOST_PROBLEMS: usize = 1000;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is being done: `packs`, `log` or `heads`.
    pub name: &'static str,
    /// How many packs, transactions or heads are done.
    pub done: u64,
    /// Of how many, if that is known.
    pub total: Option<u64>,
    /// Bytes read for it.
    pub bytes: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Which database, if that could be read.
    pub database: Option<Uuid>,
    /// Branches, tags and automatic tags that were looked at.
    pub heads: u64,
    /// Transactions of the default branch.
    pub commits: u64,
    /// Datoms of the log of the default branch.
    pub datoms: u64,
    /// Transactions, of all branches and tags, of which datoms were erased.
    pub purged_commits: u64,
    /// How many datoms those were.
    pub purged_datoms: u64,
    /// Facts that hold at the head of the default branch.
    pub facts: u64,
    /// Nodes of trees.
    pub nodes: u64,
    /// Packs.
    pub packs: u64,
    /// Log segments.
    pub segments: u64,
    /// Bytes of packs and segments.
    pub bytes: u64,
    /// Objects that nothing refers to, and their bytes; `None` where the store cannot be listed.
    pub orphans: Option<(u64, u64)>,
    /// What is wrong, at most [`MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: u64,
    /// The branches that are not whole.
    pub damaged: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problem_count == 0
    }
}

/// What is found on the way.
struct Findings<'a> {
    problems: Vec<Problem>,
    count: u64,
    watch: &'a mut (dyn FnMut(Step) + Send),
}

impl Findings<'_> {
    fn add(&mut self, object: &str, what: impl Into<String>) {
        let problem = Problem { object: object.to_owned(), what: what.into() };
        if self.problems.contains(&problem) {
            return;
        }
        self.count += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// An object that could not be read: damage, unless the store is out of reach.
    fn unreadable(&mut self, object: &str, error: StoreError) -> Result<(), StoreError> {
        match error.kind {
            StoreErrorKind::NotFound | StoreErrorKind::Corrupt => {
                self.add(object, error.reason);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Nodes that could not be read on behalf of an object.
    fn nodes(&mut self, object: &str, error: NodesError) -> Result<(), StoreError> {
        match error {
            NodesError::Store(error) => {
                let name = error.object.clone();
                self.unreadable(&name, error)
            }
            NodesError::Corrupt { node, reason } => {
                let what = format!("node {} at {}: {reason}", node.hash, node.offset);
                self.add(&pack_name(node.pack), what);
                Ok(())
            }
            other => {
                self.add(object, other.to_string());
                Ok(())
            }
        }
    }

    fn step(&mut self, name: &'static str, done: u64, total: Option<u64>, bytes: u64) {
        (self.watch)(Step { name, done, total, bytes });
    }
}

/// Checks that an object belongs to one of these databases.
fn belongs(database: Uuid, databases: &[Uuid]) -> Result<(), FormatError> {
    if databases.contains(&database) {
        return Ok(());
    }
    let expected = databases.first().map(Uuid::to_string).unwrap_or_default();
    Err(FormatError::Another { found: format!("an object of {database}"), expected })
}

/// Looks through the database at a place. An error is one of reaching it; what is wrong with it is
/// in the report.
pub async fn verify(
    place: &Place,
    watch: &mut (dyn FnMut(Step) + Send),
) -> Result<Report, ConnError> {
    let mut found = Findings { problems: Vec::new(), count: 0, watch };
    // Before the heads: what is written meanwhile is no orphan.
    let listed = match place.store.list("").await {
        Ok(listed) => Some(listed),
        Err(error) if error.kind == StoreErrorKind::Invalid => None,
        Err(error) => return Err(error.into()),
    };
    let databases = databases(place, &mut found).await?;
    let heads = Heads::read(place, &databases, &mut found).await?;
    let mut report = Report { database: databases.first().copied(), ..Report::default() };
    let mut packs = Packs::default();
    let roots = heads.all.values().flat_map(|(head, _)| head.base.roots()).map(|root| root.node);
    packs.read(place, roots.collect::<Vec<_>>().into_iter(), &mut found).await?;
    let mut logs = Logs::new(place, &databases);
    heads.check(place, &packs, &mut logs, &mut report, &mut found).await?;
    (report.nodes, report.packs) = (packs.len() as u64, packs.packs().count() as u64);
    report.segments = logs.whole.len() as u64;
    report.purged_commits = logs.purged.len() as u64;
    report.purged_datoms = logs.purged.values().sum();
    report.bytes = packs.bytes + logs.bytes;
    let novelty = heads.all.values().filter_map(|(head, _)| head.base.novelty);
    let novelty: Vec<String> = novelty.map(|object| novelty_name(object.name)).collect();
    let mut reached = heads.names;
    reached.extend(novelty);
    reached.extend(packs.packs().map(|pack| pack_name(*pack)));
    reached.extend(logs.reached.iter().map(|name| log_name(*name)));
    report.orphans = listed.map(|listed| orphans(&listed, &reached));
    (report.problems, report.problem_count) = (found.problems, found.count);
    Ok(report)
}

fn orphans(listed: &[Listed], reached: &BTreeSet<String>) -> (u64, u64) {
    let kinds = ["pack/", "log/", "novelty/", "snap/", "branch/"];
    let is_ours = |object: &&Listed| kinds.iter().any(|kind| object.key.starts_with(kind));
    let orphans = listed.iter().filter(is_ours).filter(|object| !reached.contains(&object.key));
    orphans.fold((0, 0), |(count, bytes), object| (count + 1, bytes + object.size_bytes))
}

/// The database that is here, and those that it was forked from.
async fn databases(place: &Place, found: &mut Findings<'_>) -> Result<Vec<Uuid>, ConnError> {
    let Some(bytes) = read_ref(place, FORMAT).await? else {
        found.add(FORMAT, "there is no such object");
        return Ok(Vec::new());
    };
    match Identity::decode(&bytes) {
        Ok(identity) => Ok([vec![identity.database], identity.origins].concat()),
        Err(error) => {
            found.add(FORMAT, error.to_string());
            Ok(Vec::new())
        }
    }
}

async fn read_ref(place: &Place, name: &str) -> Result<Option<Bytes>, StoreError> {
    Ok(match place.store.read_ref(name, None).await? {
        RefRead::Found { bytes, .. } => Some(bytes),
        RefRead::Absent | RefRead::Unchanged => None,
    })
}

/// All heads and frozen heads.
#[derive(Default)]
struct Heads {
    /// By object: the head, and the branch that it is the head of.
    all: BTreeMap<String, (Head, Option<String>)>,
    /// Branches whose head could not be read.
    lost: Vec<String>,
    default: Option<String>,
    /// Objects that are referred to.
    names: BTreeSet<String>,
}

impl Heads {
    async fn read(
        place: &Place,
        databases: &[Uuid],
        found: &mut Findings<'_>,
    ) -> Result<Self, ConnError> {
        let mut heads = Self::default();
        let refs = match read_ref(place, REFS).await?.map(|bytes| Refs::decode(&bytes)) {
            Some(Ok(refs)) => Some(refs),
            Some(Err(error)) => {
                found.add(REFS, error.to_string());
                None
            }
            None if read_ref(place, HEAD).await?.is_none() && databases.is_empty() => {
                return Err(ConnError::NoDatabase { url: place.store.url() });
            }
            None => {
                found.add(REFS, "there is no such object");
                None
            }
        };
        let Some(refs) = refs else {
            // What can still be looked at.
            heads.branch(place, "", HEAD, databases, found).await?;
            return Ok(heads);
        };
        if let Err(error) = belongs(refs.database, databases) {
            found.add(REFS, error.to_string());
        }
        heads.default = Some(refs.default_branch.clone());
        for (name, branch) in &refs.branches {
            heads.branch(place, name, &branch.head, databases, found).await?;
            let others = refs.branches.values().filter(|other| other.head != branch.head);
            let taken: Vec<u64> = others.map(|other| other.block).collect();
            if let Some((head, _)) = heads.all.get(&branch.head)
                && taken.contains(&head.block)
            {
                found.add(&branch.head, format!("it gives ids of another branch than {name}"));
            }
        }
        for tag in refs.tags.values().chain(&refs.automatic) {
            heads.tag(place, tag, databases, found).await?;
        }
        Ok(heads)
    }

    async fn branch(
        &mut self,
        place: &Place,
        name: &str,
        object: &str,
        databases: &[Uuid],
        found: &mut Findings<'_>,
    ) -> Result<(), ConnError> {
        self.names.insert(object.to_owned());
        let head = match read_ref(place, object).await? {
            Some(bytes) => decode(&bytes, databases),
            None => {
                found.add(object, "there is no such object");
                self.lost.push(name.to_owned());
                return Ok(());
            }
        };
        match head {
            Ok(head) => drop(self.all.insert(object.to_owned(), (head, Some(name.to_owned())))),
            Err(error) => {
                found.add(object, error.to_string());
                self.lost.push(name.to_owned());
            }
        }
        Ok(())
    }

    async fn tag(
        &mut self,
        place: &Place,
        tag: &Tag,
        databases: &[Uuid],
        found: &mut Findings<'_>,
    ) -> Result<(), ConnError> {
        let object = &tag.snapshot;
        if !self.names.insert(object.clone()) {
            return Ok(());
        }
        let bytes = match place.store.get(&Fetch { key: object.clone(), range: None }).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(found.unreadable(object, error)?),
        };
        match decode(&bytes, databases) {
            Ok(head) if head.tip.commit != tag.commit || head.tip.instant_ms != tag.instant_ms => {
                let name = |commit: Option<CommitId>| commit.map(|c| c.to_string());
                let (is, meant) = (name(head.tip.commit), name(tag.commit));
                found.add(object, format!("it is commit {is:?}, and the tag means {meant:?}"));
            }
            Ok(head) => drop(self.all.insert(object.clone(), (head, None))),
            Err(error) => found.add(object, error.to_string()),
        }
        Ok(())
    }

    /// Compares each with the log.
    async fn check(
        &self,
        place: &Place,
        packs: &Packs,
        logs: &mut Logs<'_>,
        report: &mut Report,
        found: &mut Findings<'_>,
    ) -> Result<(), ConnError> {
        let mut trees = Trees::new(packs);
        report.damaged.clone_from(&self.lost);
        report.heads = self.all.len() as u64;
        let mut order: Vec<_> = self.all.iter().collect();
        // Branches first, the longest one first: what they share with the rest is then known.
        order
            .sort_by_key(|(_, (head, branch))| (branch.is_none(), std::cmp::Reverse(head.tip.t())));
        // What cannot be read is told when its head is looked at.
        let flushed = |(head, _): &(Head, _)| head::flushed(place, head).ok().flatten();
        logs.wanted = self.all.values().filter_map(flushed).collect();
        for (done, (object, (head, branch))) in order.into_iter().enumerate() {
            let before = found.count;
            let state = match Named::read(place, object, head.clone(), found).await? {
                Some(named) => named.check(&mut trees, logs, found).await?,
                None => None,
            };
            found.step("heads", done as u64 + 1, Some(report.heads), 0);
            if state.is_none() || found.count > before {
                report.damaged.extend(branch.clone());
            }
            if branch.is_some()
                && *branch == self.default
                && let Some(state) = state
            {
                report.commits = state.commit().map_or(0, |commit| commit.t.0);
                report.datoms = state.datoms;
                report.facts = state.said.0.values().map(sums::Sums::rows).sum();
            }
        }
        Ok(())
    }
}

fn decode(bytes: &[u8], databases: &[Uuid]) -> Result<Head, FormatError> {
    let head = Head::decode(bytes)?;
    if let Some(database) = databases.first() {
        belongs(head.database, std::slice::from_ref(database))?;
    }
    Ok(head)
}
