//! The protocol, simulated: the code of this module's parent over a bad network, with time and
//! chance from a seed.
//!
//! Three writers that rebase and retry, spills and flushes, readers, somebody who makes and deletes
//! branches; requests that are late, lost, or answered wrongly; clients that die at any await.
//! Afterwards the book of what everybody was told is compared with the store. And each rule of the
//! protocol is switched off, which must be noticed.
//!
//! `FACTFS_SEEDS=2000 cargo test -p factfs-core sim` runs more seeds.

mod book;

mod network;
mod tasks;

use book::Book;
use network::Network;
use tasks::Tasks;

use super::Rules;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    rules: Rules,
    /// Whether transactions look whether their id is there.
    ids: bool,
}

impl Plan {
    const ALL: Self = Self { rules: Rules::ALL, ids: true };
}

/// Figures of a run, to see that what should happen does.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    acks: usize,
    unknown: usize,
    failed: usize,
    crashes: usize,
    reads: usize,
}

/// Simulates one seed; the error is what is wrong.
fn run(seed: u64, plan: Plan) -> Result<Figures, String> {
    let (network, book) = (Network::new(seed), Book::default());
    let mut tasks = Tasks::new(network, book.clone(), plan);
    tasks.run();
    let pages = book.pages();
    match pages.wrong.first() {
        Some(wrong) => Err(wrong.clone()),
        None => Ok(Figures {
            acks: pages.acks,
            unknown: pages.unknown,
            failed: pages.failed,
            crashes: pages.crashes,
            reads: pages.reads,
        }),
    }
}

fn seeds() -> u64 {
    std::env::var("FACTFS_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

#[test]
fn nothing_is_lost_or_done_twice() {
    let mut all = Figures::default();
    for seed in 0..seeds() {
        match run(seed, Plan::ALL) {
            Ok(one) => {
                all.acks += one.acks;
                all.unknown += one.unknown;
                all.failed += one.failed;
                all.crashes += one.crashes;
                all.reads += one.reads;
            }
            Err(wrong) => panic!("seed {seed}: {wrong}"),
        }
    }
    println!("{all:?}");
    // What never happens proves nothing.
    assert!(all.acks > 2_000 && all.crashes > 100 && all.reads > 200, "{all:?}");
}

fn check_is_noticed(what: &str, plan: Plan) {
    let noticed = (0..200).find_map(|seed| run(seed, plan).err().map(|wrong| (seed, wrong)));
    let (seed, wrong) = noticed.unwrap_or_else(|| panic!("nobody notices: {what}"));
    println!("{what}: seed {seed}: {wrong}");
}

#[test]
fn a_lost_swap_must_be_read_back() {
    let rules = Rules { read_back: false, ..Rules::ALL };
    check_is_noticed("Lost is taken for lost", Plan { rules, ..Plan::ALL });
}

#[test]
fn an_unanswered_swap_must_be_bumped() {
    let rules = Rules { bump: false, ..Rules::ALL };
    check_is_noticed("no bump", Plan { rules, ..Plan::ALL });
}

#[test]
fn attempts_must_differ() {
    let rules = Rules { nonce: false, ..Rules::ALL };
    check_is_noticed("no nonce", Plan { rules, ..Plan::ALL });
}

#[test]
fn ids_must_be_looked_for() {
    check_is_noticed("ids are ignored", Plan { ids: false, ..Plan::ALL });
}
