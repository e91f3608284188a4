//! What reading a head costs, and how new it is: in requests and on a clock that the test moves.

use super::*;
use crate::error::Kind;
use factfs_core::conn::CreateOptions;
use factfs_core::edn;
use factfs_store::Settings;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A database as one mount has it, and as another process has it.
struct Two {
    source: DatabaseSource,
    other: Database,
    now_ms: Arc<AtomicU64>,
}

impl Two {
    fn new(name: &str, interval: Duration, looker: Looker) -> Self {
        let (url, settings) = (format!("memory:{name}"), Settings::default());
        let other = Database::create(&url, &CreateOptions::default(), &settings).unwrap();
        let locator = factfs_store::Locator { url, branch: None, at: None };
        let source =
            DatabaseSource::new(Database::open(&locator, &settings).unwrap(), None).unwrap();
        let now_ms = Arc::new(AtomicU64::new(0));
        let known = now_ms.clone();
        let clock: crate::source::fresh::Clock =
            Arc::new(move || Duration::from_millis(known.load(Relaxed)));
        let source = source.paced(Pace { interval, looker, clock });
        Self { source, other, now_ms }
    }

    /// Across a network; looks are those of [`Two::pass`].
    fn remote(name: &str) -> Self {
        Self::new(name, SECOND, Looker::Test)
    }

    /// Time passes, and nobody looks.
    fn sleep(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Relaxed);
    }

    /// Time passes, and what is due is looked at.
    fn pass(&self, ms: u64) {
        self.sleep(ms);
        self.source.heads.poll();
    }

    fn t(&self, branch: &str) -> u64 {
        self.source.head(branch).unwrap().db.basis_t().0
    }

    /// Heads and names of branches that were asked for while this was done.
    fn asked(&self, done: impl FnOnce()) -> u64 {
        let refs = || self.source.heads.database.counts().refs;
        let before = refs();
        done();
        refs() - before
    }
}

fn say(database: &Database) {
    let form = edn::read_one("[[:db/add \"x\" :db/doc \"x\"]]").unwrap();
    database.transact(&form, &TransactOptions::default()).unwrap();
}

#[test]
fn a_hundred_reads_within_a_second_cost_one_look() {
    let two = Two::remote("hundred reads");
    two.t("main");
    let read = || {
        (0..100).for_each(|_| {
            two.t("main");
            two.pass(10);
        });
    };
    assert_eq!(two.asked(read), 1);
}

#[test]
fn who_reads_what_is_in_use_never_asks() {
    let two = Two::remote("in use");
    two.source.create_branch("main", "exp", None).unwrap();
    let read = |branch: &str| two.asked(|| assert_eq!(two.t(branch), 0));
    read("main");
    read("exp");
    for second in 1..=59 {
        // Two heads, and the names of branches.
        assert_eq!(two.asked(|| two.pass(1000)), 3, "after {second} s");
    }
    for _ in 0..100 {
        two.pass(100);
        assert_eq!((read("main"), read("exp")), (0, 0));
    }
}

#[test]
fn after_a_quiet_minute_nobody_asks_until_somebody_reads() {
    let two = Two::remote("quiet");
    two.t("main");
    assert_eq!(two.asked(|| (0..600).for_each(|_| two.pass(1000))), 59);
    assert_eq!(two.source.heads.poll(), None);
    say(&two.other);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 1)), 1);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 1)), 0);
    assert_eq!(two.asked(|| two.pass(1000)), 1);
}

#[test]
fn what_others_commit_is_seen_by_the_next_look() {
    let two = Two::remote("others");
    assert_eq!(two.t("main"), 0);
    say(&two.other);
    two.pass(999);
    assert_eq!(two.t("main"), 0);
    two.pass(1);
    assert_eq!(two.t("main"), 1);
    let polls = two.source.activity("main").unwrap().polls;
    assert_eq!(polls, 1);
}

#[test]
fn who_reads_asks_where_looks_do_not_come() {
    let two = Two::remote("late looks");
    two.t("main");
    say(&two.other);
    two.sleep(1999);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 0)), 0);
    two.sleep(1);
    assert!(two.source.head_at_hand("main").is_none());
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 1)), 1);
}

#[test]
fn what_is_committed_here_is_read_at_once_and_counts_as_a_look() {
    let two = Two::remote("own");
    two.t("main");
    let form = edn::read_one("[[:db/add \"x\" :db/doc \"x\"]]").unwrap();
    for t in 1..=5 {
        two.pass(900);
        two.source.transact("main", &form).unwrap();
        assert_eq!(two.asked(|| assert_eq!(two.t("main"), t)), 0);
    }
    assert_eq!(two.source.heads.polls(), 0);
}

#[test]
fn a_branch_that_was_renamed_elsewhere_is_missed_after_the_next_look() {
    let two = Two::remote("renamed");
    two.source.create_branch("main", "exp", None).unwrap();
    two.t("exp");
    two.other.rename_branch("exp", "trial").unwrap();
    two.pass(1000);
    assert_eq!(two.source.head("exp").unwrap_err().kind, Kind::NotFound);
    assert_eq!(two.t("trial"), 0);
}

#[test]
fn a_store_on_this_machine_is_asked_by_who_reads() {
    let two = Two::new("local", LOCAL, Looker::User);
    two.t("main");
    say(&two.other);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 0)), 0);
    two.sleep(20);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 1)), 1);
    assert_eq!(two.asked(|| assert_eq!(two.t("main"), 1)), 0);
}

#[test]
fn a_thread_looks_while_a_head_is_in_use() {
    let two = Two::remote("thread");
    let pace = Pace { interval: Duration::from_millis(1), looker: Looker::Thread, clock: clock() };
    let source = two.source.paced(pace);
    source.head("main").unwrap();
    say(&two.other);
    let begun = Instant::now();
    // Nobody reads the head, and it is known.
    while source.activity("main").unwrap().seen.db.basis_t().0 == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

#[test]
fn names_of_branches_are_read_once_for_a_list_of_them() {
    let source = crate::fixture::stored("names-read-once");
    let reads = || source.heads.database.counts().refs;
    let before = reads();
    assert_eq!(source.branches().unwrap().len(), 1);
    // The names, and the head of the one branch.
    assert_eq!(reads() - before, 2);
}

#[test]
fn a_store_that_was_taken_away_is_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    let (place, away) = (folder.path().join("db"), folder.path().join("away"));
    let (url, settings) = (place.display().to_string(), Settings::default());
    let database = Database::create(&url, &CreateOptions::default(), &settings).unwrap();
    let source = DatabaseSource::new(database, None).unwrap().polled(Duration::ZERO);
    source.head("main").unwrap();
    std::fs::rename(&place, &away).unwrap();
    let failure = source.head("main").unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable, "{failure}");
    assert!(failure.text().contains("bring it back"), "{}", failure.text());
    std::fs::rename(&away, &place).unwrap();
    source.head("main").unwrap();
}
