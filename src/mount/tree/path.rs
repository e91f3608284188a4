//! The grammar of paths: what a name in a folder is, by its form alone.
//!
//! **Invariant:** pure: no database is asked, and `child(parent(n), name(n)) == n` for every node.
//! A name that is no name of the tree gives nothing. Two things cannot be told by form: whether a
//! commit's id is whole (the tree makes links of the others), and whether an attribute is unique.

use super::diff;
use super::node::*;
use crate::name::is_query_name;
use crate::when::When;
use factfs_core::edn::{self, ErrorKind};
use factfs_core::id::EntityId;
use factfs_core::text::Format;

/// What `name` in the folder `parent` is.
pub fn child(parent: &Node, name: &str) -> Option<Node> {
    match parent {
        Node::Root => Some(in_root(name)),
        Node::Control => {
            let file = ControlFile::ALL.into_iter().find(|file| file.name() == name);
            file.map(Node::ControlFile)
        }
        Node::Queries(desk) => Some(Node::QueryFile(desk.clone(), name.into())),
        Node::Results(scope) => in_results(scope, name),
        Node::Arguments(scope, call) => Some(argument(scope, call, name)),
        Node::Times => When::is_time(name).then(|| Node::Time(name.into())),
        Node::Time(time) => Some(match name {
            "results" => Node::Results(Scope::Time(time.clone())),
            store => Node::TimeStore(time.clone(), store.into()),
        }),
        Node::Pin(PinNode::Pins) => Some(Node::Pin(PinNode::named(name))),
        Node::Pin(PinNode::Pin(id)) => Some(match name {
            "results" => Node::Results(Scope::Pin(id.clone())),
            "pin.edn" => Node::Pin(PinNode::Text(id.clone())),
            store => Node::Pin(PinNode::Store(id.clone(), store.into())),
        }),
        Node::Store(store) => in_store(store, name),
        Node::Branches(store) => Some(Node::Snapshot(Place::branch(store, name))),
        Node::Tags(store) => Some(Node::Tag(store.clone(), name.into())),
        Node::Commits(store) => Some(if is_whole_commit(name) {
            Node::Snapshot(Place::commit(store, name))
        } else {
            Node::CommitAlias(store.clone(), name.into())
        }),
        Node::Diffs(store) => diff::in_diffs(store, name),
        Node::Diff(store, range) => diff::in_diff(store, range, name),
        Node::Snapshot(place) => in_snapshot(place, name),
        Node::Part(place, part) => match (in_part(part, name), &place.at) {
            // What editors keep beside what may be edited.
            (None, At::Branch(branch)) if *part == Part::Entities => {
                let scratch = BranchPart::Scratch(name.into());
                Some(Node::Branch(place.store.clone(), branch.clone(), scratch))
            }
            (part, _) => part.map(|part| Node::Part(place.clone(), part)),
        },
        Node::Branch(store, branch, part) => {
            in_branch_part(part, name).map(|p| Node::Branch(store.clone(), branch.clone(), p))
        }
        _ => None,
    }
}

fn in_root(name: &str) -> Node {
    match name {
        "README.md" => Node::Readme,
        ".factfs" => Node::Control,
        "queries" => Node::Queries(Desk::Mount),
        "results" => Node::Results(Scope::Mount),
        "at" => Node::Times,
        "pins" => Node::Pin(PinNode::Pins),
        store => Node::Store(store.into()),
    }
}

fn in_store(store: &Name, name: &str) -> Option<Node> {
    Some(match name {
        "store.json" => Node::StoreJson(store.clone()),
        "branches" => Node::Branches(store.clone()),
        "tags" => Node::Tags(store.clone()),
        "commits" => Node::Commits(store.clone()),
        "diff" => Node::Diffs(store.clone()),
        name => Node::HeadLink(store.clone(), HeadLink::named(name)?),
    })
}

