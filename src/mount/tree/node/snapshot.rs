//! What is in a snapshot folder, and what only a branch's has.

use super::{Leaf, Name};
use factfs_core::id::EntityId;
use factfs_core::text::Format;

/// What is in a snapshot folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `snapshot.json`
    SnapshotJson(Leaf),
    /// `schema.edn`, `schema.json`
    Schema(Leaf),
    /// `entities/`
    Entities,
    /// `entities/EID.FORMAT`
    Entity(EntityId, Leaf),
    /// `by/` and the folders in it: namespace, attribute, namespace of a keyword value.
    By(Vec<Name>),
    /// The folder of an indexed value: links to entities.
    ByValue(ByKey),
    /// A link in it.
    ByLink(ByKey, EntityId),
    /// `by/NS/ATTR/VALUE.FORMAT`
    ByEntity(ByKey, Leaf),
    /// `tables/`
    Tables,
    /// `tables/NS.FORMAT`
    Table(Name, Leaf),
    /// `datoms.FORMAT`
    Datoms(Leaf),
    /// `query/`
    Query,
    /// `query/README`
    QueryReadme,
    /// A folder whose name so far is the beginning of a query.
    QueryPrefix(Vec<Name>),
    /// `query/TEXT.FORMAT`: the raw components, the last without its extensions.
    QueryText(Vec<Name>, Leaf),
}

/// An attribute and a value as file names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ByKey {
    /// Namespace, attribute, and for a keyword value its own namespace; the last is the value.
    pub components: Vec<Name>,
}

/// What only a branch's folder has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BranchPart {
    /// `transact`
    Transact,
    /// `transact.err`
    TransactError,
    /// `transact.json`
    TransactJson,
    /// `transact.json.err`
    TransactJsonError,
    /// `inbox/`
    Inbox,
    /// A file in it: a document, what came of one, or scratch.
    InboxFile(Name),
    /// `entities/NAME`: what editors keep beside the entities.
    Scratch(Name),
    /// `at/`
    At,
    /// `at/WHEN`, a link.
    Moment(Name),
    /// `log/`
    Log,
    /// `log/T.edn`
    LogEntry(u64),
    /// `merge`
    Merge,
    /// `merge.err`
    MergeError,
    /// `merge.conflicts.FORMAT`
    MergeConflicts(Format),
    /// `.wait`
    Wait,
    /// `.events`
    Events,
}

impl ByKey {
    /// Whether the last component may be the namespace of a keyword: a keyword `:a/b` is two
    /// levels.
    pub fn is_namespace(&self) -> bool {
        self.components.len() == 3 && self.components[2].starts_with(':')
    }
}

impl Part {
    /// The path in the snapshot folder.
    pub fn path(&self) -> String {
        match self {
            Self::SnapshotJson(leaf) => format!("snapshot{}", leaf.suffix()),
            Self::Schema(leaf) => format!("schema{}", leaf.suffix()),
            Self::Entities => "entities".into(),
            Self::Entity(e, leaf) => format!("entities/{e}{}", leaf.suffix()),
            Self::By(components) if components.is_empty() => "by".into(),
            Self::By(components) => format!("by/{}", components.join("/")),
            Self::ByValue(key) => format!("by/{}", key.components.join("/")),
            Self::ByLink(key, e) => format!("by/{}/{e}.edn", key.components.join("/")),
            Self::ByEntity(key, leaf) => {
                format!("by/{}{}", key.components.join("/"), leaf.suffix())
            }
            Self::Tables => "tables".into(),
            Self::Table(ns, leaf) => format!("tables/{ns}{}", leaf.suffix()),
            Self::Datoms(leaf) => format!("datoms{}", leaf.suffix()),
            Self::Query => "query".into(),
            Self::QueryReadme => "query/README".into(),
            Self::QueryPrefix(components) => format!("query/{}", components.join("/")),
            Self::QueryText(components, leaf) => {
                format!("query/{}{}", components.join("/"), leaf.suffix())
            }
        }
    }
}

impl BranchPart {
    pub(super) fn path(&self) -> String {
        match self {
            Self::Transact => "transact".into(),
            Self::TransactError => "transact.err".into(),
            Self::TransactJson => "transact.json".into(),
            Self::TransactJsonError => "transact.json.err".into(),
            Self::Inbox => "inbox".into(),
            Self::InboxFile(name) => format!("inbox/{name}"),
            Self::Scratch(name) => format!("entities/{name}"),
            Self::At => "at".into(),
            Self::Moment(when) => format!("at/{when}"),
            Self::Log => "log".into(),
            Self::LogEntry(t) => format!("log/{t}.edn"),
            Self::Merge => "merge".into(),
            Self::MergeError => "merge.err".into(),
            Self::MergeConflicts(format) => format!("merge.conflicts.{}", format.extension()),
            Self::Wait => ".wait".into(),
            Self::Events => ".events".into(),
        }
    }
}
