//! `STORE/diff/`: what changed from one value of a store to another, as files and as rows that a
//! query reads.
//!
//! **Invariant:** both values are pinned when the name is looked up, and their difference is made
//! when it is opened; the cost follows the change, and what is held does not. Rows have one order
//! of columns, in files and in queries.

use super::answer::{Limits, Question};
use super::node::{Leaf, Name, Node};
use super::plan::Pinned;
use super::resolve::folder;
use super::work::Pins;
use super::{Resolved, Tree};
use crate::error::{Failure, Kind, Result};
use crate::render;
use crate::source::{Moment, Mounted};
use crate::spool::{Cancel, Spool};
use crate::when;
use factfs_core::db::{ChangeKind, ChangeRows};
use factfs_core::query::Input;
use factfs_core::text::{Format, Layout};
use factfs_core::value::Value;
use std::borrow::Cow;
use std::time::Instant;

#[cfg(test)]
mod tests;

/// How far two moments of a branch lie apart whose difference costs little.
const NEAR: u64 = 256;

/// Two values of a store.
#[derive(Clone)]
pub struct Compared {
    /// The store.
    pub mounted: Mounted,
    /// The value that changes are from.
    pub from: Moment,
    /// The one that they lead to.
    pub to: Moment,
    /// Which changes; `None` is all.
    pub kind: Option<ChangeKind>,
}

impl std::fmt::Debug for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/diff/{}..{}", self.mounted.name, self.from.id(), self.to.id())
    }
}

/// What the branch that a store's `head` leads to is called in a range.
const HEAD: &str = "head";

/// What changes of every kind are called.
pub(super) const ALL: &str = "all";

/// What an end of a range names, in a store whose `head` is this branch: the links in the store's
/// folder are names, too.
pub(super) fn end_named<'a>(head: &'a str, when: &'a str) -> &'a str {
    if when == HEAD { head } else { when }
}

/// The name of the older end of a difference that is a source by this name.
pub(super) fn from_symbol(symbol: &str) -> String {
    format!("{symbol} from")
}

/// What a name in `diff/` is: a file of all changes, or the folder of each kind.
pub(super) fn in_diffs(store: &Name, name: &str) -> Option<Node> {
    if let Some((range, leaf)) = Leaf::split(name)
        && when::range(range).is_some()
    {
        return Some(Node::DiffFile(store.clone(), range.into(), None, leaf));
    }
    when::range(name).map(|_| Node::Diff(store.clone(), name.into()))
}

/// What a name in the folder of a difference is.
pub(super) fn in_diff(store: &Name, range: &Name, name: &str) -> Option<Node> {
    let (stem, leaf) = Leaf::split(name)?;
    let kind = kind_of(stem)?;
    Some(Node::DiffFile(store.clone(), range.clone(), Some(kind), leaf))
}

/// The kind of changes of this name.
pub(super) fn kind_of(name: &str) -> Option<ChangeKind> {
    ChangeKind::ALL.into_iter().find(|kind| kind.name() == name)
}

impl Tree {
    /// The two values that the name of a difference says.
    fn compared(&self, store: &str, range: &str, kind: Option<ChangeKind>) -> Result<Compared> {
        let mounted = self.mounted(store)?;
        let [from, to] = self.ends(range, |when| self.end(mounted, when))?;
        Ok(Compared { mounted: mounted.clone(), from, to, kind })
    }

    /// What is at both ends of a range.
    pub(super) fn ends(
        &self,
        range: &str,
        mut at: impl FnMut(&str) -> Result<Moment>,
    ) -> Result<[Moment; 2]> {
        let Some((from, to)) = when::range(range) else {
            let message = format!("`{range}` is not A..B, from one moment to another");
            let hint = "each is a t, an age, a time, a tag, a branch or a commit: v1..main";
            return Err(Failure::not_found(message).hint(hint));
        };
        Ok([at(from)?, at(to)?])
    }

    fn end(&self, mounted: &Mounted, when: &str) -> Result<Moment> {
        let branch = mounted.head_branch();
        match end_named(&branch, when) {
            when if when == branch => self.head(mounted, when),
            when => self.moment_at(mounted, &branch, when),
        }
    }

    /// The folder of a difference.
    pub(super) fn diff_folder(&self, node: &Node, store: &str, range: &str) -> Result<Resolved> {
        let compared = self.compared(store, range, None)?;
        Ok(folder(node, compared.mtime_ms().unwrap_or(self.started_ms), compared.is_fixed()))
    }

    /// A file of a difference.
    pub(super) fn diff_file(
        &self,
        node: &Node,
        store: &str,
        range: &str,
        kind: Option<ChangeKind>,
        leaf: Leaf,
    ) -> Result<Resolved> {
        let compared = self.compared(store, range, kind)?;
        let mtime_ms = compared.mtime_ms().unwrap_or(self.started_ms);
        let (identity, is_fixed) = (compared.identity(), compared.is_fixed());
        let pins = Pins::Difference(Box::new(compared));
        Ok(self.work(node, leaf, identity, pins, mtime_ms, is_fixed))
    }
}

