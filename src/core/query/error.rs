//! What can be wrong with a query, its inputs, or its run.
//!
//! **Invariant:** an error that comes from the text names the form at fault and its line and
//! column; one that comes from running names the operator or the limit. [`QueryError::kind`] says
//! what the caller can do about it.

use super::overflow::OverflowError;
use crate::catalogue::Code;
use crate::db::DbError;
use crate::edn::{EdnError, Form, Span};
use crate::index::NodesError;
use crate::nearest::{self, hint};
use crate::pull::PullError;
use std::fmt;

/// The longest piece of a query that a message quotes, in characters.
const QUOTE: usize = 80;

/// A form of the query and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The form as text, shortened.
    pub form: String,
    /// Where it stands; `None` in a query that was built and not read.
    pub span: Option<Span>,
    /// Whether it stands in what was passed for `%`.
    pub in_rules: bool,
}

impl Place {
    /// The place of a form.
    pub fn of(form: &Form) -> Self {
        let typed = form.span.end > 0;
        Self { form: quote(form.to_string()), span: typed.then_some(form.span), in_rules: false }
    }

    /// A place that has a name and is no form.
    pub(super) fn named(name: &str) -> Self {
        Self { form: name.to_owned(), span: None, in_rules: false }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.form)?;
        if self.in_rules {
            f.write_str(" in the rules")?;
        }
        self.span.map_or(Ok(()), |span| write!(f, " at {span}"))
    }
}

