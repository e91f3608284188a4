//! Two writers and a collector of one local store, killed again and again.
//!
//! `FACTFS_SOAK` is how many processes are killed (20), `FACTFS_SEED` repeats a run as far as the
//! timing of processes lets it.

use crate::support::audit::{Audit, audit};
use crate::support::writer::{Writer, Written};
use crate::support::{Place, Random, number};
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Processes of a round: all are killed, in any order.
const PROCESSES: usize = 3;
/// Rounds of one store: looking through all of it after each takes the longer the larger it is.
const ROUNDS: usize = 10;

/// Looks between the end of a collection and the next: without a pause hardly any flush would be
/// done between two of them, and writers would wait for that.
const BETWEEN: usize = 20;

/// `factfs gc DB --grace 0`, again and again.
struct Collector {
    /// The one that runs now; `None` when there is to be no other.
    now: Arc<Mutex<Option<Child>>>,
    thread: JoinHandle<usize>,
}

impl Collector {
    fn start(place: Arc<Place>) -> Self {
        let start = move || {
            let mut command = place.factfs(&["gc", "db", "--grace", "0"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let now = Arc::new(Mutex::new(Some(start())));
        let shared = now.clone();
        let thread = std::thread::spawn(move || {
            let (mut ended, mut idle) = (0, 0);
            loop {
                std::thread::sleep(Duration::from_millis(5));
                let mut now = shared.lock().unwrap();
                let Some(child) = now.as_mut() else { return ended };
                idle += usize::from(child.try_wait().unwrap().is_some());
                if idle == BETWEEN {
                    idle = 0;
                    let output = now.replace(start()).unwrap().wait_with_output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "a collection failed: {said}");
                    ended += 1;
                }
            }
        });
        Self { now, thread }
    }

    /// Ends it with SIGKILL: how many collections came to their end before.
    fn kill(self) -> usize {
        if let Some(mut child) = self.now.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.thread.join().unwrap()
    }
}

/// Forms of one transaction each, of very different sizes; each asserts one `:w/key`.
fn forms(writer: &str, random: &mut Random) -> Vec<String> {
    let form = |n| {
        let facts = [0, 0, 1, 30, 100, 400][random.below(6)];
        let mut more = || format!(" {{:w/n {}}}", random.below(usize::MAX >> 2));
        let more: String = (0..facts).map(|_| more()).collect();
        format!("[{{:w/key \"{writer}-{n}\" :w/n {n}}}{more}]")
    };
    (0..1000).map(form).collect()
}

/// What was acknowledged in the life of a store: the commit of each `t`.
#[derive(Default)]
struct Acknowledged(BTreeMap<usize, String>);

impl Acknowledged {
    /// Adds what a writer was told. One that others left no room for says that it wrote nothing:
    /// that is an answer, too.
    fn add(&mut self, written: &Written) {
        let is_busy = written.stderr.contains("nothing was written, try again");
        assert!(written.code.is_none() || is_busy, "it ended by itself: {}", written.stderr);
        for report in &written.acknowledged {
            let (t, commit) = (report["t"].as_u64().unwrap(), report["commit"].as_str().unwrap());
            let before = self.0.insert(t as usize, commit.to_owned());
            assert_eq!(before, None, "two transactions were acknowledged at {t}");
        }
    }

    /// Each is in the log, where it was said to be.
    fn check(&self, audit: &Audit) {
        assert!(audit.keys.values().all(|times| *times == 1), "a transaction twice");
        for (t, said) in &self.0 {
            let commit = audit.log.get(t - 1).map(|entry| entry.commit.to_string());
            assert_eq!(commit.as_ref(), Some(said), "acknowledged at {t}, and lost");
        }
    }
}

/// Of a writer's transactions the acknowledged ones are there, and at most the one under way.
fn check(writer: &str, written: &Written, audit: &Audit) {
    let count = written.acknowledged.len();
    let is_there = |n: usize| audit.keys.contains_key(&format!("{writer}-{n}"));
    let there = (0..).take_while(|n| is_there(*n)).count();
    assert!((count..=count + 1).contains(&there), "{count} acknowledged, {there} there");
    let of_writer = format!("{writer}-");
    let all = audit.keys.keys().filter(|key| key.starts_with(&of_writer)).count();
    assert_eq!(all, there, "they are not the first ones");
}

/// Writers and the collector run, and are killed one after the other: what each writer was told,
/// and how many collections came to their end.
fn round(place: &Arc<Place>, names: [&str; 2], random: &mut Random) -> (Vec<Written>, usize) {
    let mut writers: Vec<_> =
        names.iter().map(|name| Some(Writer::start(place, "db", forms(name, random)))).collect();
    let mut collector = Some(Collector::start(place.clone()));
    let (mut seen, enough) = (0, random.below(40));
    while seen < enough {
        std::thread::sleep(Duration::from_millis(1));
        // Of both together: writers race, and one may be left behind.
        seen += writers.iter().flatten().map(Writer::newly_seen).sum::<usize>();
    }
    let (mut written, mut collected) = (BTreeMap::new(), 0);
    let first = random.below(PROCESSES);
    for turn in 0..PROCESSES {
        // The moment within an operation: random, and not a condition of anything.
        std::thread::sleep(Duration::from_micros(random.below(250_000) as u64));
        match (first + turn) % PROCESSES {
            2 => collected = collector.take().unwrap().kill(),
            n => drop(written.insert(n, writers[n].take().unwrap().kill())),
        }
    }
    (written.into_values().collect(), collected)
}

#[test]
fn two_writers_and_a_collector_outlive_kill_9() {
    let mut random = Random::seeded();
    let rounds = number("FACTFS_SOAK", 20).div_ceil(PROCESSES);
    let (mut transactions, mut collections) = (0, 0);
    for first in (0..rounds).step_by(ROUNDS) {
        let place = Arc::new(Place::with_database().set("FACTFS_FLUSH_ROWS", 500));
        let mut acknowledged = Acknowledged::default();
        for number in first..rounds.min(first + ROUNDS) {
            let names = [format!("{number}a"), format!("{number}b")];
            let (written, collected) = round(&place, [&names[0], &names[1]], &mut random);
            written.iter().for_each(|written| acknowledged.add(written));
            let audit = audit(&place, "db").unwrap();
            acknowledged.check(&audit);
            names.iter().zip(&written).for_each(|(name, one)| check(name, one, &audit));
            collections += collected;
        }
        place.ok(&["verify", "db"], "");
        transactions += acknowledged.0.len();
    }
    let kills = rounds * PROCESSES;
    eprintln!("{kills} kills, {transactions} transactions acknowledged, {collections} collections");
    assert!(collections > 0, "no collection came to its end");
}
