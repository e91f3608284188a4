//! Several handles on one document, and what happens while it is committed.

use crate::inode::ROOT;
use crate::source::{MemorySource, Source};
use crate::spool::Cancel;
use crate::vfs::tests::{read, vfs};
use crate::vfs::{Mode, Opened, Vfs};
use std::sync::Arc;

const SHELL: Option<u32> = Some(7);
const OTHER: Option<u32> = Some(8);
const ANEW: Mode = Mode { read: false, write: true, truncate: true, process: SHELL };
const ON: Mode = Mode { truncate: false, process: OTHER, ..ANEW };
const INBOX: &str = "/catalog/branches/main/inbox";
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