/// What the caller can do: the one thing an exit code or an errno is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueryErrorKind {
    /// The text is no query: correct it.
    Syntax,
    /// A variable, source, function or rule is used that nothing provides: correct the text.
    Unbound,
    /// The inputs do not fit `:in`.
    Inputs,
    /// A function met a value it does not take.
    Type,
    /// A limit was reached: narrow the query, or raise the limit.
    Limit,
    /// The time was up.
    Timeout,
    /// The caller's token was set.
    Cancelled,
    /// Part of the dialect that is not here.
    Unsupported,
    /// The database could not be read.
    Db,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum QueryError {
    #[error(transparent)]
    Edn(#[from] EdnError),
    #[error("{expected}, in {at}")]
    Syntax { expected: String, at: Place },
    #[error("Query for unknown vars: [{}], in {at}{}", .vars.join(" "), hint(.nearest))]
    UnknownVars { vars: Vec<String>, nearest: Option<String>, at: Place },
    #[error("Where uses unknown source vars: [{name}], in {at}{}", hint(.nearest))]
    UnknownSource { name: String, nearest: Option<String>, at: Place },
    #[error("Unknown {what} '{name} in {at}{}", hint(.nearest))]
    UnknownName { what: &'static str, name: String, nearest: Option<String>, at: Place },
    #[error("Arity mismatch for {what} '{name}: {expected}, got {got}, in {at}")]
    Arity { what: &'static str, name: String, expected: String, got: usize, at: Place },
    #[error("Insufficient bindings: none of #{{{}}} is bound in {at}", .vars.join(" "))]
    NoneBound { vars: Vec<String>, at: Place },
    #[error("Insufficient bindings: #{{{}}} not bound in {at}{}", .vars.join(" "), hint(.nearest))]
    Insufficient { vars: Vec<String>, nearest: Option<String>, at: Place },
    #[error("Insufficient bindings: only `optional` binds {var}, and comes last, in {at}")]
    OnlyOptional { var: String, at: Place },
    #[error("recursion through negation: rule '{rule} depends on its own absence, in {at}")]
    NegativeRecursion { rule: String, at: Place },
    #[error("Too few inputs passed, expected: [{expected}], got: {got}")]
    TooFewInputs { expected: String, got: usize },
    #[error("Extra inputs passed, expected: [{expected}], got: {got}")]
    ExtraInputs { expected: String, got: usize },
    #[error("Cannot bind value {value} to {binding}: {reason}")]
    Input { value: String, binding: String, reason: &'static str },
    #[error("{function}: {reason}, in {at}")]
    Type { function: String, reason: String, at: Place },
    #[error("{what} limit of {limit} reached in {operator}")]
    Limit { what: &'static str, limit: u64, operator: String },
    #[error("the time limit was reached in {operator}")]
    Timeout { operator: String },
    #[error("cancelled")]
    Cancelled,
    #[error("rows were to be put aside: {0}")]
    Overflow(#[from] OverflowError),
    #[error("{what} is not supported, in {at}")]
    Unsupported { what: String, at: Place },
    #[error("{source}, in {at}")]
    Resolve { source: DbError, at: Place },
    #[error("{source}, in {at}")]
    Pull { source: PullError, at: Place },
    #[error(transparent)]
    Db(#[from] DbError),
}

fn of_db(error: &DbError, named: QueryErrorKind) -> QueryErrorKind {
    match error {
        DbError::Nodes(NodesError::Cancelled) => QueryErrorKind::Cancelled,
        DbError::Nodes(_) => QueryErrorKind::Db,
        _ => named,
    }
}

impl QueryError {
    /// What the caller can do about it.
    pub fn kind(&self) -> QueryErrorKind {
        use QueryErrorKind as K;
        match self {
            Self::Edn(_) | Self::Syntax { .. } | Self::Arity { .. } => K::Syntax,
            Self::NegativeRecursion { .. } => K::Syntax,
            Self::UnknownVars { .. } | Self::UnknownSource { .. } | Self::UnknownName { .. } => {
                K::Unbound
            }
            Self::NoneBound { .. } | Self::Insufficient { .. } | Self::OnlyOptional { .. } => {
                K::Unbound
            }
            Self::TooFewInputs { .. } | Self::ExtraInputs { .. } | Self::Input { .. } => K::Inputs,
            Self::Type { .. } => K::Type,
            Self::Limit { .. } | Self::Overflow(_) => K::Limit,
            Self::Timeout { .. } => K::Timeout,
            Self::Cancelled => K::Cancelled,
            Self::Unsupported { .. } => K::Unsupported,
            Self::Resolve { source, .. } | Self::Pull { source: PullError::Db(source), .. } => {
                of_db(source, K::Unbound)
            }
            Self::Pull { source: PullError::Syntax { .. }, .. } => K::Syntax,
            Self::Pull {
                source: PullError::TooDeep { .. } | PullError::TooLarge { .. }, ..
            } => K::Limit,
            Self::Pull { source: PullError::Xform { .. }, .. } => K::Type,
            Self::Pull { .. } => K::Unbound,
            Self::Db(source) => of_db(source, K::Db),
        }
    }

    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::Edn(error) => error.code(),
            Self::Syntax { .. } => Code::QuerySyntax,
            Self::UnknownVars { .. } => Code::QueryUnknownVariable,
            Self::UnknownSource { .. } => Code::QueryUnknownSource,
            Self::UnknownName { .. } => Code::QueryUnknownName,
            Self::Arity { .. } => Code::QueryArity,
            Self::NoneBound { .. } | Self::Insufficient { .. } => Code::QueryUnbound,
            Self::OnlyOptional { .. } => Code::QueryOptional,
            Self::NegativeRecursion { .. } => Code::QueryNegativeRecursion,
            Self::TooFewInputs { .. } => Code::QueryTooFewInputs,
            Self::ExtraInputs { .. } => Code::QueryExtraInputs,
            Self::Input { .. } => Code::QueryInput,
            Self::Type { .. } => Code::QueryFunction,
            Self::Limit { .. } | Self::Overflow(_) => Code::QueryLimit,
            Self::Timeout { .. } => Code::QueryTimeout,
            Self::Cancelled => Code::QueryCancelled,
            Self::Unsupported { .. } => Code::QueryUnsupported,
            Self::Resolve { source, .. } | Self::Db(source) => source.code(),
            Self::Pull { source, .. } => source.code(),
        }
    }

    /// Where it is, if it is an error of the text.
    fn place(&mut self) -> Option<&mut Place> {
        match self {
            Self::Syntax { at, .. }
            | Self::UnknownVars { at, .. }
            | Self::UnknownSource { at, .. }
            | Self::UnknownName { at, .. }
            | Self::Arity { at, .. }
            | Self::NoneBound { at, .. }
            | Self::Insufficient { at, .. }
            | Self::OnlyOptional { at, .. }
            | Self::NegativeRecursion { at, .. }
            | Self::Type { at, .. }
            | Self::Unsupported { at, .. }
            | Self::Resolve { at, .. }
            | Self::Pull { at, .. } => Some(at),
            _ => None,
        }
    }

    /// The error of what was passed for `%`.
    pub(super) fn in_rules(mut self) -> Self {
        self.place().into_iter().for_each(|place| place.in_rules = true);
        self
    }

    /// The error of a query that lies in another one: where that one's form is, if it has no place
    /// of its own.
    pub(super) fn within(mut self, outer: &Place) -> Self {
        if let Some(place) = self.place().filter(|place| place.span.is_none()) {
            (place.span, place.in_rules) = (outer.span, outer.in_rules);
        }
        self
    }

    /// A form where the grammar wants something else.
    pub(super) fn syntax(expected: impl Into<String>, form: &Form) -> Self {
        Self::Syntax { expected: expected.into(), at: Place::of(form) }
    }
}

/// A text as messages quote it: its beginning.
pub(super) fn quote(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(QUOTE) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// The name most like `name`, if one is alike: for messages.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    // What all variables begin with does not make them alike.
    match name.strip_prefix('?') {
        Some(bare) => {
            let bare = nearest::nearest(bare, known.filter_map(|name| name.strip_prefix('?')));
            bare.map(|name| format!("?{name}"))
        }
        None => nearest::nearest(name, known).map(str::to_owned),
    }
}
