//! Branches and tags by the calls of a shell, over a database in memory and one of the store.

use crate::error::{Failure, Kind};
use crate::fixture::{CATALOG, database, stored, tree_of};
use crate::inode::ROOT;
use crate::source::{Mounted, Source};
use crate::spool::Cancel;
use crate::tree::Shape;
use crate::vfs::tests::{READ, listed, read, write};
use crate::vfs::{Mode, Vfs};
use std::sync::Arc;

const HEAD: &str = "/catalog/branches/main";
const BAD: &str = "product/sku,product/price\nc1,x\n";

fn mounted(source: Arc<dyn Source>) -> Vfs {
    Vfs::new(tree_of(vec![Mounted::new("catalog", source)]), 1 << 20).unwrap()
}

/// The same with both kinds of database.
fn with_both(name: &str, check: impl Fn(&Vfs)) {
    check(&mounted(database("catalog", &CATALOG)));
    check(&mounted(stored(name)));
}

fn folder(vfs: &Vfs, name: &str) -> u64 {
    vfs.walk(ROOT, &format!("/catalog/{name}")).unwrap().ino
}

fn mkdir(vfs: &Vfs, name: &str) -> Result<u64, Failure> {
    Ok(vfs.make_folder(folder(vfs, "branches"), name.as_bytes())?.attr.ino)
}

fn ln(vfs: &Vfs, target: &str, place: &str, name: &str) -> Result<Shape, Failure> {
    Ok(vfs.make_link(folder(vfs, place), name.as_bytes(), target.as_bytes())?.attr.shape)
}

fn rmdir(vfs: &Vfs, name: &str) -> Result<(), Failure> {
    vfs.remove_folder(folder(vfs, "branches"), name.as_bytes())
}

fn mv(vfs: &Vfs, place: &str, from: &str, to: &str) -> Result<(), Failure> {
    let parent = folder(vfs, place);
    vfs.rename((parent, from.as_bytes()), (parent, to.as_bytes()), true)
}

fn rm(vfs: &Vfs, name: &str) -> Result<(), Failure> {
    vfs.unlink(folder(vfs, "tags"), name.as_bytes())
}

fn say(vfs: &Vfs, branch: &str, forms: &str) {
    write(vfs, &format!("/catalog/branches/{branch}/transact"), forms).unwrap();
}

fn merge(vfs: &Vfs, into: &str, from: &str) -> Result<(), Failure> {
    write(vfs, &format!("/catalog/branches/{into}/merge"), &format!("{from}\n"))
}

#[test]
fn a_branch_is_made_renamed_and_removed() {
    with_both("shell-branch", |vfs| {
        let ino = mkdir(vfs, "exp").unwrap();
        assert_eq!(folder(vfs, "branches/exp"), ino);
        say(vfs, "exp", "[{:product/sku \"c1\" :product/price 1}]");
        assert_eq!(rmdir(vfs, "exp").unwrap_err().kind, Kind::Busy);
        assert!(read(vfs, "/.factfs/last-error").unwrap().contains("head/merge"));
        mv(vfs, "branches", "exp", "price").unwrap();
        assert_eq!(listed(vfs, "/catalog/branches"), ["main", "price"]);
        merge(vfs, "main", "price").unwrap();
        rmdir(vfs, "price").unwrap();
        assert_eq!(listed(vfs, "/catalog/branches"), ["main"]);
        assert!(read(vfs, &format!("{HEAD}/tables/product.csv")).unwrap().contains(",1,"));
        assert_eq!(rmdir(vfs, "price").unwrap_err().kind, Kind::NotFound);
    });
}

#[test]
fn a_renamed_folder_keeps_its_number_and_what_is_in_it() {
    with_both("shell-number", |vfs| {
        let ino = mkdir(vfs, "a").unwrap();
        let tables = folder(vfs, "branches/a/tables");
        mv(vfs, "branches", "a", "b").unwrap();
        // As the kernel does, which has moved the folder and asks nothing.
        let found = vfs.lookup(tables, b"product.csv").unwrap();
        let opened = vfs.open(found.attr.ino, READ, &Cancel::default()).unwrap();
        assert!(vfs.read(opened.handle, 0, 99).unwrap().starts_with(b"db/id"));
        assert_eq!((folder(vfs, "branches/b"), folder(vfs, "branches/b/tables")), (ino, tables));
        assert_ne!(mkdir(vfs, "a").unwrap(), ino);
        assert_eq!(mv(vfs, "branches", "a", "b").unwrap_err().kind, Kind::Exists);
        // Removed and made again it is another folder.
        rmdir(vfs, "b").unwrap();
        assert_ne!(mkdir(vfs, "b").unwrap(), ino);
        assert_ne!(folder(vfs, "branches/b/tables"), tables);
    });
}

