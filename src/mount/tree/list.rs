//! What a folder lists: what `find` and `grep -r` come across.
//!
//! **Invariant:** listings end: endless and doubled things are reachable by name only, and moments
//! are links. A listing is of one moment, each name once, in one order.

use super::node::*;
use super::{Entry, Resolved, Tree, by, desk, path};
use crate::error::{Failure, Kind, Result};
use crate::render;
use crate::source::Moment;
use crate::spool::Cancel;
use factfs_core::db::ChangeKind;
use factfs_core::id::EntityId;
use factfs_core::instant;
use factfs_core::text::Format;

/// How many commits `log/` lists.
const LOGGED: usize = 1000;
const DAY_MS: i64 = 86_400_000;

/// What a folder lists.
#[derive(Clone, Debug)]
pub enum Listing {
    /// Names.
    Names(Vec<Listed>),
    /// The entities of a snapshot: `EID.edn`, all of one moment.
    Entities {
        /// The folder.
        place: Place,
        /// The value.
        moment: Box<Moment>,
        /// The ids.
        ids: Vec<EntityId>,
        /// What editors keep beside them.
        scratch: Vec<String>,
    },
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
}

/// What kind of thing a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
}

impl Listing {
    /// How many names.
    pub fn len(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Entities { ids, scratch, .. } => ids.len() + scratch.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name at a position.
    pub fn get(&self, i: usize) -> Option<Listed> {
        match self {
            Self::Names(names) => names.get(i).cloned(),
            Self::Entities { ids, scratch, .. } => match ids.get(i) {
                Some(e) => Some(file(format!("{e}.edn"))),
                None => scratch.get(i - ids.len()).map(file),
            },
        }
    }
}

fn file(name: impl Into<String>) -> Listed {
    Listed { name: name.into(), shape: Shape::File }
}

fn folder(name: impl Into<String>) -> Listed {
    Listed { name: name.into(), shape: Shape::Folder }
}

fn link(name: impl Into<String>) -> Listed {
    Listed { name: name.into(), shape: Shape::Link }
}

impl Resolved {
    /// What kind of thing it is.
    pub fn shape(&self) -> Shape {
        match self.entry {
            Entry::Folder => Shape::Folder,
            Entry::Link(_) => Shape::Link,
            _ => Shape::File,
        }
    }
}

impl Tree {
    /// What a folder lists.
    pub fn list(&self, node: &Node, cancel: &Cancel) -> Result<Listing> {
        let names = match node {
            Node::Root => self.root_names(),
            Node::Control => ControlFile::ALL.iter().map(|f| file(f.name())).collect(),
            Node::Queries(desk) => self
                .saved_names(desk)?
                .into_iter()
                .map(|name| file(format!("{name}.edn")))
                .collect(),
            Node::Results(scope) => self.result_names(scope)?,
            Node::Times => self.times().into_iter().map(folder).collect(),
            Node::Time(_) => {
                let stores = self.stores.keys().map(|name| link(&**name));
                std::iter::once(folder("results")).chain(stores).collect()
            }
            Node::Pin(at) => self.pin_names(node, at)?,
            Node::Store(store) => self.store_names(store)?,
            Node::Branches(store) => {
                let branches = self.mounted(store)?.source.branches()?;
                branches.into_iter().map(|branch| folder(branch.name)).collect()
            }
            Node::Tags(store) => {
                let tags = self.mounted(store)?.source.tags()?;
                tags.into_iter().map(|tag| link(tag.name)).collect()
            }
            Node::Snapshot(place) => self.snapshot_names(place)?,
            Node::Part(place, part) => return self.part_names(place, part, cancel),
            Node::Branch(store, branch, BranchPart::At) => self.moment_names(store, branch)?,
            // What is in it is kept by who knows what is open.
            Node::Branch(store, _, BranchPart::Inbox) => {
                self.mounted(store)?;
                Vec::new()
            }
            Node::Branch(store, branch, BranchPart::Log) => {
                let entries = self.mounted(store)?.source.log(branch, None, LOGGED)?;
                entries.iter().map(|entry| file(format!("{}.edn", entry.commit.t))).collect()
            }
            Node::Diff(..) => {
                let extensions = || self.formats.iter().map(|format| format.extension());
                let of = |kind: ChangeKind| {
                    extensions().map(move |e| file(format!("{}.{e}", kind.name())))
                };
                ChangeKind::ALL.into_iter().flat_map(of).collect()
            }
            // By name only: the values that an argument could have are not known, commits are many.
            Node::Arguments(..) | Node::Commits(_) | Node::Diffs(_) => Vec::new(),
            _ => {
                return Err(Failure::new(
                    Kind::NotDirectory,
                    format!("{} is no folder", node.path()),
                ));
            }
        };
        Ok(Listing::Names(names))
    }

    fn root_names(&self) -> Vec<Listed> {
        let own = ["at", "pins", "queries", "results"].map(folder);
        let own = std::iter::once(file("README.md")).chain(own);
        own.chain(self.stores.keys().map(|name| folder(&**name))).collect()
    }

