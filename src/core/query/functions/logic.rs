//! Equality, comparison, truth.
//!
//! **Invariant:** comparing never fails: numbers compare by exact value, everything else by the one
//! total order.

use super::{Function, Kind, MANY, Scratch, entry, pure};
use crate::value::{Value, cmp_exact};
use std::cmp::Ordering;

/// The comparisons, which take one argument or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    /// `==`: by exact value, whatever the numeric types.
    Same,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

impl Comparison {
    /// Whether two neighbours satisfy it; `!=` is the negation of the whole chain, not of each
    /// pair.
    pub fn holds(self, a: &Value, b: &Value) -> bool {
        match self {
            Self::Equal | Self::NotEqual => a.equals(b) == (self == Self::Equal),
            ordered => ordered.accepts(compare(a, b)),
        }
    }

    /// Whether an ordering satisfies it (not for type-strict equality).
    pub fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal | Self::Same => ordering == Ordering::Equal,
            Self::NotEqual => ordering != Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::Greater => ordering == Ordering::Greater,
            Self::AtMost => ordering != Ordering::Greater,
            Self::AtLeast => ordering != Ordering::Less,
        }
    }

    /// Over all arguments.
    pub fn of(self, args: &[Value]) -> bool {
        if self == Self::NotEqual {
            return !args.windows(2).all(|pair| pair[0].equals(&pair[1]));
        }
        args.windows(2).all(|pair| self.holds(&pair[0], &pair[1]))
    }

    /// The comparison with its sides changed: `a < b` is `b > a`.
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            other => other,
        }
    }
}

/// How two values compare: numbers by exact value alone, all else by the total order.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    if a.is_number() && b.is_number() { cmp_exact(a, b) } else { a.cmp(b) }
}

fn truth(test: bool) -> Result<Value, super::FnError> {
    Ok(Value::Bool(test))
}

fn differ(args: &[Value], _: &mut Scratch) -> Result<Value, super::FnError> {
    let (a, b) = args.split_at(args.len() / 2);
    truth(a.len() != b.len() || a.iter().zip(b).any(|(a, b)| !a.equals(b)))
}

pub static TABLE: &[Function] = &[
    entry("=", 1, MANY, Kind::Compare(Comparison::Equal)),
    entry("==", 1, MANY, Kind::Compare(Comparison::Same)),
    entry("not=", 1, MANY, Kind::Compare(Comparison::NotEqual)),
    entry("!=", 1, MANY, Kind::Compare(Comparison::NotEqual)),
    entry("<", 1, MANY, Kind::Compare(Comparison::Less)),
    entry(">", 1, MANY, Kind::Compare(Comparison::Greater)),
    entry("<=", 1, MANY, Kind::Compare(Comparison::AtMost)),
    entry(">=", 1, MANY, Kind::Compare(Comparison::AtLeast)),
    entry("before?", 2, 2, Kind::Compare(Comparison::Less)),
    entry("after?", 2, 2, Kind::Compare(Comparison::Greater)),
    pure("compare", 2, 2, |a, _| Ok(Value::Long(compare(&a[0], &a[1]) as i64))),
    pure("true?", 1, 1, |a, _| truth(matches!(a[0], Value::Bool(true)))),
    pure("false?", 1, 1, |a, _| truth(matches!(a[0], Value::Bool(false)))),
    pure("nil?", 1, 1, |a, _| truth(matches!(a[0], Value::Nil))),
    pure("some?", 1, 1, |a, _| truth(!matches!(a[0], Value::Nil))),
    pure("not", 1, 1, |a, _| truth(!a[0].is_truthy())),
    pure("and", 0, MANY, |a, _| {
        let first_false = a.iter().find(|v| !v.is_truthy());
        Ok(first_false.or(a.last()).cloned().unwrap_or(Value::Bool(true)))
    }),
    pure("or", 0, MANY, |a, _| {
        let first_true = a.iter().find(|v| v.is_truthy());
        Ok(first_true.or(a.last()).cloned().unwrap_or(Value::Nil))
    }),
    pure("identical?", 2, 2, |a, _| truth(a[0].equals(&a[1]))),
    pure("identity", 1, 1, |a, _| Ok(a[0].clone())),
    pure("ground", 1, 1, |a, _| Ok(a[0].clone())),
    pure("-differ?", 0, MANY, differ),
];
