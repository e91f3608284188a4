//! The tags that the reader knows: `#inst #uuid #uri #bytes`, and those that stand for what has no
//! syntax of its own.
//!
//! **Invariant:** a known tag with the wrong content is an error, never a tagged form; every other
//! tag is kept as it is. `#inst` also takes a number of milliseconds; `#keyword`, `#symbol` and
//! `#tagged` hold names that cannot be written.

use super::error::{ErrorKind, shown};
use super::{Form, FormKind, base64};
use crate::instant;
use crate::value::{Keyword, Symbol, Uuid, Value};

/// The form that `#tag content` is.
pub(super) fn tagged(tag: &Symbol, content: Form) -> Result<FormKind, ErrorKind> {
    let fault = |expected| ErrorKind::TagContent {
        tag: shown(tag.as_str()),
        expected,
        found: shown(&content.to_string()),
    };
    let text = content.as_str();
    let value = match tag.as_str() {
        "inst" => {
            text.and_then(instant::parse).or(content.as_long()).map(Value::Inst).ok_or_else(|| {
                fault("a time of RFC 3339 or the beginning of one, such as \"2026-06-30\"")
            })
        }
        "uuid" => text
            .and_then(uuid)
            .map(Value::Uuid)
            .ok_or_else(|| fault("a string such as \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"")),
        "uri" => text.map(|t| Value::Uri(t.into())).ok_or_else(|| fault("a string")),
        "bytes" => text
            .and_then(base64::decode)
            .map(|bytes| Value::Bytes(bytes.into()))
            .ok_or_else(|| fault("a string of base64")),
        "keyword" => text.map(|t| Value::Keyword(Keyword::new(t))).ok_or_else(|| fault("a string")),
        "symbol" => text.map(|t| Value::Symbol(Symbol::new(t))).ok_or_else(|| fault("a string")),
        "tagged" => {
            return any_tag(&content).ok_or_else(|| fault("a vector of a symbol and a form"));
        }
        _ => return Ok(FormKind::Tagged(tag.clone(), Box::new(content))),
    };
    value.map(FormKind::Value)
}

/// Only the form with hyphens, as it is printed.
fn uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

fn any_tag(content: &Form) -> Option<FormKind> {
    let [tag, form] = content.as_vector()? else { return None };
    Some(FormKind::Tagged(tag.as_symbol()?.clone(), Box::new(form.clone())))
}
