//! Any text is a query with an answer, or an error; the same with its clauses in another order.
//!
//! **Invariant:** the answer comes within the limits, twice the same.

#![no_main]

mod common;

use factfs_core::edn::{read_one, to_string};
use factfs_core::query::{CancelToken, Input, Limits, Query, QueryError, run};
use factfs_core::value::Value;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::Instant;

const RULES: &str = "[[(knows ?a ?b) [?a :friend ?b]]
    [(knows ?a ?b) [?a :friend ?m] (knows ?m ?b)]]";

/// What each input of a query gets: databases, the rules, or some value.
fn inputs(query: &Query) -> Vec<Input> {
    let value = |text: &str| Input::Value(read_one(text).expect("a form").to_value());
    let one = |name: &str| match name {
        "%" => value(RULES),
        name if name.starts_with('$') => Input::Db(common::database().clone()),
        name if name.starts_with("[[") => value("[[21 37] [22 1.5]]"),
        name if name.starts_with('[') => value("[21 37]"),
        _ => Input::Value(Value::Long(21)),
    };
    query.inputs().iter().map(|input| one(&input.name)).collect()
}

/// A second, 64 MiB, 10,000 rows.
fn limits() -> Limits {
    let begun = Instant::now();
    Limits {
        rows: 10_000,
        memory_bytes: 64 << 20,
        timeout_ms: Some(1_000),
        elapsed_ms: Some(Arc::new(move || begun.elapsed().as_millis() as u64)),
    }
}

fuzz_target!(|text: &str| {
    let Ok(query) = Query::parse(text) else { return };
    let inputs = inputs(&query);
    let ask = || run(&query, &inputs, &limits(), &CancelToken::default());
    match ask() {
        Ok(answer) => {
            let again = ask().expect("an answer again");
            assert_eq!(to_string(&answer.to_value()), to_string(&again.to_value()));
        }
        Err(QueryError::Limit { .. } | QueryError::Timeout { .. }) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
