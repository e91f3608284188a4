//! What a place can be trusted with: every promise of the trait, then a race of writers.
//!
//! **Invariant:** all names are below `probe/<random>/` and are deleted afterwards, so a place that
//! holds a database may be checked. A store is called unsafe for what it did, never for an answer
//! that was lost on the way: a writer whose swap got none reads back, as a commit does.
//!
//! A race shows that a store loses writes; that it lost none shows no more than that. It does not
//! switch the machine off.

use crate::host::SystemHost;
use crate::settings::Settings;
use crate::url::open;
use bytes::Bytes;
use factfs_core::store::contract::{clock_ahead_ms, survey};
use factfs_core::store::{Expect, Host, RefRead, Store, StoreError, StoreErrorKind, Swap};
use std::sync::Arc;

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// How many write at once, each with connections of its own.
    pub writers: usize,
    /// For how long.
    pub race_ms: u64,
    /// At most so many swaps each.
    pub swaps: u64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { writers: 4, race_ms: 3000, swaps: u64::MAX }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub about: &'static str,
    /// Whether it is as it must be.
    pub held: bool,
    /// What was seen, in one line.
    pub found: String,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Each thing that was looked at, in order.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether any number of writers may commit here at once.
    pub fn is_safe(&self) -> bool {
        self.findings.iter().all(|finding| finding.held)
    }
}

/// Checks the place that `url` names.
pub async fn check_store(
    url: &str,
    options: CheckOptions,
    settings: &Settings,
) -> Result<Checked, StoreError> {
    let stores = (0..options.writers.max(1)).map(|_| open(url, settings));
    check_stores(&stores.collect::<Result<Vec<_>, _>>()?, options).await
}

/// Checks one place through several openings of it, a writer each.
pub async fn check_stores(
    stores: &[Arc<dyn Store>],
    options: CheckOptions,
) -> Result<Checked, StoreError> {
    let Some(store) = stores.first() else { return Ok(Checked { findings: Vec::new() }) };
    let host = SystemHost;
    // First, since it writes: where nothing can be written there is nothing to check.
    let clock = clock(store).await?;
    let mut findings = Vec::new();
    for group in survey(store, &host).await? {
        let found = match &group.violation {
            None => "kept".to_owned(),
            Some(violation) => format!("not kept: {}: {}", violation.promise, violation.found),
        };
        findings.push(Finding { about: group.about, held: group.violation.is_none(), found });
    }
    findings.push(clock);
    let base = format!("probe/{:032x}/", host.random());
    let raced = race(stores, &format!("{base}race"), options).await;
    let deleted = store.delete(&format!("{base}race")).await;
    findings.push(match raced {
        // It was found out before that this place does not keep its word.
        Err(error) if findings.iter().any(|finding| !finding.held) => {
            Finding { about: RACE, held: false, found: format!("it ended early: {error}") }
        }
        raced => raced?,
    });
    findings.push(match deleted {
        Ok(()) => tidy(store, &base).await?,
        Err(error) => Finding { about: TIDY, held: true, found: format!("left behind: {error}") },
    });
    Ok(Checked { findings })
}

const RACE: &str = "a race loses no write";
const TIDY: &str = "what the check wrote is gone";

async fn tidy(store: &Arc<dyn Store>, base: &str) -> Result<Finding, StoreError> {
    let left = store.list(base).await?.len();
    let found = if left == 0 { "nothing is left".into() } else { format!("{left} objects left") };
    Ok(Finding { about: TIDY, held: left == 0, found })
}

async fn clock(store: &Arc<dyn Store>) -> Result<Finding, StoreError> {
    let ahead = clock_ahead_ms(store, &SystemHost).await?;
    let found = match ahead {
        None => "its listing has no times: nothing can be collected".to_owned(),
        Some(ms) if ms.abs() < 2000 => "the same time as here".into(),
        Some(ms) if ms > 0 => format!("{} s ahead of here", ms / 1000),
        Some(ms) => format!("{} s behind here", -ms / 1000),
    };
    // Collection counts by the store's clock alone: a difference harms nobody.
    Ok(Finding { about: "the clock of the store", held: ahead.is_some(), found })
}

