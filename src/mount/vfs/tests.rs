//! The calls of a file system on two small databases.

use super::*;
use crate::fixture::tree;
use crate::inode::ROOT;
use crate::source::{MemorySource, Source};

pub(super) const READ: Mode = Mode { read: true, write: false, truncate: false, process: None };
pub(super) const WRITE: Mode = Mode { read: false, write: true, truncate: true, process: None };

pub(super) fn vfs() -> (Vfs, [Arc<MemorySource>; 2]) {
    let (tree, sources) = tree();
    (Vfs::new(tree, 1 << 20).unwrap(), sources)
}

pub(super) fn read(vfs: &Vfs, path: &str) -> Result<String> {
    let ino = vfs.walk(ROOT, path)?.ino;
    let opened = vfs.open(ino, READ, &Cancel::default())?;
    let bytes = vfs.read(opened.handle, 0, 1 << 20)?;
    vfs.release(opened.handle);
    Ok(String::from_utf8(bytes).unwrap())
}

pub(super) fn write(vfs: &Vfs, path: &str, text: &str) -> Result<()> {
    let (folder, name) = path.rsplit_once('/').unwrap();
    let parent = vfs.walk(ROOT, folder)?.ino;
    let (ino, opened) = match vfs.lookup(parent, name.as_bytes()) {
        Ok(found) => (found.attr.ino, vfs.open(found.attr.ino, WRITE, &Cancel::default())?),
        Err(_) => {
            let (found, opened) = vfs.create(parent, name.as_bytes(), WRITE)?;
            (found.attr.ino, opened)
        }
    };
    // As a shell does: a flush of the copied descriptor comes first.
    vfs.flush(ino, opened.handle, None)?;
    let mut rest = text.as_bytes();
    let mut offset = 0;
    while !rest.is_empty() {
        let written = vfs.write(ino, opened.handle, offset, rest)?;
        offset += written as u64;
        rest = &rest[written..];
    }
    let flushed = vfs.flush(ino, opened.handle, None);
    vfs.release(opened.handle);
    flushed
}

pub(super) fn listed(vfs: &Vfs, path: &str) -> Vec<String> {
    let ino = vfs.walk(ROOT, path).unwrap().ino;
    let handle = vfs.open_folder(ino, &Cancel::default()).unwrap();
    let names = vfs.names(handle, 0, 10_000).unwrap().into_iter().map(|named| named.name);
    let names = names.collect();
    vfs.release(handle);
    names
}

#[test]
fn a_transaction_moves_the_head_and_old_files_keep_their_bytes() {
    let (vfs, _) = vfs();
    let table = "/inventory/branches/main/tables/item.csv";
    let before = vfs.walk(ROOT, table).unwrap();
    assert_eq!(before.size_bytes, 0, "a lookup makes nothing");
    assert_eq!(before.ttl, Duration::ZERO);
    let opened = vfs.open(before.ino, READ, &Cancel::default()).unwrap();
    assert_eq!(opened.caching, Caching::Keep);
    let sized = vfs.attr(before.ino, None, &Cancel::default()).unwrap();
    assert_eq!((sized.size_bytes, sized.ttl), (41, FOREVER));
    let tx = "[{:item/sku \"c1\" :item/count 9}]\n";
    write(&vfs, "/inventory/branches/main/transact", tx).unwrap();
    let after = vfs.walk(ROOT, table).unwrap();
    assert_ne!(after.ino, before.ino);
    let old = String::from_utf8(vfs.read(opened.handle, 0, 99).unwrap()).unwrap();
    assert!(old.contains("3,c1"), "{old}");
    assert!(read(&vfs, table).unwrap().contains("9,c1"));
    // Folders stay what they are.
    let folder = |vfs: &Vfs| vfs.walk(ROOT, "/inventory/branches/main/tables").unwrap().ino;
    assert_eq!(folder(&vfs), folder(&vfs));
}