fn in_results(scope: &Scope, name: &str) -> Option<Node> {
    let call = |query: &str| Call { query: query.into(), args: Vec::new() };
    match Leaf::split_asked(name) {
        Some((stem, leaf)) if is_query_name(stem) => {
            Some(Node::Result(scope.clone(), call(stem), leaf))
        }
        _ if is_query_name(name) => Some(Node::Arguments(scope.clone(), call(name))),
        _ => None,
    }
}

fn argument(scope: &Scope, call: &Call, name: &str) -> Node {
    let with = |arg: &str| {
        let mut call = call.clone();
        call.args.push(arg.to_owned());
        call
    };
    match Leaf::split_asked(name) {
        Some((stem, leaf)) => Node::Result(scope.clone(), with(stem), leaf),
        None => Node::Arguments(scope.clone(), with(name)),
    }
}

fn in_snapshot(place: &Place, name: &str) -> Option<Node> {
    if let At::Branch(branch) = &place.at {
        let own = match name {
            "transact" => Some(BranchPart::Transact),
            "transact.err" => Some(BranchPart::TransactError),
            "transact.json" => Some(BranchPart::TransactJson),
            "transact.json.err" => Some(BranchPart::TransactJsonError),
            "inbox" => Some(BranchPart::Inbox),
            "at" => Some(BranchPart::At),
            "log" => Some(BranchPart::Log),
            "merge" => Some(BranchPart::Merge),
            "merge.err" => Some(BranchPart::MergeError),
            ".wait" => Some(BranchPart::Wait),
            ".events" => Some(BranchPart::Events),
            name => conflicts(name).map(BranchPart::MergeConflicts),
        };
        if let Some(part) = own {
            return Some(Node::Branch(place.store.clone(), branch.clone(), part));
        }
        if name == "queries" {
            return Some(Node::Queries(Desk::Branch(place.store.clone(), branch.clone())));
        }
    }
    let part = match name {
        "results" => return Some(Node::Results(Scope::Snapshot(place.clone()))),
        "entities" => Part::Entities,
        "by" => Part::By(Vec::new()),
        "tables" => Part::Tables,
        "query" => Part::Query,
        name => match Leaf::split(name)? {
            ("datoms", leaf) => Part::Datoms(leaf),
            ("schema", leaf) if has_maps(leaf.format) => Part::Schema(leaf),
            ("snapshot", leaf) if leaf.format == Format::Json => Part::SnapshotJson(leaf),
            _ => return None,
        },
    };
    Some(Node::Part(place.clone(), part))
}

/// `merge.conflicts.FORMAT`
fn conflicts(name: &str) -> Option<Format> {
    Format::from_extension(name.strip_prefix("merge.conflicts.")?)
}

fn in_part(part: &Part, name: &str) -> Option<Part> {
    match part {
        Part::Entities => {
            let (e, leaf) = Leaf::split(name).filter(|(_, leaf)| has_maps(leaf.format))?;
            Some(Part::Entity(entity(e)?, leaf))
        }
        Part::Tables => Leaf::split(name).map(|(ns, leaf)| Part::Table(ns.into(), leaf)),
        Part::By(components) => in_by(components, name),
        Part::ByValue(key) => match name.strip_suffix(".edn").and_then(entity) {
            Some(e) => Some(Part::ByLink(key.clone(), e)),
            None => key.is_namespace().then(|| in_by(&key.components, name))?,
        },
        Part::Query if matches!(name, "README" | "README.md") => Some(Part::QueryReadme),
        Part::Query => in_query(&[], name),
        Part::QueryPrefix(components) => in_query(components, name),
        _ => None,
    }
}

/// Formats of maps.
fn has_maps(format: Format) -> bool {
    matches!(format, Format::Edn | Format::Json)
}

fn entity(name: &str) -> Option<EntityId> {
    let id: u64 = name.parse().ok()?;
    // One name for each entity: no `+1`, no `01`.
    (id.to_string() == name).then_some(EntityId(id))
}

