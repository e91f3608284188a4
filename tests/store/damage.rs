//! Damaged objects: every reading of them gives the right answer or an error that names the object,
//! and putting the bytes back makes all well again.
//!
//! `FACTFS_DAMAGES` is how many random damages are tried (150).

use crate::support::audit::{Audit, read_all as audit};
use crate::support::{Place, Random, number};
use factfs_core::commit::Head;
use factfs_core::index::PackFooter;
use factfs_store::{Kind, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const ALL: &str = "[:find ?e ?a ?v :where [?e ?a ?v]]";

/// A store that has each kind of object, several of most: its files by name.
fn store() -> (Place, BTreeMap<String, Vec<u8>>) {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 2000);
    let mut random = Random(1);
    let mut number = || random.below(usize::MAX >> 2);
    let form = |i: usize| {
        let facts: String = (0..100).map(|_| format!(" {{:w/n {}}}", number())).collect();
        format!("[{{:w/key \"k{i}\" :w/n {i}}} {facts}]\n")
    };
    place.ok(&["transact", "db", "-"], &(0..100).map(form).collect::<String>());
    place.ok(&["tag", "create", "db", "v1"], "");
    place.ok(&["branch", "create", "db", "exp"], "");
    // Facts that ended, so that history has trees of its own.
    let changed = |i: usize| format!("[{{:w/key \"k{}\" :w/n {}}}]\n", i % 100, i + 1000);
    place.ok(&["transact", "db", "-"], &(0..300).map(changed).collect::<String>());
    let mut files = BTreeMap::new();
    gather(&place.path("db"), "", &mut files);
    for kind in ["format", "head", "refs", "log/", "pack/", "novelty/", "snap/", "branch/"] {
        assert!(files.keys().any(|name| name.starts_with(kind)), "no {kind} in {:?}", files.keys());
    }
    (place, files)
}

/// The files below a folder, but for those that are no objects.
fn gather(root: &Path, folder: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{folder}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            gather(root, &format!("{name}/"), files);
        } else if !name.starts_with('.') {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// What a disk may do to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Truncate,
    Empty,
    Zero,
    Append,
    /// Another object of the same kind in its place.
    Swap,
}

const DAMAGES: [Damage; 6] =
    [Damage::Flip, Damage::Truncate, Damage::Empty, Damage::Zero, Damage::Append, Damage::Swap];

impl Damage {
    fn of(self, bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
        let at = random.below(bytes.len());
        let mut damaged = bytes.to_vec();
        match self {
            Self::Flip => damaged[at] ^= 1 << random.below(8),
            Self::Truncate => damaged.truncate(at),
            Self::Empty => damaged.clear(),
            Self::Zero => damaged[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
            Self::Append => damaged.push(random.below(256) as u8),
            Self::Swap => damaged = other.to_vec(),
        }
        damaged
    }
}

fn same(a: &Audit, b: &Audit) -> bool {
    let commits = |audit: &Audit| audit.log.iter().map(|e| e.commit).collect::<Vec<_>>();
    commits(a) == commits(b) && a.keys == b.keys && a.facts == b.facts
}

#[test]
fn a_damaged_object_is_named_or_does_not_matter() {
    let (place, files) = store();
    let whole = audit(&place, "db").unwrap();
    let mut random = Random::seeded();
    let names: Vec<&String> = files.keys().collect();
    let (mut errors, count) = (BTreeMap::new(), number("FACTFS_DAMAGES", 150));
    for round in 0..count {
        // Kinds in turn, and a random object of the kind.
        let kind = ["head", "refs", "log/", "pack/", "pack/", "novelty/", "branch/"][round % 7];
        let of_kind: Vec<_> = names.iter().filter(|name| name.starts_with(kind)).collect();
        let name = of_kind[random.below(of_kind.len())];
        let other = of_kind[random.below(of_kind.len())];
        let damage = DAMAGES[random.below(DAMAGES.len())];
        let bytes = damage.of(&files[*name], &files[*other], &mut random);
        fs::write(place.path("db").join(name), bytes).unwrap();
        match audit(&place, "db") {
            Ok(found) => assert!(same(&found, &whole), "{damage:?} of {name}: a wrong answer"),
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.kind, Kind::Corrupt, "{damage:?} of {name}: {text}");
                assert!(text.contains(name.as_str()), "{damage:?} of {name}: {text}");
                *errors.entry(kind).or_insert(0) += 1;
            }
        }
        fs::write(place.path("db").join(name), &files[*name]).unwrap();
    }
    eprintln!("{count} damages, noticed: {errors:?}");
    assert!(same(&audit(&place, "db").unwrap(), &whole), "put back, and not well");
}

