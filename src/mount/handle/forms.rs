//! Transactions as they arrive in a stream: EDN, or JSON.
//!
//! **Invariant:** a form is given as soon as its last byte is there, whatever comes after it. What
//! is begun is told with its place. Each byte is looked at once.

use crate::error::{Failure, Kind, Result};
use factfs_core::edn::{Form, Reader, Span};
use factfs_core::import::json_error;
use serde_json::Value as Json;

/// A transaction as it was written.
pub enum Said {
    /// In EDN.
    Edn(Form),
    /// In JSON.
    Json(Json),
}

/// What reads transactions.
pub enum Forms {
    /// EDN.
    Edn(Box<Reader>),
    /// JSON.
    Json(Values),
}

impl Forms {
    /// Of EDN.
    pub fn edn() -> Self {
        Self::Edn(Box::default())
    }

    /// Of JSON.
    pub fn json() -> Self {
        Self::Json(Values::default())
    }

    /// Of the same, from the beginning.
    pub(super) fn anew(&self) -> Self {
        match self {
            Self::Edn(_) => Self::edn(),
            Self::Json(_) => Self::json(),
        }
    }

    /// Takes bytes; they may end anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Edn(reader) => reader.push(bytes),
            Self::Json(values) => values.push(bytes),
        }
    }

    /// The next transaction, or nothing until more bytes come.
    pub fn next_form(&mut self) -> Result<Option<Said>> {
        match self {
            Self::Edn(reader) => match reader.next_form()? {
                None => Ok(None),
                Some(form) if form.as_vector().is_some() || form.as_map().is_some() => {
                    Ok(Some(Said::Edn(form)))
                }
                Some(form) => Err(self.no_transaction(form.span)),
            },
            Self::Json(values) => Ok(values.next_value()?.map(Said::Json)),
        }
    }

    /// How many bytes belong to transactions that were given.
    pub fn consumed(&self) -> usize {
        match self {
            Self::Edn(reader) => reader.consumed(),
            Self::Json(values) => values.consumed,
        }
    }

    /// Where the form begins that is not complete.
    pub fn open_since(&self) -> Option<Span> {
        match self {
            Self::Edn(reader) => reader.open_since(),
            Self::Json(values) => values.begun,
        }
    }

    /// Whether a transaction can begin so.
    pub fn may_begin(&self, byte: u8) -> bool {
        match self {
            Self::Edn(_) => matches!(byte, b'[' | b'{' | b'#' | b'^' | b';'),
            Self::Json(_) => matches!(byte, b'[' | b'{'),
        }
    }

    /// That what stands here is no transaction.
    pub fn no_transaction(&self, span: Span) -> Failure {
        let what = match self {
            Self::Edn(_) => "a vector of forms or a map",
            Self::Json(_) => "an array of forms or an object",
        };
        Failure::new(Kind::Invalid, format!("{span}: a transaction is {what}"))
    }
}

/// Reads arrays and objects of JSON, one after the other.
#[derive(Debug)]
pub struct Values {
    bytes: Vec<u8>,
    /// How many bytes came before those.
    before: usize,
    /// The next byte to look at.
    at: usize,
    line: u32,
    column: u32,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    begun: Option<Span>,
    consumed: usize,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            before: 0,
            at: 0,
            line: 1,
            column: 1,
            depth: 0,
            in_string: false,
            is_escaped: false,
            begun: None,
            consumed: 0,
        }
    }
}

impl Values {
    fn push(&mut self, bytes: &[u8]) {
        // At least half goes, so each byte moves once on average; what is between values, too.
        let done = self.begun.map_or(self.at, |span| span.start - self.before);
        if done > self.bytes.len() / 2 {
            self.bytes.drain(..done);
            (self.before, self.at) = (self.before + done, self.at - done);
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn next_value(&mut self) -> Result<Option<Json>> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.begun.is_none() && !byte.is_ascii_whitespace() {
                let start = self.before + self.at;
                let (line, column) = (self.line, self.column);
                self.begun = Some(Span { start, end: start, line, column });
                if !matches!(byte, b'[' | b'{') {
                    // Who reads the stream refuses it.
                    return Ok(None);
                }
            }
            self.at += 1;
            self.column += u32::from(byte & 0xc0 != 0x80);
            if byte == b'\n' {
                (self.line, self.column) = (self.line + 1, 1);
            }
            if self.closes(byte)
                && let Some(span) = self.begun.take()
            {
                self.consumed = self.before + self.at;
                let text = &self.bytes[span.start - self.before..self.at];
                let read = serde_json::from_slice(text);
                return Ok(Some(read.map_err(|e| json_error(&e, u64::from(span.line)))?));
            }
        }
        Ok(None)
    }

    /// Whether a byte ends what was begun.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, size: usize) -> (Vec<String>, Option<Span>) {
        let mut forms = Forms::json();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            forms.push(piece);
            while let Some(said) = forms.next_form().unwrap() {
                let Said::Json(json) = said else { panic!("no JSON") };
                found.push(json.to_string());
            }
        }
        (found, forms.open_since())
    }

    #[test]
    fn values_come_as_they_are_complete() {
        let text = " [1, \"]\\\"}\"]\n{\"a\": {\"b\": []}}[{}]\n [ ";
        for size in [1, 2, 5, 100] {
            let (found, open) = all(text, size);
            assert_eq!(found, [r#"[1,"]\"}"]"#, r#"{"a":{"b":[]}}"#, "[{}]"], "{size}");
            let open = open.unwrap();
            assert_eq!((open.line, open.column, open.start), (3, 2, 35), "{size}");
        }
    }

    #[test]
    fn what_is_between_values_is_not_kept() {
        let mut values = Values::default();
        for _ in 0..100 {
            values.push(&[b' '; 1000]);
            assert!(values.next_value().unwrap().is_none());
        }
        assert!(values.bytes.len() <= 2000, "{}", values.bytes.len());
        values.push(b"[1] [2");
        assert!(values.next_value().unwrap().is_some() && values.next_value().unwrap().is_none());
        assert_eq!((values.consumed, values.begun.unwrap().start), (100_003, 100_004));
    }

    #[test]
    fn an_error_has_its_line() {
        let mut forms = Forms::json();
        forms.push(b"{}\n\n[1,\n nul]");
        assert!(forms.next_form().unwrap().is_some());
        let failure = forms.next_form().err().unwrap();
        assert!(failure.message.starts_with("line 4, column 5: "), "{failure}");
    }
}
