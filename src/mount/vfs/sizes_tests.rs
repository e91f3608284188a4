//! When sizes are known: always where they are asked to be exact, and soon after a head has moved
//! in folders that were listed.

use super::*;
use crate::fixture::tree;
use crate::inode::ROOT;
use crate::source::Source;
use factfs_core::edn;

fn size(vfs: &Vfs, path: &str) -> u64 {
    let ino = vfs.walk(ROOT, path).unwrap().ino;
    vfs.attr(ino, None, &Cancel::default()).unwrap().size_bytes
}

/// A query that is expected to cost much, and does not.
const DEAR: &str = "[:find (count ?a) . :in $catalog :where [$catalog ?a :product/sku]
    [$catalog ?b :product/sku] [(range 30000) ?r] [(identity ?r) [?n ...]] [(= ?n 7)]]";

#[test]
fn exact_sizes_are_those_of_the_bytes() {
    let (tree, _) = tree();
    tree.desk().put("dear", Some(DEAR), 0).unwrap();
    for exact in [false, true] {
        let vfs = Vfs::new(tree.clone(), 1 << 20).unwrap().with_exact_sizes(exact);
        let path = "/results/dear.csv";
        let before = size(&vfs, path);
        let mode = Mode { read: true, write: false, truncate: false, process: None };
        let ino = vfs.walk(ROOT, path).unwrap().ino;
        let opened = vfs.open(ino, mode, &Cancel::default()).unwrap();
        let bytes = vfs.read(opened.handle, 0, 1 << 20).unwrap().len() as u64;
        assert_eq!(size(&vfs, path), bytes, "after it was opened");
        assert!(before == bytes || (before == 0 && !exact), "{exact}: {before}");
    }
}

/// What the results of a folder are, if they were made.
fn made(vfs: &Vfs, path: &str) -> bool {
    let ino = vfs.walk(ROOT, path).unwrap().ino;
    let inode = vfs.inode(ino).unwrap();
    let Entry::Work(work) = &inode.resolved.entry else { panic!("{path}") };
    vfs.evaluations.kept(work.answer).is_some()
}

#[test]
fn listed_results_are_made_after_a_head_has_moved() {
    let (tree, sources) = tree();
    let vfs = Vfs::new(tree, 1 << 20).unwrap();
    let file = "/results/stock.csv";
    let commit = |n: u32| {
        let tx = format!("[{{:item/sku \"c1\" :item/count {n}}}]");
        sources[1].transact("main", &edn::read_one(&tx).unwrap()).unwrap();
    };
    commit(5);
    vfs.make_ahead();
    assert!(!made(&vfs, file), "nobody listed it");
    let folder = vfs.walk(ROOT, "/results").unwrap().ino;
    let handle = vfs.open_folder(folder, &Cancel::default()).unwrap();
    vfs.release(handle);
    vfs.make_ahead();
    assert!(!made(&vfs, file), "no head has moved since");
    commit(6);
    vfs.make_ahead();
    assert!(made(&vfs, file) && made(&vfs, "/results/stock.json"));
    let found = vfs.lookup(folder, b"stock.csv").unwrap();
    assert!(found.attr.size_bytes > 0, "the lookup has it at hand");
}
