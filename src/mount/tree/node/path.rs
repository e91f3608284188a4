//! The path of each place.
//!
//! **Invariant:** the grammar of paths read backwards: what a path leads to has that path.

use super::*;

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
            Self::Pin(at) => at.path(),
            Self::Store(store) => format!("/{store}"),
            Self::StoreJson(store) => format!("/{store}/store.json"),
            Self::HeadLink(store, link) => format!("/{store}/{}", link.name()),
            Self::Branches(store) => format!("/{store}/branches"),
            Self::Tags(store) => format!("/{store}/tags"),
            Self::Tag(store, tag) => format!("/{store}/tags/{tag}"),
            Self::Commits(store) => format!("/{store}/commits"),
            Self::CommitAlias(store, text) => format!("/{store}/commits/{text}"),
            Self::Diffs(store) => format!("/{store}/diff"),
            Self::Diff(store, range) => format!("/{store}/diff/{range}"),
            Self::DiffFile(store, range, kind, leaf) => {
                let kind = kind.map(|kind| format!("/{}", kind.name())).unwrap_or_default();
                format!("/{store}/diff/{range}{kind}{}", leaf.suffix())
            }
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
            Self::Time(_) | Self::TimeStore(..) | Self::Pin(_) => None,
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
            | Self::Diffs(store)
            | Self::Diff(store, _)
            | Self::DiffFile(store, ..)
            | Self::Branch(store, ..) => Some(store),
            Self::Snapshot(place) | Self::Part(place, _) => Some(&place.store),
        }
    }
}

impl ControlFile {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Version, Self::Status, Self::Metrics, Self::LastError, Self::Log];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Status => "status.json",
            Self::Metrics => "metrics",
            Self::LastError => "last-error",
            Self::Log => "log",
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
            Self::Pin(id) => format!("/pins/{id}/results"),
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
