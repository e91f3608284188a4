//! Text: `str`, `subs`, printing, and the functions of `clojure.string`.
//!
//! **Invariant:** positions count characters, not bytes. No result is longer than [`MAX_TEXT`].

use super::collection::MAX_ITEMS;
use super::regexp::{as_pattern, each_match, literal_or_pattern};
use super::{FnError, Function, MANY, MAX_TEXT, Scratch, collection, pure};
use crate::edn;
use crate::value::Value;

/// The text of a value as `str` gives it: nothing for nil, strings and characters as they are.
pub fn display(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Str(s) | Value::Uri(s) => s.to_string(),
        Value::Char(c) => c.to_string(),
        Value::Uuid(u) => u.to_string(),
        Value::Inst(ms) => crate::instant::format(*ms),
        Value::BigInt(x) => x.to_string(),
        Value::BigDec(x) => x.to_string(),
        other => edn::to_string(other),
    }
}

/// The string that a value is.
pub fn string(value: &Value) -> Result<&str, FnError> {
    match value {
        Value::Str(s) => Ok(s),
        other => Err(FnError::expected("a string", other)),
    }
}

fn joined(
    args: &[Value],
    separator: &str,
    show: fn(&Value) -> String,
    scratch: &mut Scratch,
) -> Result<String, FnError> {
    let mut out = String::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        let text = show(arg);
        scratch.tick(1 + text.len() / 64)?;
        append(&mut out, &text)?;
    }
    Ok(out)
}

/// Appends, if the whole does not become too long.
fn append(out: &mut String, text: &str) -> Result<(), FnError> {
    if out.len() + text.len() > MAX_TEXT {
        return Err(FnError::TooLarge { limit: MAX_TEXT, unit: "bytes" });
    }
    out.push_str(text);
    Ok(())
}

fn subs(args: &[Value]) -> Result<Value, FnError> {
    let text = string(&args[0])?;
    let len = text.chars().count();
    let at = |value: &Value, low: usize| {
        let index = super::math::to_long(value)?;
        let inside = usize::try_from(index).ok().filter(|i| (low..=len).contains(i));
        inside.ok_or(FnError::Index { index, len })
    };
    let from = at(&args[1], 0)?;
    let to = args.get(2).map_or(Ok(len), |end| at(end, from))?;
    Ok(Value::from(text.chars().skip(from).take(to - from).collect::<String>()))
}

fn is_blank(value: &Value) -> Result<bool, FnError> {
    match value {
        Value::Nil => Ok(true),
        other => Ok(string(other)?.trim().is_empty()),
    }
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &chars.as_str().to_lowercase()
}

fn split(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let text = string(&args[0])?;
    let pattern = as_pattern(&args[1])?;
    let limit = args.get(2).map_or(Ok(0), super::math::to_long)?;
    let most = usize::try_from(limit).ok().filter(|limit| *limit > 0);
    let (mut parts, mut from, mut at_start) = (Vec::new(), 0, false);
    each_match(scratch, &pattern, text, &mut |captures| {
        let Some(found) = captures.get(0).filter(|_| most.is_none_or(|n| parts.len() + 1 < n))
        else {
            return Ok(false);
        };
        if parts.len() == MAX_ITEMS {
            return Err(FnError::TooLarge { limit: MAX_ITEMS, unit: "items" });
        }
        at_start |= found.end() == 0;
        parts.push(&text[from..found.start()]);
        from = found.end();
        Ok(true)
    })?;
    parts.push(&text[from..]);
    // As in Java: an empty match at the start gives no part, and trailing empty parts are dropped.
    if parts.len() > 1 && parts[0].is_empty() && at_start {
        parts.remove(0);
    }
    while limit == 0 && parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    Ok(Value::from(parts.into_iter().map(Value::str).collect::<Vec<_>>()))
}

fn join(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let (separator, items) = match args {
        [items] => (String::new(), items),
        [separator, items, ..] => (display(separator), items),
        [] => return Ok(Value::str("")),
    };
    match collection::items(items) {
        Some(items) => Ok(Value::from(joined(&items, &separator, display, scratch)?)),
        None => Err(FnError::expected("a collection", items)),
    }
}

