//! Cases that ask.

use super::call::{Answer, Stop, database};
use super::compare::{How, are_among};
use super::databases::Databases;
use super::find::{self, Part};
use super::format::Case;
use factfs_core::edn::{Form, FormKind};
use factfs_core::query::{self, CancelToken, Input, Limits, Query, Shape};
use factfs_core::value::Value;
use std::sync::Arc;
use std::time::Instant;

/// A query with what is passed beside it.
pub fn ask(case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let form = case.query.as_ref().ok_or_else(|| Stop::runner("there is no query"))?;
    ask_form(with_options(form, case.opts.as_ref()), case, databases)
}

/// Whether the recorded answer and ours are different rows of those that may be taken: there are
/// more than are taken, and both are of them.
pub fn is_another_choice(
    case: &Case,
    databases: &mut Databases<'_>,
    expected: &Value,
    ours: &Value,
) -> bool {
    let Some(form) = case.query.as_ref().filter(|_| case.op == "q") else { return false };
    let form = with_options(form, case.opts.as_ref());
    let Some(all) = find::all_rows(&form) else { return false };
    let Ok(Answer::Value(rows, how)) = ask_form(all.query, case, databases) else { return false };
    let how = How { as_bag: false, ..how };
    let rows = items(&rows);
    let (expected, ours, rows) = match all.of {
        Part::Rows => (items(expected).to_vec(), items(ours).to_vec(), rows.to_vec()),
        Part::Tuple => (vec![expected.clone()], vec![ours.clone()], rows.to_vec()),
        Part::Value => {
            let first = rows.iter().filter_map(|row| items(row).first().cloned());
            (vec![expected.clone()], vec![ours.clone()], first.collect())
        }
    };
    expected.len() == ours.len()
        && ours.len() < rows.len()
        && are_among(how, &expected, &rows)
        && are_among(how, &ours, &rows)
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Set(items) | Value::Vector(items) | Value::List(items) => items,
        _ => &[],
    }
}

/// What no case of a few facts needs: one that does not end is a failure of its own.
fn limits() -> Limits {
    let started = Instant::now();
    Limits {
        memory_bytes: 2 << 30,
        timeout_ms: Some(60_000),
        elapsed_ms: Some(Arc::new(move || started.elapsed().as_millis() as u64)),
        ..Limits::default()
    }
}

fn ask_form(form: Form, case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let mut inputs = Vec::new();
    for arg in &case.args {
        inputs.push(match arg.get("val") {
            Some(form) => Input::Value(form.to_value()),
            None => Input::Db(database(arg, databases)?.db),
        });
    }
    let query = Query::from_form(&form)?;
    let answer = query::run(&query, &inputs, &limits(), &CancelToken::default())?;
    let says = |key: &str| find::says(&form, key);
    let has_order = matches!(query.shape(), Shape::Relation | Shape::Collection);
    let how = How {
        as_bag: has_order && !says("order-by"),
        as_doubles: find::calls(&form, &["avg", "median", "variance", "stddev"]),
        is_named: says("keys") || says("strs") || says("syms"),
    };
    Ok(Answer::Value(answer.to_value(), how))
}

/// The query with its options beside it.
fn with_options(query: &Form, options: Option<&Form>) -> Form {
    let Some(options) = options.and_then(Form::as_map).filter(|all| !all.is_empty()) else {
        return query.clone();
    };
    let key = Form::from(Value::keyword("query"));
    let entries = std::iter::once((key, query.clone())).chain(options.iter().cloned());
    Form { kind: FormKind::Map(entries.collect()), span: query.span }
}
