//! The protocol, simulated: the code of this module's parent over a bad network, with time and
//! chance from a seed.
//!
//! Three writers that rebase and retry, spills and flushes, a flusher, two collectors, readers,
//! readers that hold old heads, somebody who makes,
//! writes, merges and deletes branches and tags; requests that are
//! late, lost, or answered wrongly; clients that die at any await, or stand still for a long time
//! and go on. Afterwards the book of what everybody was told is compared with the store. And each
//! rule of the protocol is switched off, which must be noticed.
//!
//! 200 seeds in a debug build, 2,000 in a release build (`cargo test --release -p factfs-core --lib
//! sim::nothing`, in every run of all tests); `FACTFS_SEEDS=50000` before it says how many,
//! `FACTFS_SEED=3606` from which on.

mod book;
mod client;
mod fair;
mod near;
mod network;
mod purger;
mod rules;
mod store;
mod tasks;

use book::{Book, Figures};
use network::Network;
use tasks::Tasks;

use super::rules::{Rules, with_rules};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    rules: Rules,
    /// Whether transactions look whether their id is there.
    ids: bool,
    /// Whether facts are erased.
    purges: bool,
    /// Whether some values are so long that they are nodes of their own.
    long: bool,
    /// How many flush beside those that always do: what one of them wrote a while ago, and swaps in
    /// now, is what a collection may miss.
    flushers: u64,
    /// How much more often flushers stand still than others.
    stills: u64,
}

impl Plan {
    const ALL: Self =
        Self { rules: Rules::ALL, ids: true, purges: false, long: false, flushers: 0, stills: 5 };
}

/// Simulates one seed; the error is what is wrong.
fn run(seed: u64, plan: Plan) -> Result<Figures, String> {
    let (network, book) = (Network::new(seed), Book::default());
    let mut tasks = Tasks::new(network, book.clone(), plan);
    with_rules(plan.rules, || tasks.run());
    let pages = book.pages();
    pages.wrong.first().map_or(Ok(pages.figures), |wrong| Err(wrong.clone()))
}

/// Runs seeds on all processors; what they come to together, and the first that goes wrong.
fn run_all(seeds: std::ops::Range<u64>, plan: Plan) -> (Figures, Option<(u64, String)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let one = |first: u64| {
        let mut all = Figures::default();
        for seed in (seeds.start + first..seeds.end).step_by(threads as usize) {
            match run(seed, plan) {
                Ok(figures) => all.add(&figures),
                Err(wrong) => return (all, Some((seed, wrong))),
            }
        }
        (all, None)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads).map(|n| scope.spawn(move || one(n))).collect();
        spawned.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Figures::default();
    results.iter().for_each(|(figures, _)| all.add(figures));
    (all, results.into_iter().filter_map(|(_, wrong)| wrong).min())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

fn seeds() -> u64 {
    number("FACTFS_SEEDS").unwrap_or(if cfg!(debug_assertions) { 200 } else { 2_000 })
}

/// So many seeds, from the one that `FACTFS_SEED` says.
fn from_first(count: u64) -> std::ops::Range<u64> {
    let first = number("FACTFS_SEED").unwrap_or_default();
    first..first + count
}

#[test]
fn nothing_is_lost_or_done_twice() {
    let (all, wrong) = run_all(from_first(seeds()), Plan::ALL);
    println!("{all:?}");
    if let Some((seed, wrong)) = wrong {
        panic!("seed {seed}: {wrong}");
    }
    if seeds() < 200 {
        return;
    }
    // What never happens proves nothing.
    assert!(all.acks > 2_000 && all.crashes > 100 && all.pauses > 100, "{all:?}");
    assert!(all.reads > 200 && all.holds > 200 && all.again > 5, "{all:?}");
    assert!(
        all.merges > 20 && all.flushes > 200 && all.branches > 50 && all.deleted > 1_000,
        "{all:?}"
    );
    assert!(all.collections > 200 && all.superseded > 10, "{all:?}");
}

#[test]
fn nothing_is_lost_beside_erasures() {
    let count = seeds() / 2;
    let (all, wrong) = run_all(from_first(count), Plan { purges: true, ..Plan::ALL });
    println!("{all:?}");
    if let Some((seed, wrong)) = wrong {
        panic!("seed {seed}: {wrong}");
    }
    // What never happens proves nothing.
    assert!(count < 100 || all.purges > 200 && all.erased > 200 && all.acks > 1_000, "{all:?}");
}

#[test]
fn long_values_are_not_lost_beside_erasures() {
    let count = seeds() / 10;
    let (all, wrong) = run_all(from_first(count), Plan { purges: true, long: true, ..Plan::ALL });
    println!("{all:?}");
    if let Some((seed, wrong)) = wrong {
        panic!("seed {seed}: {wrong}");
    }
    // What never happens proves nothing.
    assert!(count < 20 || all.erased > 100 && all.flushes > 5 && all.acks > 500, "{all:?}");
}
