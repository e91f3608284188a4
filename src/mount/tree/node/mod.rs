//! What there is in the tree: a typed place for each path.
//!
//! **Invariant:** a node has one path ([`Node::path`]) and a path leads to one node. A node says
//! nothing about existence: that needs the databases.

mod path;
mod pin;
mod snapshot;

pub use pin::PinNode;
pub use snapshot::{BranchPart, ByKey, Part};

use factfs_core::db::ChangeKind;
use factfs_core::text::Format;
use std::sync::Arc;

/// What the text of how a query came to its answer has after the last dot.
const EXPLAIN: &str = "explain";

/// The name of a folder: shared, as many nodes carry it.
pub type Name = Arc<str>;

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The mount point.
    Root,
    /// `README.md`
    Readme,
    /// `.factfs/`
    Control,
    /// A file in it.
    ControlFile(ControlFile),
    /// A folder of saved queries.
    Queries(Desk),
    /// A file in it: a saved query, or scratch.
    QueryFile(Desk, Name),
    /// A folder of results.
    Results(Scope),
    /// The folder for a result's arguments so far.
    Arguments(Scope, Call),
    /// A result.
    Result(Scope, Call, Leaf),
    /// `at/`
    Times,
    /// `at/TIME/`
    Time(Name),
    /// `at/TIME/STORE`, a link.
    TimeStore(Name, Name),
    /// Something in `pins/` that is no result.
    Pin(PinNode),
    /// `STORE/`
    Store(Name),
    /// `STORE/store.json`
    StoreJson(Name),
    /// `STORE/at` and the like, links into its head.
    HeadLink(Name, HeadLink),
    /// `STORE/branches/`
    Branches(Name),
    /// `STORE/tags/`
    Tags(Name),
    /// `STORE/tags/TAG`, a link.
    Tag(Name, Name),
    /// `STORE/commits/`
    Commits(Name),
    /// `STORE/commits/PREFIX`, a link to the whole id.
    CommitAlias(Name, Name),
    /// `STORE/diff/`
    Diffs(Name),
    /// `STORE/diff/A..B/`
    Diff(Name, Name),
    /// `STORE/diff/A..B.FORMAT`, and in the folder the changes of one kind.
    DiffFile(Name, Name, Option<ChangeKind>, Leaf),
    /// A snapshot folder.
    Snapshot(Place),
    /// Something in a snapshot folder.
    Part(Place, Part),
    /// Something that only a branch's folder has.
    Branch(Name, Name, BranchPart),
}

/// Files of `.factfs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlFile {
    /// `version`
    Version,
    /// `status.json`
    Status,
    /// `metrics`
    Metrics,
    /// `last-error`
    LastError,
    /// `log`
    Log,
}

/// Where saved queries are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Desk {
    /// On this machine, over any store of the mount.
    Mount,
    /// In a store, on a branch.
    Branch(Name, Name),
}

/// What results are over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The mount now.
    Mount,
    /// The mount as of a time.
    Time(Name),
    /// The mount as a pin has it.
    Pin(Name),
    /// A snapshot.
    Snapshot(Place),
}

/// A saved query and its arguments so far, as typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The query.
    pub query: Name,
    /// Arguments, left to right.
    pub args: Vec<String>,
}

/// A file of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// In which format.
    pub format: Format,
    /// The answer itself, or what is known about it.
    pub aspect: Aspect,
}

/// What of an answer a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// The answer.
    Answer,
    /// `X.err`: why there is none.
    Error,
    /// `X.meta`: where it came from.
    Meta,
    /// `X.wait`: when it changes.
    Wait,
    /// `X.explain`, with no format: how the query came to it.
    Explain,
    /// `X.explain.err`: why there is no such text.
    ExplainError,
}

/// A snapshot folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The store.
    pub store: Name,
    /// Which value of it.
    pub at: At,
}

