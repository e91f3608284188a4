//! The reader: tokens to forms, with a stack of its own.
//!
//! **Invariant:** however bytes are cut into pushes, the same forms and the same error come out.
//! Nesting is bounded, so forms can be walked and dropped by recursion. After an error there is
//! nothing more to read.

use super::collection::{map, set};
use super::error::{EdnError, ErrorKind, Excerpt};
use super::lexer::{Lexer, Token, TokenKind};
use super::scalar::{Scalar, scalar};
use super::tagged::tagged;
use super::{Form, FormKind, Span};
use crate::value::{Symbol, Value};

/// How deep forms may nest.
pub const MAX_DEPTH: usize = crate::value::MAX_DEPTH;

/// Reads forms one at a time from bytes as they arrive.
///
/// ```
/// let mut reader = factfs_core::edn::Reader::new();
/// reader.push(b"[:db/add 1 :name \"Ann\"] [:db/a");
/// let form = reader.next_form()?.map(|form| form.to_string());
/// assert_eq!(form.as_deref(), Some(r#"[:db/add 1 :name "Ann"]"#));
/// assert_eq!(reader.next_form()?, None);
/// assert!(reader.finish().is_err());
/// # Ok::<(), factfs_core::edn::EdnError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    lexer: Lexer,
    stack: Vec<Frame>,
    consumed: usize,
    failed: Option<EdnError>,
}

/// A form that is open.
#[derive(Debug)]
struct Frame {
    kind: FrameKind,
    span: Span,
    items: Vec<Form>,
}

#[derive(Debug)]
enum FrameKind {
    List,
    Vector,
    Set,
    Map,
    /// `#:ns{…}`: the namespace of the keys that have none.
    NamespacedMap(String),
    /// `#:ns` before its brace.
    Namespace(String),
    Tag(Symbol),
    Quote,
    Meta,
    Discard,
}

