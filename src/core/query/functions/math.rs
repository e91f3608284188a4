//! Arithmetic with Clojure's rules.
//!
//! **Invariant:** integers never wrap: a 64-bit result that does not fit is an error, and the
//! primed forms (`+'`) promote. Of mixed types the wider one wins: long, bigint, ratio, bigdec,
//! double; what comes of bigints is a bigint, however small, and a ratio that is whole is one too.
//! Nothing rounds but doubles.

use super::{FnError, Function, MANY, pure};
use crate::value::{BigDec, BigInt, BigRational, MAX_SCALE, Value, cmp_exact, rational};
use num_integer::Integer;
use num_traits::{Pow, Signed, ToPrimitive, Zero};
use std::cmp::Ordering;
use std::sync::Arc;

/// The most bits of an integer that a query may compute.
const MAX_BITS: usize = 1 << 20;

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Long,
    Big,
    Ratio,
    Dec,
    Float,
}

fn class(value: &Value) -> Result<Class, FnError> {
    Ok(match value {
        Value::Long(_) | Value::Ref(_) => Class::Long,
        Value::BigInt(_) => Class::Big,
        Value::Ratio(_) => Class::Ratio,
        Value::BigDec(_) => Class::Dec,
        Value::Float(_) | Value::Double(_) => Class::Float,
        other => return Err(FnError::expected("a number", other)),
    })
}

/// A number as a double.
pub fn to_f64(value: &Value) -> Result<f64, FnError> {
    match value {
        Value::Double(x) => Ok(*x),
        Value::Float(x) => Ok(f64::from(*x)),
        Value::Long(x) => Ok(*x as f64),
        other => match rational(other) {
            Some(x) => Ok(x.to_f64().unwrap_or(f64::NAN)),
            None => Err(FnError::expected("a number", other)),
        },
    }
}

/// A number as a long, if it is one.
pub fn to_long(value: &Value) -> Result<i64, FnError> {
    match value {
        Value::Long(x) => Ok(*x),
        Value::Ref(x) => Ok(x.0 as i64),
        Value::BigInt(x) => i64::try_from(x.as_ref()).map_err(|_| FnError::Overflow),
        other => Err(FnError::expected("an integer", other)),
    }
}

/// One operation on two numbers; `promote` lets longs grow.
pub fn arithmetic(op: Op, a: &Value, b: &Value, promote: bool) -> Result<Value, FnError> {
    match class(a)?.max(class(b)?) {
        Class::Float => {
            let (x, y) = (to_f64(a)?, to_f64(b)?);
            Ok(Value::Double(match op {
                Op::Add => x + y,
                Op::Sub => x - y,
                Op::Mul => x * y,
                Op::Div if y == 0.0 => return Err(FnError::DivideByZero),
                Op::Div => x / y,
            }))
        }
        Class::Dec => decimal(op, a, b),
        Class::Ratio => ratio(op, a, b),
        Class::Big => big(op, a, b),
        Class::Long => long(op, a, b, promote),
    }
}

fn long(op: Op, a: &Value, b: &Value, promote: bool) -> Result<Value, FnError> {
    let (x, y) = (to_long(a)?, to_long(b)?);
    let result = match op {
        Op::Add => x.checked_add(y),
        Op::Sub => x.checked_sub(y),
        Op::Mul => x.checked_mul(y),
        Op::Div => return ratio(op, a, b),
    };
    match result {
        Some(z) => Ok(Value::Long(z)),
        None if promote => big(op, a, b),
        None => Err(FnError::Overflow),
    }
}

/// The integer that a number is.
pub fn to_big(value: &Value) -> Result<BigInt, FnError> {
    match value {
        Value::BigInt(x) => Ok(x.as_ref().clone()),
        other => to_long(other).map(BigInt::from),
    }
}

fn big(op: Op, a: &Value, b: &Value) -> Result<Value, FnError> {
    let (x, y) = (to_big(a)?, to_big(b)?);
    let z = match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul if x.bits() + y.bits() > MAX_BITS as u64 => {
            return Err(FnError::TooLarge { limit: MAX_BITS, unit: "bits" });
        }
        Op::Mul => x * y,
        Op::Div => return ratio(op, a, b),
    };
    Ok(bigint(z))
}

/// A bigint, also where it would fit in a long.
fn bigint(x: BigInt) -> Value {
    Value::BigInt(Arc::new(x))
}

/// A ratio, or the bigint that it is.
fn whole_or_ratio(x: BigRational) -> Value {
    if x.is_integer() { bigint(x.to_integer()) } else { Value::from(x) }
}

