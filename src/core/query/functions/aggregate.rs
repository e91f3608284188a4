//! The aggregates: what each takes, and those that need all values of a group at once.
//!
//! **Invariant:** a group has at least one value; averages, medians and variances are doubles.

use super::collection::MAX_ITEMS;
use super::math::to_f64;
use super::{FnError, Scratch, compare};
use crate::query::ast::Term;
use crate::value::Value;

/// The aggregates by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    CountDistinct,
    Distinct,
    Sum,
    Min,
    Max,
    Avg,
    Median,
    Variance,
    Stddev,
    Rand,
    Sample,
}

use Aggregate as A;

const TABLE: [(&str, Aggregate, bool, bool); 12] = [
    // name, what, takes one argument alone, takes a number first
    ("count", A::Count, true, false),
    ("count-distinct", A::CountDistinct, true, false),
    ("distinct", A::Distinct, true, false),
    ("sum", A::Sum, true, false),
    ("min", A::Min, true, true),
    ("max", A::Max, true, true),
    ("avg", A::Avg, true, false),
    ("median", A::Median, true, false),
    ("variance", A::Variance, true, false),
    ("stddev", A::Stddev, true, false),
    ("rand", A::Rand, true, true),
    ("sample", A::Sample, false, true),
];

/// The aggregate of this name.
pub fn find(name: &str) -> Option<Aggregate> {
    let name = name.strip_prefix("clojure.core/").unwrap_or(name);
    TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// All names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

impl Aggregate {
    fn row(self) -> (bool, bool) {
        TABLE.iter().find(|row| row.1 == self).map_or((true, false), |row| (row.2, row.3))
    }

    /// Whether these may stand before the variable.
    pub fn takes(self, args: &[Term]) -> bool {
        let (alone, counted) = self.row();
        match args {
            [] => alone,
            [Term::Const(Value::Long(n))] => counted && *n >= 0,
            [Term::Var(_)] => counted,
            _ => false,
        }
    }

    /// What it takes, in words.
    pub fn usage(self) -> &'static str {
        match self.row() {
            (true, true) => "?x, or a number and ?x expected",
            (false, _) => "a number and ?x expected",
            _ => "?x expected",
        }
    }
}

/// The result over all values of a group; `n` is the number that stood before the variable.
pub fn over(
    aggregate: Aggregate,
    n: Option<usize>,
    mut values: Vec<Value>,
    scratch: &mut Scratch,
) -> Result<Value, FnError> {
    let vector = |values: Vec<Value>| Ok(Value::from(values));
    match (aggregate, n) {
        (A::Min, Some(n)) => {
            values = scratch.sorted(values, Value::cmp)?;
            values.truncate(n);
            vector(values)
        }
        (A::Max, Some(n)) => {
            values = scratch.sorted(values, Value::cmp)?;
            vector(values.split_off(values.len().saturating_sub(n)))
        }
        (A::Rand, Some(n)) if n > MAX_ITEMS => {
            Err(FnError::TooLarge { limit: MAX_ITEMS, unit: "items" })
        }
        (A::Rand, Some(n)) => vector((0..n).map(|_| one(&values, scratch)).collect()),
        (A::Rand, None) => Ok(one(&values, scratch)),
        (A::Sample, n) => vector(sample(values, n.unwrap_or(1), scratch)),
        (A::Median, _) => median(&scratch.sorted(values, compare)?),
        (A::Variance, _) => Ok(Value::Double(variance(&values)?)),
        (A::Stddev, _) => Ok(Value::Double(variance(&values)?.sqrt())),
        (A::Distinct, _) => Ok(Value::set(values)),
        // The others are kept as running totals and do not come here.
        _ => Ok(Value::Long(values.len() as i64)),
    }
}

fn one(values: &[Value], scratch: &mut Scratch) -> Value {
    let index = scratch.random_below(values.len() as u64) as usize;
    values.get(index).cloned().unwrap_or(Value::Nil)
}

fn sample(mut values: Vec<Value>, n: usize, scratch: &mut Scratch) -> Vec<Value> {
    let n = n.min(values.len());
    for i in 0..n {
        let other = i + scratch.random_below((values.len() - i) as u64) as usize;
        values.swap(i, other);
    }
    values.truncate(n);
    values
}

/// Of values that are sorted.
fn median(values: &[Value]) -> Result<Value, FnError> {
    let middle = values.len() / 2;
    let Some(upper) = values.get(middle) else { return Ok(Value::Nil) };
    let upper = to_f64(upper)?;
    Ok(Value::Double(match values.len() % 2 {
        0 => (to_f64(&values[middle - 1])? + upper) / 2.0,
        _ => upper,
    }))
}

fn variance(values: &[Value]) -> Result<f64, FnError> {
    let numbers = values.iter().map(to_f64).collect::<Result<Vec<_>, _>>()?;
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    Ok(numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / numbers.len() as f64)
}
