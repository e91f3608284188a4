//! What is at a place: whether it exists, what it is, what its bytes depend on.
//!
//! **Invariant:** costs at most one look at a head a store and a few seeks; never a query, never a
//! scan of a database.

use super::node::*;
use super::work::Pins;
use super::{Entry, Key, Resolved, Tree, by, readme};
use crate::error::{Failure, Result};
use crate::render;
use crate::source::{Moment, Mounted};
use crate::spool::Content;
use crate::when::When;
use factfs_core::datom::{KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::id::{EntityId, T};
use std::sync::Arc;

impl Tree {
    /// What is at a place.
    pub fn resolve(&self, node: &Node) -> Result<Resolved> {
        let started = self.started_ms;
        match node {
            Node::Root | Node::Control | Node::Queries(Desk::Mount) | Node::Times => {
                Ok(folder(node, started, true))
            }
            Node::Results(Scope::Mount) => Ok(folder(node, started, true)),
            Node::Time(_) | Node::Results(Scope::Time(_)) => Ok(folder(node, started, false)),
            Node::Readme => Ok(text(node, started, &readme::mount(self))),
            Node::ControlFile(file) => Ok(text(node, self.now_ms(), &self.control(*file))),
            Node::Queries(Desk::Branch(store, branch)) => {
                let moment = self.head(self.mounted(store)?, branch)?;
                Ok(folder(node, moment.instant_ms.unwrap_or(started), false))
            }
            Node::QueryFile(desk, file) => self.query_file(node, desk, file),
            Node::Results(Scope::Snapshot(place)) | Node::Snapshot(place) => {
                let moment = self.moment(place)?;
                Ok(folder(node, moment.instant_ms.unwrap_or(started), place.is_fixed()))
            }
            Node::Arguments(scope, call) => self.arguments(node, scope, call),
            Node::Result(scope, call, leaf) => self.result(node, scope, call, *leaf),
            Node::TimeStore(time, store) => {
                let mounted = self.mounted(store)?;
                let moment = self.moment_at(mounted, &mounted.head_branch(), time)?;
                Ok(link(node, &moment, format!("../../{store}/commits/{}", moment.id())))
            }
            Node::Results(Scope::Pin(id)) => self.pin_node(node, &PinNode::Pin(id.clone())),
            Node::Pin(at) => self.pin_node(node, at),
            Node::Store(store)
            | Node::Branches(store)
            | Node::Tags(store)
            | Node::Commits(store)
            | Node::Diffs(store) => {
                self.mounted(store)?;
                Ok(folder(node, started, true))
            }
            Node::StoreJson(store) => {
                let about = render::store_json(self.mounted(store)?)?;
                Ok(text(node, started, &about))
            }
            Node::HeadLink(store, which) => self.head_link(node, store, *which),
            Node::Tag(store, tag) => {
                let tags = self.mounted(store)?.source.tags()?;
                let found = tags.iter().find(|known| *known.name == **tag);
                let missing = || Failure::not_found(format!("{store} has no tag `{tag}`"));
                let commit = found.ok_or_else(missing)?.commit;
                Ok(plain_link(node, started, format!("../commits/{commit}")))
            }
            Node::CommitAlias(store, prefix) => {
                let known = prefix.parse::<u64>().is_ok() || When::commit_prefix(prefix).is_some();
                let mounted = self.mounted(store)?;
                if !known {
                    return Err(Failure::not_found(format!("`{prefix}` names no commit")));
                }
                let moment = self.moment_at(mounted, &mounted.head_branch(), prefix)?;
                Ok(link(node, &moment, moment.id()))
            }
            Node::Diff(store, range) => self.diff_folder(node, store, range),
            Node::DiffFile(store, range, kind, leaf) => {
                self.diff_file(node, store, range, *kind, *leaf)
            }
            Node::Part(place, part) => self.part(node, place, part),
            Node::Branch(store, branch, part) => self.branch_part(node, store, branch, part),
        }
    }

    fn head_link(&self, node: &Node, store: &Name, which: HeadLink) -> Result<Resolved> {
        let mounted = self.mounted(store)?;
        let branch = mounted.head_branch();
        let target = match (&mounted.at, which) {
            (None, HeadLink::Head) => format!("branches/{branch}"),
            (None, which) => format!("head/{}", which.name()),
            (Some(_), HeadLink::Head) => format!("commits/{}", self.head(mounted, &branch)?.id()),
            (Some(_), _) => format!("branches/{branch}/{}", which.name()),
        };
        // A mount's branch is the same while it is mounted.
        let is_fixed = mounted.at.is_none();
        Ok(Resolved { is_fixed, ..plain_link(node, self.started_ms, target) })
    }

    fn part(&self, node: &Node, place: &Place, part: &Part) -> Result<Resolved> {
        let mounted = self.mounted(&place.store)?;
        let moment = self.moment(place)?;
        let mtime_ms = moment.instant_ms.unwrap_or(self.started_ms);
        let is_fixed = place.is_fixed();
        let db = &moment.db;
        let work = |leaf: Leaf, what: &str| {
            let identity = format!("{} {} {what}", mounted.source.uuid(), moment.version());
            let pins = Pins::Moment(Box::new((mounted.clone(), moment.clone())));
            Ok(self.work(node, leaf, identity, pins, mtime_ms, is_fixed))
        };
        match part {
            Part::Entities | Part::Tables | Part::Query => Ok(folder(node, mtime_ms, is_fixed)),
            Part::QueryPrefix(_) => Ok(folder(node, mtime_ms, is_fixed)),
            Part::QueryReadme => Ok(text(node, self.started_ms, readme::QUERY)),
            // It says which branch it is of.
            Part::SnapshotJson(leaf) => {
                work(*leaf, &format!("about {} {:?}", place.store, place.at))
            }
            Part::Schema(leaf) => work(*leaf, "schema"),
            Part::Entity(e, leaf) => {
                check_entity(db, *e)?;
                Ok(self.entity_file(node, mounted, &moment, *e, *leaf))
            }
            Part::Table(ns, leaf) => {
                by::namespace(db, ns)?;
                work(*leaf, &format!("table {ns}"))
            }
            Part::Datoms(leaf) => work(*leaf, "datoms"),
            Part::By(components) => {
                if components.len() == 2 {
                    by::attribute(db, components)?;
                } else if by::names(db, components)?.is_empty() && !components.is_empty() {
                    return Err(Failure::not_found("no indexed attribute is there"));
                }
                Ok(folder(node, mtime_ms, is_fixed))
            }
            Part::ByEntity(key, leaf) => match by::entities(db, key)? {
                (true, ids) if ids.len() == 1 => work(*leaf, &format!("entity {}", ids[0])),
                _ => Err(Failure::not_found("no entity has this unique value")),
            },
            Part::ByValue(key) => {
                let (unique, ids) = by::entities(db, key)?;
                if (unique || ids.is_empty()) && !by::is_keyword_folder(db, key)? {
                    return Err(Failure::not_found("no entity has this value"));
                }
                Ok(folder(node, mtime_ms, is_fixed))
            }
            Part::ByLink(key, e) => {
                if !by::entities(db, key)?.1.contains(e) {
                    return Err(Failure::not_found(format!("entity {e} has another value")));
                }
                let up = "../".repeat(key.components.len() + 1);
                let target = format!("{up}entities/{e}.edn");
                Ok(Resolved { is_fixed, ..plain_link(node, mtime_ms, target) })
            }
            Part::QueryText(components, leaf) => {
                let wording = super::path::query_text(components).unwrap_or_default();
                let scope = Scope::Snapshot(place.clone());
                let plan = self.plan(&scope, &wording, &[]).map(Arc::new);
                Ok(self.answer(node, *leaf, &wording, plan, true))
            }
        }
    }

    /// An entity that is known to be in a value: as resolving its path would give.
    pub fn entity(&self, node: &Node, moment: &Moment, e: EntityId) -> Result<Resolved> {
        let Node::Part(place, Part::Entity(_, leaf)) = node else { return self.resolve(node) };
        Ok(self.entity_file(node, self.mounted(&place.store)?, moment, e, *leaf))
    }

    fn branch_part(
        &self,
        node: &Node,
        store: &Name,
        branch: &str,
        part: &BranchPart,
    ) -> Result<Resolved> {
        let mounted = self.mounted(store)?;
        match part {
            BranchPart::At | BranchPart::Log | BranchPart::Inbox => {
                let moment = self.head(mounted, branch)?;
                Ok(folder(node, moment.instant_ms.unwrap_or(self.started_ms), false))
            }
            // Those that there are, are kept by who knows what is open.
            BranchPart::InboxFile(name) | BranchPart::Scratch(name) => {
                Err(Failure::not_found(format!("nothing is called `{name}` here")))
            }
            BranchPart::Transact | BranchPart::TransactJson => {
                let moment = self.head(mounted, branch)?;
                let about = readme::transact(self, mounted, branch, *part == BranchPart::Transact);
                let entry = Entry::Transact(Content::of(about.as_bytes()));
                let mtime_ms = moment.instant_ms.unwrap_or(self.started_ms);
                let mode = if self.check_writable(mounted).is_ok() { 0o600 } else { 0o400 };
                let key = Key::of(&node.path());
                Ok(Resolved { mode, ..resolved(node, key, entry, mtime_ms, false) })
            }
            // Why writing failed is told while the store is out of reach.
            BranchPart::TransactError | BranchPart::TransactJsonError | BranchPart::MergeError => {
                let path = node.path();
                let failure = self.failures.of(path.trim_end_matches(".err"));
                let said = failure.map(|failure| failure.text()).unwrap_or_default();
                Ok(text(node, self.now_ms(), &said))
            }
            BranchPart::Moment(when) => {
                let moment = self.moment_at(mounted, branch, when)?;
                let target = format!("../../../commits/{}", moment.id());
                // The default branch is the one that its name means while it is mounted.
                let is_fixed = moment.is_fixed && *branch == *mounted.source.default_branch();
                Ok(Resolved { is_fixed, ..link(node, &moment, target) })
            }
            BranchPart::LogEntry(t) => {
                let entry = mounted.source.log(branch, Some(T(*t)), 1)?.into_iter().next();
                let entry = entry.filter(|entry| entry.commit.t == T(*t));
                let missing = || Failure::not_found(format!("{store} has no commit {t}"));
                let entry = entry.ok_or_else(missing)?;
                let db = self.head(mounted, branch)?.db;
                Ok(text(node, entry.instant_ms, &render::log_entry(&db, &entry)))
            }
            BranchPart::Merge
            | BranchPart::MergeConflicts(_)
            | BranchPart::Wait
            | BranchPart::Events => self.merge_part(node, mounted, branch, part),
        }
    }

    /// The failure of writing to a store, if nothing can be written.
    pub fn check_writable(&self, mounted: &Mounted) -> Result<()> {
        if self.is_read_only {
            let message = "the mount is read-only";
            return Err(Failure::new(crate::error::Kind::ReadOnly, message)
                .hint("mount it without --read-only"));
        }
        mounted.check_writable()
    }
}

fn check_entity(db: &Db, e: EntityId) -> Result<()> {
    let facts = db.scan_references(Order::Eavt, &[KeyRange::prefix(Some(e), None, None)])?;
    if facts.iter().flatten().all(|slice| slice.is_empty()) {
        return Err(Failure::not_found(format!("entity {e} has no facts here")));
    }
    Ok(())
}

pub(super) fn resolved(
    node: &Node,
    key: Key,
    entry: Entry,
    mtime_ms: i64,
    is_fixed: bool,
) -> Resolved {
    let mode = match &entry {
        Entry::Folder => 0o755,
        Entry::Link(_) => 0o777,
        _ => 0o444,
    };
    Resolved { node: node.clone(), key, entry, mtime_ms, mode, is_fixed }
}

pub(super) fn folder(node: &Node, mtime_ms: i64, is_fixed: bool) -> Resolved {
    resolved(node, Key::of(&node.path()), Entry::Folder, mtime_ms, is_fixed)
}

pub(super) fn plain_link(node: &Node, mtime_ms: i64, target: String) -> Resolved {
    let key = Key::of(&format!("{} -> {target}", node.path()));
    resolved(node, key, Entry::Link(target), mtime_ms, false)
}

fn link(node: &Node, moment: &Moment, target: String) -> Resolved {
    plain_link(node, moment.instant_ms.unwrap_or(0), target)
}

/// A small file whose bytes are at hand: other bytes are another file.
pub(super) fn text(node: &Node, mtime_ms: i64, text: &str) -> Resolved {
    let content = Content::of(text.as_bytes());
    let key = Key::of(&format!("{} {}", node.path(), content.hash_hex()));
    resolved(node, key, Entry::Bytes(content), mtime_ms, false)
}