fn replace(args: &[Value], all: bool, scratch: &mut Scratch) -> Result<Value, FnError> {
    let (text, with) = (string(&args[0])?, display(&args[2]));
    let (pattern, literal) = literal_or_pattern(&args[1])?;
    // `$1x` means group 1 and then x, as in Java.
    let with = if literal { with } else { braced(&with) };
    let groups = if literal { 0 } else { with.matches('$').count() };
    let (mut out, mut from) = (String::new(), 0);
    each_match(scratch, &pattern, text, &mut |captures| {
        let Some(found) = captures.get(0) else { return Ok(false) };
        // Each group lies in the match.
        if groups.saturating_mul(found.len()) > 2 * MAX_TEXT {
            return Err(FnError::TooLarge { limit: MAX_TEXT, unit: "bytes" });
        }
        append(&mut out, &text[from..found.start()])?;
        if literal {
            append(&mut out, &with)?;
        } else {
            let mut expanded = String::new();
            captures.expand(&with, &mut expanded);
            append(&mut out, &expanded)?;
        }
        from = found.end();
        Ok(all)
    })?;
    append(&mut out, &text[from..])?;
    Ok(Value::from(out))
}

/// A replacement with the digits of its groups in braces.
fn braced(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' && chars.peek().is_some_and(char::is_ascii_digit) {
            out.push('{');
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                out.push(digit);
            }
            out.push('}');
        }
    }
    out
}

fn index_of(args: &[Value], last: bool) -> Result<Value, FnError> {
    let (text, part) = (string(&args[0])?, display(&args[1]));
    let found = match args.get(2) {
        None if last => text.rfind(&part),
        None => text.find(&part),
        Some(from) => {
            let from = usize::try_from(super::math::to_long(from)?).unwrap_or(0);
            let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
            if last {
                text[..text.len().min(start + part.len())].rfind(&part)
            } else {
                text[start..].find(&part).map(|at| at + start)
            }
        }
    };
    Ok(found.map_or(Value::Nil, |at| Value::Long(text[..at].chars().count() as i64)))
}

fn truth(test: bool) -> Result<Value, FnError> {
    Ok(Value::Bool(test))
}

fn text(text: impl Into<String>) -> Result<Value, FnError> {
    Ok(Value::from(text.into()))
}

pub static TABLE: &[Function] = &[
    pure("str", 0, MANY, |a, s| text(joined(a, "", display, s)?)),
    pure("pr-str", 0, MANY, |a, s| text(joined(a, " ", edn::to_string, s)?)),
    pure("prn-str", 0, MANY, |a, s| text(joined(a, " ", edn::to_string, s)? + "\n")),
    pure("print-str", 0, MANY, |a, s| text(joined(a, " ", display, s)?)),
    pure("println-str", 0, MANY, |a, s| text(joined(a, " ", display, s)? + "\n")),
    pure("subs", 2, 3, |a, _| subs(a)),
    pure("clojure.string/blank?", 1, 1, |a, _| truth(is_blank(&a[0])?)),
    pure("clojure.string/includes?", 2, 2, |a, _| truth(string(&a[0])?.contains(string(&a[1])?))),
    pure("clojure.string/starts-with?", 2, 2, |a, _| {
        truth(string(&a[0])?.starts_with(string(&a[1])?))
    }),
    pure("clojure.string/ends-with?", 2, 2, |a, _| truth(string(&a[0])?.ends_with(string(&a[1])?))),
    pure("clojure.string/upper-case", 1, 1, |a, _| text(display(&a[0]).to_uppercase())),
    pure("clojure.string/lower-case", 1, 1, |a, _| text(display(&a[0]).to_lowercase())),
    pure("clojure.string/capitalize", 1, 1, |a, _| text(capitalize(&display(&a[0])))),
    pure("clojure.string/trim", 1, 1, |a, _| text(string(&a[0])?.trim())),
    pure("clojure.string/triml", 1, 1, |a, _| text(string(&a[0])?.trim_start())),
    pure("clojure.string/trimr", 1, 1, |a, _| text(string(&a[0])?.trim_end())),
    pure("clojure.string/trim-newline", 1, 1, |a, _| {
        text(string(&a[0])?.trim_end_matches(['\r', '\n']))
    }),
    pure("clojure.string/reverse", 1, 1, |a, _| {
        text(string(&a[0])?.chars().rev().collect::<String>())
    }),
    pure("clojure.string/split", 2, 3, split),
    pure("clojure.string/split-lines", 1, 1, |a, _| {
        Ok(Value::from(string(&a[0])?.lines().map(Value::str).collect::<Vec<_>>()))
    }),
    pure("clojure.string/join", 1, 2, join),
    pure("clojure.string/replace", 3, 3, |a, s| replace(a, true, s)),
    pure("clojure.string/replace-first", 3, 3, |a, s| replace(a, false, s)),
    pure("clojure.string/index-of", 2, 3, |a, _| index_of(a, false)),
    pure("clojure.string/last-index-of", 2, 3, |a, _| index_of(a, true)),
];