/// What is wrong and where, before the line of text is put to it.
pub(super) type Fault = (ErrorKind, Span);

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader that has seen nothing.
    pub fn new() -> Self {
        Self { lexer: Lexer::new(), stack: Vec::new(), consumed: 0, failed: None }
    }

    /// Takes bytes; they may end anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.lexer.push(bytes);
    }

    /// The next form, or `None` until more bytes come. Fails again and again once it has failed.
    pub fn next_form(&mut self) -> Result<Option<Form>, EdnError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.read();
        result.map_err(|(kind, span)| {
            let around = self.lexer.around(span.start);
            let excerpt = around.map(|(text, at)| Excerpt::around(text, at));
            self.failed.insert(EdnError { kind, span, excerpt }).clone()
        })
    }

    /// As [`next_form`](Self::next_form), knowing that no more bytes come: the last token is
    /// complete, and a form that is not is an error that says where it starts. Call it until it
    /// gives `None`.
    pub fn finish(&mut self) -> Result<Option<Form>, EdnError> {
        self.lexer.end();
        self.next_form()
    }

    /// Offset after the last form that was returned, in all bytes pushed.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// Where the unfinished form at the end starts, if there is one.
    pub fn open_since(&self) -> Option<Span> {
        let inside = self.lexer.unfinished().map(|_| self.lexer.here());
        self.stack.first().map(|frame| frame.span).or(inside)
    }

    fn read(&mut self) -> Result<Option<Form>, Fault> {
        while let Some(token) = self.lexer.next_token() {
            if let Some(form) = self.take(token)? {
                self.consumed = form.span.end;
                self.lexer.skip_blank();
                return Ok(Some(form));
            }
        }
        if self.lexer.has_ended() {
            self.check_complete()?
        }
        Ok(None)
    }

    fn check_complete(&self) -> Result<(), Fault> {
        let first = self.stack.first().map(|frame| (frame.span.line, frame.span.column));
        let token = self.lexer.unfinished().map(|what| (what, self.lexer.here()));
        let open = self.stack.last().map(|frame| (frame.kind.name(), frame.span));
        match token.or(open) {
            Some((what, span)) => {
                let outermost = first.filter(|first| *first != (span.line, span.column));
                Err((ErrorKind::Incomplete { what, outermost }, span))
            }
            None => Ok(()),
        }
    }

    /// A token; a form if it completes one that stands alone.
    fn take(&mut self, token: Token) -> Result<Option<Form>, Fault> {
        let span = token.span;
        if let Some(Frame { kind: FrameKind::Namespace(namespace), .. }) = self.stack.last_mut() {
            let namespace = std::mem::take(namespace);
            if token.kind != TokenKind::Open(b'{') {
                return Err((ErrorKind::NamespaceWithoutMap { namespace }, span));
            }
            if let Some(frame) = self.stack.last_mut() {
                frame.kind = FrameKind::NamespacedMap(namespace);
            }
            return Ok(None);
        }
        match token.kind {
            TokenKind::Open(b'(') => self.open(FrameKind::List, span),
            TokenKind::Open(b'[') => self.open(FrameKind::Vector, span),
            TokenKind::Open(_) => self.open(FrameKind::Map, span),
            TokenKind::OpenSet => self.open(FrameKind::Set, span),
            TokenKind::Quote => self.open(FrameKind::Quote, span),
            TokenKind::Meta => self.open(FrameKind::Meta, span),
            TokenKind::Discard => self.open(FrameKind::Discard, span),
            TokenKind::Close(byte) => self.close(byte, span),
            // It prints as a tag and a string, which is one deeper.
            TokenKind::Regex if self.stack.len() >= MAX_DEPTH => self.too_deep(span),
            _ => {
                let text = self.lexer.text(span);
                let text = std::str::from_utf8(text).map_err(|_| (ErrorKind::NotUtf8, span))?;
                match scalar(token.kind, text, span)? {
                    Scalar::Form(kind) => self.complete(Form { kind, span }),
                    Scalar::Tag(tag) => self.open(FrameKind::Tag(tag), span),
                    Scalar::Namespace(name) => self.open(FrameKind::Namespace(name), span),
                }
            }
        }
    }

    fn open(&mut self, kind: FrameKind, span: Span) -> Result<Option<Form>, Fault> {
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        self.stack.push(Frame { kind, span, items: Vec::new() });
        Ok(None)
    }

    fn too_deep(&self, span: Span) -> Result<Option<Form>, Fault> {
        Err((ErrorKind::TooDeep { limit: MAX_DEPTH }, span))
    }

    fn close(&mut self, byte: u8, at: Span) -> Result<Option<Form>, Fault> {
        let close = char::from(byte);
        let Some(frame) = self.stack.pop() else {
            return Err((ErrorKind::NothingToClose { close }, at));
        };
        let Some((open, expected)) = frame.kind.brackets() else {
            return Err((ErrorKind::MissingForm { close, after: frame.kind.name() }, at));
        };
        if close != expected {
            let opened = frame.span;
            return Err((ErrorKind::Mismatch { close, expected, open, opened }, at));
        }
        let span = Span { end: at.end, ..frame.span };
        let kind = match frame.kind {
            FrameKind::List => FormKind::List(frame.items),
            FrameKind::Vector => FormKind::Vector(frame.items),
            FrameKind::Set => set(frame.items)?,
            FrameKind::NamespacedMap(namespace) => map(frame.items, Some(&namespace))?,
            _ => map(frame.items, None)?,
        };
        self.complete(Form { kind, span })
    }

    /// Hands a form to what is open around it.
    fn complete(&mut self, mut form: Form) -> Result<Option<Form>, Fault> {
        loop {
            match self.stack.last_mut() {
                None => return Ok(Some(form)),
                Some(frame) if frame.wants_more() => {
                    frame.items.push(form);
                    return Ok(None);
                }
                Some(_) => {}
            }
            let Some(frame) = self.stack.pop() else { return Ok(None) };
            let span = Span { end: form.span.end, ..frame.span };
            let kind = match frame.kind {
                FrameKind::Discard => return Ok(None),
                FrameKind::Tag(tag) => tagged(&tag, form).map_err(|kind| (kind, span))?,
                FrameKind::Quote => {
                    let quote = FormKind::Value(Value::Symbol(Symbol::new("quote")));
                    let quote = Form { kind: quote, span: Span { end: span.start + 1, ..span } };
                    FormKind::List(vec![quote, form])
                }
                _ => form.kind,
            };
            form = Form { kind, span };
        }
    }
}

impl Frame {
    /// Whether a form that comes is one of its items; else it is what completes the frame.
    fn wants_more(&self) -> bool {
        match self.kind {
            FrameKind::Meta => self.items.is_empty(),
            _ => self.kind.brackets().is_some(),
        }
    }
}

impl FrameKind {
    fn brackets(&self) -> Option<(&'static str, char)> {
        match self {
            Self::List => Some(("(", ')')),
            Self::Vector => Some(("[", ']')),
            Self::Map | Self::NamespacedMap(_) => Some(("{", '}')),
            Self::Set => Some(("#{", '}')),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::List => "a list",
            Self::Vector => "a vector",
            Self::Map | Self::NamespacedMap(_) | Self::Namespace(_) => "a map",
            Self::Set => "a set",
            Self::Tag(_) => "a tag",
            Self::Quote => "a quote",
            Self::Meta => "metadata",
            Self::Discard => "a discard `#_`",
        }
    }
}

/// The one form of a text.
pub fn read_one(text: &str) -> Result<Form, EdnError> {
    let mut reader = Reader::new();
    reader.push(text.as_bytes());
    let error =
        |kind, span: Span| Err(EdnError { kind, span, excerpt: Some(Excerpt::of(text, span)) });
    let Some(form) = reader.finish()? else { return error(ErrorKind::Blank, Span::default()) };
    match reader.finish()? {
        Some(second) => error(ErrorKind::SecondForm, second.span),
        None => Ok(form),
    }
}

/// All forms of a text.
pub fn read_all(text: &str) -> Result<Vec<Form>, EdnError> {
    let mut reader = Reader::new();
    reader.push(text.as_bytes());
    let mut forms = Vec::new();
    while let Some(form) = reader.finish()? {
        forms.push(form);
    }
    Ok(forms)
}
