//! One value in one cell of csv, tsv, txt or md.
//!
//! **Invariant:** nil is empty and nothing else is; what would be read as something else is quoted
//! or escaped.

use super::json::write_json;
use crate::edn::{encode_base64, is_unsafe, print_double, print_float};
use crate::instant;
use crate::value::Value;
use std::borrow::Cow;
use std::fmt::Write;

/// What stands in a csv or tsv cell for "retract this", where cells are read back.
pub(super) const RETRACT: &str = "\\N";

/// The text of a value without the quoting of any format; `None` for nil.
pub(super) fn plain(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Nil => return None,
        Value::Bool(x) => Cow::Borrowed(if *x { "true" } else { "false" }),
        Value::Long(x) => x.to_string().into(),
        Value::Ref(x) => x.0.to_string().into(),
        Value::BigInt(x) => x.to_string().into(),
        Value::BigDec(x) => x.to_string().into(),
        Value::Ratio(x) => format!("{}/{}", x.numer(), x.denom()).into(),
        Value::Double(x) => double(*x),
        Value::Float(x) => float(*x),
        Value::Char(x) => x.to_string().into(),
        Value::Str(x) | Value::Uri(x) => Cow::Borrowed(x),
        Value::Keyword(x) => format!(":{}", x.as_str()).into(),
        Value::Symbol(x) => Cow::Borrowed(x.as_str()),
        Value::Inst(x) => instant::format(*x).into(),
        Value::Uuid(x) => x.to_string().into(),
        Value::Bytes(x) => encode_base64(x).into(),
        Value::Vector(_) | Value::List(_) | Value::Set(_) | Value::Map(_) | Value::Tagged(_) => {
            let mut out = String::new();
            write_json(value, &mut out);
            out.into()
        }
    })
}

/// Appends the text of a value as a cell has it, without the quoting of any format; of nil nothing.
pub fn write_cell(value: &Value, out: &mut String) {
    out.push_str(&plain(value).unwrap_or_default());
}

/// The name of a double that is no number, as most languages read it.
pub(super) fn special(x: f64) -> Option<&'static str> {
    match x {
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        x if x.is_nan() => Some("NaN"),
        _ => None,
    }
}

fn double(x: f64) -> Cow<'static, str> {
    special(x).map_or_else(
        || {
            let mut out = String::new();
            // Writing to a string does not fail.
            let _ = print_double(x, &mut out);
            out.into()
        },
        Cow::Borrowed,
    )
}

fn float(x: f32) -> Cow<'static, str> {
    special(f64::from(x)).map_or_else(
        || {
            let mut out = String::new();
            let _ = print_float(x, &mut out);
            out.into()
        },
        Cow::Borrowed,
    )
}

/// Quoted where it holds a separator, a quote, a blank at an end, or would be read as nil or as a
/// retraction.
pub(super) fn csv(value: &Value, out: &mut String) {
    let Some(text) = plain(value) else { return };
    let special = |b: u8| matches!(b, b',' | b'"' | b'\n' | b'\r');
    let blank = text.starts_with([' ', '\t', '\u{feff}']) || text.ends_with([' ', '\t']);
    if !text.is_empty() && !blank && text != RETRACT && !text.bytes().any(special) {
        return out.push_str(&text);
    }
    out.push('"');
    for (i, part) in text.split('"').enumerate() {
        out.push_str(if i == 0 { "" } else { "\"\"" });
        out.push_str(part);
    }
    out.push('"');
}

/// Escaped so that each row is a line and each cell is between tabs. The empty text is `""`, and
/// the text `""` is escaped.
pub(super) fn tsv(value: &Value, out: &mut String) {
    let Some(text) = plain(value) else { return };
    match text.as_ref() {
        "" => return out.push_str("\"\""),
        "\"\"" => return out.push_str("\\\"\\\""),
        _ => {}
    }
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

/// For eyes: control characters are shown, never sent to the terminal.
pub(super) fn txt(value: &Value, out: &mut String) {
    match plain(value).as_deref() {
        None => {}
        Some("") => out.push_str("\"\""),
        Some(text) => text.chars().for_each(|c| visible(c, out)),
    }
}

fn visible(c: char, out: &mut String) {
    match c {
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        c if is_unsafe(c) => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// As [`txt`], with what markdown would take for itself escaped.
pub(super) fn md(value: &Value, out: &mut String) {
    match plain(value).as_deref() {
        None => {}
        Some("") => out.push_str("\"\""),
        Some(text) => {
            for c in text.chars() {
                match c {
                    '\n' => out.push_str("<br>"),
                    '\\' | '|' | '`' | '*' | '_' | '<' | '[' | ']' | '&' | '~' => {
                        out.extend(['\\', c]);
                    }
                    c => visible(c, out),
                }
            }
        }
    }
}