#[test]
fn a_refused_transaction_says_why() {
    let (vfs, sources) = vfs();
    let transact = "/inventory/branches/main/transact";
    let before = sources[1].head("main").unwrap().id();
    let failure = write(&vfs, transact, "[{:item/sku 7}]\n").unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid);
    let said = read(&vfs, "/inventory/branches/main/transact.err").unwrap();
    assert!(said.contains(":item/sku"), "{said}");
    assert!(said.ends_with("\ncode: tx/type\n"), "{said}");
    assert!(read(&vfs, "/.factfs/last-error").unwrap().contains("transact: "));
    assert_eq!(write(&vfs, transact, "[[:db/add").unwrap_err().kind, Kind::Invalid);
    assert_eq!(sources[1].head("main").unwrap().id(), before);
    write(&vfs, transact, "[{:item/sku \"new\"}]").unwrap();
    assert_eq!(read(&vfs, "/inventory/branches/main/transact.err").unwrap(), "");
    assert!(read(&vfs, transact).unwrap().starts_with(";; Write transactions here"));
}

#[test]
fn reports_are_read_back_from_the_handle() {
    let (vfs, _) = vfs();
    let ino = vfs.walk(ROOT, "/inventory/branches/main/transact").unwrap().ino;
    let mode = Mode { read: true, write: true, truncate: false, process: None };
    let opened = vfs.open(ino, mode, &Cancel::default()).unwrap();
    assert_eq!(opened.caching, Caching::Stream);
    vfs.write(ino, opened.handle, 0, b"[[:db/add \"x\" :item/sku \"y\"]]").unwrap();
    let report = String::from_utf8(vfs.read(opened.handle, 29, 4096).unwrap()).unwrap();
    assert!(report.starts_with('{') && report.contains(":tempids {\"x\" "), "{report}");
}

#[test]
fn queries_are_files_that_one_edits() {
    for folder in ["/queries", "/catalog/branches/main/queries"] {
        let (vfs, _) = vfs();
        let path = format!("{folder}/names.edn");
        let results = folder.replace("queries", "results");
        let query = "[:find ?n :in $catalog :where [$catalog _ :product/name ?n]]\n";
        write(&vfs, &path, query).unwrap();
        assert_eq!(read(&vfs, &path).unwrap(), query);
        assert_eq!(read(&vfs, &format!("{results}/names.csv")).unwrap(), "n\nChair\nTable\n");
        // As `sed -i` does.
        write(&vfs, &format!("{folder}/sedXyz"), "[:find").unwrap();
        let ino = vfs.walk(ROOT, folder).unwrap().ino;
        assert!(listed(&vfs, folder).contains(&"sedXyz".to_owned()));
        vfs.rename((ino, b"sedXyz"), (ino, b"names.edn"), true).unwrap();
        assert_eq!(read(&vfs, &path).unwrap(), "[:find");
        assert!(!listed(&vfs, folder).contains(&"sedXyz".to_owned()));
        let failure = read(&vfs, &format!("{results}/names.csv")).unwrap_err();
        assert_eq!(failure.kind, Kind::Invalid);
        let said = read(&vfs, &format!("{results}/names.csv.err")).unwrap();
        assert!(said.contains("line 1"), "{said}");
        // As vim does: the old one is moved away, the new one written, the old one removed.
        vfs.rename((ino, b"names.edn"), (ino, b"names.edn~"), true).unwrap();
        assert!(vfs.lookup(ino, b"names.edn").is_err());
        write(&vfs, &path, query).unwrap();
        vfs.unlink(ino, b"names.edn~").unwrap();
        assert_eq!(read(&vfs, &format!("{results}/names.csv")).unwrap(), "n\nChair\nTable\n");
        assert!(read(&vfs, &format!("{results}/names.csv.err")).unwrap().is_empty());
        vfs.unlink(ino, b"names.edn").unwrap();
        assert!(vfs.lookup(ino, b"names.edn").is_err());
        assert_eq!(vfs.unlink(ino, b"names.edn").unwrap_err().kind, Kind::NotFound);
    }
}

