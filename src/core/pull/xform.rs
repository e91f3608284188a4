//! The functions that `:xform` knows: pure, and defined here.
//!
//! **Invariant:** each takes nil, and gives nil for it unless it makes something of it.

use super::PullError;
use crate::nearest::nearest;
use crate::value::{Keyword, Symbol, Value};
use num_traits::ToPrimitive;

/// A function of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Xform {
    pub(super) name: &'static str,
    apply: fn(&Value) -> Option<Value>,
}

impl PartialEq for Xform {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All of them, by name.
const ALL: &[(&str, fn(&Value) -> Option<Value>)] = &[
    ("abs", |v| long(v, i64::checked_abs, f64::abs)),
    ("boolean", |v| Some(Value::Bool(v.is_truthy()))),
    ("capitalize", |v| text(v, capitalize)),
    ("count", count),
    ("dec", |v| long(v, |x| x.checked_sub(1), |x| x - 1.0)),
    ("double", |v| nil_or(v, |v| number(v).map(Value::Double))),
    ("empty?", |v| Some(Value::Bool(count(v)? == Value::Long(0)))),
    ("first", |v| nil_or(v, |v| Some(items(v)?.first().cloned().unwrap_or(Value::Nil)))),
    ("identity", |v| Some(v.clone())),
    ("inc", |v| long(v, |x| x.checked_add(1), |x| x + 1.0)),
    ("keyword", |v| named(v, Value::keyword)),
    ("last", |v| nil_or(v, |v| Some(items(v)?.last().cloned().unwrap_or(Value::Nil)))),
    ("list", |v| Some(Value::List([v.clone()].into()))),
    ("lower-case", |v| text(v, |text| text.to_lowercase())),
    ("name", name),
    ("namespace", namespace),
    ("nil?", |v| Some(Value::Bool(matches!(v, Value::Nil)))),
    ("not", |v| Some(Value::Bool(!v.is_truthy()))),
    ("pr-str", |v| Some(crate::edn::to_string(v).into())),
    ("set", |v| nil_or(v, |v| Some(Value::set(items(v)?.to_vec())))),
    ("some?", |v| Some(Value::Bool(!matches!(v, Value::Nil)))),
    ("sort", |v| nil_or(v, sorted)),
    ("str", |v| Some(Value::from(plain(v)))),
    ("symbol", |v| named(v, |text| Value::Symbol(Symbol::new(text)))),
    ("trim", |v| text(v, |text| text.trim().to_owned())),
    ("upper-case", |v| text(v, |text| text.to_uppercase())),
    ("vec", |v| nil_or(v, |v| Some(items(v)?.to_vec().into()))),
    ("vector", |v| Some(vec![v.clone()].into())),
];

impl Xform {
    /// The function that a symbol names.
    pub(super) fn named(symbol: &Value) -> Result<Self, PullError> {
        let written = match symbol {
            Value::Symbol(symbol) => symbol.as_str(),
            Value::Str(text) => text,
            _ => "",
        };
        let bare = ["clojure.core/", "clojure.string/", "str/"]
            .iter()
            .find_map(|ns| written.strip_prefix(ns))
            .unwrap_or(written);
        let found = ALL.iter().find(|(name, _)| *name == bare);
        let found = found.map(|(name, apply)| Self { name, apply: *apply });
        found.ok_or_else(|| PullError::UnknownXform {
            name: crate::edn::to_string(symbol),
            nearest: nearest(bare, ALL.iter().map(|(name, _)| *name)).map(str::to_owned),
            known: ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        })
    }

    pub(super) fn apply(self, attribute: &Keyword, value: &Value) -> Result<Value, PullError> {
        (self.apply)(value).ok_or_else(|| PullError::Xform {
            name: self.name,
            attribute: attribute.clone(),
            found: value.type_name(),
        })
    }
}

fn nil_or(v: &Value, f: impl Fn(&Value) -> Option<Value>) -> Option<Value> {
    if matches!(v, Value::Nil) { Some(Value::Nil) } else { f(v) }
}

fn long(
    v: &Value,
    whole: impl Fn(i64) -> Option<i64>,
    fraction: impl Fn(f64) -> f64,
) -> Option<Value> {
    match v {
        Value::Nil => Some(Value::Nil),
        Value::Long(x) => whole(*x).map(Value::Long),
        Value::Double(x) => Some(Value::Double(fraction(*x))),
        _ => None,
    }
}

fn number(v: &Value) -> Option<f64> {
    match v {
        Value::Double(x) => Some(*x),
        Value::Float(x) => Some(f64::from(*x)),
        v => crate::value::rational(v)?.to_f64(),
    }
}

fn text(v: &Value, f: impl Fn(&str) -> String) -> Option<Value> {
    match v {
        Value::Nil => Some(Value::Nil),
        Value::Str(text) => Some(f(text).into()),
        Value::Keyword(_) | Value::Symbol(_) => Some(f(&plain(v)).into()),
        _ => None,
    }
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.flat_map(char::to_lowercase)).collect()
}

fn named(v: &Value, f: impl Fn(&str) -> Value) -> Option<Value> {
    match v {
        Value::Nil => Some(Value::Nil),
        Value::Str(text) => Some(f(text)),
        Value::Keyword(k) => Some(f(k.as_str())),
        Value::Symbol(s) => Some(f(s.as_str())),
        _ => None,
    }
}

fn name(v: &Value) -> Option<Value> {
    match v {
        Value::Nil => Some(Value::Nil),
        Value::Str(_) => Some(v.clone()),
        Value::Keyword(k) => Some(Value::str(k.name())),
        Value::Symbol(s) => Some(Value::str(s.name())),
        _ => None,
    }
}

fn namespace(v: &Value) -> Option<Value> {
    let ns = match v {
        Value::Nil => None,
        Value::Keyword(k) => k.namespace(),
        Value::Symbol(s) => s.namespace(),
        _ => return None,
    };
    Some(ns.map_or(Value::Nil, Value::str))
}

fn items(v: &Value) -> Option<&[Value]> {
    match v {
        Value::Vector(items) | Value::List(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

fn count(v: &Value) -> Option<Value> {
    let count = match v {
        Value::Nil => 0,
        Value::Str(text) => text.chars().count(),
        Value::Map(entries) => entries.len(),
        Value::Bytes(bytes) => bytes.len(),
        v => items(v)?.len(),
    };
    Some(Value::Long(count as i64))
}

fn sorted(v: &Value) -> Option<Value> {
    let mut items = items(v)?.to_vec();
    items.sort();
    Some(items.into())
}

/// As `str` writes it: text without quotes.
fn plain(v: &Value) -> String {
    match v {
        Value::Nil => String::new(),
        Value::Str(text) => text.to_string(),
        Value::Char(c) => c.to_string(),
        Value::Uri(text) => text.to_string(),
        Value::Uuid(id) => id.to_string(),
        Value::Inst(ms) => crate::instant::format(*ms),
        other => crate::edn::to_string(other),
    }
}