fn exact(value: &Value) -> Result<BigRational, FnError> {
    rational(value).ok_or_else(|| FnError::expected("a finite number", value))
}

/// An operation without rounding.
fn exactly(op: Op, a: &Value, b: &Value) -> Result<BigRational, FnError> {
    let (x, y) = (exact(a)?, exact(b)?);
    let bits = x.numer().bits() + x.denom().bits() + y.numer().bits() + y.denom().bits();
    if bits > MAX_BITS as u64 {
        return Err(FnError::TooLarge { limit: MAX_BITS, unit: "bits" });
    }
    Ok(match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        Op::Div if y.is_zero() => return Err(FnError::DivideByZero),
        Op::Div => x / y,
    })
}

fn ratio(op: Op, a: &Value, b: &Value) -> Result<Value, FnError> {
    let result = exactly(op, a, b)?;
    if class(a)?.max(class(b)?) == Class::Long && result.is_integer() {
        let long = i64::try_from(result.to_integer());
        return long.map(Value::Long).map_err(|_| FnError::Overflow);
    }
    Ok(whole_or_ratio(result))
}

fn decimal(op: Op, a: &Value, b: &Value) -> Result<Value, FnError> {
    let (x, y) = (scale(a), scale(b));
    let result = exactly(op, a, b)?;
    match op {
        Op::Add | Op::Sub => at_scale(&result, x.max(y)),
        Op::Mul => at_scale(&result, x + y),
        Op::Div => shortest(&result),
    }
}

/// Digits after the point.
fn scale(value: &Value) -> i64 {
    if let Value::BigDec(d) = value { d.scale } else { 0 }
}

/// The decimal with this many digits after its point.
fn at_scale(x: &BigRational, scale: i64) -> Result<Value, FnError> {
    if scale.abs() > MAX_SCALE {
        return Err(FnError::TooLarge { limit: MAX_SCALE as usize, unit: "digits" });
    }
    let power = BigRational::from_integer(BigInt::from(10).pow(scale.unsigned_abs()));
    let unscaled = if scale >= 0 { x * power } else { x / power };
    if unscaled.is_integer() {
        Ok(Value::from(BigDec { unscaled: unscaled.to_integer(), scale }))
    } else {
        shortest(x)
    }
}

/// The decimal with as few digits as it needs.
fn shortest(x: &BigRational) -> Result<Value, FnError> {
    let mut rest = x.denom().clone();
    let mut scale: [i64; 2] = [0, 0];
    for (count, prime) in scale.iter_mut().zip([2, 5]) {
        while rest.is_multiple_of(&BigInt::from(prime)) && *count <= MAX_SCALE {
            rest /= prime;
            *count += 1;
        }
    }
    if rest != BigInt::from(1) {
        return Err(FnError::NonTerminating);
    }
    at_scale(x, scale[0].max(scale[1]))
}

/// The sum of numbers as `sum` has it: longs that overflow are an error.
pub fn truncating_sum(sum: &Value, next: &Value) -> Result<Value, FnError> {
    arithmetic(Op::Add, sum, next, false)
}

fn chain(op: Op, args: &[Value], unit: i64, promote: bool) -> Result<Value, FnError> {
    let inverse = matches!(op, Op::Sub | Op::Div);
    match args {
        [] => Ok(Value::Long(unit)),
        [only] if inverse => arithmetic(op, &Value::Long(unit), only, promote),
        [first, rest @ ..] => {
            class(first)?;
            rest.iter().try_fold(first.clone(), |x, y| arithmetic(op, &x, y, promote))
        }
    }
}

#[derive(Clone, Copy)]
enum Division {
    Quot,
    Rem,
    Mod,
}

