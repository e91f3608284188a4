//! What this process did for its mount, in numbers: counters that only grow, what is in use now,
//! and the evaluations under way.
//!
//! They are of the process, as logs are: a process serves one mount.
//!
//! **Invariant:** counting never waits for work that is counted, and changes nothing else. Names
//! follow the conventions of Prometheus: a counter ends in `_total`, units are seconds and bytes.

use factfs_store::{Kind, TABLE};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is counted of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A name was looked up.
    Lookup,
    /// Attributes were asked for.
    Attr,
    /// A folder was listed.
    List,
    /// A file was opened.
    Open,
    /// Bytes were read.
    Read,
    /// Bytes were written.
    Write,
}

const OPERATIONS: [&str; 6] = ["lookup", "getattr", "list", "open", "read", "write"];

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered,
    /// With a failure.
    Failed,
    /// Nobody waited for it any more, or it took too long.
    GivenUp,
}

const OUTCOMES: [&str; 3] = ["answered", "failed", "given_up"];

/// Upper bounds of the times that evaluations are counted by, in milliseconds.
const BOUNDS_MS: [u64; 7] = [1, 5, 25, 100, 500, 2500, 10_000];

type Cells<const N: usize> = [AtomicU64; N];

static CALLS: Cells<6> = [const { AtomicU64::new(0) }; 6];
static ERRORS: Cells<22> = [const { AtomicU64::new(0) }; 22];
static ENDED: Cells<3> = [const { AtomicU64::new(0) }; 3];
static TOOK: Cells<8> = [const { AtomicU64::new(0) }; 8];
static TOOK_US: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static COMMITS: AtomicU64 = AtomicU64::new(0);
static DATOMS: AtomicU64 = AtomicU64::new(0);
static KEPT: Cells<2> = [const { AtomicU64::new(0) }; 2];
static STATE: Mutex<State> = Mutex::new(State { running: BTreeMap::new(), last: 0, usage: NONE });

const NONE: Usage =
    Usage { handles: 0, inodes: 0, waiting: 0, results: 0, results_bytes: 0, results_limit: 0 };

struct State {
    running: BTreeMap<u64, (String, Instant)>,
    last: u64,
    usage: Usage,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in use at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Open files and folders.
    pub handles: usize,
    /// Things that the kernel knows by number.
    pub inodes: usize,
    /// Evaluations that have not begun.
    pub waiting: usize,
    /// Results that are kept.
    pub results: usize,
    /// Their memory.
    pub results_bytes: usize,
    /// What that stays within.
    pub results_limit: usize,
}

/// One call more.
pub fn called(operation: Operation) {
    CALLS[operation as usize].fetch_add(1, Relaxed);
}

/// One call more was answered with an errno.
pub fn refused(kind: Kind) {
    ERRORS[kind as usize].fetch_add(1, Relaxed);
}

/// One commit more, of so many datoms.
pub fn committed(datoms: usize) {
    COMMITS.fetch_add(1, Relaxed);
    DATOMS.fetch_add(datoms as u64, Relaxed);
}

/// A result was asked for: whether it was kept.
pub fn wanted(is_kept: bool) {
    KEPT[usize::from(is_kept)].fetch_add(1, Relaxed);
}

/// What is in use now; for who shows it next.
pub fn in_use(usage: Usage) {
    state().usage = usage;
}

/// What was in use when it was looked at last.
pub fn usage() -> Usage {
    state().usage
}

/// An evaluation that is under way; dropped without an end it counts as given up.
#[derive(Debug)]
pub struct Running {
    number: u64,
    since: Instant,
    ended: Option<(Outcome, u64)>,
}

/// One evaluation begins, for this path.
pub fn begin(path: String) -> Running {
    let (mut state, since) = (state(), Instant::now());
    state.last += 1;
    let number = state.last;
    state.running.insert(number, (path, since));
    Running { number, since, ended: None }
}

impl Running {
    /// It has ended so, with an answer of so many bytes.
    pub fn end(mut self, outcome: Outcome, bytes: u64) {
        self.ended = Some((outcome, bytes));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        state().running.remove(&self.number);
        let (outcome, bytes) = self.ended.unwrap_or((Outcome::GivenUp, 0));
        let took = self.since.elapsed();
        let bound = BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        ENDED[outcome as usize].fetch_add(1, Relaxed);
        TOOK[bound.unwrap_or(BOUNDS_MS.len())].fetch_add(1, Relaxed);
        TOOK_US.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        BYTES.fetch_add(bytes, Relaxed);
    }
}

/// The evaluations under way, the oldest first: their paths, and for how long.
pub fn running() -> Vec<(String, Duration)> {
    state().running.values().map(|(path, since)| (path.clone(), since.elapsed())).collect()
}

