//! What can be wrong with a text, said with line, column and the line itself.
//!
//! **Invariant:** an error shows at most 160 characters of the text, none of them a control
//! character.

use super::Span;
use crate::catalogue::Code;
use std::fmt;

/// A text that is not EDN, and where it stops being so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdnError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub span: Span,
    /// The line of text, while it is still at hand: of a stream only the last few kilobytes are.
    pub excerpt: Option<Excerpt>,
}

impl std::error::Error for EdnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

impl fmt::Display for EdnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.span, self.kind)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum ErrorKind {
    #[error("bytes that are not UTF-8")]
    NotUtf8,
    #[error("no form: the text is blank")]
    Blank,
    #[error("one form was expected, and this is a second one")]
    SecondForm,
    #[error("the text ends inside {what} that starts here{}", outer(*.outermost))]
    Incomplete { what: &'static str, outermost: Option<(u32, u32)> },
    #[error("`{close}` closes nothing")]
    NothingToClose { close: char },
    #[error("`{close}` where `{expected}` should close the `{open}` of {opened}")]
    Mismatch { close: char, expected: char, open: &'static str, opened: Span },
    #[error("`{close}` comes where {after} needs a form")]
    MissingForm { close: char, after: &'static str },
    #[error("nested deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("a map needs a value for each key, and this key has none")]
    KeyWithoutValue,
    #[error("the key `{key}` is in the map already")]
    DuplicateKey { key: String },
    #[error("`{element}` is in the set already")]
    DuplicateElement { element: String },
    #[error("`{text}` is no number{}", because(*.hint))]
    Number { text: String, hint: Option<&'static str> },
    #[error("a number of more than {limit} characters")]
    NumberTooLong { limit: usize },
    #[error("`{text}` is outside what a double holds; `{text}M` is exact")]
    DoubleRange { text: String },
    #[error("`{text}`: a decimal has at most {limit} digits after its point, or zeros before it")]
    DecimalRange { text: String, limit: i64 },
    #[error("`{text}` divides by zero")]
    ZeroDenominator { text: String },
    #[error("`{text}` is no symbol{}", because(*.hint))]
    Symbol { text: String, hint: Option<&'static str> },
    #[error("`{text}` is no keyword{}", because(*.hint))]
    Keyword { text: String, hint: Option<&'static str> },
    #[error(
        "`{text}` is no character: write one, or newline, return, space, tab, backspace, \
             formfeed, uXXXX or oNNN after the backslash"
    )]
    Char { text: String },
    #[error(
        "`{text}` is no escape in a string: there are \\n \\t \\r \\b \\f \\\" \\\\ \\uXXXX \\oNNN"
    )]
    Escape { text: String },
    #[error("`{text}` is half of a surrogate pair, which is no character")]
    Surrogate { text: String },
    #[error("`{text}` is none of ##Inf, ##-Inf, ##NaN")]
    Symbolic { text: String },
    #[error("`{text}` is not EDN{}", because(*.hint))]
    Unsupported { text: String, hint: Option<&'static str> },
    #[error("`#:{namespace}` needs a map after it")]
    NamespaceWithoutMap { namespace: String },
    #[error("`#{tag}` needs {expected}, not `{found}`")]
    TagContent { tag: String, expected: &'static str, found: String },
}

impl EdnError {
    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        self.kind.code()
    }
}

impl ErrorKind {
    fn code(&self) -> Code {
        match self {
            Self::NotUtf8 => Code::EdnNotUtf8,
            Self::Blank => Code::EdnBlank,
            Self::SecondForm => Code::EdnSecondForm,
            Self::Incomplete { .. } => Code::EdnIncomplete,
            Self::NothingToClose { .. } | Self::Mismatch { .. } | Self::MissingForm { .. } => {
                Code::EdnBracket
            }
            Self::TooDeep { .. } => Code::EdnTooDeep,
            Self::KeyWithoutValue => Code::EdnNoValue,
            Self::DuplicateKey { .. } | Self::DuplicateElement { .. } => Code::EdnDuplicate,
            Self::Number { .. }
            | Self::NumberTooLong { .. }
            | Self::DoubleRange { .. }
            | Self::DecimalRange { .. }
            | Self::ZeroDenominator { .. }
            | Self::Symbolic { .. } => Code::EdnNumber,
            Self::Symbol { .. } | Self::Keyword { .. } => Code::EdnName,
            Self::Char { .. } | Self::Escape { .. } | Self::Surrogate { .. } => Code::EdnCharacter,
            Self::Unsupported { .. } => Code::EdnUnsupported,
            Self::NamespaceWithoutMap { .. } | Self::TagContent { .. } => Code::EdnTag,
        }
    }
}

fn because(hint: Option<&'static str>) -> String {
    hint.map_or_else(String::new, |hint| format!(": {hint}"))
}

fn outer(outermost: Option<(u32, u32)>) -> String {
    outermost.map_or_else(String::new, |(line, column)| {
        format!(" (in the form that starts at line {line}, column {column})")
    })
}

/// At most this much of a token goes into a message.
const TOKEN: usize = 60;

/// A token as a message shows it: cut, with control characters made visible.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(TOKEN).map(visible).collect();
    if text.chars().nth(TOKEN).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if super::print::is_unsafe(c) => '\u{fffd}',
        c => c,
    }
}

/// A line of text and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or the part of it around the place.
    pub text: String,
    /// Characters before the place.
    pub caret: usize,
}

/// Characters that are shown on each side of the place.
const AROUND: usize = 70;

impl Excerpt {
    /// The line of `text` in which a span starts.
    pub fn of(text: &str, span: Span) -> Self {
        Self::around(text.as_bytes(), span.start)
    }

    /// The line around an offset; bytes that are not UTF-8 are shown as such.
    pub(super) fn around(text: &[u8], at: usize) -> Self {
        let at = at.min(text.len());
        // Four bytes a character at most, so that a line of a gigabyte is not looked at.
        let (low, high) = (at.saturating_sub(4 * AROUND), text.len().min(at + 4 * AROUND));
        let start = text[low..at].iter().rposition(|b| *b == b'\n').map_or(low, |i| low + i + 1);
        let end = text[at..high].iter().position(|b| *b == b'\n').map_or(high, |i| at + i);
        let before: Vec<char> = String::from_utf8_lossy(&text[start..at]).chars().collect();
        let after: Vec<char> = String::from_utf8_lossy(&text[at..end]).chars().collect();
        let cut = before.len().saturating_sub(AROUND);
        let mut shown = String::new();
        if cut > 0 {
            shown.push('…');
        }
        let rest = after.iter().take(AROUND).filter(|c| **c != '\r');
        shown.extend(before[cut..].iter().chain(rest).map(|c| visible(*c)));
        if after.len() > AROUND {
            shown.push('…');
        }
        Self { text: shown, caret: before.len() - cut + usize::from(cut > 0) }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}\n  {}^", self.text, " ".repeat(self.caret))
    }
}
