//! Answers against recorded ones.
//!
//! **Invariant:** sets are compared as sets, sequences of no promised order as bags, all else as
//! it is. A number is another type's only where the engines give another type: `1/2` or `2`
//! recorded of an aggregate is the double `0.5` or `2.0`, and `1` recorded of a bigint is `1N`.

use factfs_core::value::{Value, rational};

/// How an answer is compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// The order of the sequence at the top says nothing.
    pub as_bag: bool,
    /// An exact number that is recorded may be a double.
    pub as_doubles: bool,
    /// A set of maps that is recorded may be a vector: rows with `:keys`.
    pub is_named: bool,
}

/// Whether an answer is the recorded one.
pub fn same(how: How, expected: &Value, got: &Value) -> bool {
    let (mut expected, mut got) = (plain(expected), plain(got));
    if let (true, Value::Set(items), Value::Vector(_)) = (how.is_named, &expected, &got) {
        expected = Value::from(items.to_vec());
    }
    if how.as_bag {
        for value in [&mut expected, &mut got] {
            if let Value::Vector(items) = value {
                let mut items = items.to_vec();
                items.sort();
                *value = Value::from(items);
            }
        }
    }
    alike(how, &expected, &got)
}

/// Whether all of these are among the others, each as often as it is there.
pub fn are_among(how: How, some: &[Value], all: &[Value]) -> bool {
    let mut rest: Vec<&Value> = all.iter().collect();
    some.iter().all(|value| {
        let at = rest.iter().position(|other| same(how, value, other));
        at.map(|at| rest.swap_remove(at)).is_some()
    })
}

/// The value with one way to write each reference, float and sequence.
pub fn plain(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(plain).collect::<Vec<_>>();
    match value {
        Value::Ref(e) => Value::Long(e.0 as i64),
        // As it is written: `0.1` is the same float and double.
        Value::Float(x) => x.to_string().parse().map_or(Value::Nil, Value::Double),
        Value::Vector(items) | Value::List(items) => Value::from(all(items)),
        Value::Set(items) => Value::set(all(items)),
        Value::Map(entries) => {
            Value::map(entries.iter().map(|(k, v)| (plain(k), plain(v))).collect())
        }
        value => value.clone(),
    }
}

fn alike(how: How, expected: &Value, got: &Value) -> bool {
    let pairs = |a: &[Value], b: &[Value]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(how, a, b))
    };
    match (expected, got) {
        (Value::Vector(a), Value::Vector(b)) | (Value::Set(a), Value::Set(b)) => pairs(a, b),
        (Value::Map(a), Value::Map(b)) => {
            let both = a.iter().zip(b.iter());
            a.len() == b.len() && { both }.all(|(a, b)| a.0 == b.0 && alike(how, &a.1, &b.1))
        }
        // A bigint is recorded as the engines' host prints it.
        (Value::Long(a), Value::BigInt(b)) => i64::try_from(b.as_ref()) == Ok(*a),
        (a, Value::Double(b)) if how.as_doubles => double(a).is_some_and(|a| is_near(a, *b)),
        (a, b) => a == b,
    }
}

/// But for the last digits: sums are added in another order.
fn is_near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-11 * a.abs().max(b.abs())
}

fn double(value: &Value) -> Option<f64> {
    let digits = |text: String| text.parse::<f64>().ok();
    match value {
        Value::Double(x) => Some(*x),
        value => {
            let exact = rational(value)?;
            Some(digits(exact.numer().to_string())? / digits(exact.denom().to_string())?)
        }
    }
}
