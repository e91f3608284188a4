//! Several handles on one document, and what happens while it is committed.

use crate::error::Kind;
use crate::inode::ROOT;
use crate::source::{MemorySource, Source};
use crate::spool::Cancel;
use crate::vfs::tests::{READ, listed, read, vfs, write};
use crate::vfs::{Mode, Opened, Vfs};
use std::sync::Arc;
use std::sync::mpsc;

const SHELL: Option<u32> = Some(7);
const OTHER: Option<u32> = Some(8);
const ANEW: Mode = Mode { read: false, write: true, truncate: true, process: SHELL };
const ON: Mode = Mode { truncate: false, process: OTHER, ..ANEW };
const INBOX: &str = "/catalog/branches/main/inbox";
const BAD: &str = "product/sku,product/price\nc1,x\n";
const PRICES: &str = "product/sku,product/price\nc1,46\nt/1,91\n";

fn catalog() -> (Arc<Vfs>, Arc<MemorySource>) {
    let (vfs, [catalog, _]) = vfs();
    (Arc::new(vfs), catalog)
}

fn commits(source: &MemorySource) -> u64 {
    source.head("main").unwrap().db.basis_t().0
}

fn folder(vfs: &Vfs) -> u64 {
    vfs.walk(ROOT, INBOX).unwrap().ino
}

fn create(vfs: &Vfs, name: &str) -> (u64, Opened) {
    let (found, opened) = vfs.create(folder(vfs), name.as_bytes(), ANEW).unwrap();
    (found.attr.ino, opened)
}

fn open(vfs: &Vfs, ino: u64, mode: Mode) -> Opened {
    vfs.open(ino, mode, &Cancel::default()).unwrap()
}

#[test]
fn who_wrote_nothing_commits_nothing() {
    let (vfs, source) = catalog();
    let before = commits(&source);
    let (ino, half) = create(&vfs, "a.csv");
    vfs.write(ino, half.handle, 0, &PRICES.as_bytes()[..33]).unwrap();
    // As `touch` does, or a program that looks at it.
    let touched = open(&vfs, ino, ON);
    vfs.flush(ino, touched.handle, OTHER).unwrap();
    vfs.cut_short(touched.handle, OTHER);
    vfs.release(touched.handle);
    assert_eq!(commits(&source), before);
    vfs.write(ino, half.handle, 33, &PRICES.as_bytes()[33..]).unwrap();
    vfs.flush(ino, half.handle, SHELL).unwrap();
    vfs.release(half.handle);
    assert_eq!(commits(&source), before + 1);
    assert!(read(&vfs, "/catalog/branches/main/tables/product.csv").unwrap().contains(",91,"));
}

#[test]
fn a_document_stays_as_it_is_while_it_is_committed() {
    let (vfs, source) = catalog();
    let before = commits(&source);
    let (ino, writer) = create(&vfs, "a.csv");
    let other = open(&vfs, ino, ON);
    vfs.write(ino, writer.handle, 0, PRICES.as_bytes()).unwrap();
    let (send, receive) = mpsc::channel();
    let known = vfs.clone();
    source.meanwhile(move || {
        let inbox = folder(&known);
        let tries = [
            known.write(ino, other.handle, 0, b"x").map(drop),
            known.resize(ino, Some(other.handle), 0).map(drop),
            known.resize(ino, None, 0).map(drop),
            known.open(ino, ANEW, &Cancel::default()).map(drop),
            known.create(inbox, b"a.csv", ANEW).map(drop),
            known.rename((inbox, b"a.csv"), (inbox, b"b.csv"), true),
            known.rename((inbox, b"a.csv"), (inbox, b"tmp"), true),
        ];
        known.flush(ino, other.handle, OTHER).unwrap();
        known.release(other.handle);
        send.send(tries.map(|done| done.map_err(|failure| failure.kind))).unwrap();
    });
    vfs.flush(ino, writer.handle, SHELL).unwrap();
    vfs.release(writer.handle);
    assert_eq!(receive.recv().unwrap(), [Err(Kind::Busy); 7]);
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["a.csv", "a.csv.result"]);
    assert_eq!(read(&vfs, &format!("{INBOX}/a.csv")).unwrap(), PRICES);
}

#[test]
fn what_is_renamed_is_committed_once_whoever_closes_it_meanwhile() {
    let (vfs, source) = catalog();
    let before = commits(&source);
    let (ino, writer) = create(&vfs, "a.csv");
    vfs.write(ino, writer.handle, 0, PRICES.as_bytes()).unwrap();
    let known = vfs.clone();
    source.meanwhile(move || {
        known.flush(ino, writer.handle, SHELL).unwrap();
        known.release(writer.handle);
    });
    let inbox = folder(&vfs);
    vfs.rename((inbox, b"a.csv"), (inbox, b"b.csv"), true).unwrap();
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["b.csv", "b.csv.result"]);
}

#[test]
fn a_rename_that_fails_leaves_a_document_to_be_gone_on_with() {
    let (vfs, source) = catalog();
    let before = commits(&source);
    let (ino, writer) = create(&vfs, "a.csv");
    vfs.write(ino, writer.handle, 0, PRICES.replace("91", "xx").as_bytes()).unwrap();
    let inbox = folder(&vfs);
    let failure = vfs.rename((inbox, b"a.csv"), (inbox, b"b.csv"), true).unwrap_err();
    assert_eq!((failure.kind, commits(&source)), (Kind::Invalid, before));
    vfs.write(ino, writer.handle, PRICES.len() as u64 - 3, b"91").unwrap();
    vfs.flush(ino, writer.handle, SHELL).unwrap();
    vfs.release(writer.handle);
    assert_eq!(commits(&source), before + 1);
}

#[test]
fn what_came_of_a_document_is_not_cut() {
    let (vfs, _) = catalog();
    write(&vfs, &format!("{INBOX}/a.csv"), PRICES).unwrap();
    write(&vfs, &format!("{INBOX}/b.csv"), BAD).unwrap_err();
    for name in ["a.csv.result", "b.csv.err"] {
        let path = format!("{INBOX}/{name}");
        let said = read(&vfs, &path).unwrap();
        let ino = vfs.walk(ROOT, &path).unwrap().ino;
        assert_eq!(vfs.resize(ino, None, 0).unwrap_err().kind, Kind::ReadOnly, "{name}");
        assert_eq!(read(&vfs, &path).unwrap(), said);
    }
}

#[test]
fn a_size_that_is_refused_leaves_nothing_open() {
    let (vfs, _) = catalog();
    write(&vfs, "/queries/a.edn", "[:find ?e :where [?e _ _]]").unwrap();
    let ino = vfs.walk(ROOT, "/queries/a.edn").unwrap().ino;
    let before = vfs.in_use();
    assert_eq!(vfs.resize(ino, None, 1 << 40).unwrap_err().kind, Kind::TooLarge);
    assert_eq!(vfs.in_use(), before);
    let opened = open(&vfs, ino, READ);
    assert_eq!(vfs.read(opened.handle, 0, 6).unwrap(), b"[:find");
}
