//! Regular expressions, in linear time, and SQL's `like`.
//!
//! **Invariant:** a pattern is compiled once, unless a run has very many; look-around and
//! back-references are an error. Patterns have a largest size, a smaller one for long text, so that
//! looking for one match takes no more than seconds; between matches the run may be stopped.

use super::collection::MAX_ITEMS;
use super::text::string;
use super::{FnError, Function, Scratch, pure};
use crate::query::error::quote;
use crate::value::{Symbol, Value};
use regex::{Captures, Regex, RegexBuilder};
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

/// Text from so many bytes on is long.
const LONG: usize = 1 << 16;
/// The size of a compiled pattern, in bytes, for text that is not long, and for long text.
const SIZES: [usize; 2] = [4 << 20, 1 << 20];
/// So many patterns are kept.
const KEPT: usize = 32;

/// The compiled pattern, for a text of this length.
pub fn compile<'s>(
    scratch: &'s mut Scratch,
    pattern: &str,
    length: usize,
) -> Result<&'s Regex, FnError> {
    let key = (length >= LONG, pattern.to_owned());
    if !scratch.regexes.contains_key(&key) {
        scratch.tick(pattern.len())?;
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(SIZES[usize::from(key.0)]);
        let regex = builder.build().map_err(|e| FnError::Pattern(reason(&e, pattern)))?;
        if scratch.regexes.len() >= KEPT {
            scratch.regexes.clear();
        }
        scratch.regexes.insert(key.clone(), regex);
    }
    scratch.regexes.get(&key).ok_or(FnError::Stopped)
}

/// What is wrong with a pattern, in one line that quotes no more than its beginning.
fn reason(error: &regex::Error, pattern: &str) -> String {
    let reason = match error {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes compiled"),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    };
    format!("{}, in {}", quote(reason), quote(pattern.to_owned()))
}

/// The matches of a pattern in a text, each with its groups.
pub fn each_match(
    scratch: &mut Scratch,
    pattern: &str,
    text: &str,
    each: &mut dyn FnMut(&Captures<'_>) -> Result<bool, FnError>,
) -> Result<(), FnError> {
    // A copy shares the compiled program; the run's watch is asked between matches.
    let regex = compile(scratch, pattern, text.len())?.clone();
    scratch.tick(1 + text.len() / 64)?;
    for captures in regex.captures_iter(text) {
        if !each(&captures)? {
            return Ok(());
        }
        // The next match may take a look at all that is left.
        let end = captures.get(0).map_or(text.len(), |found| found.end());
        scratch.tick(2 + (text.len() - end) / 64)?;
    }
    Ok(())
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
    let text = string(&args[1])?;
    let regex = compile(scratch, &as_pattern(&args[0])?, text.len())?;
    Ok(regex.captures(text).map_or(Value::Nil, |c| found(&c)))
}

fn re_matches(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let text = string(&args[1])?;
    let regex = compile(scratch, &format!("^(?:{})$", as_pattern(&args[0])?), text.len())?;
    Ok(regex.captures(text).map_or(Value::Nil, |c| found(&c)))
}

fn re_seq(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let mut all = Vec::new();
    each_match(scratch, &as_pattern(&args[0])?, string(&args[1])?, &mut |captures| {
        if all.len() == MAX_ITEMS {
            return Err(FnError::TooLarge { limit: MAX_ITEMS, unit: "items" });
        }
        all.push(found(captures));
        Ok(true)
    })?;
    Ok(if all.is_empty() { Value::Nil } else { Value::List(all.into()) })
}

fn re_pattern(args: &[Value], scratch: &mut Scratch) -> Result<Value, FnError> {
    let pattern = as_pattern(&args[0])?;
    compile(scratch, &pattern, 0)?;
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
    let text = string(&args[0])?;
    Ok(compile(scratch, &pattern, text.len())?.is_match(text))
}

pub static TABLE: &[Function] = &[
    pure("re-find", 2, 2, re_find),
    pure("re-matches", 2, 2, re_matches),
    pure("re-seq", 2, 2, re_seq),
    pure("re-pattern", 1, 1, re_pattern),
    pure("like", 2, 2, |a, s| Ok(Value::Bool(like(a, s)?))),
    pure("not-like", 2, 2, |a, s| Ok(Value::Bool(!like(a, s)?))),
];
