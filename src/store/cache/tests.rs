//! The bound, the order of eviction, and that one node is loaded once.

use super::*;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

type Cache = NodeCache<u64, String>;

fn key(n: u64) -> NodeHash {
    NodeHash::of(&n.to_le_bytes())
}

fn loaded(n: u64, weight_bytes: usize, class: Class) -> Loaded<u64> {
    Loaded { value: Arc::new(n), weight_bytes, class }
}

fn leaf(n: u64) -> Loaded<u64> {
    loaded(n, 10, Class::Leaf)
}

/// A load of nodes whose value is their place in `0..1000`.
fn number(key_asked: &NodeHash) -> u64 {
    (0..1000).find(|n| key(*n) == *key_asked).unwrap()
}

#[test]
fn the_weight_stays_within_the_limit() {
    let cache = Cache::new(16 * 100);
    for n in 0..1000 {
        cache.insert(key(n), loaded(n, 1 + (n as usize * 7) % 60, Class::Leaf));
        let stats = cache.stats();
        assert!(stats.bytes <= stats.limit_bytes, "{stats:?}");
    }
    let stats = cache.stats();
    assert!(stats.bytes > 16 * 30, "it is used: {stats:?}");
    assert_eq!(stats.entries + stats.evicted, 1000);
    cache.insert(key(5000), loaded(0, 101, Class::Leaf));
    assert_eq!(cache.get(&key(5000)), None, "too heavy to be kept");
}

#[test]
fn the_last_used_stays() {
    let cache = Cache::with_shards(30, 1);
    (0..3).for_each(|n| cache.insert(key(n), leaf(n)));
    assert!(cache.get(&key(0)).is_some());
    cache.insert(key(3), leaf(3));
    let there: Vec<_> = (0..4).map(|n| cache.get(&key(n)).is_some()).collect();
    assert_eq!(there, [true, false, true, true]);
}

#[test]
fn branches_outlive_leaves() {
    let cache = Cache::with_shards(100, 1);
    (0..5).for_each(|n| cache.insert(key(n), loaded(n, 10, Class::Branch)));
    (5..200).for_each(|n| cache.insert(key(n), leaf(n)));
    assert!((0..5).all(|n| cache.get(&key(n)).is_some()));
    (200..230).for_each(|n| cache.insert(key(n), loaded(n, 10, Class::Branch)));
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.bytes), (10, 100), "branches are bounded, too");
    assert!((220..230).all(|n| cache.get(&key(n)).is_some()));
}

#[test]
fn eight_threads_make_one_load() {
    let cache = Cache::new(1 << 20);
    let loads = AtomicUsize::new(0);
    let start = Barrier::new(8);
    let keys: Vec<_> = (0..20).map(key).collect();
    thread::scope(|scope| {
        for turn in 0..8 {
            let (cache, loads, start, mut keys) = (&cache, &loads, &start, keys.clone());
            scope.spawn(move || {
                // Each in another order, so that every thread has some to load and some to wait
                // for.
                keys.rotate_left(turn * 2);
                start.wait();
                let values = cache.fetch(&keys, |asked| {
                    loads.fetch_add(asked.len(), Relaxed);
                    thread::sleep(Duration::from_millis(20));
                    Ok(asked.iter().map(|key| leaf(number(key))).collect())
                });
                let right: Vec<_> = keys.iter().map(number).collect();
                let found: Vec<_> = values.unwrap().iter().map(|value| **value).collect();
                assert_eq!(found, right);
            });
        }
    });
    assert_eq!(loads.load(Relaxed), 20);
    let stats = cache.stats();
    assert_eq!(stats.misses, 20);
    assert_eq!(stats.hits + stats.misses + stats.joined, 160);
}

#[test]
fn one_key_asked_twice_is_loaded_once() {
    let cache = Cache::new(1 << 20);
    let mut asked = Vec::new();
    let values = cache.fetch(&[key(1), key(2), key(1)], |keys| {
        asked.push(keys.len());
        Ok(keys.iter().map(|key| leaf(number(key))).collect())
    });
    assert_eq!(values.unwrap().iter().map(|v| **v).collect::<Vec<_>>(), [1, 2, 1]);
    assert_eq!(asked, [2]);
}

#[test]
fn a_failed_load_is_told_to_all_and_forgotten() {
    let cache = Cache::new(1 << 20);
    let started = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let failed = cache.fetch(&[key(1)], |_| {
                started.wait();
                while cache.stats().joined == 0 {
                    thread::yield_now();
                }
                Err("unreachable".to_owned())
            });
            assert_eq!(failed.unwrap_err(), "unreachable");
        });
        started.wait();
        let failed = cache.fetch(&[key(1)], |_| Ok(vec![leaf(1)]));
        assert_eq!(failed.unwrap_err(), "unreachable");
    });
    let value = cache.fetch(&[key(1)], |_| Ok(vec![leaf(1)]));
    assert_eq!(*value.unwrap()[0], 1);
}

#[test]
fn a_load_given_up_is_taken_over() {
    let cache = Cache::new(1 << 20);
    let Found::Mine(flight) = cache.get_or_join(&[key(1)]).remove(0) else { panic!("a hit") };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| cache.fetch(&[key(1)], |_| Ok(vec![leaf(1)])));
        while cache.stats().joined == 0 {
            thread::yield_now();
        }
        drop(flight);
        assert_eq!(*waiting.join().unwrap().unwrap()[0], 1);
    });
}

#[test]
fn a_load_that_brings_too_little_is_asked_again() {
    let cache = Cache::new(1 << 20);
    let values = cache.fetch(&[key(1), key(2)], |keys| Ok(vec![leaf(number(&keys[0]))]));
    assert_eq!(values.unwrap().iter().map(|v| **v).collect::<Vec<_>>(), [1, 2]);
}
