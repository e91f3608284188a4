//! Texts of queries with the verdict of the recorded parser.

use super::format::{Text, Verdict};
use super::key;
use super::report::{Outcome, Report};
use super::run::unless_it_panics;
use factfs_core::edn::read_one;
use factfs_core::query::{Part, check_part};

pub fn run(texts: &[Text], report: &mut Report) {
    for text in texts {
        let outcome = unless_it_panics(|| outcome(text));
        report.add(&text.suite, &text.id, key::of_text(&text.text), &text.text, outcome);
    }
}

fn outcome(text: &Text) -> Outcome {
    let read = read_one(&text.text).map_err(|e| e.to_string());
    let verdict = read.and_then(|form| check_part(Part::Query, &form).map_err(|e| e.to_string()));
    let failed = |expected: &str, got: &str| Outcome::failed(expected, got);
    match (verdict, &text.verdict) {
        (Ok(()), Verdict::Query) | (Err(_), Verdict::Error(_)) => Outcome::passed(),
        (Ok(()), Verdict::Error(error)) => failed(error, "a query"),
        (Err(error), Verdict::Query) => failed("a query", &error),
        (_, Verdict::Missing) => Outcome::Broken("no verdict is recorded".to_owned()),
    }
}
