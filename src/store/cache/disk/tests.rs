//! A cache on disk: what is kept, what is believed, and what goes.

use super::*;
use crate::SystemHost;
use factfs_core::value::Uuid;

const KNOWN: Erasures = Erasures { database: Uuid::from_bytes([7; 16]), generation: 0 };
const LEAF: u8 = 1;
const BRANCH: u8 = 2;

fn cache(folder: &Path, limit_bytes: u64) -> DiskCache {
    DiskCache::new(folder, limit_bytes, Arc::new(SystemHost))
}

/// The `n`-th node of a kind that lies in the first shard.
fn node(kind: u8, n: u32) -> (NodeHash, Vec<u8>) {
    let nodes = (0u32..).map(|i| {
        let mut bytes = vec![kind; 1000];
        bytes[1..5].copy_from_slice(&i.to_le_bytes());
        (NodeHash::of(&bytes), bytes)
    });
    nodes.filter(|(hash, _)| shard_of(hash) == 0).nth(n as usize).unwrap()
}

fn put(cache: &DiskCache, (hash, bytes): &(NodeHash, Vec<u8>)) {
    cache.put(hash, bytes, KNOWN);
}

#[test]
fn what_was_put_is_there_for_others_too() {
    let folder = tempfile::tempdir().unwrap();
    let one = node(LEAF, 0);
    put(&cache(folder.path(), 1 << 30), &one);
    let other = cache(folder.path(), 1 << 30);
    assert_eq!(other.get(&one.0).as_deref(), Some(&one.1[..]));
    assert_eq!(other.get(&node(LEAF, 1).0), None);
    let stats = other.stats();
    assert_eq!((stats.hits, stats.misses, stats.bytes_read), (1, 1, 1000));
}

#[test]
fn damaged_files_are_not_believed_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, one) = (cache(folder.path(), 1 << 30), node(LEAF, 0));
    for wrong in [&one.1[..999], b"", &node(LEAF, 1).1] {
        put(&cache, &one);
        fs::write(cache.path(&one.0), wrong).unwrap();
        assert_eq!(cache.get(&one.0), None);
        assert!(!cache.path(&one.0).exists());
    }
    assert_eq!(cache.stats().damaged, 3);
}

#[test]
fn a_shard_stays_within_its_share_and_branch_nodes_outlive_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), 64 * 20_000);
    let branches: Vec<_> = (0..5).map(|n| node(BRANCH, n)).collect();
    branches.iter().for_each(|branch| put(&cache, branch));
    for n in 0..100 {
        put(&cache, &node(LEAF, n));
        let bytes: u64 = cache.list(&cache.folder(&branches[0].0)).iter().map(|e| e.len).sum();
        assert!(bytes <= 20_000, "{bytes}");
    }
    assert!(branches.iter().all(|(hash, _)| cache.get(hash).is_some()));
    assert!(cache.get(&node(LEAF, 99).0).is_some(), "the newest leaf went");
    assert!(cache.get(&node(LEAF, 0).0).is_none(), "the oldest leaf stayed");
    // Only branch nodes: then they go, too.
    (5..40).for_each(|n| put(&cache, &node(BRANCH, n)));
    assert!(cache.get(&branches[0].0).is_none());
}

#[test]
fn two_processes_share_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let both = [cache(folder.path(), 64 * 100_000), cache(folder.path(), 64 * 100_000)];
    for n in 0..400 {
        put(&both[n as usize % 2], &node(LEAF, n));
    }
    let entries = both[0].list(&both[0].folder(&node(LEAF, 0).0));
    let bytes: u64 = entries.iter().map(|entry| entry.len).sum();
    assert!(bytes <= 100_000 + u64::from(LIST_AGAIN) * 1000, "{bytes}");
}

#[test]
fn a_cache_that_cannot_be_written_fails_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let (cache, one) = (cache(&file, 1 << 30), node(LEAF, 0));
    put(&cache, &one);
    assert_eq!(cache.get(&one.0), None);
    assert_eq!(cache.stats().failed, 1);
}

#[test]
fn an_erasure_that_is_new_here_empties_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, one) = (cache(folder.path(), 1 << 30), node(LEAF, 0));
    let put = |generation| first.put(&one.0, &one.1, Erasures { generation, ..KNOWN });
    put(0);
    first.purged(KNOWN, false);
    assert!(first.get(&one.0).is_some());
    first.purged(Erasures { generation: 1, ..KNOWN }, false);
    assert!(first.get(&one.0).is_none());
    put(1);
    // Another process, which finds the note; and one that had begun before.
    cache(folder.path(), 1 << 30).purged(Erasures { generation: 1, ..KNOWN }, false);
    assert!(first.get(&one.0).is_some());
    first.purged(Erasures { generation: 1, ..KNOWN }, true);
    assert!(first.get(&one.0).is_none());
    put(1);
    cache(folder.path(), 1 << 30).purged(Erasures { generation: 2, ..KNOWN }, false);
    assert!(first.get(&one.0).is_none());
}

#[test]
fn what_was_read_before_an_erasure_is_not_kept_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (slow, one) = (cache(folder.path(), 1 << 30), node(LEAF, 0));
    put(&slow, &node(LEAF, 1));
    // It has read one, and stands still; another process learns of an erasure.
    cache(folder.path(), 1 << 30).purged(Erasures { generation: 1, ..KNOWN }, false);
    put(&slow, &one);
    assert!(slow.get(&one.0).is_none());
    // What others erased, and what is read since then, is none of its business.
    let other = Erasures { database: Uuid::from_bytes([8; 16]), generation: 0 };
    slow.put(&one.0, &one.1, other);
    assert!(slow.get(&one.0).is_some());
}

#[test]
fn while_somebody_keeps_a_file_no_erasure_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let (first, one) = (cache(folder.path(), 1 << 30), node(LEAF, 0));
    put(&first, &one);
    let held = note::to_keep(folder.path()).unwrap();
    let known = Erasures { generation: 1, ..KNOWN };
    first.purged(known, false);
    assert_eq!((first.get(&one.0), known.noted(folder.path())), (None, 0));
    drop(held);
    first.purged(known, false);
    assert_eq!(known.noted(folder.path()), 1);
    // And while one is noted, none is kept.
    let _held = note::to_note(folder.path()).unwrap();
    first.put(&one.0, &one.1, known);
    assert_eq!((first.get(&one.0), first.stats().failed), (None, 1));
}

#[test]
fn what_is_larger_than_a_share_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), 64 * 999);
    put(&cache, &node(LEAF, 0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
