//! Tokens that are forms by themselves, or the beginning of one.
//!
//! **Invariant:** an error is at the byte that is wrong, also inside a long string.

use super::atom::{atom, character, string, symbol};
use super::error::{ErrorKind, shown};
use super::lexer::TokenKind;
use super::reader::Fault;
use super::{Form, FormKind, Span};
use crate::value::{Symbol, Value};

/// What a token without brackets is: a form, or what makes something of the next form.
pub(super) enum Scalar {
    Form(FormKind),
    Tag(Symbol),
    Namespace(String),
}

/// What a token is.
pub(super) fn scalar(kind: TokenKind, text: &str, span: Span) -> Result<Scalar, Fault> {
    let here = |kind| (kind, span);
    let value = match kind {
        TokenKind::Atom => atom(text).map_err(here)?,
        TokenKind::Char => Value::Char(character(text).map_err(here)?),
        TokenKind::Str => {
            let inner = text.get(1..text.len() - 1).unwrap_or_default();
            Value::from(string(inner).map_err(|(kind, at)| (kind, inside(span, text, at + 1)))?)
        }
        TokenKind::Regex => {
            let inner = Value::str(text.get(2..text.len() - 1).unwrap_or_default());
            let inner = Form { kind: FormKind::Value(inner), span };
            return Ok(Scalar::Form(FormKind::Tagged(Symbol::new("regex"), Box::new(inner))));
        }
        TokenKind::Symbolic => match text {
            "##Inf" => Value::Double(f64::INFINITY),
            "##-Inf" => Value::Double(f64::NEG_INFINITY),
            "##NaN" => Value::Double(f64::NAN),
            _ => return Err(here(ErrorKind::Symbolic { text: shown(text) })),
        },
        TokenKind::Tag => {
            let tag = symbol(text.get(1..).unwrap_or_default()).map_err(here)?;
            return Ok(Scalar::Tag(tag));
        }
        TokenKind::Namespace => {
            // As a keyword it obeys the same rules; `#::` is Clojure's shorthand for a namespace of
            // a program.
            let Value::Keyword(name) = atom(text.get(1..).unwrap_or_default()).map_err(here)?
            else {
                return Err(here(dispatch(text)));
            };
            return Ok(Scalar::Namespace(name.as_str().to_owned()));
        }
        _ => return Err(here(dispatch(text))),
    };
    Ok(Scalar::Form(FormKind::Value(value)))
}

/// The place of byte `at` of a token.
fn inside(span: Span, text: &str, at: usize) -> Span {
    let before = text.get(..at).unwrap_or_default();
    let lines = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let column = if lines == 0 { span.column as usize + last } else { last + 1 };
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (line, column) = (span.line.saturating_add(narrow(lines)), narrow(column));
    Span { start: span.start + at, end: span.end, line, column }
}

fn dispatch(text: &str) -> ErrorKind {
    let hint = match text {
        "#(" => "a function is not data",
        "#'" => "a var is not data",
        "#?" => "reader conditionals belong to programs",
        "#<" => "this was printed to be looked at, not to be read",
        "#=" => "nothing is evaluated while reading",
        _ => "a tag starts with a letter",
    };
    ErrorKind::Unsupported { text: shown(text), hint: Some(hint) }
}