#[test]
fn what_may_only_be_read_refuses() {
    let (vfs, sources) = vfs();
    let head = vfs.walk(ROOT, "/catalog/branches/main").unwrap().ino;
    let write_only = Mode { truncate: false, ..WRITE };
    let schema = vfs.lookup(head, b"schema.edn").unwrap().attr.ino;
    let refused = vfs.open(schema, write_only, &Cancel::default()).unwrap_err();
    assert_eq!(refused.kind, Kind::ReadOnly);
    assert_eq!(vfs.create(head, b"x", WRITE).unwrap_err().kind, Kind::ReadOnly);
    let entities = vfs.walk(ROOT, "/catalog/branches/main/entities").unwrap().ino;
    assert_eq!(vfs.unlink(entities, b"5.edn").unwrap_err().kind, Kind::NotPermitted);
    sources[0].seal("the bucket refuses writes");
    let failure = write(&vfs, "/catalog/branches/main/transact", "[]").unwrap_err();
    assert_eq!(failure.kind, Kind::ReadOnly);
    let failure = write(&vfs, "/catalog/branches/main/queries/x.edn", "[]").unwrap_err();
    assert_eq!(failure.kind, Kind::ReadOnly);
    assert!(failure.to_string().contains("queries/"), "{failure}");
    assert!(read(&vfs, "/.factfs/last-error").unwrap().contains("bucket"));
}

#[test]
fn sizes_in_commits_are_exact_before_anything_is_opened() {
    let (vfs, sources) = vfs();
    let id = sources[0].head("main").unwrap().id();
    for file in ["tables/product.csv", "datoms.edn", "schema.edn", "entities/5.edn"] {
        let path = format!("/catalog/commits/{id}/{file}");
        let ino = vfs.walk(ROOT, &path).unwrap().ino;
        let attr = vfs.attr(ino, None, &Cancel::default()).unwrap();
        assert_eq!(attr.size_bytes, read(&vfs, &path).unwrap().len() as u64, "{path}");
        assert_eq!(attr.ttl, FOREVER);
    }
}

#[test]
fn what_costs_little_has_its_size_before_it_is_opened() {
    let (vfs, _) = vfs();
    let attr = |path: &str| {
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        vfs.attr(ino, None, &Cancel::default()).unwrap()
    };
    for path in ["/results/stock.csv", "/catalog/branches/main/tables/product.csv"] {
        let size = attr(path).size_bytes;
        assert_eq!(size, read(&vfs, path).unwrap().len() as u64, "{path}");
    }
}

#[test]
fn entities_are_measured_together() {
    let (vfs, _) = vfs();
    let ino = vfs.walk(ROOT, "/catalog/branches/main/entities").unwrap().ino;
    let handle = vfs.open_folder(ino, &Cancel::default()).unwrap();
    let found = vfs.found(handle, 0, 100).unwrap();
    assert_eq!(found.len(), 6);
    for (named, found) in found {
        let path = format!("/catalog/branches/main/entities/{}", named.name);
        assert_eq!(found.attr.size_bytes, read(&vfs, &path).unwrap().len() as u64);
        assert_eq!(vfs.walk(ROOT, &path).unwrap().ino, found.attr.ino);
    }
}

#[test]
fn entities_of_a_listing_are_soon_at_hand() {
    let (vfs, _) = vfs();
    let ino = vfs.walk(ROOT, "/catalog/branches/main/entities").unwrap().ino;
    vfs.open_folder(ino, &Cancel::default()).unwrap();
    assert!(vfs.lookup_at_hand(ino, b"5.edn").is_none());
    for _ in 0..20 {
        vfs.lookup(ino, b"5.edn").unwrap();
    }
    let found = vfs.lookup_at_hand(ino, b"6.edn").unwrap();
    let text = read(&vfs, "/catalog/branches/main/entities/6.edn").unwrap();
    assert_eq!(found.attr.size_bytes, text.len() as u64);
    write(&vfs, "/catalog/branches/main/transact", "[[:db/add 5 :product/price 1]]").unwrap();
    assert!(vfs.lookup_at_hand(ino, b"6.edn").is_none());
}

