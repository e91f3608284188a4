//! Answers against recorded ones.
//!
//! **Invariant:** sets are compared as sets, results of no promised order as bags, all else as it
//! is. Numbers are compared as numbers only where the engines differ in their type.

use factfs_core::value::{Value, rational};

/// How an answer is compared.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The order of what lies at the top says nothing.
    pub as_bag: bool,
    /// `1/2` and `0.5` are the same.
    pub as_numbers: bool,
}

/// Whether an answer is the recorded one.
pub fn same(how: How, expected: &Value, got: &Value) -> bool {
    let (mut expected, mut got) = (plain(how, expected), plain(how, got));
    if how.as_bag {
        for value in [&mut expected, &mut got] {
            if let Value::Vector(items) | Value::Set(items) = value {
                let mut items = items.to_vec();
                items.sort();
                *value = Value::from(items);
            }
        }
    }
    expected == got
}

/// The value with one way to write each number and sequence.
fn plain(how: How, value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(|item| plain(how, item)).collect::<Vec<_>>();
    match value {
        Value::Ref(e) if how.as_numbers => number(e.0 as f64),
        Value::Ref(e) => Value::Long(e.0 as i64),
        // As it is written: `0.1` is the same float and double.
        Value::Float(x) => plain(how, &x.to_string().parse().map_or(Value::Nil, Value::Double)),
        Value::Long(x) if how.as_numbers => number(*x as f64),
        Value::Double(x) if how.as_numbers => number(*x),
        Value::Ratio(_) | Value::BigInt(_) | Value::BigDec(_) if how.as_numbers => ratio(value),
        Value::BigInt(x) => i64::try_from(x.as_ref()).map_or(value.clone(), Value::Long),
        Value::Vector(items) | Value::List(items) => Value::from(all(items)),
        Value::Set(items) => Value::set(all(items)),
        Value::Map(entries) => {
            let entry = |(k, v): &(Value, Value)| (plain(how, k), plain(how, v));
            Value::map(entries.iter().map(entry).collect())
        }
        value => value.clone(),
    }
}

/// Rounded to twelve digits: sums are added in another order.
fn number(x: f64) -> Value {
    Value::Double(format!("{x:.11e}").parse().unwrap_or(x))
}

fn ratio(value: &Value) -> Value {
    let exact = rational(value);
    let digits = |text: String| text.parse::<f64>().ok();
    let float =
        exact.and_then(|x| Some(digits(x.numer().to_string())? / digits(x.denom().to_string())?));
    float.map_or_else(|| value.clone(), number)
}
