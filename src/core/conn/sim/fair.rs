//! Several writers that are never idle, on one branch: each has its share of the commits, and none
//! waits for much longer than until all others had theirs.

use super::Plan;
use super::book::Book;
use super::client::Client;
use super::network::Network;
use super::tasks::Tasks;
use crate::conn::testing::Say;
use crate::conn::{Conn, Flush, Options};
use crate::db::{Db, DbError};
use crate::store::BoxFuture;
use std::sync::{Arc, Mutex};

/// When each writer had its commits.
type Times = Arc<Mutex<Vec<Vec<u64>>>>;

/// One that commits, and when it is told so commits again.
async fn write(client: Client, number: usize, times: Times, until_ms: u64) {
    let options = Options { flush: Flush::Asked, ..Options::default() };
    let conn = match Conn::open(client.place(), None, options).await {
        Ok(conn) => conn,
        Err(error) => return client.book.wrong(format!("open: {error}")),
    };
    for n in 0.. {
        let said = Say::new(&format!("w{number}/n{n}"));
        let make = move |db: &Db, now| -> Result<_, DbError> { said.prepare(db, now) };
        if let Err(error) = conn.transact(make).await {
            return client.book.wrong(format!("writer {number}: {error}"));
        }
        let now = client.network.now();
        times.lock().unwrap()[number].push(now);
        if now > until_ms {
            return;
        }
    }
}

/// How many commits each of some writers had, and the longest that one waited.
fn race(seed: u64, writers: usize, pace_ms: u64, until_ms: u64) -> (Vec<usize>, u64) {
    let (network, book) = (Network::new(seed), Book::default());
    network.set_pace(pace_ms);
    let mut tasks = Tasks::new(network, book.clone(), Plan::ALL);
    let times: Times = Arc::new(Mutex::new(vec![Vec::new(); writers]));
    let client = |number| {
        let write = write(tasks.client.clone(), number, times.clone(), until_ms);
        Box::pin(write) as BoxFuture<'static, ()>
    };
    let clients = (0..writers).map(client).collect();
    tasks.run_well(clients);
    assert_eq!(book.pages().wrong.first(), None, "seed {seed}");
    let times = times.lock().unwrap();
    let waits = times.iter().flat_map(|times| {
        let before = [0].into_iter().chain(times.iter().copied());
        times.iter().zip(before).map(|(at, before)| at - before)
    });
    let longest_ms = waits.max().unwrap();
    let counts = times.iter().map(|times| times.iter().filter(|at| **at <= until_ms).count());
    (counts.collect(), longest_ms)
}

/// Nobody has less than half of its share, or waits for longer than four rounds of all take, as
/// `each_ms` of one.
fn check(writers: usize, pace_ms: u64, until_ms: u64, each_ms: u64) {
    for seed in 0..4 {
        let (counts, longest_ms) = race(seed, writers, pace_ms, until_ms);
        println!("{writers} at {pace_ms} ms, seed {seed}: {counts:?}, {longest_ms} ms at most");
        let share = counts.iter().sum::<usize>() / writers;
        assert!(counts.iter().all(|count| count * 2 >= share), "seed {seed}: {counts:?}");
        assert!(longest_ms <= 4 * writers as u64 * each_ms, "seed {seed}: {longest_ms} ms");
    }
}

#[test]
fn busy_writers_share_a_branch() {
    check(2, 0, 6_000, 100);
    check(5, 0, 6_000, 100);
}

#[test]
fn busy_writers_share_a_branch_that_takes_a_swap_a_second() {
    check(2, 1_000, 100_000, 1_000);
    check(4, 1_000, 100_000, 1_000);
    check(8, 1_000, 100_000, 1_000);
}

#[test]
fn a_writer_alone_waits_for_nobody() {
    let (counts, _) = race(1, 1, 1_000, 100_000);
    assert!(counts[0] >= 92, "{counts:?}");
    // Two ways of up to eight milliseconds each.
    let (counts, longest_ms) = race(1, 1, 0, 10_000);
    assert!(longest_ms <= 60 && counts[0] > 1_000, "{counts:?}, {longest_ms} ms");
}
