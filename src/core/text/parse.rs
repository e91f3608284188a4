//! A cell back to a value, by the type that its column has.
//!
//! **Invariant:** exact or an error: no digit is lost, no text is guessed at. Two exceptions are
//! what the types are for: a fraction read as a double is rounded to the nearest, and an instant is
//! cut to milliseconds.

use super::json::from_json;
use crate::edn::{MAX_DIGITS, decode_base64, parse_number};
use crate::id::EntityId;
use crate::instant;
use crate::value::{BigInt, BigRational, Keyword, Symbol, Tag, Uuid, Value, cmp_exact, rational};

/// A cell that is no value of its column's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// It is something else.
    #[error("`{}` is no {}", shown(.text), name(*.wanted))]
    Mismatch {
        /// The cell.
        text: String,
        /// The type of the column.
        wanted: Tag,
    },
    /// It is a number that the type holds only rounded.
    #[error("`{}` is not exact as a {}", shown(.text), name(*.wanted))]
    Inexact {
        /// The cell.
        text: String,
        /// The type of the column.
        wanted: Tag,
    },
}

/// Enough of a cell to find it by.
fn shown(text: &str) -> String {
    let cut = text.char_indices().nth(60).map_or(text.len(), |(i, _)| i);
    let visible = |c| if crate::edn::is_unsafe(c) { '\u{fffd}' } else { c };
    let shown: String = text[..cut].chars().map(visible).collect();
    if cut < text.len() { shown + "…" } else { shown }
}

fn name(tag: Tag) -> &'static str {
    match tag {
        Tag::Nil => "nil",
        Tag::Bool => "boolean",
        Tag::Long => "long",
        Tag::BigInt => "bigint",
        Tag::Ratio => "ratio",
        Tag::BigDec => "bigdec",
        Tag::Float => "float",
        Tag::Double => "double",
        Tag::Ref => "entity id or ident",
        Tag::Char => "single character",
        Tag::Str => "string",
        Tag::Keyword => "keyword",
        Tag::Symbol => "symbol",
        Tag::Inst => "instant (RFC 3339)",
        Tag::Uuid => "uuid",
        Tag::Uri => "uri",
        Tag::Bytes => "bytes (base64)",
        Tag::Vector | Tag::List | Tag::Set => "JSON array",
        Tag::Map => "JSON object",
        Tag::Tagged => "tagged value",
        Tag::StrBlob | Tag::UriBlob | Tag::BytesBlob => "long value",
    }
}

/// The value of this type that a text stands for, as written by this module. A ref is an id, or
/// `:ident` as a keyword for the transaction to resolve.
pub fn parse_cell(text: &str, tag: Tag) -> Result<Value, CellError> {
    let mismatch = || CellError::Mismatch { text: text.to_owned(), wanted: tag };
    let found = match tag {
        Tag::Long | Tag::BigInt | Tag::Ratio => return whole(text, tag),
        Tag::BigDec => number(text).and_then(|_| parse_number(&format!("{}M", decimal(text)))),
        Tag::Double => return double(text),
        Tag::Float => return float(text),
        Tag::Ref => match text.strip_prefix(':') {
            Some(name) => (!name.is_empty()).then(|| Value::Keyword(Keyword::new(name))),
            None => digits(text).then(|| text.parse().ok()).flatten().map(EntityId).map(Value::Ref),
        },
        Tag::Nil => text.is_empty().then_some(Value::Nil),
        Tag::Bool => text.parse().ok().map(Value::Bool),
        Tag::Char => {
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none()).map(Value::Char)
        }
        Tag::Str => Some(Value::str(text)),
        Tag::Uri => Some(Value::Uri(text.into())),
        Tag::Keyword => Some(Value::Keyword(Keyword::new(text.strip_prefix(':').unwrap_or(text)))),
        Tag::Symbol => Some(Value::Symbol(Symbol::new(text))),
        Tag::Inst => instant::parse(text).map(Value::Inst),
        Tag::Uuid => Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(Value::Uuid),
        Tag::Bytes => decode_base64(text).map(|bytes| Value::Bytes(bytes.into())),
        Tag::Vector | Tag::List | Tag::Set | Tag::Map => return collection(text, tag),
        Tag::Tagged | Tag::StrBlob | Tag::UriBlob | Tag::BytesBlob => None,
    };
    found.ok_or_else(mismatch)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Without the zeros in front, which would make it octal in EDN, and without a plus.