/// What a writer did.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Swaps that it was told of, or found when it looked.
    done: u64,
    /// Those of them that were gone when it looked again.
    lost: u64,
    /// Swaps without a clear answer.
    unclear: u64,
    /// Swaps of others that came first.
    beaten: u64,
}

async fn race(
    stores: &[Arc<dyn Store>],
    name: &str,
    options: CheckOptions,
) -> Result<Finding, StoreError> {
    let started = SystemHost.now_ms();
    let until = started.saturating_add_unsigned(options.race_ms);
    let count = stores.len();
    let writers = stores.iter().enumerate().map(|(n, store)| {
        let (store, name) = (store.clone(), name.to_owned());
        tokio::spawn(async move { write(&store, &name, n, count, until, options.swaps).await })
    });
    let mut tallies = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let ended = |e| {
            let reason = "a writer of the race ended early";
            StoreError::new(StoreErrorKind::Unavailable, stores[0].url(), name, reason).because(e)
        };
        tallies.push(writer.await.map_err(ended)??);
    }
    let took_ms = (SystemHost.now_ms() - started).max(1).unsigned_abs();
    let (counts, _) = read(&stores[0], name, count).await?;
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let gone = |(tally, there): (&Tally, &u64)| (tally.done - tally.lost).saturating_sub(*there);
    let lost = sum(|t| t.lost) + tallies.iter().zip(&counts).map(gone).sum::<u64>();
    let (done, unclear, beaten) = (sum(|t| t.done), sum(|t| t.unclear), sum(|t| t.beaten));
    let rate = done * 1000 / took_ms;
    let found = format!(
        "{count} writers, {done} swaps, {lost} lost, {beaten} tried again, {unclear} without a \
         clear answer; {rate} a second"
    );
    Ok(Finding { about: RACE, held: lost == 0 && done > 0, found })
}

/// Counts up its own number among all of theirs, until the time is over.
async fn write(
    store: &Arc<dyn Store>,
    name: &str,
    me: usize,
    count: usize,
    until: i64,
    swaps: u64,
) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut attempts = 0;
    while SystemHost.now_ms() < until && attempts < swaps {
        attempts += 1;
        let (mut counts, expect) = read(store, name, count).await?;
        settle(&mut tally, counts[me]);
        counts[me] += 1;
        let numbers = counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        // A nonce makes every body another one, as in a head.
        let body = Bytes::from(format!("{numbers} {:032x}", SystemHost.random()));
        match store.cas_ref(name, expect, body).await? {
            Swap::Swapped(_) => tally.done += 1,
            Swap::Lost => tally.beaten += 1,
            Swap::Unknown(_) => tally.unclear += 1,
        }
    }
    // The last of its own may have landed without an answer.
    let (counts, _) = read(store, name, count).await?;
    settle(&mut tally, counts[me]);
    Ok(tally)
}

/// Holds what is there against what was told: one more is a swap whose answer was lost, fewer are
/// swaps that were.
fn settle(tally: &mut Tally, there: u64) {
    let kept = tally.done - tally.lost;
    match there.checked_sub(kept) {
        Some(more) => tally.done += more,
        None => tally.lost += kept - there,
    }
}

async fn read(
    store: &Arc<dyn Store>,
    name: &str,
    count: usize,
) -> Result<(Vec<u64>, Expect), StoreError> {
    let RefRead::Found { bytes, version } = store.read_ref(name, None).await? else {
        return Ok((vec![0; count], Expect::Absent));
    };
    let text = String::from_utf8_lossy(&bytes);
    let numbers: Vec<u64> = text.split(' ').take(count).filter_map(|n| n.parse().ok()).collect();
    if numbers.len() != count {
        let reason = "the race's counts do not read as they were written";
        return Err(StoreError::new(StoreErrorKind::Corrupt, store.url(), name, reason));
    }
    Ok((numbers, Expect::Version(version)))
}

#[cfg(test)]
mod tests;