/// Which value of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// The head of a branch.
    Branch(Name),
    /// A commit, by its whole printed id.
    Commit(Name),
}

/// Links of a store's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadLink {
    /// `head`
    Head,
    /// `at`
    At,
    /// `log`
    Log,
    /// `queries`
    Queries,
    /// `transact`
    Transact,
    /// `inbox`
    Inbox,
    /// `transact.err`: by name only
    TransactError,
    /// `transact.json`: by name only
    TransactJson,
    /// `transact.json.err`: by name only
    TransactJsonError,
}

impl HeadLink {
    /// Those that are listed.
    pub const LISTED: [Self; 6] =
        [Self::Head, Self::At, Self::Log, Self::Queries, Self::Transact, Self::Inbox];
    /// Those that are found by name only.
    const UNLISTED: [Self; 3] = [Self::TransactError, Self::TransactJson, Self::TransactJsonError];

    /// The link of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::LISTED.into_iter().chain(Self::UNLISTED);
        all.find(|link| link.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::At => "at",
            Self::Log => "log",
            Self::Queries => "queries",
            Self::Transact => "transact",
            Self::Inbox => "inbox",
            Self::TransactError => "transact.err",
            Self::TransactJson => "transact.json",
            Self::TransactJsonError => "transact.json.err",
        }
    }
}

impl Leaf {
    /// The answer in this format.
    pub fn answer(format: Format) -> Self {
        Self { format, aspect: Aspect::Answer }
    }

    /// What its answer has after the last dot.
    pub fn extension(self) -> &'static str {
        match self.aspect {
            Aspect::Explain | Aspect::ExplainError => EXPLAIN,
            _ => self.format.extension(),
        }
    }

    /// What a file name ends with.
    pub fn suffix(self) -> String {
        let extension = self.extension();
        match self.aspect {
            Aspect::Answer | Aspect::Explain => format!(".{extension}"),
            Aspect::Error | Aspect::ExplainError => format!(".{extension}.err"),
            Aspect::Meta => format!(".{extension}.meta"),
            Aspect::Wait => format!(".{extension}.wait"),
        }
    }

    /// As [`split`](Self::split), of what a query answers: that can be explained, too.
    pub fn split_asked(name: &str) -> Option<(&str, Self)> {
        let (whole, aspect) = match name.strip_suffix(".err") {
            Some(whole) => (whole, Aspect::ExplainError),
            None => (name, Aspect::Explain),
        };
        match whole.rsplit_once('.') {
            Some((stem, EXPLAIN)) if !stem.is_empty() => {
                Some((stem, Self { format: Format::Txt, aspect }))
            }
            _ => Self::split(name),
        }
    }

    /// Splits a file name into what stands before the format, and the rest.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        let (name, aspect) = match name.rsplit_once('.')? {
            (name, "err") => (name, Aspect::Error),
            (name, "meta") => (name, Aspect::Meta),
            (name, "wait") => (name, Aspect::Wait),
            _ => (name, Aspect::Answer),
        };
        let (stem, extension) = name.rsplit_once('.')?;
        let format = Format::from_extension(extension)?;
        (!stem.is_empty()).then_some((stem, Self { format, aspect }))
    }
}

impl Place {
    /// The head of a branch.
    pub fn branch(store: &Name, branch: &str) -> Self {
        Self { store: store.clone(), at: At::Branch(branch.into()) }
    }

    /// A commit.
    pub fn commit(store: &Name, id: &str) -> Self {
        Self { store: store.clone(), at: At::Commit(id.into()) }
    }

    /// Whether it can never show anything else.
    pub fn is_fixed(&self) -> bool {
        matches!(self.at, At::Commit(_))
    }

    fn path(&self) -> String {
        match &self.at {
            At::Branch(branch) => format!("/{}/branches/{branch}", self.store),
            At::Commit(id) => format!("/{}/commits/{id}", self.store),
        }
    }
}
