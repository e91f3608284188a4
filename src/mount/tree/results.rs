//! Saved queries and their results, as files: what their bytes depend on.
//!
//! **Invariant:** nothing is evaluated here; a text that makes no question is a file all the same,
//! and opening it says why.

use super::desk::{self, query_of};
use super::node::*;
use super::resolve::{folder, resolved};
use super::work::{Pins, Work};
use super::{Entry, Key, Resolved, Tree};
use crate::error::{Failure, Result};
use factfs_core::query::QueryFile;
use std::sync::{Arc, PoisonError};

/// Longer texts are read each time.
const KEPT_BYTES: usize = 64 << 10;

impl Tree {
    pub(super) fn query_file(&self, node: &Node, desk: &Desk, file: &str) -> Result<Resolved> {
        let found = query_of(file).map(|name| self.saved_text(desk, name)).transpose()?.flatten();
        let Some((found, mtime_ms)) = found else {
            return Err(Failure::not_found(format!("no file `{file}` among the queries")));
        };
        let entry = Entry::Query(found.len() as u64);
        let mode = if self.desk_is_writable(desk) { 0o644 } else { 0o444 };
        Ok(Resolved { mode, ..resolved(node, Key::of(&node.path()), entry, mtime_ms, false) })
    }

    /// Whether queries can be saved there.
    pub fn desk_is_writable(&self, desk: &Desk) -> bool {
        let store = desk.branch().map(|(store, _)| self.mounted(store));
        let sealed =
            store.is_some_and(|m| m.is_err() || m.is_ok_and(|m| m.check_writable().is_err()));
        !self.is_read_only && !sealed
    }

    /// The text of a saved query, and when it was written.
    pub fn saved_text(&self, desk: &Desk, name: &str) -> Result<Option<(String, i64)>> {
        let found = match desk {
            Desk::Mount => self.desk.get(name)?,
            Desk::Branch(store, branch) => {
                desk::stored(&self.head(self.mounted(store)?, branch)?, name)?
            }
        };
        Ok(found.map(|found| (found.text, found.mtime_ms)))
    }

    /// Where the wording of a scope's results is kept: on a branch its own, elsewhere the default
    /// branch's of today.
    pub(super) fn desk_of(&self, scope: &Scope) -> Result<Desk> {
        Ok(match scope {
            Scope::Mount | Scope::Time(_) | Scope::Pin(_) => Desk::Mount,
            Scope::Snapshot(Place { store, at: At::Branch(branch) }) => {
                Desk::Branch(store.clone(), branch.clone())
            }
            Scope::Snapshot(Place { store, at: At::Commit(_) }) => {
                let branch = self.mounted(store)?.source.default_branch();
                Desk::Branch(store.clone(), branch.as_str().into())
            }
        })
    }

    pub(super) fn wording(&self, scope: &Scope, query: &str) -> Result<String> {
        let desk = self.desk_of(scope)?;
        match self.saved_text(&desk, query)? {
            Some((found, _)) => Ok(found),
            None => {
                let message = format!("no saved query is called `{query}`");
                let hint = format!("save it as {}/{query}.edn", Node::Queries(desk).path());
                Err(Failure::not_found(message).hint(hint))
            }
        }
    }

    /// What the text of a saved query says; remembered, since every name among its results asks.
    pub(super) fn read_query(&self, text: &str) -> Result<Arc<QueryFile>> {
        let queries = || self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queries().get(text) {
            return Ok(known.clone());
        }
        let read = Arc::new(QueryFile::read(text)?);
        if text.len() <= KEPT_BYTES {
            queries().put(text.to_owned(), read.clone());
        }
        Ok(read)
    }

    pub(super) fn arguments(&self, node: &Node, scope: &Scope, call: &Call) -> Result<Resolved> {
        let wording = self.wording(scope, &call.query)?;
        let wanted = self.read_query(&wording).map_or(0, |saved| self.open_inputs(scope, &saved));
        if wanted <= call.args.len() {
            return Err(Failure::not_found(format!("{} takes {wanted} arguments", call.query)));
        }
        Ok(folder(node, self.started_ms, false))
    }

    pub(super) fn result(
        &self,
        node: &Node,
        scope: &Scope,
        call: &Call,
        leaf: Leaf,
    ) -> Result<Resolved> {
        if let Some(answer) = self.pinned_answer(node, scope, call, leaf)? {
            return Ok(answer);
        }
        let wording = self.wording(scope, &call.query)?;
        let plan = self.plan(scope, &wording, &call.args).map(Arc::new);
        Ok(self.answer(node, leaf, &wording, plan, false))
    }

    /// A file of an answer. A text that makes no question is a file, too: opening it says why.
    pub(super) fn answer(
        &self,
        node: &Node,
        leaf: Leaf,
        wording: &str,
        plan: Result<Arc<super::Plan>>,
        is_text_fixed: bool,
    ) -> Resolved {
        let identity = match &plan {
            Ok(plan) => plan.identity(),
            Err(failure) => format!("{wording}\n{failure}"),
        };
        let mtime_ms = plan.as_ref().ok().and_then(|plan| plan.changed_ms());
        let is_fixed = is_text_fixed && plan.as_ref().is_ok_and(|plan| plan.is_fixed);
        let pins = Pins::Plan(plan);
        self.work(node, leaf, identity, pins, mtime_ms.unwrap_or(self.started_ms), is_fixed)
    }

    /// A file that is made when it is opened. What is known *about* an answer belongs to its path,
    /// not to its bytes.
    pub(super) fn work(
        &self,
        node: &Node,
        leaf: Leaf,
        identity: String,
        pins: Pins,
        mtime_ms: i64,
        is_fixed: bool,
    ) -> Resolved {
        let is_answer = leaf.aspect == Aspect::Answer;
        let path = if is_answer { String::new() } else { node.path() };
        let answer = Key::of(&format!("{identity} {}", leaf.extension()));
        let key = Key::of(&format!("{identity} {} {path}", leaf.suffix()));
        let work = Work { node: node.clone(), leaf, answer, pins };
        resolved(node, key, Entry::Work(Arc::new(work)), mtime_ms, is_fixed && is_answer)
    }
}
