//! A writer that is killed loses nothing that it acknowledged.
//!
//! `FACTFS_KILLS` is how often (50), `FACTFS_SEED` repeats a run as far as the timing of processes
//! lets it.

use crate::support::audit::audit;
use crate::support::writer::{Writer, Written};
use crate::support::{Place, Random, number};
use std::time::Duration;

/// Forms of one transaction each, of very different sizes, so that tails spill and novelty flushes
/// between them. Each asserts one `:w/key` that names it.
fn forms(round: usize, random: &mut Random) -> Vec<String> {
    let form = |n| {
        let facts = [0, 0, 1, 30, 100, 400][random.below(6)];
        // Numbers that do not compress, or tails would hardly ever be full.
        let mut more = || format!(" {{:w/n {}}}", random.below(usize::MAX >> 2));
        let more: String = (0..facts).map(|_| more()).collect();
        format!("[{{:w/key \"{round}-{n}\" :w/n {n}}}{more}]")
    };
    (0..200).map(form).collect()
}

#[test]
fn every_acknowledged_transaction_outlives_kill_9() {
    let mut random = Random::seeded();
    let kills = number("FACTFS_KILLS", 50);
    let (mut acknowledged, mut packs) = (0, 0);
    // Ten kills a store: looking through all of it after each takes the longer the larger it is.
    for first in (0..kills).step_by(10) {
        // Flushes every few transactions: the moments between their writes are the interesting
        // ones.
        let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 500);
        for round in first..kills.min(first + 10) {
            let writer = Writer::start(&place, "db", forms(round, &mut random));
            writer.wait_for(random.below(25));
            // The moment within a transaction: random, and not a condition of anything.
            std::thread::sleep(Duration::from_micros(random.below(20_000) as u64));
            let written = writer.kill();
            check(&place, round, &written);
            acknowledged += written.acknowledged.len();
        }
        packs += std::fs::read_dir(place.path("db/pack")).map_or(0, Iterator::count);
    }
    eprintln!("{kills} kills, {acknowledged} transactions acknowledged, {packs} packs");
    assert!(packs >= kills / 10, "too few flushes to say something about them: {packs}");
}

/// The store is whole, and of this round's transactions there are the acknowledged ones, and at
/// most one more: the one that was under way.
fn check(place: &Place, round: usize, written: &Written) {
    assert_eq!(written.code, None, "it ended by itself: {}", written.stderr);
    let audit = audit(place, "db").unwrap();
    assert!(audit.keys.values().all(|times| *times == 1), "a transaction twice");
    for report in &written.acknowledged {
        let t = report["t"].as_u64().unwrap() as usize;
        let commit = audit.log.get(t - 1).map(|entry| entry.commit.to_string());
        assert_eq!(commit.as_deref(), report["commit"].as_str(), "acknowledged at {t}, and lost");
    }
    let count = written.acknowledged.len();
    let is_there = |n: usize| audit.keys.contains_key(&format!("{round}-{n}"));
    let there = (0..).take_while(|n| is_there(*n)).count();
    assert!((count..=count + 1).contains(&there), "{count} acknowledged, {there} there");
    let of_round = format!("{round}-");
    let all = audit.keys.keys().filter(|key| key.starts_with(&of_round)).count();
    assert_eq!(all, there, "they are not the first ones");
}