impl Compared {
    /// Whether both ends can never be anything else.
    pub fn is_fixed(&self) -> bool {
        self.from.is_fixed && self.to.is_fixed
    }

    /// Whether they differ in what is in memory, or in little that was said between them.
    pub(super) fn is_near(&self) -> bool {
        let [from, to] = [&self.from, &self.to].map(|moment| moment.db.basis_t().0);
        self.from.db.shares_trees(&self.to.db) || from.abs_diff(to) <= NEAR
    }

    /// Both values, and which changes.
    pub(super) fn identity(&self) -> String {
        let kind = self.kind.map_or(ALL, ChangeKind::name);
        let uuid = self.mounted.source.uuid();
        format!("{uuid} {}..{} {kind}", self.from.version(), self.to.version())
    }

    /// Both values as sources of a query that reads their difference by this name, what they lead
    /// to first, and whether a branch was named for each.
    pub(super) fn pinned(&self, symbol: &str, is_branch: [bool; 2]) -> [Pinned; 2] {
        let (store, uuid) = (self.mounted.name.to_string(), self.mounted.source.uuid());
        let pinned = |symbol: String, moment: &Moment, is_branch, changes| Pinned {
            symbol,
            store: store.clone(),
            uuid: uuid.to_string(),
            moment: moment.clone(),
            is_branch,
            changes,
        };
        let changes = self.kind.map_or(ALL, ChangeKind::name);
        [
            pinned(symbol.to_owned(), &self.to, is_branch[0], Some(changes)),
            pinned(from_symbol(symbol), &self.from, is_branch[1], None),
        ]
    }

    fn mtime_ms(&self) -> Option<i64> {
        self.from.instant_ms.max(self.to.instant_ms)
    }

    /// The rows of all changes, some at a time.
    fn each(&self, mut take: impl FnMut(Vec<Vec<Value>>) -> Result<()>) -> Result<()> {
        let branch = self.mounted.head_branch();
        let changes = self.mounted.source.difference(&branch, &self.from, &self.to)?;
        let mut rows = ChangeRows::new(&self.to.db);
        for some in changes {
            take(rows.rows(some?, self.kind)?)?;
        }
        Ok(())
    }

    /// Writes all changes, and says how many there are.
    pub(super) fn write(&self, format: Format, cancel: &Cancel, out: &mut Spool) -> Result<u64> {
        let layout = Layout::relation(ChangeRows::columns_of(self.kind));
        let rows = &mut |row: &mut dyn FnMut(&[Value]) -> Result<()>| {
            let mut count = 0;
            self.each(|rows| {
                // Of many changes none may be of the kind that is wanted.
                cancel.check()?;
                count += rows.len() as u64;
                rows.iter().try_for_each(|values| row(values))
            })?;
            Ok(count)
        };
        render::write_rows(format, layout, out, rows)
    }

    /// All changes as rows that a query reads, as far as its limits go.
    fn relation(&self, limits: &Limits, started: Instant, cancel: &Cancel) -> Result<Value> {
        let (mut all, mut bytes): (Vec<Value>, u64) = (Vec::new(), 0);
        self.each(|rows| {
            cancel.check()?;
            if started.elapsed() > limits.time {
                let message = format!("{self:?} takes longer than {:?} to read", limits.time);
                return Err(Failure::new(Kind::Timeout, message));
            }
            bytes += rows.iter().map(|row| row_bytes(row)).sum::<u64>();
            if bytes > limits.memory_bytes {
                let message = format!("{self:?} takes more than {} bytes", limits.memory_bytes);
                let hint = "read it as a file, or compare moments that are nearer to each other";
                return Err(Failure::new(Kind::Memory, message).hint(hint));
            }
            all.extend(rows.into_iter().map(Value::from));
            Ok(())
        })?;
        Ok(Value::from(all))
    }
}

/// About what a row takes in memory.
pub(super) fn row_bytes(row: &[Value]) -> u64 {
    let heap = |value: &Value| match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    (size_of::<Value>() + size_of_val(row) + row.iter().map(heap).sum::<usize>()) as u64
}

impl Question {
    /// The inputs, with the rows of the differences and files among them.
    pub(super) fn with_rows(
        &self,
        limits: &Limits,
        started: Instant,
        cancel: &Cancel,
    ) -> Result<Cow<'_, [Input]>> {
        let mut inputs = Cow::Borrowed(&self.inputs[..]);
        for (place, compared) in &self.differences {
            let rows = compared.relation(limits, started, cancel)?;
            if let Some(input) = inputs.to_mut().get_mut(*place) {
                *input = Input::Value(rows);
            }
        }
        for (place, source) in &self.files {
            let rows = source.relation(limits, started, cancel)?;
            if let Some(input) = inputs.to_mut().get_mut(*place) {
                *input = Input::Value(rows);
            }
        }
        Ok(inputs)
    }
}