/// The first and the last node of a pack in each other's places.
fn swap_nodes(bytes: &[u8]) -> Option<Vec<u8>> {
    let nodes = PackFooter::nodes_of(bytes).ok()?;
    let ((_, first), (_, last)) = (nodes.first()?, nodes.last()?);
    let end = nodes.iter().map(|(_, stored)| stored.len()).sum::<usize>();
    let middle = &bytes[first.len()..end.checked_sub(last.len())?];
    Some([last, middle, first, &bytes[end..]].concat())
}

/// A small store with all kinds of objects, and those that something refers to. Few facts with long
/// strings, some of them nodes of their own: they fill heads, and are quickly looked through.
fn small_store() -> (Place, Vec<(String, Vec<u8>)>) {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 1300);
    let mut random = Random(4);
    let mut form = |i: usize| {
        let len = if i.is_multiple_of(9) { 600 } else { 150 };
        let text: String = (0..len).map(|_| format!("{:09x}", random.below(1 << 36))).collect();
        let numbers: String = (0..20).map(|n| format!(" {{:w/n {}}}", i * 31 + n)).collect();
        format!("[{{:w/key \"k{}\" :w/n {i}}} {{:w/key \"{text}\"}} {numbers}]\n", i % 30)
    };
    let mut forms = |range: std::ops::Range<usize>| range.map(&mut form).collect::<String>();
    place.ok(&["transact", "db", "-"], &forms(0..100));
    place.ok(&["tag", "create", "db", "v1"], "");
    for branch in ["one", "two"] {
        place.ok(&["branch", "create", "db", branch], "");
        place.ok(&["transact", &format!("db#{branch}"), "-"], &forms(100..150));
    }
    // From now on what is spilled stays novelty.
    let place = place.set("FACTFS_FLUSH_ROWS", 100_000);
    place.ok(&["transact", "db", "-"], &forms(150..200));
    let mut files = BTreeMap::new();
    gather(&place.path("db"), "", &mut files);
    let is_reached = |name: &str, bytes: &[u8]| {
        let path = place.path("db").join(name);
        fs::remove_file(&path).unwrap();
        let is_whole = problems(&place).is_empty();
        fs::write(&path, bytes).unwrap();
        !is_whole
    };
    let reached: Vec<_> =
        files.into_iter().filter(|(name, bytes)| is_reached(name, bytes)).collect();
    (place, reached)
}