fn in_by(components: &[Name], name: &str) -> Option<Part> {
    let mut longer = components.to_vec();
    if components.len() < 2 {
        longer.push(name.into());
        return Some(Part::By(longer));
    }
    let file = Leaf::split(name).filter(|(_, leaf)| has_maps(leaf.format));
    longer.push(file.map_or(name, |(stem, _)| stem).into());
    let key = ByKey { components: longer };
    Some(match file {
        Some((_, leaf)) => Part::ByEntity(key, leaf),
        None => Part::ByValue(key),
    })
}

fn in_branch_part(part: &BranchPart, name: &str) -> Option<BranchPart> {
    match part {
        BranchPart::At => Some(BranchPart::Moment(name.into())),
        BranchPart::Inbox => Some(BranchPart::InboxFile(name.into())),
        BranchPart::Log => entity(name.strip_suffix(".edn")?).map(|t| BranchPart::LogEntry(t.0)),
        _ => None,
    }
}

/// `T-HASH12`, as commits print themselves; `0` is the empty database.
fn is_whole_commit(name: &str) -> bool {
    let whole = |(t, hex): (&str, &str)| {
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        entity(t).is_some() && hex.len() == 12 && hex.bytes().all(hexadecimal)
    };
    name == "0" || name.split_once('-').is_some_and(whole)
}

/// The next component of a query that is written as a path.
fn in_query(components: &[Name], name: &str) -> Option<Part> {
    if components.is_empty() && !name.starts_with(['[', '{']) {
        return None;
    }
    let with = |last: &str| {
        let mut longer = components.to_vec();
        longer.push(last.into());
        longer
    };
    if let Some((stem, leaf)) = Leaf::split_asked(name) {
        let whole = with(stem);
        // Where no string is open, nothing that could follow makes a query of `….csv/`: it is a
        // file, and opening it says which bracket is missing.
        let ends = match edn::read_one(&query_text(&whole)?) {
            Ok(_) => true,
            Err(error) => {
                matches!(error.kind, ErrorKind::Incomplete { what, .. } if what != "a string")
            }
        };
        if ends {
            return Some(Part::QueryText(whole, leaf));
        }
    }
    let prefix = with(name);
    match edn::read_one(&query_text(&prefix)?) {
        Err(error) if matches!(error.kind, ErrorKind::Incomplete { .. }) => {
            Some(Part::QueryPrefix(prefix))
        }
        _ => None,
    }
}

