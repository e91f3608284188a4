//! What came out: counts for each suite, the skips by reason, and what was not expected.
//!
//! **Invariant:** a case that fails is a failure of the run, unless it is listed by its call. What
//! is listed and does not fail is told; it fails the run where the lists were written for this
//! very directory.

use super::databases::Origin;
use super::listed::Listed;
use std::collections::BTreeMap;

/// What became of a case.
pub enum Outcome {
    /// With what is to be known of it, if anything is.
    Passed(Option<&'static str>),
    Failed {
        expected: String,
        got: String,
    },
    /// It cannot be judged, and nothing excuses that.
    Broken(String),
    Skipped(String),
}

impl Outcome {
    pub fn passed() -> Self {
        Self::Passed(None)
    }

    pub fn failed(expected: &str, got: &str) -> Self {
        Self::Failed { expected: expected.to_owned(), got: got.to_owned() }
    }
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: BTreeMap<String, usize>,
    notes: BTreeMap<&'static str, usize>,
    by_steps: usize,
    by_datoms: usize,
}

pub struct Report {
    suites: BTreeMap<String, Counts>,
    decided: Listed,
    expected: Listed,
    /// What names the directory's contents.
    of: String,
    /// All that was looked at, with what it calls.
    seen: BTreeMap<String, String>,
    failed: Vec<String>,
    surprises: Vec<String>,
    /// What is listed, and failed as that.
    met: BTreeMap<String, String>,
    /// What is not listed, but calls what is.
    unlisted: Vec<String>,
    others: Vec<String>,
    show: Option<String>,
}

/// Characters of a text that are shown.
const SHOWN: usize = 700;

impl Report {
    pub fn new(of: String) -> Self {
        Self {
            suites: BTreeMap::new(),
            decided: Listed::decided(),
            expected: Listed::expected(),
            of,
            seen: BTreeMap::new(),
            failed: Vec::new(),
            surprises: Vec::new(),
            met: BTreeMap::new(),
            unlisted: Vec::new(),
            others: Vec::new(),
            show: std::env::var("FACTFS_CASES_SHOW").ok(),
        }
    }

    /// Counts a case that has this hash; `call` is shown if it fails and was asked for.
    pub fn add(&mut self, suite: &str, id: &str, key: String, call: &str, outcome: Outcome) {
        let name = format!("{suite}/{id}");
        let skipped = match outcome {
            Outcome::Passed(note) => {
                self.note(suite, note);
                self.suite(suite).passed += 1;
                None
            }
            Outcome::Skipped(reason) => Some(reason),
            Outcome::Failed { expected, got } => {
                self.show(&name, call, &expected, &got);
                let decided = self.failure(suite, &name, &key);
                decided.map(|reason| format!("decided: {reason}"))
            }
            Outcome::Broken(why) => {
                self.show(&name, call, "", &why);
                self.surprises.push(format!("fails: {name}: {why}"));
                self.suite(suite).failed += 1;
                None
            }
        };
        if let Some(reason) = skipped {
            *self.suite(suite).skipped.entry(reason).or_default() += 1;
        }
        self.seen.insert(name, key);
    }

    /// Counts a failure, unless there is a reason to answer otherwise, which it gives.
    fn failure(&mut self, suite: &str, name: &str, key: &str) -> Option<String> {
        let decided = self.decided.reason(key).map(str::to_owned);
        if decided.is_none() && self.expected.reason(key).is_none() {
            self.surprises.push(format!("fails: {name}"));
        } else if !self.decided.has(name) && !self.expected.has(name) {
            self.unlisted.push(name.to_owned());
        }
        self.met.insert(name.to_owned(), key.to_owned());
        if decided.is_none() {
            self.failed.push(name.to_owned());
            self.suite(suite).failed += 1;
        }
        decided
    }

    fn suite(&mut self, suite: &str) -> &mut Counts {
        self.suites.entry(suite.to_owned()).or_default()
    }

    fn note(&mut self, suite: &str, note: Option<&'static str>) {
        if let Some(note) = note {
            *self.suite(suite).notes.entry(note).or_default() += 1;
        }
    }

    /// Counts a database; one whose steps came to something else is like a case that fails.
    pub fn database(&mut self, suite: &str, name: &str, key: String, origin: &Origin) {
        let counts = self.suite(suite);
        match origin {
            Origin::Steps => counts.by_steps += 1,
            Origin::Datoms | Origin::Differs(_) => counts.by_datoms += 1,
        }
        let name = format!("{suite}/{name}");
        if let Origin::Differs(difference) = origin {
            self.show(&name, "the steps", "the recorded datoms", difference);
            if self.failure(suite, &name, &key).is_some() {
                self.note(suite, Some("databases from datoms, as decided"));
            }
        }
        self.seen.insert(name, key);
    }

    /// A file without cases.
    pub fn other(&mut self, file: String) {
        self.others.push(file);
    }

    fn show(&self, name: &str, call: &str, expected: &str, got: &str) {
        let Some(wanted) = &self.show else { return };
        if name.contains(wanted.as_str()) || call.contains(wanted.as_str()) {
            println!("{name}\n    {}", cut(call));
            println!("    expected {}\n    got      {}", cut(expected), cut(got));
        }
    }

    pub fn print(&self) {
        for (suite, counts) in &self.suites {
            let Counts { passed, failed, skipped, notes, .. } = counts;
            let all: usize = skipped.values().sum();
            println!("conformance {suite}: {passed} passed, {failed} failed, {all} skipped");
            for (reason, count) in skipped {
                println!("    skipped {count}: {reason}");
            }
            for (note, count) in notes {
                println!("    {count}: {note}");
            }
            let (steps, datoms) = (counts.by_steps, counts.by_datoms);
            if steps + datoms > 0 {
                println!("    databases: {steps} by their transactions, {datoms} from datoms");
            }
        }
        if !self.others.is_empty() {
            println!("conformance: no cases in {}", self.others.join(", "));
        }
    }

    /// What failed without being listed, and what is listed and did not fail.
    pub fn surprises(mut self) -> Vec<String> {
        let mut stale = self.decided.not_among(&self.met);
        stale.extend(self.expected.not_among(&self.met));
        if std::env::var_os("FACTFS_CASES_ACCEPT").is_some() {
            self.failed.retain(|id| !self.decided.has(id));
            self.decided.accept(&self.of, &self.seen, &self.failed);
            self.expected.accept(&self.of, &self.seen, &self.failed);
            return Vec::new();
        }
        if self.of == self.decided.of {
            let say = |what: &str, names: Vec<String>| {
                names.into_iter().map(|name| format!("{what}: {name}")).collect::<Vec<_>>()
            };
            self.surprises.extend(say("listed, but it did not fail", stale));
            self.surprises.extend(say("fails, and only its call is listed", self.unlisted));
        } else {
            println!("conformance: other cases than those that the lists were written for");
        }
        if self.seen.is_empty() {
            self.surprises.push("there are no cases".to_owned());
        }
        self.surprises
    }
}

fn cut(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
