//! A case: whether the answer to its call is the recorded one.
//!
//! **Invariant:** an error is right only where an error is recorded, and only the product's: what
//! the runner cannot do is a failure whatever is recorded.

use super::call::{Answer, Stop, call};
use super::compare::same;
use super::databases::Databases;
use super::format::{Case, File};
use super::report::{Outcome, Report};
use super::{ask, index, key, skip, transaction};
use factfs_core::edn::{Form, to_string};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs all cases of a file.
pub fn file(file: &File, report: &mut Report) {
    let mut databases = Databases::new(file);
    for case in &file.cases {
        let outcome = match skip::reason(case) {
            Some(reason) => Outcome::Skipped(reason),
            None => unless_it_panics(|| outcome(case, &mut databases)),
        };
        report.add(&file.suite, &case.id, key::of_case(case), &shown(case), outcome);
    }
    let first = file.cases.first().and_then(|case| Some(case.id.split_once('/')?.0));
    for (name, form) in &file.dbs {
        let id = format!("{} {name}", first.unwrap_or(&file.name));
        match databases.get(name) {
            Ok(made) => report.database(&file.suite, &id, key::of_database(form), &made.origin),
            Err(Stop::Host) => {}
            Err(stop) => {
                let why = Outcome::Broken(stop.to_string());
                report.add(&file.suite, &id, key::of_database(form), "a database", why);
            }
        }
    }
}

/// One case that ends badly is a failure of its own.
pub fn unless_it_panics(outcome: impl FnOnce() -> Outcome) -> Outcome {
    let ended = catch_unwind(AssertUnwindSafe(outcome));
    ended.unwrap_or_else(|_| Outcome::Broken("it panicked".to_owned()))
}

fn shown(case: &Case) -> String {
    let query = case.query.iter().chain(&case.args).chain(&case.opts);
    format!("{} {}", case.op, query.map(Form::to_string).collect::<Vec<_>>().join(" "))
}

const UNSUPPORTED: &str = "an error is expected, and it is that this is not supported";
const BESIDE: &str = "given beside the transaction: what is recorded of it, and it does not name";

fn outcome(case: &Case, databases: &mut Databases<'_>) -> Outcome {
    let Some(expected) = &case.expect else {
        return Outcome::Broken("no answer is recorded".to_owned());
    };
    if expected.get("host").is_some() {
        return Outcome::Skipped(skip::HOST.to_owned());
    }
    let failed = |got: &str| Outcome::failed(&expected.to_string(), got);
    match (call(case, databases), expected.get("value"), expected.get("error")) {
        (Err(Stop::Host), ..) => Outcome::Skipped(skip::HOST.to_owned()),
        (Err(stop @ (Stop::NoDatabase(_) | Stop::Runner(_))), ..) => {
            Outcome::Broken(stop.to_string())
        }
        (_, None, None) => Outcome::Broken(format!("{expected} is no answer")),
        (Err(Stop::Error(_)), None, Some(_)) => Outcome::passed(),
        (Err(Stop::Unsupported(_)), None, Some(_)) => Outcome::Passed(Some(UNSUPPORTED)),
        (Err(stop), Some(_), _) => failed(&format!("error: {stop}")),
        (Ok(Answer::Value(got, _)), None, _) => failed(&to_string(&got)),
        (Ok(Answer::After(..)), None, _) => failed("no error"),
        (Ok(Answer::Value(got, how)), Some(value), _) => {
            let value = index::recorded(case, value);
            match same(how, &value, &got) || ask::is_another_choice(case, databases, &value, &got) {
                true => Outcome::passed(),
                false => failed(&to_string(&got)),
            }
        }
        (Ok(Answer::After(loaded, after)), Some(value), _) => {
            match transaction::difference(&loaded, value, &after) {
                Ok(()) => Outcome::Passed(after.is_told.then_some(BESIDE)),
                Err(difference) => failed(&difference),
            }
        }
    }
}