/// The text that path components spell: joined by `/`, with `%2F`, `%2E` and `%25` decoded; any
/// other `%` is itself.
pub fn query_text(components: &[Name]) -> Option<String> {
    let decoded = |c: &Name| {
        let c = c.replace("%2F", "/").replace("%2f", "/").replace("%2E", ".").replace("%2e", ".");
        c.replace("%25", "%")
    };
    let text = components.iter().map(decoded).collect::<Vec<_>>().join("/");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(path: &str) -> Option<Node> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(Node::Root, |node, name| child(&node, name))
    }

    #[track_caller]
    fn check(path: &str) {
        let node = walk(path).unwrap_or_else(|| panic!("{path} leads nowhere"));
        assert_eq!(node.path(), path);
    }

    #[test]
    fn every_path_leads_to_a_node_with_that_path() {
        for path in [
            "/README.md",
            "/.factfs/status.json",
            "/queries/low-stock.edn",
            "/queries/.low-stock.edn.swp",
            "/results/low-stock.csv",
            "/results/low-stock.csv.err",
            "/results/low-stock/10/x.csv.meta",
            "/results/low-stock.explain",
            "/results/low-stock.explain.err",
            "/results/low-stock/10.explain",
            "/catalog/branches/main/query/[:find ?n :where [_ :a/name ?n]].explain",
            "/at/2026-06/results/low-stock.json",
            "/at/7d/catalog",
            "/pins/q3",
            "/pins/9f3c2a71b0de55aa/pin.edn",
            "/pins/9f3c2a71b0de55aa/catalog",
            "/pins/9f3c2a71b0de55aa/results/low-stock/10.csv.meta",
            "/catalog/store.json",
            "/catalog/head",
            "/catalog/tags/v1",
            "/catalog/commits/42",
            "/catalog/diff/v1.2..main.csv",
            "/catalog/diff/7d..2026-06-30T10:00:00.5Z/changed.json.meta",
            "/catalog/commits/42-9f3c2a71b0de/entities/17.edn",
            "/catalog/branches/main/snapshot.json",
            "/catalog/branches/main/snapshot.json.meta",
            "/catalog/branches/main/schema.json",
            "/catalog/branches/main/schema.edn.meta",
            "/catalog/branches/main/by/user/email/ann@example.com.edn",
            "/catalog/branches/main/by/user/role/:role/admin.edn",
            "/catalog/branches/main/by/user/city/Rome/17.edn",
            "/catalog/branches/main/tables/user.md",
            "/catalog/branches/main/datoms.jsonl",
            "/catalog/branches/main/query/README",
            "/catalog/branches/main/query/[:find ?n :where [_ :a/name ?n]].csv",
            "/catalog/branches/main/query/[:find ?n :where [_ :a/name ?n].csv",
            "/catalog/branches/main/query/[:find ?n :where [_ :a/file \"x.csv",
            "/catalog/branches/main/transact",
            "/catalog/branches/main/transact.err",
            "/catalog/branches/main/transact.json",
            "/catalog/branches/main/transact.json.err",
            "/catalog/branches/main/inbox/prices.csv",
            "/catalog/branches/main/entities/17.edn~",
            "/catalog/branches/main/at/7d",
            "/catalog/branches/main/log/12.edn",
            "/catalog/branches/main/merge",
            "/catalog/branches/main/merge.conflicts.csv",
            "/catalog/branches/main/.events",
            "/catalog/branches/main/tables/user.csv.wait",
            "/catalog/branches/main/results/x.csv",
        ] {
            check(path);
        }
    }

    #[test]
    fn what_is_no_name_leads_nowhere() {
        for path in [
            "/.factfs/x",
            "/results/Upper.csv",
            "/results/low-stock.csv.explain",
            "/catalog/branches/main/tables/user.explain",
            "/catalog/branches/main/datoms.explain",
            "/at/yesterday",
            "/catalog/x",
            "/catalog/diff/main.csv",
            "/catalog/diff/v1..main/csv",
            "/catalog/diff/v1..main/moved.csv",
            "/catalog/commits/42-9f3c2a71b0de/transact",
            "/catalog/commits/42-9f3c2a71b0de/entities/017.edn",
            "/catalog/commits/42-9f3c2a71b0de/entities/17.csv",
            "/catalog/commits/42-9f3c2a71b0de/inbox",
            "/catalog/branches/main/query/x.csv",
            "/catalog/branches/main/query/[:find ?n]",
            "/catalog/branches/main/query/[:find ?n]].csv",
            "/catalog/branches/main/datoms.xml",
            "/catalog/branches/main/schema.csv",
            "/catalog/branches/main/snapshot.edn",
        ] {
            assert_eq!(walk(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_is_cut_at_slashes_and_decoded() {
        let Some(Node::Part(_, Part::QueryText(components, leaf))) =
            walk("/c/branches/b/query/[:find ?n :where [_ :a/n \"x%2F%2Fy%2E%25z%\"]].json")
        else {
            panic!("no query")
        };
        let text = query_text(&components).unwrap();
        assert_eq!(text, "[:find ?n :where [_ :a/n \"x//y.%z%\"]]");
        assert_eq!(leaf, Leaf::answer(Format::Json));
    }
}
