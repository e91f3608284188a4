//! The canonical text of a value, on one line.
//!
//! **Invariant:** equal values give equal bytes, reading the text gives the value back, and no
//! control character of the data reaches a terminal. Names that have no syntax print as `#keyword
//! "…"` and `#symbol "…"`.

use super::atom::{is_keyword, is_symbol, is_tag};
use super::base64;
use crate::instant;
use crate::value::Value;
use std::fmt::{self, Write};

/// Appends the text of a value.
pub fn print(value: &Value, out: &mut dyn Write) -> fmt::Result {
    match value {
        Value::Nil => out.write_str("nil"),
        Value::Bool(x) => write!(out, "{x}"),
        Value::Long(x) => write!(out, "{x}"),
        Value::Ref(x) => write!(out, "{}", x.0),
        Value::BigInt(x) => write!(out, "{x}N"),
        Value::Ratio(x) => write!(out, "{}/{}", x.numer(), x.denom()),
        Value::BigDec(x) => write!(out, "{x}M"),
        Value::Float(x) => print_float(*x, out),
        Value::Double(x) => print_double(*x, out),
        Value::Char(x) => character(*x, out),
        Value::Str(x) => string(x, out),
        Value::Keyword(x) if is_keyword(x.as_str()) => write!(out, ":{}", x.as_str()),
        Value::Keyword(x) => labelled("keyword", x.as_str(), out),
        Value::Symbol(x) if is_symbol(x.as_str()) => out.write_str(x.as_str()),
        Value::Symbol(x) => labelled("symbol", x.as_str(), out),
        Value::Inst(x) => write!(out, "#inst \"{}\"", instant::format_clojure(*x)),
        Value::Uuid(x) => write!(out, "#uuid \"{x}\""),
        Value::Uri(x) => labelled("uri", x, out),
        Value::Bytes(x) => write!(out, "#bytes \"{}\"", base64::encode(x)),
        Value::Vector(x) => sequence("[", x, "]", out),
        Value::List(x) => sequence("(", x, ")", out),
        Value::Set(x) => sequence("#{", x, "}", out),
        Value::Map(x) => {
            out.write_char('{')?;
            for (i, (key, value)) in x.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { ", " })?;
                print(key, out)?;
                out.write_char(' ')?;
                print(value, out)?;
            }
            out.write_char('}')
        }
        Value::Tagged(x) => {
            let (before, after) = tag_marks(x.0.as_str());
            out.write_str(before)?;
            print(&Value::Symbol(x.0.clone()), out)?;
            out.write_char(' ')?;
            print(&x.1, out)?;
            out.write_str(after)
        }
    }
}

/// The text of a value.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = print(value, &mut out);
    out
}

/// What stands around a tag and its form: a tag that the reader would take for something else is
/// spelled out.
pub(super) fn tag_marks(tag: &str) -> (&'static str, &'static str) {
    let known = matches!(tag, "inst" | "uuid" | "uri" | "bytes" | "keyword" | "symbol" | "tagged");
    if is_tag(tag) && !known { ("#", "") } else { ("#tagged [", "]") }
}

fn sequence(open: &str, items: &[Value], close: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        out.write_str(if i == 0 { "" } else { " " })?;
        print(item, out)?;
    }
    out.write_str(close)
}

fn labelled(tag: &str, text: &str, out: &mut dyn Write) -> fmt::Result {
    write!(out, "#{tag} ")?;
    string(text, out)
}

/// A double: the shortest digits that read back as it, always with a point; an exponent from 10^7
/// up and below 10^-3.
pub fn print_double(x: f64, out: &mut dyn Write) -> fmt::Result {
    match special(x) {
        Some(name) => out.write_str(name),
        None if is_plain(x) => write!(out, "{x:?}"),
        None => exponential(&format!("{x:e}"), out),
    }
}

/// As [`print_double`], with the fewer digits that tell one 32-bit float from the next.
pub fn print_float(x: f32, out: &mut dyn Write) -> fmt::Result {
    match special(f64::from(x)) {
        Some(name) => out.write_str(name),
        None if is_plain(f64::from(x)) => write!(out, "{x:?}"),
        None => exponential(&format!("{x:e}"), out),
    }
}

fn special(x: f64) -> Option<&'static str> {
    match x {
        f64::INFINITY => Some("##Inf"),
        f64::NEG_INFINITY => Some("##-Inf"),
        x if x.is_nan() => Some("##NaN"),
        // Both zeros are one value, and so have one text.
        0.0 => Some("0.0"),
        _ => None,
    }
}

fn is_plain(x: f64) -> bool {
    (1e-3..1e7).contains(&x.abs())
}

fn exponential(text: &str, out: &mut dyn Write) -> fmt::Result {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    write!(out, "{mantissa}{point}E{exponent}")
}

/// A string between quotes.
pub(super) fn string(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (i, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            c if is_unsafe(c) => "",
            _ => continue,
        };
        out.write_str(&text[plain..i])?;
        plain = i + c.len_utf8();
        if escape.is_empty() {
            write!(out, "\\u{:04x}", u32::from(c))?;
        } else {
            out.write_str(escape)?;
        }
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}

fn character(c: char, out: &mut dyn Write) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\newline"),
        '\r' => out.write_str("\\return"),
        ' ' => out.write_str("\\space"),
        '\t' => out.write_str("\\tab"),
        '\u{8}' => out.write_str("\\backspace"),
        '\u{c}' => out.write_str("\\formfeed"),
        c if is_unsafe(c) || c.is_whitespace() => write!(out, "\\u{:04x}", u32::from(c)),
        c => write!(out, "\\{c}"),
    }
}

/// Whether a character can change how a terminal shows the text around it: control characters,
/// separators of lines, marks of direction, what has no width. All are below U+10000.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}
