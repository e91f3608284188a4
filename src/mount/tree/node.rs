//! What there is in the tree: a typed place for each path.
//!
//! **Invariant:** a node has one path ([`Node::path`]) and a path leads to one node. A node says
//! nothing about existence: that needs the databases.

use factfs_core::id::EntityId;
use factfs_core::text::Format;
use std::sync::Arc;

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
    /// `last-error`
    LastError,
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
    /// `transact.err`: by name only
    TransactError,
}

impl HeadLink {
    /// Those that are listed.
    pub const LISTED: [Self; 5] = [Self::Head, Self::At, Self::Log, Self::Queries, Self::Transact];

    /// The link of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::LISTED.into_iter().chain([Self::TransactError]);
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
            Self::TransactError => "transact.err",
        }
    }
}

/// What is in a snapshot folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `snapshot.json`
    SnapshotJson,
    /// `schema.edn`, `schema.json`
    Schema(Format),
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
    /// `at/`
    At,
    /// `at/WHEN`, a link.
    Moment(Name),
    /// `log/`
    Log,
    /// `log/T.edn`
    LogEntry(u64),
}

impl ByKey {
    /// Whether the last component may be the namespace of a keyword: a keyword `:a/b` is two
    /// levels.
    pub fn is_namespace(&self) -> bool {
        self.components.len() == 3 && self.components[2].starts_with(':')
    }
}

impl Leaf {
    /// The answer in this format.
    pub fn answer(format: Format) -> Self {
        Self { format, aspect: Aspect::Answer }
    }

    /// What a file name ends with.
    pub fn suffix(self) -> String {
        let extension = self.format.extension();
        match self.aspect {
            Aspect::Answer => format!(".{extension}"),
            Aspect::Error => format!(".{extension}.err"),
            Aspect::Meta => format!(".{extension}.meta"),
        }
    }

    /// Splits a file name into what stands before the format, and the rest.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        let (name, aspect) = match name.rsplit_once('.')? {
            (name, "err") => (name, Aspect::Error),
            (name, "meta") => (name, Aspect::Meta),
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

impl Node {
    /// The path from the mount point, beginning with `/`.
    pub fn path(&self) -> String {
        match self {
            Self::Root => "/".into(),
            Self::Readme => "/README.md".into(),
            Self::Control => "/.factfs".into(),
            Self::ControlFile(file) => format!("/.factfs/{}", file.name()),
            Self::Queries(desk) => desk.path(),
            Self::QueryFile(desk, name) => format!("{}/{name}", desk.path()),
            Self::Results(scope) => scope.path(),
            Self::Arguments(scope, call) => format!("{}/{}", scope.path(), call.path()),
            Self::Result(scope, call, leaf) => {
                format!("{}/{}{}", scope.path(), call.path(), leaf.suffix())
            }
            Self::Times => "/at".into(),
            Self::Time(time) => format!("/at/{time}"),
            Self::TimeStore(time, store) => format!("/at/{time}/{store}"),
            Self::Store(store) => format!("/{store}"),
            Self::StoreJson(store) => format!("/{store}/store.json"),
            Self::HeadLink(store, link) => format!("/{store}/{}", link.name()),
            Self::Branches(store) => format!("/{store}/branches"),
            Self::Tags(store) => format!("/{store}/tags"),
            Self::Tag(store, tag) => format!("/{store}/tags/{tag}"),
            Self::Commits(store) => format!("/{store}/commits"),
            Self::CommitAlias(store, text) => format!("/{store}/commits/{text}"),
            Self::Snapshot(place) => place.path(),
            Self::Part(place, part) => format!("{}/{}", place.path(), part.path()),
            Self::Branch(store, branch, part) => {
                format!("/{store}/branches/{branch}/{}", part.path())
            }
        }
    }

    /// The store it is in.
    pub fn store(&self) -> Option<&Name> {
        match self {
            Self::Root | Self::Readme | Self::Control | Self::ControlFile(_) | Self::Times => None,
            Self::Time(_) | Self::TimeStore(..) => None,
            Self::Queries(desk) | Self::QueryFile(desk, _) => match desk {
                Desk::Mount => None,
                Desk::Branch(store, _) => Some(store),
            },
            Self::Results(scope) | Self::Arguments(scope, _) | Self::Result(scope, ..) => {
                if let Scope::Snapshot(place) = scope {
                    Some(&place.store)
                } else {
                    None
                }
            }
            Self::Store(store)
            | Self::StoreJson(store)
            | Self::HeadLink(store, _)
            | Self::Branches(store)
            | Self::Tags(store)
            | Self::Tag(store, _)
            | Self::Commits(store)
            | Self::CommitAlias(store, _)
            | Self::Branch(store, ..) => Some(store),
            Self::Snapshot(place) | Self::Part(place, _) => Some(&place.store),
        }
    }
}

impl ControlFile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Version, Self::Status, Self::LastError];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Status => "status.json",
            Self::LastError => "last-error",
        }
    }
}

impl Desk {
    fn path(&self) -> String {
        match self {
            Self::Mount => "/queries".into(),
            Self::Branch(store, branch) => format!("/{store}/branches/{branch}/queries"),
        }
    }
}

impl Scope {
    fn path(&self) -> String {
        match self {
            Self::Mount => "/results".into(),
            Self::Time(time) => format!("/at/{time}/results"),
            Self::Snapshot(place) => format!("{}/results", place.path()),
        }
    }
}

impl Call {
    fn path(&self) -> String {
        let mut path = self.query.to_string();
        self.args.iter().for_each(|arg| {
            path.push('/');
            path.push_str(arg);
        });
        path
    }
}

impl Part {
    fn path(&self) -> String {
        match self {
            Self::SnapshotJson => "snapshot.json".into(),
            Self::Schema(format) => format!("schema.{}", format.extension()),
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
    fn path(&self) -> String {
        match self {
            Self::Transact => "transact".into(),
            Self::TransactError => "transact.err".into(),
            Self::At => "at".into(),
            Self::Moment(when) => format!("at/{when}"),
            Self::Log => "log".into(),
            Self::LogEntry(t) => format!("log/{t}.edn"),
        }
    }
}