#[test]
fn links_begin_branches_and_name_commits() {
    with_both("shell-links", |vfs| {
        let two = vfs.readlink(folder(vfs, "commits/2")).unwrap();
        // Digits alone are a t, also where a hash happens to have no others.
        let hash = Some(&two[2..]).filter(|hash| hash.contains(|c: char| !c.is_ascii_digit()));
        for (target, name) in [
            ("../commits/2", "b1"),
            (&format!("../commits/{two}"), "b2"),
            (&format!("../commits/{}", hash.unwrap_or(&two)), "b3"),
            ("../head/at/2", "b4"),
            ("./../../catalog//branches/b1", "b5"),
        ] {
            assert_eq!(ln(vfs, target, "branches", name).unwrap(), Shape::Link, "{target}");
            let about = read(vfs, &format!("/catalog/branches/{name}/snapshot.json")).unwrap();
            assert!(about.contains(&two), "{target}: {about}");
            assert_eq!(
                vfs.walk(ROOT, &format!("/catalog/branches/{name}")).unwrap().shape,
                Shape::Folder
            );
        }
        ln(vfs, "../commits/2", "tags", "v1").unwrap();
        assert_eq!(vfs.readlink(folder(vfs, "tags/v1")).unwrap(), format!("../commits/{two}"));
        mv(vfs, "tags", "v1", "v2").unwrap();
        assert_eq!(listed(vfs, "/catalog/tags"), ["v2"]);
        rm(vfs, "v2").unwrap();
        assert_eq!(rm(vfs, "v2").unwrap_err().kind, Kind::NotFound);
    });
}

#[test]
fn what_cannot_be_made_says_why() {
    with_both("shell-refused", |vfs| {
        mkdir(vfs, "exp").unwrap();
        ln(vfs, "../commits/1", "tags", "v1").unwrap();
        for (name, kind) in [
            ("exp", Kind::Exists),
            ("main", Kind::Exists),
            ("v1", Kind::Exists),
            ("7d", Kind::Invalid),
            ("-x", Kind::Invalid),
            (".x", Kind::Invalid),
            ("a b", Kind::Invalid),
            ("a.csv", Kind::Invalid),
            ("", Kind::Invalid),
        ] {
            assert_eq!(mkdir(vfs, name).unwrap_err().kind, kind, "{name}");
            assert_eq!(ln(vfs, "../commits/1", "tags", name).unwrap_err().kind, kind, "{name}");
        }
        for target in [
            "commits/1",
            "../commits/99",
            "../commits/deadbeef",
            "/tmp",
            "../store.json",
            "../../../catalog/commits/1",
            "..",
            "",
            "x",
        ] {
            let failure = ln(vfs, target, "branches", "b").unwrap_err();
            assert_eq!(failure.kind, Kind::Invalid, "{target}: {failure}");
            assert!(failure.hint.is_some());
        }
        assert_eq!(rmdir(vfs, "main").unwrap_err().kind, Kind::NotPermitted);
        assert_eq!(mv(vfs, "branches", "main", "trunk").unwrap_err().kind, Kind::NotPermitted);
        assert_eq!(mv(vfs, "branches", "none", "b").unwrap_err().kind, Kind::NotFound);
        let (branches, tags) = (folder(vfs, "branches"), folder(vfs, "tags"));
        let across = vfs.rename((branches, b"exp"), (tags, b"exp"), true).unwrap_err();
        assert_eq!(across.kind, Kind::NotPermitted);
        let elsewhere = vfs.make_folder(folder(vfs, "commits"), b"x").unwrap_err();
        assert_eq!(elsewhere.kind, Kind::ReadOnly);
    });
}

