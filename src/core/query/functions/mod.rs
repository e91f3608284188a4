//! The built-in functions: closed, pure, one table from name to function with its arity.
//!
//! **Invariant:** the same arguments give the same value; what looks random comes from a seed that
//! the caller gives. Functions that read a database are named here and run by the operators, a
//! batch at a time.

pub mod aggregate;
mod collection;
mod logic;
pub mod math;
mod regexp;
mod text;

use super::error::quote;
use super::limits::Watch;
use crate::value::{MAX_DEPTH, Value};
pub use logic::{Comparison, compare};
pub use math::truncating_sum;
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Why a function has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FnError {
    /// An argument of another type.
    #[error("{expected} expected, got {got}")]
    Expected { expected: &'static str, got: String },
    /// A 64-bit result that does not fit.
    #[error("integer overflow")]
    Overflow,
    /// Division by zero.
    #[error("Divide by zero")]
    DivideByZero,
    /// An index outside.
    #[error("index {index} is outside 0 to {len}")]
    Index { index: i64, len: usize },
    /// A pattern that the linear-time matcher refuses, or that is none.
    #[error("regular expression: {0}")]
    Pattern(String),
    /// A result beyond what one value may be.
    #[error("the result would have more than {limit} {unit}")]
    TooLarge { limit: usize, unit: &'static str },
    /// A decimal division that does not end.
    #[error("Non-terminating decimal expansion; no exact representable decimal result")]
    NonTerminating,
    /// The time was up, or the answer is no longer wanted: the run knows which.
    #[error("stopped")]
    Stopped,
}

/// The most bytes of text that a function may make.
const MAX_TEXT: usize = 1 << 26;
/// The most values that may lie in one value that a function makes.
const MAX_VALUES: usize = 1 << 22;
/// Values may lie in one another so deep: a little less than what can be stored, so that answers
/// which hold them can be as well.
const MAX_NESTING: usize = MAX_DEPTH - 16;

impl FnError {
    pub fn expected(expected: &'static str, got: &Value) -> Self {
        Self::Expected { expected, got: quote(crate::edn::to_string(got)) }
    }
}

/// What functions keep between calls of one run: compiled patterns, and the state of the seeded
/// numbers.
#[derive(Debug, Default)]
pub struct Scratch {
    /// By their source, and whether they are for long text.
    regexes: BTreeMap<(bool, String), Regex>,
    seed: u64,
    watch: Watch,
}

impl Scratch {
    pub fn new(seed: u64, watch: Watch) -> Self {
        Self { regexes: BTreeMap::new(), seed, watch }
    }

    /// Counts work inside a function; it must end with this error.
    pub fn tick(&mut self, units: usize) -> Result<(), FnError> {
        self.watch.tick(units, &"a function").map_err(|_| FnError::Stopped)
    }

    /// Sorts values.
    pub fn sorted(
        &self,
        values: Vec<Value>,
        compare: fn(&Value, &Value) -> Ordering,
    ) -> Result<Vec<Value>, FnError> {
        let sorted = self.watch.sort_by(values, &"a function", &mut |a, b| compare(a, b));
        sorted.map_err(|_| FnError::Stopped)
    }

    /// The next of the seeded numbers (splitmix64).
    pub fn next_random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A seeded number below `bound`; zero if there is none.
    pub fn random_below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_random()) * u128::from(bound)) >> 64) as u64
    }
}

/// About how much work it is to look at a value once.
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Str(x) | Value::Uri(x) => 1 + x.len() / 64,
        Value::Bytes(x) => 1 + x.len() / 64,
        Value::BigInt(x) => 1 + x.bits() as usize / 512,
        Value::Vector(x) | Value::List(x) | Value::Set(x) => 1 + x.len(),
        Value::Map(x) => 1 + 2 * x.len(),
        _ => 1,
    }
}

/// How many values lie in a value; an error if they are too many, or too deep.
pub fn measure(value: &Value) -> Result<usize, FnError> {
    let mut count = 0;
    measure_at(value, 0, &mut count)?;
    Ok(count)
}

