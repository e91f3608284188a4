//! Texts of queries with the verdict of the recorded parser.

use super::format::Text;
use super::report::{Outcome, Report};
use super::skip;
use factfs_core::edn::read_one;
use factfs_core::query::{Part, check_part};

pub fn run(texts: &[Text], report: &mut Report) {
    for text in texts {
        let outcome = match skip::decided(&text.suite, &text.id) {
            Some(reason) => Outcome::Skipped(reason),
            None => outcome(text),
        };
        report.add(&text.suite, &text.id, &text.text, outcome);
    }
}

fn outcome(text: &Text) -> Outcome {
    let read = read_one(&text.text).map_err(|e| e.to_string());
    let verdict = read.and_then(|form| check_part(Part::Query, &form).map_err(|e| e.to_string()));
    match (verdict, &text.error) {
        (Ok(()), None) | (Err(_), Some(_)) => Outcome::Passed,
        (Ok(()), Some(error)) => match skip::extension(error) {
            Some(reason) => Outcome::Skipped(reason),
            None => failed(error, "a query".to_owned()),
        },
        (Err(error), None) => failed("a query", error),
    }
}

fn failed(expected: &str, got: String) -> Outcome {
    Outcome::Failed { expected: expected.to_owned(), got }
}