fn decimal(text: &str) -> String {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let trimmed = unsigned.trim_start_matches('0');
    let zero = if trimmed.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    format!("{sign}{zero}{trimmed}")
}

/// The exact value of digits with a point and an exponent, or of a ratio.
fn number(text: &str) -> Option<BigRational> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if text.len() > MAX_DIGITS || !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits(unsigned) {
        return text.parse::<BigInt>().ok().map(BigRational::from_integer);
    }
    if !unsigned.bytes().all(plain) {
        let (numer, denom) = unsigned.split_once('/')?;
        return (digits(numer) && digits(denom))
            .then(|| parse_number(&decimal(text)))
            .flatten()
            .and_then(|value| rational(&value));
    }
    parse_number(&format!("{}M", decimal(text))).and_then(|value| rational(&value))
}

/// A long, a bigint, or a ratio.
fn whole(text: &str, wanted: Tag) -> Result<Value, CellError> {
    // What every long of so few digits is.
    if wanted == Tag::Long
        && text.len() <= 18
        && digits(text.strip_prefix('-').unwrap_or(text))
        && let Ok(x) = text.parse()
    {
        return Ok(Value::Long(x));
    }
    let owned = || text.to_owned();
    let number = number(text).ok_or_else(|| CellError::Mismatch { text: owned(), wanted })?;
    let inexact = || CellError::Inexact { text: owned(), wanted };
    match wanted {
        Tag::Ratio => Ok(number.into()),
        _ if !number.is_integer() => Err(inexact()),
        Tag::BigInt => Ok(number.to_integer().into()),
        _ => i64::try_from(number.to_integer()).map(Value::Long).map_err(|_| inexact()),
    }
}

fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn double(text: &str) -> Result<Value, CellError> {
    if let Some(x) = special(text) {
        return Ok(Value::Double(x));
    }
    let parsed = is_decimal(text).then(|| text.parse::<f64>().ok()).flatten();
    floating(text, Tag::Double, parsed.map(Value::Double))
}

fn float(text: &str) -> Result<Value, CellError> {
    if let Some(x) = special(text) {
        return Ok(Value::Float(x as f32));
    }
    let parsed = is_decimal(text).then(|| text.parse::<f32>().ok()).flatten();
    floating(text, Tag::Float, parsed.map(Value::Float))
}

/// Not what Rust takes besides: `inf`, `nan`, `.5`.
fn is_decimal(text: &str) -> bool {
    text.len() <= MAX_DIGITS
        && text.strip_prefix(['+', '-']).unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

/// Fractions round; integers must be held exactly; nothing becomes infinite.
fn floating(text: &str, wanted: Tag, parsed: Option<Value>) -> Result<Value, CellError> {
    let value = parsed.ok_or_else(|| CellError::Mismatch { text: text.to_owned(), wanted })?;
    let integer = text.strip_prefix(['+', '-']).is_some_and(digits) || digits(text);
    // A double has all integers of so few digits.
    let is_small = wanted == Tag::Double && text.len() <= 15 && digits(text);
    let exact = !integer
        || is_small
        || text.parse::<BigInt>().is_ok_and(|n| cmp_exact(&Value::from(n), &value).is_eq());
    let finite = match value {
        Value::Double(x) => x.is_finite(),
        Value::Float(x) => x.is_finite(),
        _ => false,
    };
    if exact && finite {
        Ok(value)
    } else {
        Err(CellError::Inexact { text: text.to_owned(), wanted })
    }
}

fn collection(text: &str, wanted: Tag) -> Result<Value, CellError> {
    let mismatch = || CellError::Mismatch { text: text.to_owned(), wanted };
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| mismatch())?;
    match (from_json(&json)?, wanted) {
        (Value::Vector(items), Tag::Vector) => Ok(Value::Vector(items)),
        (Value::Vector(items), Tag::List) => Ok(Value::List(items)),
        (Value::Vector(items), Tag::Set) => Ok(Value::set(items.to_vec())),
        (map @ Value::Map(_), Tag::Map) => Ok(map),
        _ => Err(mismatch()),
    }
}
