//! Numbers as text: longs, bigints, other bases, ratios, decimals, doubles.
//!
//! **Invariant:** a number is read exactly or refused, but for doubles, which are rounded to the
//! nearest. The work is bounded by [`MAX_DIGITS`] and [`MAX_SCALE`], so ten bytes cannot ask for a
//! gigabyte.

use super::error::{ErrorKind, shown};
use crate::value::{BigDec, BigInt, BigRational, MAX_SCALE, Value};
use num_traits::{Num, Zero};

/// The longest number that is read, in characters.
pub const MAX_DIGITS: usize = 100_000;

/// The number that a text is, whole, if it is one in EDN.
pub fn parse_number(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    unsigned.starts_with(|c: char| c.is_ascii_digit()).then(|| number(text).ok()).flatten()
}

/// A text that starts like a number.
pub(super) fn number(text: &str) -> Result<Value, ErrorKind> {
    if text.len() > MAX_DIGITS {
        return Err(ErrorKind::NumberTooLong { limit: MAX_DIGITS });
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let complain = |hint| Err(ErrorKind::Number { text: shown(text), hint });
    if !text.is_ascii() {
        return complain(None);
    }
    let (body, big) = match unsigned.strip_suffix('N') {
        // In a base of its own an `N` is a digit.
        Some(body) if !unsigned.contains(['r', 'R']) => (body, true),
        _ => (unsigned, false),
    };
    if let Some((radix, digits)) = radix(body) {
        return match natural(digits, radix) {
            Some(n) => Ok(integer(n, negative, big)),
            None => complain(None),
        };
    }
    if is_digits(body) {
        return match body.strip_prefix('0') {
            None | Some("") => Ok(decimal_integer(body, negative, big)),
            Some(octal) => match natural(octal, 8) {
                Some(n) => Ok(integer(n, negative, big)),
                None => complain(Some("with a 0 in front it is octal, which has no 8 and no 9")),
            },
        };
    }
    if let (Some((numer, denom)), false) = (unsigned.split_once('/'), big) {
        return if is_digits(numer) && is_digits(denom) {
            ratio(text, numer, denom, negative)
        } else {
            complain(None)
        };
    }
    if big || Point::parse(unsigned.strip_suffix('M').unwrap_or(unsigned)).is_none() {
        return complain(Some("a name does not begin with a digit").filter(|_| text == unsigned));
    }
    match unsigned.strip_suffix('M') {
        Some(digits) => decimal(text, digits, negative),
        None => double(text),
    }
}

/// Base and digits of `0x1F` and `36rZZ`.
fn radix(text: &str) -> Option<(u32, &str)> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return Some((16, digits));
    }
    let (radix, digits) = text.split_once(['r', 'R'])?;
    let plain = is_digits(radix) && radix.len() <= 2 && !radix.starts_with('0');
    Some((radix.parse().ok().filter(|r| plain && (2..=36).contains(r))?, digits))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn natural(digits: &str, radix: u32) -> Option<BigInt> {
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if plain { BigInt::from_str_radix(digits, radix).ok() } else { None }
}

fn decimal_integer(digits: &str, negative: bool, big: bool) -> Value {
    // 18 digits always fit; the rest takes the long way.
    match digits.parse::<i64>() {
        Ok(n) if !big && digits.len() <= 18 => Value::Long(if negative { -n } else { n }),
        _ => integer(natural(digits, 10).unwrap_or_default(), negative, big),
    }
}

/// A long, or a bigint if it was written as one or does not fit.
fn integer(n: BigInt, negative: bool, big: bool) -> Value {
    let n = if negative { -n } else { n };
    match i64::try_from(&n) {
        Ok(long) if !big => Value::Long(long),
        _ => Value::from(n),
    }
}

fn ratio(text: &str, numer: &str, denom: &str, negative: bool) -> Result<Value, ErrorKind> {
    let numer = natural(numer, 10).unwrap_or_default();
    let denom = natural(denom, 10).unwrap_or_default();
    if denom.is_zero() {
        return Err(ErrorKind::ZeroDenominator { text: shown(text) });
    }
    Ok(BigRational::new(if negative { -numer } else { numer }, denom).into())
}

/// The parts of `12.34e-5`.
struct Point<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

impl<'a> Point<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)).then_some(())?;
                (mantissa, exponent)
            }
            None => (text, "0"),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let valid = is_digits(whole) && (fraction.is_empty() || is_digits(fraction));
        valid.then_some(Self { whole, fraction, exponent })
    }
}

fn decimal(text: &str, digits: &str, negative: bool) -> Result<Value, ErrorKind> {
    let out_of_range = || ErrorKind::DecimalRange { text: shown(text), limit: MAX_SCALE };
    let point = Point::parse(digits).ok_or_else(out_of_range)?;
    let exponent: i64 = point.exponent.parse().map_err(|_| out_of_range())?;
    let scale = i64::try_from(point.fraction.len()).ok().and_then(|n| n.checked_sub(exponent));
    let scale = scale.filter(|s| (-MAX_SCALE..=MAX_SCALE).contains(s)).ok_or_else(out_of_range)?;
    let digits = [point.whole, point.fraction].concat();
    let unscaled = natural(&digits, 10).unwrap_or_default();
    Ok(BigDec { unscaled: if negative { -unscaled } else { unscaled }, scale }.into())
}

fn double(text: &str) -> Result<Value, ErrorKind> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(Value::Double(x)),
        _ => Err(ErrorKind::DoubleRange { text: shown(text) }),
    }
}