    fn store_names(&self, store: &Name) -> Result<Vec<Listed>> {
        self.mounted(store)?;
        let own = [file("store.json"), folder("branches"), folder("tags")];
        let links = HeadLink::LISTED.iter().map(|which| link(which.name()));
        Ok(own.into_iter().chain(links).collect())
    }

    /// The names of saved queries.
    pub fn saved_names(&self, at: &Desk) -> Result<Vec<String>> {
        match at {
            Desk::Mount => self.desk().names(),
            Desk::Branch(store, branch) => {
                desk::stored_names(&self.head(self.mounted(store)?, branch)?.db)
            }
        }
    }

    fn result_names(&self, scope: &Scope) -> Result<Vec<Listed>> {
        let desk = self.desk_of(scope)?;
        let mut names = self.pinned_results(scope)?;
        for name in self.saved_names(&desk)? {
            let text = self.saved_text(&desk, &name)?.map(|(text, _)| text).unwrap_or_default();
            let open = self.read_query(&text).map_or(0, |saved| self.open_inputs(scope, &saved));
            if open > 0 {
                names.push(folder(name));
                continue;
            }
            names.extend(self.formats.iter().map(|f| file(format!("{name}.{}", f.extension()))));
        }
        Ok(names)
    }

    fn snapshot_names(&self, place: &Place) -> Result<Vec<Listed>> {
        self.moment(place)?;
        let mut names = vec![
            file("snapshot.json"),
            file("schema.edn"),
            file("schema.json"),
            folder("entities"),
            folder("tables"),
            folder("results"),
            file("datoms.edn"),
        ];
        if !place.is_fixed() {
            names.extend([folder("queries"), file("transact"), folder("at"), folder("log")]);
            names.push(folder("inbox"));
        }
        Ok(names)
    }

    fn part_names(&self, place: &Place, part: &Part, cancel: &Cancel) -> Result<Listing> {
        let moment = self.moment(place)?;
        let db = &moment.db;
        let by_names = |components: &[Name]| -> Result<Vec<Listed>> {
            let listed = |name| match name {
                by::ByName::Folder(name) => folder(name),
                by::ByName::File(name) => file(format!("{name}.edn")),
            };
            Ok(by::names(db, components)?.into_iter().map(listed).collect())
        };
        let names = match part {
            Part::Entities => {
                let ids = render::entity_ids(db, cancel)?;
                let (place, moment, scratch) = (place.clone(), Box::new(moment), Vec::new());
                return Ok(Listing::Entities { place, moment, ids, scratch });
            }
            Part::Tables => {
                let extensions = || self.formats.iter().map(|format| format.extension());
                let of = |ns: String| extensions().map(move |e| file(format!("{ns}.{e}")));
                let names = render::namespaces(db, false).into_iter();
                names.map(|ns| by::name_of(&ns)).flat_map(of).collect()
            }
            Part::By(components) => by_names(components)?,
            Part::ByValue(key) => {
                let (_, ids) = by::entities(db, key)?;
                let links = ids.iter().map(|e| link(format!("{e}.edn")));
                let deeper =
                    if key.is_namespace() { by_names(&key.components)? } else { Vec::new() };
                links.chain(deeper).collect()
            }
            Part::Query => vec![file("README")],
            Part::QueryPrefix(_) => Vec::new(),
            _ => {
                let path = Node::Part(place.clone(), part.clone()).path();
                return Err(Failure::new(Kind::NotDirectory, format!("{path} is no folder")));
            }
        };
        Ok(Listing::Names(names))
    }

    /// Today, the last seven days, the ends of the last twelve months.
    fn times(&self) -> Vec<String> {
        let now = self.now_ms();
        let date = |ms: i64| instant::format(ms).chars().take(10).collect::<String>();
        let mut names: Vec<String> = (0..8).map(|days| date(now - days * DAY_MS)).collect();
        let mut month = date(now);
        for _ in 0..12 {
            // The day before the first of a month is in the month before it.
            let first = instant::parse(&format!("{}-01", &month[..7]));
            month = date(first.unwrap_or(now) - DAY_MS);
            names.push(month[..7].to_owned());
        }
        names.sort();
        names
    }

    /// The same times of a branch, where it had a commit by then.
    fn moment_names(&self, store: &Name, branch: &str) -> Result<Vec<Listed>> {
        let mounted = self.mounted(store)?;
        let mut names = Vec::new();
        for time in self.times() {
            if self.moment_at(mounted, branch, &time)?.commit.is_some() {
                names.push(link(time));
            }
        }
        Ok(names)
    }

    /// What a listed name is: for tests of the whole tree.
    pub fn walk(&self, path: &str) -> Result<Resolved> {
        let mut node = Node::Root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let missing = || Failure::not_found(format!("{}/{name}", node.path()));
            node = path::child(&node, name).ok_or_else(missing)?;
        }
        self.resolve(&node)
    }

    /// The formats that are listed.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }
}
