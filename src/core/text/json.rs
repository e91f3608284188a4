//! Values as JSON, and JSON as values.
//!
//! **Invariant:** what is written is JSON, with each number in all its digits and each key of an
//! object once. No control character of the data is in it. Reading is exact or an error.

use super::cell::{plain, special};
use super::names::unique_names;
use super::parse::{CellError, parse_cell};
use crate::edn::{is_unsafe, to_string};
use crate::value::{Tag, Value};
use serde_json::Value as Json;
use std::fmt::Write;

/// Appends the JSON of a value, on one line.
pub fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(_) | Value::Long(_) | Value::Ref(_) | Value::BigInt(_) | Value::BigDec(_) => {
            bare(value, out);
        }
        Value::Double(x) if special(*x).is_none() => bare(value, out),
        Value::Float(x) if special(f64::from(*x)).is_none() => bare(value, out),
        Value::Vector(items) | Value::List(items) | Value::Set(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let names = object_keys(entries);
            write_object(names.iter().zip(entries.iter().map(|(_, value)| value)), out);
        }
        Value::Tagged(x) => write_object([(&format!("#{}", x.0.as_str()), &x.1)], out),
        text => write_string(&plain(text).unwrap_or_default(), out),
    }
}

fn bare(value: &Value, out: &mut String) {
    out.push_str(&plain(value).unwrap_or_default());
}

/// Appends an object on one line.
pub(super) fn write_object<'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a Value)>,
    out: &mut String,
) {
    out.push('{');
    for (i, (name, value)) in entries.into_iter().enumerate() {
        out.push_str(if i == 0 { "" } else { ", " });
        write_string(name, out);
        out.push_str(": ");
        write_json(value, out);
    }
    out.push('}');
}

/// Keywords and strings by their text, all else by its EDN; doubled ones (`:a` and `"a"`) get a
/// number.
fn object_keys(entries: &[(Value, Value)]) -> Vec<String> {
    unique_names(entries.iter().map(|(key, _)| match key {
        Value::Keyword(name) => name.as_str().to_owned(),
        Value::Str(text) => text.to_string(),
        other => to_string(other),
    }))
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (i, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            c if is_unsafe(c) => "",
            _ => continue,
        };
        out.push_str(&text[plain..i]);
        plain = i + c.len_utf8();
        out.push_str(escape);
        if escape.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// The value of a JSON value whose type is not known: integers are longs or bigints, other numbers
/// doubles, strings strings, arrays vectors, objects maps with keyword keys (a colon before the
/// name or not).
pub fn from_json(json: &Json) -> Result<Value, CellError> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(x) => Value::Bool(*x),
        Json::Number(number) => {
            let text = number.as_str();
            let whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            match whole {
                true => parse_cell(text, Tag::Long).or_else(|_| parse_cell(text, Tag::BigInt))?,
                false => parse_cell(text, Tag::Double)?,
            }
        }
        Json::String(text) => Value::str(text),
        Json::Array(items) => {
            Value::Vector(items.iter().map(from_json).collect::<Result<Vec<_>, _>>()?.into())
        }
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| {
                let key = parse_cell(key, Tag::Keyword)?;
                Ok::<_, CellError>((key, from_json(value)?))
            };
            Value::map(entries.iter().map(entry).collect::<Result<Vec<_>, _>>()?)
        }
    })
}

/// The value of this type that a JSON value stands for. Null is nil; arrays and objects are read as
/// [`from_json`] does.
pub fn from_json_as(json: &Json, tag: Tag) -> Result<Value, CellError> {
    let mismatch = || CellError::Mismatch { text: json.to_string(), wanted: tag };
    match json {
        Json::Null => Ok(Value::Nil),
        Json::Array(_) if matches!(tag, Tag::Vector | Tag::List | Tag::Set) => from_json(json),
        Json::Object(_) if tag == Tag::Map => from_json(json),
        Json::Bool(x) if tag == Tag::Bool => Ok(Value::Bool(*x)),
        Json::Number(number) if is_numeric(tag) => parse_cell(number.as_str(), tag),
        Json::String(text) if tag == Tag::Ref => {
            if text.starts_with(|c: char| c.is_ascii_digit()) {
                Err(mismatch())
            } else {
                parse_cell(text, tag)
            }
        }
        Json::String(text) if is_float(tag) || tag == Tag::Ratio => match text.as_str() {
            "NaN" | "Infinity" | "-Infinity" => parse_cell(text, tag),
            _ if tag == Tag::Ratio => parse_cell(text, tag),
            _ => Err(mismatch()),
        },
        Json::String(text) if !is_numeric(tag) && tag != Tag::Bool => match tag {
            Tag::Vector | Tag::List | Tag::Set | Tag::Map | Tag::Nil => Err(mismatch()),
            _ => parse_cell(text, tag),
        },
        _ => Err(mismatch()),
    }
}

fn is_float(tag: Tag) -> bool {
    matches!(tag, Tag::Double | Tag::Float)
}

fn is_numeric(tag: Tag) -> bool {
    matches!(tag, Tag::Long | Tag::BigInt | Tag::BigDec | Tag::Ratio | Tag::Ref) || is_float(tag)
}