fn measure_at(value: &Value, depth: usize, count: &mut usize) -> Result<(), FnError> {
    *count += 1;
    if *count > MAX_VALUES {
        return Err(FnError::TooLarge { limit: MAX_VALUES, unit: "values" });
    }
    if depth > MAX_NESTING {
        return Err(FnError::TooLarge { limit: MAX_NESTING, unit: "levels" });
    }
    match value {
        Value::Vector(x) | Value::List(x) | Value::Set(x) => {
            x.iter().try_for_each(|item| measure_at(item, depth + 1, count))
        }
        Value::Map(x) => x.iter().try_for_each(|(key, value)| {
            measure_at(key, depth + 1, count)?;
            measure_at(value, depth + 1, count)
        }),
        Value::Tagged(x) => measure_at(&x.1, depth + 1, count),
        _ => Ok(()),
    }
}

type Pure = fn(&[Value], &mut Scratch) -> Result<Value, FnError>;

/// How a function is run.
#[derive(Clone, Copy)]
pub enum Kind {
    /// On the values of its arguments.
    Pure(Pure),
    /// A comparison, which operators know how to push down and to run on columns.
    Compare(Comparison),
    /// `(get-else $ ?e :attribute default)`.
    GetElse,
    /// `(get-some $ ?e :attribute...)`.
    GetSome,
    /// `(missing? $ ?e :attribute)`.
    Missing,
    /// `(q query input...)`.
    Query,
    /// `(tx-ids $ from to)`: the transactions from one to before the other.
    TxIds,
    /// `(tx-data $ tx)`: the datoms of a transaction.
    TxData,
    /// Known by name, and not here.
    Unsupported,
}

/// A built-in function.
pub struct Function {
    pub name: &'static str,
    pub min: usize,
    pub max: usize,
    pub kind: Kind,
}

const MANY: usize = usize::MAX;

impl Function {
    /// How many arguments it takes, in words.
    pub fn usage(&self) -> String {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        match (self.min, self.max) {
            (min, max) if min == max => format!("{min} argument{} expected", s(min)),
            (min, MANY) => format!("{min} or more arguments expected"),
            (min, max) => format!("{min} to {max} arguments expected"),
        }
    }
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    let name = full_name(name);
    tables().find(|f| f.name == name)
}

/// A name as the tables have it: `clojure.core/` before it is ignored, `str/` and `string/` mean
/// `clojure.string/`.
pub fn full_name(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("clojure.core/").unwrap_or(name);
    let name = match name.rsplit_once('/') {
        Some((_, "q")) => "q",
        _ => name,
    };
    match name.strip_prefix("str/").or_else(|| name.strip_prefix("string/")) {
        Some(rest) => Cow::Owned(format!("clojure.string/{rest}")),
        None => Cow::Borrowed(name),
    }
}

/// All names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables().map(|f| f.name)
}

fn tables() -> impl Iterator<Item = &'static Function> {
    let tables = [logic::TABLE, math::TABLE, collection::TABLE, text::TABLE, regexp::TABLE, HERE];
    tables.into_iter().flatten()
}

const fn entry(name: &'static str, min: usize, max: usize, kind: Kind) -> Function {
    Function { name, min, max, kind }
}

const fn pure(name: &'static str, min: usize, max: usize, run: Pure) -> Function {
    entry(name, min, max, Kind::Pure(run))
}

/// What reads a database or a seed, and what is not here.
static HERE: &[Function] = &[
    entry("get-else", 4, 4, Kind::GetElse),
    entry("get-some", 3, MANY, Kind::GetSome),
    entry("missing?", 3, 3, Kind::Missing),
    entry("q", 1, MANY, Kind::Query),
    entry("tx-ids", 3, 3, Kind::TxIds),
    entry("tx-data", 2, 2, Kind::TxData),
    pure("rand", 0, 1, |args, scratch| {
        let unit = (scratch.next_random() >> 11) as f64 / (1u64 << 53) as f64;
        Ok(Value::Double(unit * args.first().map_or(Ok(1.0), math::to_f64)?))
    }),
    pure("rand-int", 1, 1, |args, scratch| {
        let bound = math::to_long(&args[0])?;
        let below = scratch.random_below(bound.unsigned_abs()) as i64;
        Ok(Value::Long(if bound < 0 { -below } else { below }))
    }),
    entry("fulltext", 0, MANY, Kind::Unsupported),
    entry("vec-neighbors", 0, MANY, Kind::Unsupported),
    entry("idoc-match", 0, MANY, Kind::Unsupported),
    entry("complement", 1, 1, Kind::Unsupported),
];
