//! Forms: EDN as it was typed, each with its place in the text.
//!
//! **Invariant:** maps and sets keep the order of the text and hold no duplicates; forms nest at
//! most as deep as the reader allows, so walking them by recursion is safe. Two forms are equal if
//! they mean the same, wherever they stand.

use super::print;
use crate::value::{Keyword, Symbol, Value};
use std::fmt;

/// Where a form stands: bytes from `start` to before `end` of all text read, and line and column of
/// its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
    /// Line of the start, from 1.
    pub line: u32,
    /// Column of the start in characters, from 1.
    pub column: u32,
}

impl Default for Span {
    fn default() -> Self {
        Self { start: 0, end: 0, line: 1, column: 1 }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What was typed, and where.
#[derive(Clone, Debug)]
pub struct Form {
    /// What was typed.
    pub kind: FormKind,
    /// Where.
    pub span: Span,
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormKind {
    /// Anything without parts; tags that the reader knows are read (`#inst`, `#uuid`, `#uri`,
    /// `#bytes`).
    Value(Value),
    /// `( … )`; `'x` is the list `(quote x)`.
    List(Vec<Form>),
    /// `[ … ]`
    Vector(Vec<Form>),
    /// `{ … }` in the order of the text.
    Map(Vec<(Form, Form)>),
    /// `#{ … }` in the order of the text.
    Set(Vec<Form>),
    /// `#tag form` of a tag that the reader does not know; `#"…"` is the tag `regex` on the text
    /// between the quotes.
    Tagged(Symbol, Box<Form>),
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Form {}

impl Form {
    /// What the form means.
    pub fn to_value(&self) -> Value {
        let values = |items: &[Form]| items.iter().map(Self::to_value).collect::<Vec<_>>();
        match &self.kind {
            FormKind::Value(value) => value.clone(),
            FormKind::List(items) => Value::List(values(items).into()),
            FormKind::Vector(items) => Value::Vector(values(items).into()),
            FormKind::Set(items) => Value::set(values(items)),
            FormKind::Map(entries) => {
                Value::map(entries.iter().map(|(k, v)| (k.to_value(), v.to_value())).collect())
            }
            FormKind::Tagged(tag, form) => Value::Tagged((tag.clone(), form.to_value()).into()),
        }
    }

    /// The scalar, if it is one.
    pub fn as_value(&self) -> Option<&Value> {
        if let FormKind::Value(value) = &self.kind { Some(value) } else { None }
    }

    /// The symbol, if it is one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        if let Some(Value::Symbol(symbol)) = self.as_value() { Some(symbol) } else { None }
    }

    /// The keyword, if it is one.
    pub fn as_keyword(&self) -> Option<&Keyword> {
        if let Some(Value::Keyword(keyword)) = self.as_value() { Some(keyword) } else { None }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Some(Value::Str(text)) = self.as_value() { Some(text) } else { None }
    }

    /// The number, if it is a long.
    pub fn as_long(&self) -> Option<i64> {
        if let Some(Value::Long(number)) = self.as_value() { Some(*number) } else { None }
    }

    /// The items of a vector.
    pub fn as_vector(&self) -> Option<&[Form]> {
        if let FormKind::Vector(items) = &self.kind { Some(items) } else { None }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Form]> {
        if let FormKind::List(items) = &self.kind { Some(items) } else { None }
    }

    /// The items of a vector or a list.
    pub fn as_seq(&self) -> Option<&[Form]> {
        self.as_vector().or_else(|| self.as_list())
    }

    /// The items of a set.
    pub fn as_set(&self) -> Option<&[Form]> {
        if let FormKind::Set(items) = &self.kind { Some(items) } else { None }
    }

    /// The entries of a map.
    pub fn as_map(&self) -> Option<&[(Form, Form)]> {
        if let FormKind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    /// Whether it is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self.kind, FormKind::Value(Value::Nil))
    }

    /// Whether it is the symbol with this text.
    pub fn is_symbol(&self, text: &str) -> bool {
        self.as_symbol().is_some_and(|symbol| symbol.as_str() == text)
    }

    /// Whether it is the keyword with this text (no colon).
    pub fn is_keyword(&self, text: &str) -> bool {
        self.as_keyword().is_some_and(|keyword| keyword.as_str() == text)
    }

    /// What a map holds under the keyword with this text (no colon).
    pub fn get(&self, keyword: &str) -> Option<&Form> {
        self.as_map()?.iter().find(|(key, _)| key.is_keyword(keyword)).map(|(_, value)| value)
    }

    /// What a `(quote …)` quotes, else the form itself: texts of queries come with and without the
    /// quote.
    pub fn unquoted(&self) -> &Form {
        match self.as_list() {
            Some([head, form]) if head.is_symbol("quote") => form,
            _ => self,
        }
    }

    /// What it is in a message: "vector", "map", "string"...
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            FormKind::Value(value) => value.type_name(),
            FormKind::List(_) => "list",
            FormKind::Vector(_) => "vector",
            FormKind::Map(_) => "map",
            FormKind::Set(_) => "set",
            FormKind::Tagged(..) => "tagged form",
        }
    }
}

impl From<Value> for Form {
    /// A form that was not typed: its places are the start of the text.
    fn from(value: Value) -> Self {
        let forms = |items: &[Value]| items.iter().cloned().map(Form::from).collect();
        let kind = match &value {
            Value::List(items) => FormKind::List(forms(items)),
            Value::Vector(items) => FormKind::Vector(forms(items)),
            Value::Set(items) => FormKind::Set(forms(items)),
            Value::Map(entries) => FormKind::Map(
                entries.iter().map(|(k, v)| (k.clone().into(), v.clone().into())).collect(),
            ),
            Value::Tagged(x) => FormKind::Tagged(x.0.clone(), Box::new(x.1.clone().into())),
            _ => FormKind::Value(value),
        };
        Self { kind, span: Span::default() }
    }
}

impl fmt::Display for Form {
    /// On one line, in the order of the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FormKind::Value(value) => print(value, f),
            FormKind::List(items) => sequence(f, "(", items, ")"),
            FormKind::Vector(items) => sequence(f, "[", items, "]"),
            FormKind::Set(items) => sequence(f, "#{", items, "}"),
            FormKind::Map(entries) => {
                for (i, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key} {value}", if i == 0 { "{" } else { ", " })?;
                }
                f.write_str(if entries.is_empty() { "{}" } else { "}" })
            }
            FormKind::Tagged(tag, form) => write!(f, "#{tag} {form}"),
        }
    }
}

fn sequence(f: &mut fmt::Formatter<'_>, open: &str, items: &[Form], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
    }
    f.write_str(close)
}