#[test]
fn nothing_leaks() {
    let (vfs, _) = vfs();
    let before = vfs.in_use();
    for _ in 0..3 {
        let mut inos = vec![ROOT];
        for name in ["catalog", "branches", "main", "tables", "product.csv"] {
            let parent = inos[inos.len() - 1];
            inos.push(vfs.lookup(parent, name.as_bytes()).unwrap().attr.ino);
        }
        let opened = vfs.open(inos[5], READ, &Cancel::default()).unwrap();
        vfs.release(opened.handle);
        inos[1..].iter().for_each(|ino| vfs.forget(*ino, 1));
        assert_eq!(vfs.in_use(), before);
    }
}

/// Whatever queries do: these are answered without waiting for one.
#[test]
fn what_needs_no_evaluation() {
    let (vfs, _) = vfs();
    let head = "/catalog/branches/main";
    for path in ["/README.md", "/.factfs/status.json", "/.factfs/last-error", "/catalog/store.json"]
    {
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        assert!(matches!(vfs.before_open(ino, READ), Before::Nothing), "{path}");
        assert!(matches!(vfs.before_attr(ino), Before::Nothing), "{path}");
    }
    write(&vfs, "/queries/q.edn", "[:find ?e :where [?e :product/sku]]").unwrap();
    let head_files =
        ["transact", "schema.edn", "snapshot.json", "entities/5.edn", "by/product/sku/c1.edn"];
    let paths = head_files.map(|file| format!("{head}/{file}"));
    for path in paths.iter().map(String::as_str).chain(["/queries/q.edn"]) {
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        assert!(!matches!(vfs.before_open(ino, READ), Before::Answer(_)), "{path}");
        assert!(!matches!(vfs.before_attr(ino), Before::Answer(_)), "{path}");
    }
    let result = vfs.walk(ROOT, "/results/stock.csv").unwrap().ino;
    assert!(matches!(vfs.before_open(result, READ), Before::Answer(_)));
    assert!(matches!(vfs.before_open(result, WRITE), Before::Nothing));
}

#[test]
fn permission_bits_of_transact_are_fixed() {
    let (vfs, _) = vfs();
    let ino = vfs.walk(ROOT, "/inventory/branches/main/transact").unwrap().ino;
    assert_eq!(vfs.touch(ino, Some(0o100777)).unwrap_err().kind, Kind::NotPermitted);
    assert!(vfs.touch(ino, Some(0o100600)).is_ok() && vfs.touch(ino, None).is_ok());
}

#[test]
fn a_result_that_cannot_be_made_cannot_be_explained() {
    let (vfs, _) = vfs();
    let path = "/results/stock.explain";
    let ino = vfs.walk(ROOT, path).unwrap().ino;
    let opened = vfs.open(ino, READ, &Cancel::default()).unwrap();
    assert_eq!(opened.caching, Caching::Fresh);
    let text = String::from_utf8(vfs.read(opened.handle, 0, 1 << 20).unwrap()).unwrap();
    assert!(text.contains(":item/count"), "{text}");
    assert_eq!(vfs.attr(ino, None, &Cancel::default()).unwrap().size_bytes, text.len() as u64);
    assert_eq!(read(&vfs, "/results/stock.explain.err").unwrap(), "");
    write(&vfs, "/queries/stock.edn", "[:find ?x :in $catalog :where [(/ 1 0) ?x]]").unwrap();
    let failure = read(&vfs, path).unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid, "{failure}");
    assert_eq!(read(&vfs, "/results/stock.explain.err").unwrap(), failure.text());
    write(&vfs, "/queries/stock.edn", "[:find ?x").unwrap();
    assert_eq!(read(&vfs, path).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn a_store_out_of_reach_is_told_by_whoever_looks_a_name_up() {
    let (vfs, [catalog, _]) = vfs();
    assert_eq!(vfs.walk(ROOT, "/catalog/none").unwrap_err().kind, Kind::NotFound);
    assert_eq!(read(&vfs, "/.factfs/last-error").unwrap(), "");
    catalog.take_away();
    let failure = vfs.walk(ROOT, "/catalog/branches/main").unwrap_err();
    let said = read(&vfs, "/.factfs/last-error").unwrap();
    assert_eq!(said, format!("/catalog/branches/main: {}", failure.text()));
}
