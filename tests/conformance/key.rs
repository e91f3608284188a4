//! What names a call, whatever its id is: a short hash of all that is said, and of what kind its
//! answer is.
//!
//! **Invariant:** names of databases and moments of the recording clock have no part in it; the
//! order of what a map or a set holds has none.

use super::format::Case;
use factfs_core::edn::{Form, to_string};
use factfs_core::hash::NodeHash;
use factfs_core::value::Value;

/// Of a case.
pub fn of_case(case: &Case) -> String {
    let forms = case.query.iter().chain(&case.args).chain(&case.opts);
    let mut text = format!(":{}", case.op);
    for form in forms {
        text.push(' ');
        text.push_str(&written(form));
    }
    let value = case.expect.as_ref().and_then(|expect| expect.get("value"));
    text.push_str(&match value {
        None => " is no value".to_owned(),
        // All that holds afterwards names clocks and ids.
        Some(_) if case.op == "with" => " is a value".to_owned(),
        Some(value) => format!(" is {}", written(value)),
    });
    short(&text)
}

/// Of a text that may be a query.
pub fn of_text(text: &str) -> String {
    short(text)
}

/// Of a database.
pub fn of_database(form: &Form) -> String {
    short(&written(form))
}

fn short(text: &str) -> String {
    NodeHash::of(text.as_bytes()).to_string().chars().take(12).collect()
}

fn written(form: &Form) -> String {
    to_string(&masked(&form.to_value()))
}

fn masked(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(masked).collect::<Vec<_>>();
    match value {
        Value::Inst(_) => Value::Nil,
        Value::Vector(items) | Value::List(items) => Value::from(all(items)),
        Value::Set(items) => Value::set(all(items)),
        Value::Map(entries) => {
            let is_name =
                |(k, v): &&(Value, Value)| *k == Value::keyword("db") && matches!(v, Value::Str(_));
            let entry = |entry: &(Value, Value)| match is_name(&entry) {
                true => (masked(&entry.0), Value::Nil),
                false => (masked(&entry.0), masked(&entry.1)),
            };
            Value::map(entries.iter().map(entry).collect())
        }
        value => value.clone(),
    }
}
