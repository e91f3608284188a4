//! Order-preserving bytes: comparing two keys with `memcmp` is comparing the values.
//!
//! **Invariant:** for all values `a.cmp(b) == key(a).cmp(key(b))`, and no key is a prefix of
//! another, so that keys can be concatenated. Keys are for separators and seeks; they are not
//! decoded.
//!
//! Numbers of all types share one form: sign, then the magnitude as the largest double not above
//! it, then what is left as a continued fraction (finite for every rational, ordered by its terms
//! with alternating direction), then the type.

use super::num::{Exact, cmp_rational, exact};
use super::order::{number_type, rank};
use super::{Tag, ValRef, Value};
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// What the first byte of a key has beside the rank.
pub(super) const RANK: u8 = 0x10;

/// Appends the key of a value. That of a reference is its key in an index.
pub fn encode(value: ValRef<'_>, out: &mut Vec<u8>) {
    if let ValRef::Blob(_) = value {
        return super::encode_in_index(value, out);
    }
    let tag = value.tag();
    out.push(RANK + rank(tag));
    match value {
        ValRef::Nil => {}
        ValRef::Bool(x) => out.push(u8::from(x)),
        ValRef::Inst(x) => out.extend(((x as u64) ^ (1 << 63)).to_be_bytes()),
        ValRef::Char(x) => out.extend(u32::from(x).to_be_bytes()),
        ValRef::Uuid(x) => out.extend(x.as_bytes()),
        ValRef::Str(x) | ValRef::Keyword(x) | ValRef::Symbol(x) | ValRef::Uri(x) => {
            text(x.as_bytes(), out)
        }
        ValRef::Bytes(x) => text(x, out),
        ValRef::Long(x) if x.unsigned_abs() <= 1 << 53 => float(x as f64, tag, out),
        ValRef::Ref(x) if x.0 <= 1 << 53 => float(x.0 as f64, tag, out),
        ValRef::Double(x) => float(x, tag, out),
        ValRef::Float(x) => float(f64::from(x), tag, out),
        ValRef::Owned(x) => owned(x, out),
        other => owned(&other.to_value(), out),
    }
}

fn owned(value: &Value, out: &mut Vec<u8>) {
    let items = |items: &[Value], out: &mut Vec<u8>| {
        items.iter().for_each(|item| {
            encode(item.as_ref(), out);
        });
        out.push(0);
    };
    match value {
        Value::Vector(x) | Value::List(x) | Value::Set(x) => items(x, out),
        Value::Map(x) => {
            for (k, v) in x.iter() {
                encode(k.as_ref(), out);
                encode(v.as_ref(), out);
            }
            out.push(0);
        }
        Value::Tagged(x) => {
            text(x.0.as_str().as_bytes(), out);
            encode(x.1.as_ref(), out);
        }
        number => match exact(number) {
            Some(Exact::Finite(x)) => {
                finite(&x, number.tag(), out);
                if let Value::BigDec(x) = number {
                    out.extend(((x.scale as u64) ^ (1 << 63)).to_be_bytes());
                }
            }
            _ => out.push(0),
        },
    }
}

/// Zero bytes are escaped, and the end is a zero that no escape follows.
fn text(bytes: &[u8], out: &mut Vec<u8>) {
    escaped(bytes, out);
    out.extend([0, 0]);
}

/// Bytes of a text, not its end.
pub(super) fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for &b in bytes {
        out.push(b);
        if b == 0 {
            out.push(0xff);
        }
    }
}

const NAN: u8 = 1;
const NEG_INFINITY: u8 = 2;
const NEGATIVE: u8 = 3;
const ZERO: u8 = 4;
const POSITIVE: u8 = 5;
const INFINITY: u8 = 6;

fn float(x: f64, tag: Tag, out: &mut Vec<u8>) {
    let class = match x {
        x if x.is_nan() => NAN,
        f64::INFINITY => INFINITY,
        f64::NEG_INFINITY => NEG_INFINITY,
        0.0 => ZERO,
        x if x < 0.0 => NEGATIVE,
        _ => POSITIVE,
    };
    out.push(class);
    if class == POSITIVE || class == NEGATIVE {
        let start = out.len();
        out.extend(x.abs().to_bits().to_be_bytes());
        out.push(0);
        complement_if(class == NEGATIVE, &mut out[start..]);
    }
    out.push(number_type(tag));
}

fn finite(x: &BigRational, tag: Tag, out: &mut Vec<u8>) {
    if x.is_zero() {
        return out.extend([ZERO, number_type(tag)]);
    }
    out.push(if x.is_negative() { NEGATIVE } else { POSITIVE });
    let start = out.len();
    let magnitude = x.abs();
    let floor = floor_f64(&magnitude);
    out.extend(floor.to_bits().to_be_bytes());
    let base = BigRational::from_float(floor).unwrap_or_default();
    continued_fraction(&(magnitude - base), out);
    complement_if(x.is_negative(), &mut out[start..]);
    out.push(number_type(tag));
}

/// The largest finite double that is not above a positive number.
fn floor_f64(x: &BigRational) -> f64 {
    let near = x.to_f64().filter(|f| f.is_finite()).unwrap_or(f64::MAX);
    match BigRational::from_float(near) {
        Some(r) if cmp_rational(&r, x).is_gt() => f64::from_bits(near.to_bits() - 1),
        _ => near,
    }
}

/// `0` for nothing left; else the terms, odd ones complemented since a larger one makes the number
/// smaller, and the end as an infinite term.
fn continued_fraction(rest: &BigRational, out: &mut Vec<u8>) {
    if rest.is_zero() {
        return out.push(0);
    }
    out.push(1);
    let (mut num, mut den) = (rest.numer().clone(), rest.denom().clone());
    let mut odd = false;
    loop {
        let start = out.len();
        if den.is_zero() {
            out.push(0xff);
            complement_if(odd, &mut out[start..]);
            return;
        }
        let (term, next) = num.div_mod_floor(&den);
        natural(&term, out);
        complement_if(odd, &mut out[start..]);
        (num, den) = (den, next);
        odd = !odd;
    }
}

/// A natural number: how many bytes its length takes (at most 8), its length, itself, all big
/// endian.
fn natural(x: &BigInt, out: &mut Vec<u8>) {
    let (_, bytes) =
        if x.sign() == Sign::NoSign { (Sign::NoSign, vec![]) } else { x.to_bytes_be() };
    let len = BigUint::from(bytes.len()).to_bytes_be();
    out.push(len.len() as u8);
    out.extend(len);
    out.extend(bytes);
}

fn complement_if(yes: bool, bytes: &mut [u8]) {
    if yes {
        bytes.iter_mut().for_each(|b| *b = !*b);
    }
}
