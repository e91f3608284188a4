//! What came out: counts for each suite, the skips by reason, and what was not expected.

use super::databases::Origin;
use super::{expected, skip};
use std::collections::BTreeMap;

/// What became of a case.
pub enum Outcome {
    Passed,
    Failed { expected: String, got: String },
    Skipped(String),
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: BTreeMap<String, usize>,
    by_steps: usize,
    by_datoms: usize,
}

pub struct Report {
    suites: BTreeMap<String, Counts>,
    known: BTreeMap<String, String>,
    failed: Vec<String>,
    passed_though: Vec<String>,
    show: Option<String>,
}

/// Characters of a text that are shown.
const SHOWN: usize = 700;

impl Report {
    pub fn new() -> Self {
        Self {
            suites: BTreeMap::new(),
            known: expected::known(),
            failed: Vec::new(),
            passed_though: Vec::new(),
            show: std::env::var("FACTFS_CASES_SHOW").ok(),
        }
    }

    /// Counts a case; `call` is shown if it fails and was asked for.
    pub fn add(&mut self, suite: &str, id: &str, call: &str, outcome: Outcome) {
        let counts = self.suites.entry(suite.to_owned()).or_default();
        let name = format!("{suite}/{id}");
        match outcome {
            Outcome::Passed => {
                counts.passed += 1;
                if self.known.contains_key(&name) {
                    self.passed_though.push(name);
                }
            }
            Outcome::Skipped(reason) => *counts.skipped.entry(reason).or_default() += 1,
            Outcome::Failed { expected, got } => {
                counts.failed += 1;
                self.show(&name, call, &expected, &got);
                self.failed.push(name);
            }
        }
    }

    /// Counts a database; one whose steps came to something else is shown like a case.
    pub fn database(&mut self, suite: &str, folder: &str, db: &str, origin: &Origin) {
        let counts = self.suites.entry(suite.to_owned()).or_default();
        let name = format!("{suite}/{folder} {db}");
        match origin {
            Origin::Steps => {
                counts.by_steps += 1;
                if self.known.contains_key(&name) {
                    self.passed_though.push(name);
                }
            }
            Origin::Datoms => counts.by_datoms += 1,
            Origin::Differs(difference) => {
                counts.by_datoms += 1;
                if skip::decided(suite, &format!("{folder} {db}")).is_some() {
                    return;
                }
                self.show(&name, "the steps", "the recorded datoms", difference);
                self.failed.push(name);
            }
        }
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
            let Counts { passed, failed, skipped, .. } = counts;
            let all: usize = skipped.values().sum();
            println!("conformance {suite}: {passed} passed, {failed} failed, {all} skipped");
            for (reason, count) in skipped {
                println!("    skipped {count}: {reason}");
            }
            let (steps, datoms) = (counts.by_steps, counts.by_datoms);
            if steps + datoms > 0 {
                println!("    databases: {steps} by their transactions, {datoms} from datoms");
            }
        }
    }

    /// What failed without being expected to, and what passed though it was expected to fail.
    pub fn surprises(&self) -> Vec<String> {
        expected::accept(&self.failed);
        let new = self.failed.iter().filter(|id| !self.known.contains_key(*id));
        let new = new.map(|id| format!("fails: {id}"));
        let passes = self.passed_though.iter().map(|id| format!("passes now: {id}"));
        new.chain(passes).collect()
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