/// What verifying finds.
fn problems(place: &Place) -> Vec<String> {
    let url = place.path("db").to_string_lossy().into_owned();
    match factfs_store::verify(&url, &Settings::default(), &mut |_| ()) {
        Ok(report) => report.problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// A bit, a truncation, another object of its kind, two nodes of a pack: whatever happens to any
/// object that is reached, verifying names it.
#[test]
fn verifying_names_every_damaged_object() {
    let (place, files) = small_store();
    let mut random = Random::seeded();
    let kinds = ["head", "refs", "format", "log/", "pack/", "novelty/", "branch/", "snap/"];
    let (mut noticed, count) = (BTreeMap::new(), number("FACTFS_DAMAGES", 150));
    assert_eq!(problems(&place), [""; 0]);
    let mut round = 0;
    while noticed.values().sum::<usize>() < count {
        let kind = kinds[round % kinds.len()];
        round += 1;
        let of_kind: Vec<_> = files.iter().filter(|(name, _)| name.starts_with(kind)).collect();
        assert!(!of_kind.is_empty(), "no {kind}");
        let (name, bytes) = of_kind[random.below(of_kind.len())];
        let (_, other) = of_kind[random.below(of_kind.len())];
        let (damage, wrong) = match random.below(DAMAGES.len() + 1) {
            at if at < DAMAGES.len() => {
                (format!("{:?}", DAMAGES[at]), DAMAGES[at].of(bytes, other, &mut random))
            }
            _ => ("swap of nodes".into(), swap_nodes(bytes).unwrap_or_else(|| bytes.clone())),
        };
        let commit = |bytes: &[u8]| Head::decode(bytes).ok().and_then(|head| head.tip.commit);
        let same_commit =
            kind == "snap/" && commit(&wrong).is_some_and(|c| Some(c) == commit(bytes));
        if wrong == *bytes || same_commit {
            continue;
        }
        fs::write(place.path("db").join(name), &wrong).unwrap();
        let found = problems(&place);
        assert!(found.iter().any(|text| text.contains(name)), "{damage} of {name}: {found:?}");
        *noticed.entry(kind).or_insert(0) += 1;
        fs::write(place.path("db").join(name), bytes).unwrap();
    }
    eprintln!("{count} damages, noticed: {noticed:?}");
    assert_eq!(problems(&place), [""; 0], "put back, and not well");
}

#[test]
fn the_program_names_the_damaged_object_and_ends_with_14() {
    let (place, files) = store();
    // Everywhere a little: a pack has nodes that no reading below touches.
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.iter_mut().skip(100).step_by(200).for_each(|byte| *byte ^= 0x10);
        bytes
    };
    let reading: [&[&str]; 5] = [
        &["query", ALL, "db"],
        &["query", ALL, "db@v1"],
        &["query", ALL, "db#exp"],
        &["log", "db", "-n", "1000"],
        &["status", "db"],
    ];
    let mut noticed = BTreeSet::new();
    for (name, bytes) in &files {
        fs::write(place.path("db").join(name), flipped(bytes)).unwrap();
        for args in reading {
            if place.ran(args, "").code != 0 {
                let said = place.fails(14, args, "");
                assert!(said.contains(name.as_str()), "{name} {args:?}: {said}");
                noticed.insert(name.split('/').next().unwrap());
            }
        }
        fs::write(place.path("db").join(name), bytes).unwrap();
    }
    let expected = ["branch", "head", "log", "novelty", "pack", "refs", "snap"];
    assert_eq!(noticed, expected.into(), "what was noticed");
    audit(&place, "db").unwrap();
}

#[test]
fn writing_on_a_damaged_head_changes_nothing() {
    let (place, files) = store();
    let head = place.path("db/head");
    let mut bytes = files["head"].clone();
    bytes.truncate(bytes.len() - 1);
    fs::write(&head, &bytes).unwrap();
    let said = place.fails(14, &["transact", "db", "[{:w/key \"new\"}]"], "");
    assert!(said.contains("head"), "{said}");
    assert_eq!(fs::read(&head).unwrap(), bytes, "the head was changed");
    fs::write(&head, &files["head"]).unwrap();
    assert!(!audit(&place, "db").unwrap().keys.contains_key("new"));
}

/// A transaction reads, too: whose entity it is about, and what was there before.
#[test]
fn a_transaction_that_meets_damaged_nodes_is_not_committed() {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 1000);
    let mut random = Random(2);
    let mut form = |i: usize| {
        let fill = random.below(usize::MAX >> 2);
        format!("{{:w/key \"{i} {fill}\" :w/n {fill}}} ")
    };
    let mut forms = String::from("[{:w/key \"first\"}]");
    for tx in 0..30 {
        forms += &format!("[{}]", (tx * 100..tx * 100 + 100).map(&mut form).collect::<String>());
    }
    place.ok(&["transact", "db", "-"], &forms);
    let head = fs::read(place.path("db/head")).unwrap();
    for pack in fs::read_dir(place.path("db/pack")).unwrap() {
        let path = pack.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().skip(100).step_by(200).for_each(|byte| *byte ^= 0x10);
        fs::write(path, bytes).unwrap();
    }
    for form in ["{:w/key \"first\" :w/n 5}", "[:db/add [:w/key \"none\"] :w/n 5]"] {
        let said = place.fails(14, &["transact", "db", &format!("[{form}]")], "");
        assert!(said.contains("nothing was committed: pack/"), "{said}");
    }
    assert_eq!(fs::read(place.path("db/head")).unwrap(), head);
}

/// Only without `head` or `refs` is there no database; and none is made over what is there.
#[test]
fn an_object_that_is_missing_is_named() {
    let (place, files) = store();
    let whole = audit(&place, "db").unwrap();
    for (name, bytes) in &files {
        let path = place.path("db").join(name);
        fs::remove_file(&path).unwrap();
        match audit(&place, "db") {
            Ok(found) => assert!(same(&found, &whole), "without {name}: a wrong answer"),
            Err(error) if name == "head" => assert_eq!(error.kind, Kind::NotFound),
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.kind, Kind::Corrupt, "without {name}: {text}");
                assert!(text.contains(name.as_str()), "without {name}: {text}");
            }
        }
        fs::write(path, bytes).unwrap();
    }
    fs::remove_file(place.path("db/head")).unwrap();
    place.fails(5, &["init", "db"], "");
    assert!(!place.path("db/head").exists());
}
