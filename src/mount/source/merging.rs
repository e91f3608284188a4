//! What a merge came to, as the tree tells it.
//!
//! **Invariant:** with conflicts nothing was written, and all of them are here.

use factfs_core::conn::{Conflict, MergePlan};
use factfs_core::db::TxReport;
use factfs_core::edn;
use factfs_core::id::CommitId;
use factfs_core::text::{Format, Layout, write_all};
use factfs_core::value::Value;

/// What a merge came to.
#[derive(Clone, Debug, Default)]
pub struct Merging {
    /// The nearest commit that both have; none is the empty database.
    pub base: Option<CommitId>,
    /// What was merged into.
    pub target: Option<CommitId>,
    /// What was merged.
    pub source: Option<CommitId>,
    /// Whether all of it was there before.
    pub already: bool,
    /// How many facts were added.
    pub added: usize,
    /// How many were retracted.
    pub retracted: usize,
    /// What stood in the way: then nothing was written.
    pub conflicts: Vec<Conflict>,
    /// The transaction; none if there was nothing to do, or it could not be done.
    pub report: Option<TxReport>,
}

impl From<MergePlan> for Merging {
    fn from(plan: MergePlan) -> Self {
        Self {
            base: plan.base,
            target: plan.target,
            source: plan.source,
            already: plan.already,
            added: plan.facts.add.len(),
            retracted: plan.facts.retract.len(),
            conflicts: plan.conflicts,
            report: None,
        }
    }
}

fn shown(commit: Option<CommitId>) -> Value {
    commit.map_or(Value::Nil, |commit| Value::str(&commit.to_string()))
}

impl Merging {
    /// On one line: what was merged, and the transaction that it became.
    pub fn line(&self, from: &str) -> String {
        let count = |n: usize| Value::Long(i64::try_from(n).unwrap_or(i64::MAX));
        let mut entries = vec![
            ("merged", Value::str(from)),
            ("base", shown(self.base)),
            ("into", shown(self.target)),
            ("from", shown(self.source)),
            ("already", Value::Bool(self.already)),
            ("added", count(self.added)),
            ("retracted", count(self.retracted)),
        ];
        if let Some(report) = &self.report {
            entries.push(("t", Value::Long(report.tx.t().0 as i64)));
            entries.push(("commit", shown(report.commit)));
        }
        let entries = entries.into_iter().map(|(key, value)| (Value::keyword(key), value));
        edn::to_string(&Value::map(entries.collect::<Vec<_>>())) + "\n"
    }

    /// The conflicts as text: what each side has, and of which commits that is.
    pub fn conflicts_as(&self, format: Format) -> String {
        let commits = ["base_commit", "target_commit", "source_commit"];
        let columns = Conflict::COLUMNS.into_iter().chain(commits);
        let known = [self.base, self.target, self.source].map(shown);
        let row = |conflict: &Conflict| -> Vec<Value> {
            conflict.row().into_iter().chain(known.clone()).collect()
        };
        let rows: Vec<Vec<Value>> = self.conflicts.iter().map(row).collect();
        write_all(format, Layout::relation(columns), rows.iter().map(Vec::as_slice))
    }
}