fn divide(kind: Division, a: &Value, b: &Value) -> Result<Value, FnError> {
    if class(a)?.max(class(b)?) == Class::Float {
        let (x, y) = (to_f64(a)?, to_f64(b)?);
        if y == 0.0 {
            return Err(FnError::DivideByZero);
        }
        let rem = x % y;
        return Ok(Value::Double(match kind {
            Division::Quot => (x / y).trunc(),
            Division::Rem => rem,
            Division::Mod if rem != 0.0 && (rem < 0.0) != (y < 0.0) => rem + y,
            Division::Mod => rem,
        }));
    }
    if class(a)?.max(class(b)?) == Class::Long {
        let (x, y) = (to_long(a)?, to_long(b)?);
        let result = match kind {
            _ if y == 0 => return Err(FnError::DivideByZero),
            Division::Quot => x.checked_div(y),
            Division::Rem => Some(x.wrapping_rem(y)),
            Division::Mod => Some(if y == -1 { 0 } else { x.mod_floor(&y) }),
        };
        return result.map(Value::Long).ok_or(FnError::Overflow);
    }
    let (x, y) = (exact(a)?, exact(b)?);
    if y.is_zero() {
        return Err(FnError::DivideByZero);
    }
    let quotient = (&x / &y).trunc();
    let result = match kind {
        Division::Quot => quotient,
        Division::Rem => x - quotient * y,
        Division::Mod => &x - (&x / &y).floor() * y,
    };
    match (class(a)?.max(class(b)?), kind) {
        (Class::Dec, Division::Quot) => at_scale(&result, (scale(a) - scale(b)).max(0)),
        (Class::Dec, _) => at_scale(&result, scale(a).max(scale(b))),
        _ => Ok(whole_or_ratio(result)),
    }
}

fn sign(value: &Value) -> Result<Ordering, FnError> {
    class(value)?;
    Ok(cmp_exact(value, &Value::Long(0)))
}

fn is_even(value: &Value) -> Result<bool, FnError> {
    match value {
        Value::BigInt(x) => Ok(x.is_even()),
        other => Ok(to_long(other)? % 2 == 0),
    }
}

fn abs(value: &Value) -> Result<Value, FnError> {
    match value {
        Value::Long(x) => x.checked_abs().map(Value::Long).ok_or(FnError::Overflow),
        Value::Double(x) => Ok(Value::Double(x.abs())),
        Value::Float(x) => Ok(Value::Float(x.abs())),
        Value::BigInt(x) => Ok(bigint(x.abs())),
        other if sign(other)? == Ordering::Less => {
            arithmetic(Op::Sub, &Value::Long(0), other, false)
        }
        other => Ok(other.clone()),
    }
}

fn extreme(args: &[Value], wanted: Ordering) -> Result<Value, FnError> {
    let better = |best: Value, next: &Value| {
        if super::compare(next, &best) == wanted { next.clone() } else { best }
    };
    Ok(args.iter().skip(1).fold(args[0].clone(), better))
}

fn truth(test: bool) -> Result<Value, FnError> {
    Ok(Value::Bool(test))
}

pub static TABLE: &[Function] = &[
    pure("+", 0, MANY, |a, _| chain(Op::Add, a, 0, false)),
    pure("-", 1, MANY, |a, _| chain(Op::Sub, a, 0, false)),
    pure("*", 0, MANY, |a, _| chain(Op::Mul, a, 1, false)),
    pure("/", 1, MANY, |a, _| chain(Op::Div, a, 1, false)),
    pure("+'", 0, MANY, |a, _| chain(Op::Add, a, 0, true)),
    pure("-'", 1, MANY, |a, _| chain(Op::Sub, a, 0, true)),
    pure("*'", 0, MANY, |a, _| chain(Op::Mul, a, 1, true)),
    pure("inc", 1, 1, |a, _| arithmetic(Op::Add, &a[0], &Value::Long(1), false)),
    pure("dec", 1, 1, |a, _| arithmetic(Op::Sub, &a[0], &Value::Long(1), false)),
    pure("inc'", 1, 1, |a, _| arithmetic(Op::Add, &a[0], &Value::Long(1), true)),
    pure("dec'", 1, 1, |a, _| arithmetic(Op::Sub, &a[0], &Value::Long(1), true)),
    pure("quot", 2, 2, |a, _| divide(Division::Quot, &a[0], &a[1])),
    pure("rem", 2, 2, |a, _| divide(Division::Rem, &a[0], &a[1])),
    pure("mod", 2, 2, |a, _| divide(Division::Mod, &a[0], &a[1])),
    pure("max", 1, MANY, |a, _| extreme(a, Ordering::Greater)),
    pure("min", 1, MANY, |a, _| extreme(a, Ordering::Less)),
    pure("abs", 1, 1, |a, _| abs(&a[0])),
    pure("zero?", 1, 1, |a, _| truth(sign(&a[0])? == Ordering::Equal)),
    pure("pos?", 1, 1, |a, _| truth(sign(&a[0])? == Ordering::Greater)),
    pure("neg?", 1, 1, |a, _| truth(sign(&a[0])? == Ordering::Less)),
    pure("even?", 1, 1, |a, _| truth(is_even(&a[0])?)),
    pure("odd?", 1, 1, |a, _| truth(!is_even(&a[0])?)),
];
