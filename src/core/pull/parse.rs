//! Patterns as they are written: `[:name (limit :aka 5) {[:friend :as :friends] ...}]`.
//!
//! **Invariant:** what is accepted does not depend on a database; whether attributes are refs is
//! looked at by `plan`.

use super::xform::Xform;
use super::{AttributeSpec, Limit, Pattern, PullError, Spec, Sub, order};
use crate::nearest::nearest;
use crate::value::{Keyword, Value};

/// Reads a pattern.
pub fn parse(pattern: &Value) -> Result<Pattern, PullError> {
    let items = items(pattern).ok_or_else(|| syntax("a pull pattern is a vector", pattern))?;
    let mut specs = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Map(entries) => {
                for (attribute, sub) in entries.iter() {
                    let mut spec = expression(attribute)?;
                    spec.sub = below(sub)?;
                    specs.push(Spec::Attribute(spec));
                }
            }
            Value::Symbol(star) if star.as_str() == "*" => specs.push(Spec::Wildcard),
            Value::Str(star) if star.as_ref() == "*" => specs.push(Spec::Wildcard),
            item => specs.push(Spec::Attribute(expression(item)?)),
        }
    }
    if specs.is_empty() {
        return Err(syntax("a pull pattern names at least one attribute", pattern));
    }
    Ok(Pattern { specs })
}

fn syntax(expected: &'static str, found: &Value) -> PullError {
    PullError::Syntax { expected, found: shown(found), nearest: None }
}

/// The error with the word that was meant by this one.
fn like(error: PullError, word: &str) -> PullError {
    const OPTIONS: [&str; 5] = [":as", ":limit", ":default", ":order-by", ":xform"];
    const WRAPS: [&str; 2] = ["limit", "default"];
    match error {
        PullError::Syntax { expected, found, .. } => {
            let known = if found.starts_with(':') { OPTIONS.as_slice() } else { &WRAPS };
            let word = if found.starts_with(':') { format!(":{word}") } else { word.to_owned() };
            let nearest = nearest(&word, known.iter().copied()).map(str::to_owned);
            PullError::Syntax { expected, found, nearest }
        }
        error => error,
    }
}

/// A form as a message shows it.
pub(super) fn shown(form: &Value) -> String {
    let text = crate::edn::to_string(form);
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Vector(items) | Value::List(items) => Some(items),
        _ => None,
    }
}

/// What a map of the pattern has under an attribute.
fn below(sub: &Value) -> Result<Sub, PullError> {
    const EXPECTED: &str = "under an attribute stands a pattern, a depth above 0 or ...";
    match sub {
        Value::Symbol(dots) if dots.as_str() == "..." => Ok(Sub::Recursion(None)),
        Value::Str(dots) if dots.as_ref() == "..." => Ok(Sub::Recursion(None)),
        Value::Long(depth) => match u32::try_from(*depth) {
            Ok(depth @ 1..) => Ok(Sub::Recursion(Some(depth))),
            _ => Err(syntax(EXPECTED, sub)),
        },
        Value::Vector(_) | Value::List(_) => parse(sub).map(Sub::Pattern),
        _ => Err(syntax(EXPECTED, sub)),
    }
}

/// An attribute with or without options.
fn expression(value: &Value) -> Result<AttributeSpec, PullError> {
    if let Value::Keyword(name) = value {
        return Ok(attribute(name));
    }
    const EXPECTED: &str = "an attribute was expected, or one with options";
    let items = items(value).ok_or_else(|| syntax(EXPECTED, value))?;
    let Some((head, rest)) = items.split_first() else { return Err(syntax(EXPECTED, value)) };
    match (head, rest) {
        (Value::Symbol(_) | Value::Str(_), _) => wrapped(value, head, rest),
        (head, options) => {
            let mut spec = expression(head)?;
            if options.len() % 2 != 0 {
                return Err(syntax("each option of an attribute has a value", value));
            }
            for pair in options.chunks_exact(2) {
                option(&mut spec, &pair[0], &pair[1])?;
            }
            Ok(spec)
        }
    }
}

/// `(limit attribute n)` and `(default attribute value)`.
fn wrapped(whole: &Value, head: &Value, rest: &[Value]) -> Result<AttributeSpec, PullError> {
    let name = match head {
        Value::Symbol(name) => name.as_str(),
        Value::Str(name) => name,
        _ => "",
    };
    match (name, rest) {
        ("limit", [inner, n]) => {
            let mut spec = expression(inner)?;
            spec.limit = limit(n)?;
            Ok(spec)
        }
        ("default", [inner, value]) => {
            let mut spec = expression(inner)?;
            spec.default = Some(value.clone());
            Ok(spec)
        }
        ("limit", _) => Err(syntax("(limit attribute n) was expected", whole)),
        ("default", _) => Err(syntax("(default attribute value) was expected", whole)),
        _ => Err(like(syntax("an attribute was expected, or limit, or default", head), name)),
    }
}

fn limit(n: &Value) -> Result<Limit, PullError> {
    match n {
        Value::Nil => Ok(Limit::All),
        Value::Long(most @ 1..) => Ok(Limit::Most(*most as usize)),
        _ => Err(syntax("a limit is a number above 0, or nil for all", n)),
    }
}

fn option(spec: &mut AttributeSpec, key: &Value, value: &Value) -> Result<(), PullError> {
    let name = if let Value::Keyword(name) = key { name.as_str() } else { "" };
    match name {
        "as" => spec.alias = Some(value.clone()),
        "limit" => spec.limit = limit(value)?,
        "default" => spec.default = Some(value.clone()),
        "xform" => spec.xform = Some(Xform::named(value)?),
        "order-by" => {
            const EXPECTED: &str = ":order-by is an attribute, :asc, :desc, or a vector of \
                                    attributes each with :asc or :desc behind it";
            spec.order = order::parse(value).ok_or_else(|| syntax(EXPECTED, value))?;
        }
        _ => {
            const EXPECTED: &str = "an option is :as, :limit, :default, :order-by or :xform";
            return Err(like(syntax(EXPECTED, key), name));
        }
    }
    Ok(())
}

fn attribute(name: &Keyword) -> AttributeSpec {
    let reversed = name.forward();
    AttributeSpec {
        written: name.clone(),
        reverse: reversed.is_some(),
        forward: reversed.unwrap_or_else(|| name.clone()),
        alias: None,
        limit: Limit::Unsaid,
        order: Vec::new(),
        default: None,
        xform: None,
        sub: Sub::Nothing,
    }
}
