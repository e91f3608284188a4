//! Exact comparison of numbers of different types.
//!
//! **Invariant:** no comparison rounds. Every finite number is a rational; NaN is below all, the
//! infinities outside all.

use super::Value;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Pow, Signed};
use std::cmp::Ordering;
use std::fmt;

/// The largest power of ten, either way, that a decimal may carry: beyond it exact arithmetic would
/// be a way to exhaust memory with ten bytes of input.
pub const MAX_SCALE: i64 = 10_000;

/// A decimal: `unscaled * 10^-scale`. Two that differ in scale alone are equal in value and order
/// by scale after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigDec {
    /// The digits.
    pub unscaled: BigInt,
    /// How many of them stand after the point; between `-MAX_SCALE` and `MAX_SCALE`.
    pub scale: i64,
}

impl BigDec {
    /// The same number as a fraction.
    pub fn rational(&self) -> BigRational {
        let power = BigInt::from(10).pow(self.scale.unsigned_abs());
        if self.scale >= 0 {
            BigRational::new(self.unscaled.clone(), power)
        } else {
            BigRational::from_integer(&self.unscaled * power)
        }
    }
}

impl fmt::Display for BigDec {
    /// So that reading it gives the same digits and the same scale: plain (`1.50`) where the scale
    /// says how, else with an exponent (`1.5E+3`, `1.5E-9`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled.is_negative() { "-" } else { "" };
        let digits = self.unscaled.magnitude().to_string();
        let exponent = digits.len() as i64 - 1 - self.scale;
        if self.scale == 0 {
            write!(f, "{sign}{digits}")
        } else if self.scale > 0 && exponent >= -6 {
            let scale = self.scale as usize;
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            write!(f, "{sign}{whole}.{fraction}")
        } else {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            write!(f, "{sign}{first}{point}{rest}E{exponent:+}")
        }
    }
}

/// A number split by how it compares: the exceptional ones, or its exact value.
#[derive(Debug)]
pub(super) enum Exact {
    Nan,
    NegInfinity,
    Finite(BigRational),
    Infinity,
}

/// The exact value of a finite number; `None` for what is not one.
pub fn rational(value: &Value) -> Option<BigRational> {
    match exact(value)? {
        Exact::Finite(x) => Some(x),
        _ => None,
    }
}

pub(super) fn exact(value: &Value) -> Option<Exact> {
    Some(match value {
        Value::Long(x) => Exact::Finite(BigRational::from_integer((*x).into())),
        Value::Ref(x) => Exact::Finite(BigRational::from_integer(x.0.into())),
        Value::BigInt(x) => Exact::Finite(BigRational::from_integer(x.as_ref().clone())),
        Value::Ratio(x) => Exact::Finite(x.as_ref().clone()),
        Value::BigDec(x) => Exact::Finite(x.rational()),
        Value::Float(x) => exact_float(f64::from(*x)),
        Value::Double(x) => exact_float(*x),
        _ => return None,
    })
}

fn exact_float(x: f64) -> Exact {
    match BigRational::from_float(x) {
        Some(r) => Exact::Finite(r),
        None if x.is_nan() => Exact::Nan,
        None if x > 0.0 => Exact::Infinity,
        None => Exact::NegInfinity,
    }
}

/// Compares two numbers by exact value; equal for `1`, `1N`, `1.0` and `1.00M`. What is no number
/// is below all.
pub fn cmp_exact(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Long(a), Value::Long(b)) => return a.cmp(b),
        (Value::Double(a), Value::Double(b)) => return cmp_f64(*a, *b),
        (Value::Long(a), Value::Double(b)) => return cmp_long_f64(*a, *b),
        (Value::Double(a), Value::Long(b)) => return cmp_long_f64(*b, *a).reverse(),
        _ => {}
    }
    let class = |x: &Option<Exact>| match x {
        None => 0,
        Some(Exact::Nan) => 1,
        Some(Exact::NegInfinity) => 2,
        Some(Exact::Finite(_)) => 3,
        Some(Exact::Infinity) => 4,
    };
    let (a, b) = (exact(a), exact(b));
    match (&a, &b) {
        (Some(Exact::Finite(a)), Some(Exact::Finite(b))) => cmp_rational(a, b),
        _ => class(&a).cmp(&class(&b)),
    }
}

/// By cross-multiplying: the `Ord` of the type recurses once for each term of the continued
/// fraction, of which two decimals of a few thousand digits have enough to overflow the stack.
pub(super) fn cmp_rational(a: &BigRational, b: &BigRational) -> Ordering {
    if a.denom() == b.denom() {
        return a.numer().cmp(b.numer());
    }
    a.numer()
        .sign()
        .cmp(&b.numer().sign())
        .then_with(|| (a.numer() * b.denom()).cmp(&(b.numer() * a.denom())))
}

/// Floats by value: NaN first and equal to itself, both zeros equal.
pub(super) fn cmp_f64(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// A long against a double without rounding the long.
pub(super) fn cmp_long_f64(a: i64, b: f64) -> Ordering {
    if b.is_nan() {
        return Ordering::Greater;
    }
    // 2^63 and beyond is outside the longs; inside, truncation is exact and the fraction decides
    // ties.
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = b.trunc();
    a.cmp(&(whole as i64)).then_with(|| cmp_f64(0.0, b - whole))
}
