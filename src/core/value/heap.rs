//! The heap form: compact bytes of a value whose type is known, for columns and frames.
//!
//! **Invariant:** `decode(v.tag(), encode(v)) == v`, bit for bit the same value; any bytes decode
//! to a value or an error, in memory proportional to the bytes. Nested collections carry their
//! tags.

use super::{BigDec, BigInt, BigRational, Keyword, MAX_SCALE, Symbol, Tag, Uuid, Value};
use crate::id::EntityId;
use num_traits::Zero;
use std::sync::Arc;

/// How deep a value may nest to be read, from text or from bytes. Whoever builds values in a loop
/// keeps below it: walking them is by recursion.
pub const MAX_DEPTH: usize = 512;

/// Bytes that are no value of the type they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes that are no {0:?}")]
pub struct DecodeError(pub Tag);

/// Appends the heap form of a value, without its tag.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Nil => {}
        Value::Bool(x) => out.push(u8::from(*x)),
        Value::Long(x) | Value::Inst(x) => out.extend(x.to_le_bytes()),
        Value::Ref(x) => out.extend(x.0.to_le_bytes()),
        Value::Float(x) => out.extend(x.to_bits().to_le_bytes()),
        Value::Double(x) => out.extend(x.to_bits().to_le_bytes()),
        Value::Char(x) => out.extend(u32::from(*x).to_le_bytes()),
        Value::Str(x) | Value::Uri(x) => out.extend(x.as_bytes()),
        Value::Keyword(x) => out.extend(x.0.as_bytes()),
        Value::Symbol(x) => out.extend(x.0.as_bytes()),
        Value::Uuid(x) => out.extend(x.as_bytes()),
        Value::Bytes(x) => out.extend(x.iter()),
        Value::BigInt(x) => out.extend(x.to_signed_bytes_le()),
        Value::Ratio(x) => {
            sized(&x.numer().to_signed_bytes_le(), out);
            out.extend(x.denom().to_signed_bytes_le());
        }
        Value::BigDec(x) => {
            out.extend((x.scale as i32).to_le_bytes());
            out.extend(x.unscaled.to_signed_bytes_le());
        }
        Value::Vector(x) | Value::List(x) | Value::Set(x) => x.iter().for_each(|v| nested(v, out)),
        Value::Map(x) => x.iter().for_each(|(k, v)| {
            nested(k, out);
            nested(v, out);
        }),
        Value::Tagged(x) => {
            sized(x.0.as_str().as_bytes(), out);
            nested(&x.1, out);
        }
    }
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn nested(value: &Value, out: &mut Vec<u8>) {
    out.push(value.tag() as u8);
    let start = out.len();
    out.extend([0; 4]);
    encode(value, out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// The value of this type that `bytes` hold.
pub fn decode(tag: Tag, bytes: &[u8]) -> Result<Value, DecodeError> {
    at_depth(tag, bytes, 0).ok_or(DecodeError(tag))
}

fn at_depth(tag: Tag, bytes: &[u8], depth: usize) -> Option<Value> {
    let word = || bytes.try_into().ok().map(u64::from_le_bytes);
    let text = || std::str::from_utf8(bytes).ok();
    Some(match tag {
        Tag::Nil => bytes.is_empty().then_some(Value::Nil)?,
        Tag::Bool => Value::Bool(*bytes.first().filter(|b| **b < 2 && bytes.len() == 1)? == 1),
        Tag::Long => Value::Long(word()? as i64),
        Tag::Inst => Value::Inst(word()? as i64),
        Tag::Ref => Value::Ref(EntityId(word()?)),
        Tag::Double => Value::Double(f64::from_bits(word()?)),
        Tag::Float => Value::Float(f32::from_bits(u32::from_le_bytes(bytes.try_into().ok()?))),
        Tag::Char => Value::Char(char::from_u32(u32::from_le_bytes(bytes.try_into().ok()?))?),
        Tag::Str => Value::Str(text()?.into()),
        Tag::Uri => Value::Uri(text()?.into()),
        Tag::Keyword => Value::Keyword(Keyword(text()?.into())),
        Tag::Symbol => Value::Symbol(Symbol(text()?.into())),
        Tag::Uuid => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        Tag::Bytes => Value::Bytes(bytes.into()),
        Tag::BigInt => Value::BigInt(Arc::new(BigInt::from_signed_bytes_le(bytes))),
        Tag::Ratio => ratio(bytes)?,
        Tag::BigDec => {
            let (scale, digits) = bytes.split_at_checked(4)?;
            let scale = i64::from(i32::from_le_bytes(scale.try_into().ok()?));
            let unscaled = BigInt::from_signed_bytes_le(digits);
            (scale.abs() <= MAX_SCALE).then(|| BigDec { unscaled, scale }.into())?
        }
        Tag::Vector => Value::Vector(items(bytes, depth)?.into()),
        Tag::List => Value::List(items(bytes, depth)?.into()),
        Tag::Set => Value::set(items(bytes, depth)?),
        Tag::Map => {
            let flat = items(bytes, depth)?;
            let pairs = flat.chunks(2).map(|p| Some((p[0].clone(), p.get(1)?.clone())));
            Value::map(pairs.collect::<Option<_>>()?)
        }
        // A reference is no value.
        Tag::StrBlob | Tag::UriBlob | Tag::BytesBlob => None?,
        Tag::Tagged => {
            let (name, mut rest) = take_sized(bytes)?;
            let value = take_nested(&mut rest, depth)?;
            Value::Tagged(Arc::new((Symbol::new(std::str::from_utf8(name).ok()?), value)))
        }
    })
}

fn ratio(bytes: &[u8]) -> Option<Value> {
    let (numer, denom) = take_sized(bytes)?;
    let (numer, denom) = (BigInt::from_signed_bytes_le(numer), BigInt::from_signed_bytes_le(denom));
    (!denom.is_zero()).then(|| Value::Ratio(Arc::new(BigRational::new(numer, denom))))
}

fn take_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(4)?;
    rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)
}

fn take_nested(rest: &mut &[u8], depth: usize) -> Option<Value> {
    let (&tag, after) = rest.split_first()?;
    let (body, after) = take_sized(after)?;
    *rest = after;
    if depth >= MAX_DEPTH { None } else { at_depth(Tag::from_byte(tag)?, body, depth + 1) }
}

fn items(mut rest: &[u8], depth: usize) -> Option<Vec<Value>> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push(take_nested(&mut rest, depth)?);
    }
    Some(items)
}
