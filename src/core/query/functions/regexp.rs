//! Regular expressions, in linear time, and SQL's `like`.
//!
//! **Invariant:** a pattern is compiled once a run; look-around and back-references are an error.

use super::text::string;
use super::{FnError, Function, Scratch, pure};
use crate::value::{Symbol, Value};
use regex::{Captures, Regex};
use std::sync::Arc;

/// The source of the pattern that a value is: `#"…"`, what `re-pattern` made, or a string.
pub fn as_pattern(value: &Value) -> Result<String, FnError> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        Value::Tagged(tagged) if tagged.0.as_str() == "regex" => as_pattern(&tagged.1),
        other => Err(FnError::expected("a regular expression", other)),
    }
}

/// A pattern for what `replace` looks for, and whether it was plain text.
pub fn literal_or_pattern(value: &Value) -> Result<(String, bool), FnError> {
    match value {
        Value::Str(text) => Ok((regex::escape(text), true)),
        Value::Char(c) => Ok((regex::escape(&c.to_string()), true)),
        other => Ok((as_pattern(other)?, false)),
    }
}

/// The compiled pattern.
pub fn compile<'s>(scratch: &'s mut Scratch, pattern: &str) -> Result<&'s Regex, FnError> {
    if !scratch.regexes.contains_key(pattern) {
        let regex = Regex::new(pattern).map_err(|e| FnError::Pattern(e.to_string()))?;
        scratch.regexes.insert(pattern.to_owned(), regex);
    }
    scratch.regexes.get(pattern).ok_or_else(|| FnError::Pattern(pattern.to_owned()))
}

/// The match alone, or a vector of it and its groups.
fn found(captures: &Captures<'_>) -> Value {
    let group = |i: usize| captures.get(i).map_or(Value::Nil, |m| Value::str(m.as_str()));
    match captures.len() {
        1 => group(0),
        groups => Value::from((0..groups).map(group).collect::<Vec<_>>()),
    }
}

fn re_find(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let regex = compile(scratch, &as_pattern(&args[0])?)?;
    Ok(regex.captures(string(&args[1])?).map_or(Value::Nil, |c| found(&c)))
}

fn re_matches(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let regex = compile(scratch, &format!("^(?:{})$", as_pattern(&args[0])?))?;
    Ok(regex.captures(string(&args[1])?).map_or(Value::Nil, |c| found(&c)))
}

fn re_seq(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let regex = compile(scratch, &as_pattern(&args[0])?)?;
    let all: Vec<_> = regex.captures_iter(string(&args[1])?).map(|c| found(&c)).collect();
    Ok(if all.is_empty() { Value::Nil } else { Value::List(all.into()) })
}

fn re_pattern(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let pattern = as_pattern(&args[0])?;
    compile(scratch, &pattern)?;
    Ok(Value::Tagged(Arc::new((Symbol::new("regex"), Value::from(pattern)))))
}

/// `%` is any text, `_` any character, `\` takes the next as it is.
fn like(args: &[Value], scratch: &mut Scratch) -> Result<bool, FnError> {
    let mut pattern = String::from("(?s)^");
    let mut chars = string(&args[1])?.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            '\\' => pattern.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            other => pattern.push_str(&regex::escape(&other.to_string())),
        }
    }
    pattern.push('$');
    Ok(compile(scratch, &pattern)?.is_match(string(&args[0])?))
}

pub static TABLE: &[Function] = &[
    pure("re-find", 2, 2, re_find),
    pure("re-matches", 2, 2, re_matches),
    pure("re-seq", 2, 2, re_seq),
    pure("re-pattern", 1, 1, re_pattern),
    pure("like", 2, 2, |a, s| Ok(Value::Bool(like(a, s)?))),
    pure("not-like", 2, 2, |a, s| Ok(Value::Bool(!like(a, s)?))),
];
