//! Cuts bytes into tokens as they arrive.
//!
//! **Invariant:** each byte is looked at a bounded number of times, however the text is cut into
//! pushes: what was scanned of an unfinished token is remembered. Tokens end at ASCII bytes, so no
//! character is cut. What a token means is `atom`.

use super::Span;

/// The kinds of tokens; brackets carry themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Open(u8),
    OpenSet,
    Close(u8),
    Quote,
    Meta,
    Discard,
    /// With quotes.
    Str,
    /// With `#` and quotes.
    Regex,
    /// With the backslash.
    Char,
    /// With `##`.
    Symbolic,
    /// With `#:`.
    Namespace,
    /// With `#`.
    Tag,
    /// A number, a symbol, a keyword.
    Atom,
    /// `#` and something that EDN does not have.
    Dispatch,
}

/// A token; its text is what the lexer holds from `span.start` to `span.end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

/// How much text before the place stays at hand for excerpts.
const HISTORY: usize = 4096;

#[derive(Debug)]
pub(super) struct Lexer {
    bytes: Vec<u8>,
    /// Offset of `bytes[0]` in all that was pushed.
    base: usize,
    /// The next byte that belongs to no token yet.
    at: usize,
    line: u32,
    column: u32,
    /// Bytes after `at` that are known to be part of the unfinished token.
    scanned: usize,
    in_comment: bool,
    ended: bool,
}

impl Lexer {
    pub(super) fn new() -> Self {
        let (bytes, base, at, scanned) = (Vec::new(), 0, 0, 0);
        Self { bytes, base, at, line: 1, column: 1, scanned, in_comment: false, ended: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let keep = self.at.saturating_sub(HISTORY);
        // At least half goes, so each byte moves once on average.
        if keep > (64 << 10) && keep > self.bytes.len() / 2 {
            self.bytes.drain(..keep);
            self.base += keep;
            self.at -= keep;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// No more bytes will come.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Where the next token starts, or the text ends.
    pub(super) fn here(&self) -> Span {
        let start = self.base + self.at;
        Span { start, end: start, line: self.line, column: self.column }
    }

    /// What the unfinished token at the end is, in a message.
    pub(super) fn unfinished(&self) -> Option<&'static str> {
        match self.bytes.get(self.at..)? {
            [] => None,
            [b'"', ..] => Some("a string"),
            [b'#', b'"', ..] => Some("a regular expression"),
            [b'\\'] => Some("a character"),
            [b'#'] => Some("a `#`"),
            _ => Some("a token"),
        }
    }

    /// The bytes of a token.
    pub(super) fn text(&self, span: Span) -> &[u8] {
        &self.bytes[span.start - self.base..span.end - self.base]
    }

    /// What is at hand of the text, and where in it an offset is; `None` if it is gone.
    pub(super) fn around(&self, offset: usize) -> Option<(&[u8], usize)> {
        offset.checked_sub(self.base).map(|at| (self.bytes.as_slice(), at))
    }

    /// The next token; `None` if it is not complete, or there is none.
    pub(super) fn next_token(&mut self) -> Option<Token> {
        self.skip_blank();
        let (kind, length) = self.scan()?;
        let mut span = self.here();
        span.end += length;
        self.advance(length);
        Some(Token { kind, span })
    }

    /// Passes over blanks and comments.
    pub(super) fn skip_blank(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.in_comment {
                let rest = &self.bytes[self.at..];
                let newline = rest.iter().position(|b| *b == b'\n');
                self.in_comment = newline.is_none();
                self.advance(newline.unwrap_or(rest.len()));
            } else if byte == b';' {
                self.in_comment = true;
            } else if is_blank(byte) {
                self.advance(1);
            } else if self.base + self.at == 0 && self.bytes.starts_with("\u{feff}".as_bytes()) {
                self.at += 3;
                self.scanned = 0;
            } else {
                return;
            }
        }
    }

    fn scan(&mut self) -> Option<(TokenKind, usize)> {
        use TokenKind::*;
        let rest = &self.bytes[self.at..];
        let &first = rest.first()?;
        match first {
            b'(' | b'[' | b'{' => return Some((Open(first), 1)),
            b')' | b']' | b'}' => return Some((Close(first), 1)),
            b'\'' => return Some((Quote, 1)),
            b'^' => return Some((Meta, 1)),
            b'"' => return self.scan_string(1).map(|length| (Str, length)),
            b'\\' if rest.len() > 1 => return self.scan_atom(2).map(|length| (Char, length)),
            b'\\' => return None,
            b'#' => {}
            _ => return self.scan_atom(1).map(|length| (Atom, length)),
        }
        match rest.get(1)? {
            b'{' => Some((OpenSet, 2)),
            b'_' => Some((Discard, 2)),
            b'^' => Some((Meta, 2)),
            b'"' => self.scan_string(2).map(|length| (Regex, length)),
            b'#' => self.scan_atom(2).map(|length| (Symbolic, length)),
            b':' => self.scan_atom(2).map(|length| (Namespace, length)),
            b if b.is_ascii_alphabetic() || *b >= 0x80 => {
                self.scan_atom(2).map(|length| (Tag, length))
            }
            _ => Some((Dispatch, 2)),
        }
    }

    /// The length up to the closing quote; `from` is after the opening one.
    fn scan_string(&mut self, from: usize) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let mut i = self.scanned.max(from);
        while let Some(&byte) = rest.get(i) {
            match byte {
                b'"' => return Some(i + 1),
                b'\\' if i + 1 == rest.len() => break,
                b'\\' => i += 2,
                _ => i += 1,
            }
        }
        self.scanned = i;
        None
    }

    /// The length up to a byte that ends atoms; at the end of the text, all of it.
    fn scan_atom(&mut self, from: usize) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let from = self.scanned.max(from).min(rest.len());
        match rest[from..].iter().position(|b| ends_atom(*b)) {
            Some(more) => Some(from + more),
            None if self.ended => Some(rest.len()),
            None => {
                self.scanned = rest.len();
                None
            }
        }
    }

    fn advance(&mut self, length: usize) {
        for &byte in &self.bytes[self.at..self.at + length] {
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else if byte & 0xc0 != 0x80 {
                self.column = self.column.saturating_add(1);
            }
        }
        self.at += length;
        self.scanned = 0;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0x1c..=0x1f)
}

pub(super) fn ends_atom(byte: u8) -> bool {
    is_blank(byte)
        || matches!(byte, b'"' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' | b'^')
}