/// The counters of errors that are not zero, by errno.
pub fn errors() -> Vec<(&'static str, u64)> {
    let counts = TABLE.iter().zip(&ERRORS).map(|(row, cell)| (row.1, cell.load(Relaxed)));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// How many transactions were committed through this mount.
pub fn commits() -> u64 {
    COMMITS.load(Relaxed)
}

/// Text in the format of Prometheus, metric by metric.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// A metric with these samples: labels as they are written, and the value.
    pub fn add<V: Display>(
        &mut self,
        (name, kind): (&str, &str),
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        // Writing to memory cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            let _ = match labels.as_str() {
                "" => writeln!(self.0, "{name} {value}"),
                suffixed if suffixed.starts_with('_') => {
                    writeln!(self.0, "{name}{suffixed} {value}")
                }
                labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
            };
        }
    }

    /// One sample without labels.
    pub fn one(&mut self, metric: (&str, &str), help: &str, value: impl Display) {
        self.add(metric, help, [(String::new(), value)]);
    }

    /// All of it.
    pub fn text(self) -> String {
        self.0
    }
}

/// A label and its value, as they are written.
pub fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn each<const N: usize>(
    label_name: &str,
    names: [&str; N],
    cells: &Cells<N>,
) -> Vec<(String, u64)> {
    let sample = |(name, cell): (&str, &AtomicU64)| (label(label_name, name), cell.load(Relaxed));
    names.into_iter().zip(cells).map(sample).collect()
}

/// What was counted here, and what is in use.
pub fn write(out: &mut Exposition) {
    let (usage, running) = (usage(), running());
    let counter = |name| (name, "counter");
    let gauge = |name| (name, "gauge");
    out.add(
        counter("factfs_operations_total"),
        "Calls of the kernel, by what was asked.",
        each("operation", OPERATIONS, &CALLS),
    );
    let errors = errors().into_iter().map(|(errno, count)| (label("errno", errno), count));
    out.add(counter("factfs_errors_total"), "Calls that were refused, by errno.", errors);
    out.add(
        counter("factfs_evaluations_total"),
        "Results, tables and lists of facts that were made, by how that ended.",
        each("outcome", OUTCOMES, &ENDED),
    );
    out.add(("factfs_evaluation_seconds", "histogram"), "How long making them took.", histogram());
    let help = "Bytes of them.";
    out.one(counter("factfs_evaluation_bytes_total"), help, BYTES.load(Relaxed));
    let help = "Evaluations under way.";
    out.one(gauge("factfs_evaluations_running"), help, running.len());
    let help = "Evaluations that wait for others to end.";
    out.one(gauge("factfs_evaluations_waiting"), help, usage.waiting);
    let help = "Results that were asked for, by whether they were kept.";
    out.add(
        counter("factfs_results_cache_requests_total"),
        help,
        each("result", ["miss", "hit"], &KEPT),
    );
    let help = "Memory for results that are kept.";
    out.one(gauge("factfs_results_cache_bytes"), help, usage.results_bytes);
    let help = "What that memory stays within.";
    out.one(gauge("factfs_results_cache_limit_bytes"), help, usage.results_limit);
    let help = "Transactions that were committed through this mount.";
    out.one(counter("factfs_commits_total"), help, COMMITS.load(Relaxed));
    let help = "Datoms that they added and retracted.";
    out.one(counter("factfs_commit_datoms_total"), help, DATOMS.load(Relaxed));
    out.one(gauge("factfs_handles"), "Open files and folders.", usage.handles);
    out.one(gauge("factfs_inodes"), "Things that the kernel knows by number.", usage.inodes);
}

fn histogram() -> Vec<(String, String)> {
    let mut so_far = 0;
    let mut samples = Vec::new();
    for (i, cell) in TOOK.iter().enumerate() {
        so_far += cell.load(Relaxed);
        let seconds = |ms: &u64| format!("{}", *ms as f64 / 1000.0);
        let bound = BOUNDS_MS.get(i).map_or_else(|| "+Inf".to_owned(), seconds);
        samples.push((format!("_bucket{{{}}}", label("le", &bound)), so_far.to_string()));
    }
    let sum = TOOK_US.load(Relaxed) as f64 / 1e6;
    samples.push(("_sum".into(), sum.to_string()));
    samples.push(("_count".into(), so_far.to_string()));
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_is_under_way_until_it_ends() {
        let running = begin("/results/of this test".into());
        let is_there = || super::running().iter().any(|(path, _)| path == "/results/of this test");
        assert!(is_there());
        running.end(Outcome::Answered, 10);
        assert!(!is_there());
    }

    #[test]
    fn every_sample_is_a_line_that_prometheus_reads() {
        refused(Kind::Corrupt);
        let mut out = Exposition::default();
        write(&mut out);
        out.add(("x", "gauge"), "An x.", [(label("store", "a\"\\\n"), 1)]);
        let text = out.text();
        assert!(text.contains("factfs_errors_total{errno=\"EBADMSG\"} "), "{text}");
        assert!(text.contains("factfs_evaluation_seconds_bucket{le=\"0.001\"} "), "{text}");
        assert!(text.ends_with("x{store=\"a\\\"\\\\\\n\"} 1\n"), "{text}");
        let is_sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            name.starts_with(|c: char| c.is_ascii_lowercase()) && value.parse::<f64>().is_ok()
        };
        assert!(text.lines().all(|line| line.starts_with("# ") || is_sample(line)), "{text}");
    }
}