#[test]
fn a_store_that_is_only_read_keeps_its_names() {
    let source = database("catalog", &CATALOG);
    source.fork("main", "exp");
    source.seal("the bucket refuses writes");
    let fixed =
        Mounted { at: Some("2".into()), ..Mounted::new("catalog", database("c", &CATALOG)) };
    let fixed = Vfs::new(tree_of(vec![fixed]), 1 << 20).unwrap();
    for vfs in [&mounted(source), &fixed] {
        assert_eq!(mkdir(vfs, "new").unwrap_err().kind, Kind::ReadOnly);
        assert_eq!(ln(vfs, "../commits/1", "tags", "v1").unwrap_err().kind, Kind::ReadOnly);
        assert_eq!(rmdir(vfs, "exp").unwrap_err().kind, Kind::ReadOnly);
        assert_eq!(mv(vfs, "branches", "exp", "b").unwrap_err().kind, Kind::ReadOnly);
        assert_eq!(merge(vfs, "main", "exp").unwrap_err().kind, Kind::ReadOnly);
        let about = read(vfs, &format!("{HEAD}/merge")).unwrap();
        assert!(about.starts_with("# Write the name of a branch"), "{about}");
    }
}

#[test]
fn what_stops_a_merge_can_be_read_in_every_format() {
    with_both("shell-merge", |vfs| {
        mkdir(vfs, "exp").unwrap();
        assert_eq!(
            read(vfs, &format!("{HEAD}/merge.conflicts.csv")).unwrap(),
            "kind,entity,attribute,base,target,source,base_commit,target_commit,source_commit\n"
        );
        say(vfs, "exp", "[{:product/sku \"c1\" :product/price 1}]");
        say(vfs, "main", "[{:product/sku \"c1\" :product/price 2}]");
        let before = read(vfs, &format!("{HEAD}/snapshot.json")).unwrap();
        assert_eq!(merge(vfs, "main", "exp").unwrap_err().kind, Kind::Conflict);
        assert_eq!(read(vfs, &format!("{HEAD}/snapshot.json")).unwrap(), before);
        let rows = read(vfs, &format!("{HEAD}/merge.conflicts.csv")).unwrap();
        let row = rows.lines().nth(1).unwrap();
        assert!(row.starts_with(":value,") && row.contains(":product/price,45,2,1,3-"), "{rows}");
        for format in vfs.tree.formats() {
            let path = format!("{HEAD}/merge.conflicts.{}", format.extension());
            assert!(read(vfs, &path).unwrap().contains("product/price"), "{path}");
        }
        let said = read(vfs, &format!("{HEAD}/merge.err")).unwrap();
        assert!(said.contains("1 conflict") && said.contains("merge.conflicts"), "{said}");
        // They are a source of queries.
        let query = "{:query [:find ?a ?t ?s :in $c :where [$c _ ?a ?t ?s]]
                      :inputs {$c \"catalog/head/merge.conflicts\"}}";
        write(vfs, "/queries/stopped.edn", query).unwrap();
        assert_eq!(read(vfs, "/results/stopped.csv").unwrap(), "a,t,s\n:product/price,2,1\n");
        // One side gives in.
        say(vfs, "exp", "[{:product/sku \"c1\" :product/price 2}]");
        merge(vfs, "main", "exp").unwrap();
        assert_eq!(read(vfs, &format!("{HEAD}/merge.err")).unwrap(), "");
        assert_eq!(read(vfs, &format!("{HEAD}/merge.conflicts.jsonl")).unwrap(), "");
        assert_eq!(read(vfs, "/results/stopped.csv").unwrap(), "a,t,s\n");
        assert_eq!(merge(vfs, "main", "none").unwrap_err().kind, Kind::NotFound);
        assert_eq!(merge(vfs, "main", "main").unwrap_err().kind, Kind::Invalid);
    });
}

#[test]
fn reports_of_merges_come_back() {
    with_both("shell-report", |vfs| {
        mkdir(vfs, "exp").unwrap();
        say(vfs, "exp", "[{:product/sku \"c1\" :product/price 1}]");
        let ino = vfs.walk(ROOT, &format!("{HEAD}/merge")).unwrap().ino;
        let mode = Mode { read: true, write: true, truncate: false, process: None };
        let opened = vfs.open(ino, mode, &Cancel::default()).unwrap();
        // The second finds nothing to do.
        assert_eq!(vfs.write(ino, opened.handle, 0, b"exp\nexp").unwrap(), 7);
        let reports = String::from_utf8(vfs.read(opened.handle, 0, 4096).unwrap()).unwrap();
        let reports: Vec<&str> = reports.lines().collect();
        assert_eq!(reports.len(), 2);
        assert!(reports[0].contains(":already false") && reports[0].contains(":added 1"));
        assert!(reports[1].contains(":already true") && !reports[1].contains(":commit"));
    });
}

/// Opens a file of a branch to write, as a shell does.
fn open(vfs: &Vfs, branch: &str, name: &str) -> (u64, u64) {
    let mode = Mode { read: false, write: true, truncate: true, process: None };
    let (at, name) = name.rsplit_once('/').unwrap_or(("", name));
    let parent = folder(vfs, &format!("branches/{branch}/{at}"));
    match vfs.lookup(parent, name.as_bytes()) {
        Ok(found) => {
            let opened = vfs.open(found.attr.ino, mode, &Cancel::default()).unwrap();
            (found.attr.ino, opened.handle)
        }
        Err(_) => {
            let (found, opened) = vfs.create(parent, name.as_bytes(), mode).unwrap();
            (found.attr.ino, opened.handle)
        }
    }
}

#[test]
fn a_branch_that_is_written_to_stays() {
    with_both("shell-open", |vfs| {
        mkdir(vfs, "exp").unwrap();
        for (name, begun, rest) in [
            ("transact", "[{:product/sku", " \"n\" :product/price 1}]"),
            ("transact.json", "[", "]"),
            ("inbox/a.csv", "product/sku,product/price\n", "c1,x\n"),
            ("entities/5.edn", "{:db/id 5", "}"),
            ("queries/a.edn", "[:find ?e", " :where [?e _ _]]"),
        ] {
            let (ino, handle) = open(vfs, "exp", name);
            vfs.write(ino, handle, 0, begun.as_bytes()).unwrap();
            assert_eq!(rmdir(vfs, "exp").unwrap_err().kind, Kind::Busy, "{name}");
            let renamed = mv(vfs, "branches", "exp", "new").unwrap_err();
            assert!(renamed.kind == Kind::Busy && renamed.message.contains(name), "{renamed}");
            let _ = vfs.write(ino, handle, begun.len() as u64, rest.as_bytes());
            let _ = vfs.flush(ino, handle, None);
            vfs.release(handle);
        }
        ln(vfs, "../branches/exp", "tags", "kept").unwrap();
        rmdir(vfs, "exp").unwrap();
    });
}

#[test]
fn a_new_branch_of_an_old_name_knows_nothing_of_the_old_one() {
    with_both("shell-anew", |vfs| {
        mkdir(vfs, "exp").unwrap();
        write(vfs, "/catalog/branches/exp/inbox/a.csv", BAD).unwrap_err();
        write(vfs, "/catalog/branches/exp/inbox/.scratch", "x").unwrap();
        let idle = ["transact", "merge", "inbox/a.csv"].map(|name| open(vfs, "exp", name));
        rmdir(vfs, "exp").unwrap();
        mkdir(vfs, "exp").unwrap();
        assert!(listed(vfs, "/catalog/branches/exp/inbox").is_empty());
        for (ino, handle) in idle {
            let text = b"[{:product/sku \"n\"}]";
            assert_eq!(vfs.write(ino, handle, 0, text).unwrap_err().kind, Kind::Stale);
            vfs.release(handle);
        }
        rmdir(vfs, "exp").unwrap();
    });
}

#[test]
fn what_came_of_documents_moves_with_their_branch() {
    with_both("shell-moved", |vfs| {
        mkdir(vfs, "exp").unwrap();
        write(vfs, "/catalog/branches/exp/inbox/a.csv", BAD).unwrap_err();
        let (ino, handle) = open(vfs, "exp", "transact");
        mv(vfs, "branches", "exp", "new").unwrap();
        assert_eq!(vfs.write(ino, handle, 0, b"[]").unwrap_err().kind, Kind::Stale);
        vfs.release(handle);
        let inbox = "/catalog/branches/new/inbox";
        assert_eq!(listed(vfs, inbox), ["a.csv", "a.csv.err"]);
        assert!(!read(vfs, &format!("{inbox}/a.csv.err")).unwrap().is_empty());
        mkdir(vfs, "exp").unwrap();
        assert!(listed(vfs, "/catalog/branches/exp/inbox").is_empty());
        write(vfs, &format!("{inbox}/a.csv"), "product/sku,product/price\nc1,3\n").unwrap();
        assert_eq!(listed(vfs, inbox), ["a.csv", "a.csv.result"]);
    });
}
