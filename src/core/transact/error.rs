//! What can be wrong with a transaction, with the form at fault and its place.
//!
//! **Invariant:** a transaction that fails changes nothing; the message says what to mend. It does
//! not know the text: the place is a span, and whoever has the text shows the line.

use crate::catalogue::Code;
use crate::db::{DbError, EraseError};
use crate::edn::{Form, FormKind, Span};
use crate::id::{AttrId, EntityId};
use crate::nearest::{keyword_hint, nearest};
use crate::query::PredicateError;
use crate::schema::{Schema, SchemaError};
use crate::value::{Keyword, Value};
use std::fmt;

/// A transaction that was refused.
#[derive(Clone, Debug)]
pub struct TxError {
    /// Why.
    pub problem: TxProblem,
    /// Where in the text of the transaction.
    pub span: Option<Span>,
    /// The form at fault, shortened.
    pub form: Option<String>,
}

/// What a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxErrorKind {
    /// The form is none of the language.
    Syntax,
    /// An attribute that the schema does not know.
    UnknownAttribute,
    /// A value that the attribute does not take.
    WrongType,
    /// A unique value that belongs to another entity, or names that mean different entities.
    Conflict,
    /// A compare-and-swap that found something else.
    Cas,
    /// A reference to something that is not there.
    NoSuchEntity,
    /// A condition of the schema: a predicate, a length, a required attribute.
    Constraint,
    /// A change of the schema that is not possible.
    Schema,
    /// A part of the language that is not supported.
    Unsupported,
    /// No ids are left.
    Full,
    /// The database could not be read.
    Db,
}

/// Why a transaction was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum TxProblem {
    #[error("{expected}")]
    Syntax { expected: &'static str },
    #[error("unknown attribute :{ident}{}", keyword_hint(.nearest))]
    UnknownAttribute { ident: String, nearest: Option<String> },
    #[error("attribute {attribute} takes {expected}, not the {found} {value}")]
    WrongType { attribute: Keyword, expected: String, found: &'static str, value: String },
    #[error("attribute {attribute}: nil cannot be stored; retract the value instead")]
    NilValue { attribute: Keyword },
    #[error("attribute {attribute} takes at most {max} {of}, not {len}")]
    TooLong { attribute: Keyword, max: u64, len: u64, of: &'static str },
    #[error("attribute {attribute}: {value} does not satisfy {pred}")]
    Pred { attribute: Keyword, pred: String, value: String },
    #[error("{of}: {error}")]
    NoPredicate { of: String, error: PredicateError },
    #[error("entity {entity} does not satisfy {pred} of {spec}")]
    EntityPred { entity: EntityId, spec: String, pred: String },
    #[error("transaction {tx} would be valid from {from} and only until {to}")]
    Window { tx: EntityId, from: String, to: String },
    #[error("lookup ref attribute {attribute} should be marked as :db/unique")]
    NotUnique { attribute: Keyword },
    #[error("nothing found for entity id {what}{}", keyword_hint(.nearest))]
    NoSuchEntity { what: String, nearest: Option<String> },
    #[error("there is no entity {what}, and there was none; it may have been erased")]
    NeverWas { what: String },
    #[error("cannot set {attribute} to {value}: entity {owner} has it, and it is unique")]
    Unique { attribute: Keyword, value: String, owner: EntityId },
    #[error("conflicting upserts: [{attribute} {value}] is entity {found}, but {other} is meant")]
    Upsert { attribute: Keyword, value: String, found: EntityId, other: EntityId },
    #[error(":db/cas failed: {attribute} of entity {entity} is {found}, not {expected}")]
    Cas { attribute: Keyword, entity: EntityId, found: String, expected: String },
    #[error("the tempid {tempid} is used only as a value: nothing is said of it")]
    OnlyValue { tempid: String },
    #[error("a tempid stands for something new and cannot be used in {operation}")]
    TempidIn { operation: &'static str },
    #[error("{attribute} is kept by the database as the tuple of its parts and is not written")]
    Composite { attribute: Keyword },
    #[error("entity {entity} does not satisfy {spec}: {missing} is missing")]
    Ensure { entity: EntityId, spec: String, missing: Keyword },
    #[error("{attribute} belongs to the transaction itself and is written for it alone")]
    Reserved { attribute: Keyword },
    #[error("the transaction's instant has to be later than the last one, {last_ms} ms")]
    Instant { last_ms: i64 },
    #[error("the transaction's instant is later than the clock, which says {now}")]
    FarInstant { now: String },
    #[error("{operation} is no operation{}", keyword_hint(.nearest))]
    UnknownOperation { operation: String, nearest: Option<String> },
    #[error("{id} is no entity id here: ids are 1 to 536870911, or of a transaction that exists")]
    BadId { id: String },
    #[error(
        "{operation} erases for good: it stands in a transaction of such forms alone, \
         and in none that is imported"
    )]
    PurgeAlone { operation: Keyword },
    #[error("several entities have been {what}: {}; name one by its id", listed(.entities))]
    Ambiguous { what: String, entities: Vec<EntityId> },
    #[error(transparent)]
    Erase(EraseError),
    #[error("{attribute} is to be unique, and entities {first} and {second} are both {value}")]
    SharedTuple { attribute: Keyword, value: String, first: EntityId, second: EntityId },
    #[error("{what} is not supported")]
    Unsupported { what: String },
    #[error("a transaction needs the newest state, and this is a view of the past")]
    PastView,
    #[error("no entity ids are left in this block")]
    Full,
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Db(#[from] DbError),
}

fn listed(entities: &[EntityId]) -> String {
    entities.iter().map(EntityId::to_string).collect::<Vec<_>>().join(", ")
}

impl TxProblem {
    /// The problem at a form.
    pub(super) fn at(self, form: &Form) -> TxError {
        TxError { problem: self, span: Some(form.span), form: Some(shortened(&form.to_string())) }
    }

    /// The problem at a place.
    pub(super) fn at_span(self, span: Span) -> TxError {
        TxError { problem: self, span: Some(span), form: None }
    }

    /// What begins a list is no operation; it may be that one was meant.
    pub(super) fn operation(head: &Form) -> Self {
        const OPERATIONS: [&str; 12] = [
            "db/add",
            "db/retract",
            "db/retractEntity",
            "db/retractAttribute",
            "db/cas",
            "db.fn/retractEntity",
            "db.fn/retractAttribute",
            "db.fn/cas",
            "db/purge",
            "db.purge/entity",
            "db.purge/attribute",
            "db.history.purge/before",
        ];
        // These are operations, elsewhere.
        const OTHERS: [&str; 2] = ["db.fn/call", "db/fn"];
        let other = |k: &&str| OTHERS.contains(k);
        let written = head.as_keyword().map(|k| k.as_str()).filter(|k| !other(k));
        let alike = |written: &str| nearest(written, OPERATIONS.into_iter()).map(str::to_owned);
        if let Some(nearest) = written.and_then(alike) {
            return Self::UnknownOperation { operation: head.to_string(), nearest: Some(nearest) };
        }
        let what = format!("{head} (a transaction function or an unknown operation)");
        Self::Unsupported { what }
    }

    pub(super) fn unknown(ident: &Keyword, schema: &Schema) -> Self {
        if ident.namespace() == Some("db.secondary") {
            return Self::Unsupported { what: format!("{ident} (an index beside the database)") };
        }
        let ident = ident.as_str().to_owned();
        Self::UnknownAttribute { nearest: schema.nearest(&ident), ident }
    }
}

impl TxError {
    /// What a caller can do about it.
    pub fn kind(&self) -> TxErrorKind {
        use TxProblem::*;
        match &self.problem {
            Syntax { .. } | OnlyValue { .. } | TempidIn { .. } | BadId { .. } => {
                TxErrorKind::Syntax
            }
            UnknownAttribute { .. } => TxErrorKind::UnknownAttribute,
            WrongType { .. } | NilValue { .. } => TxErrorKind::WrongType,
            Unique { .. }
            | Upsert { .. }
            | Instant { .. }
            | SharedTuple { .. }
            | Ambiguous { .. } => TxErrorKind::Conflict,
            Cas { .. } => TxErrorKind::Cas,
            NoSuchEntity { .. } | NeverWas { .. } => TxErrorKind::NoSuchEntity,
            TooLong { .. }
            | FarInstant { .. }
            | Pred { .. }
            | EntityPred { .. }
            | Window { .. }
            | Ensure { .. }
            | Composite { .. }
            | Erase(_)
            | Reserved { .. } => TxErrorKind::Constraint,
            NotUnique { .. } | Schema(_) => TxErrorKind::Schema,
            Unsupported { .. }
            | UnknownOperation { .. }
            | PurgeAlone { .. }
            | NoPredicate { .. }
            | PastView => TxErrorKind::Unsupported,
            Full => TxErrorKind::Full,
            Db(_) => TxErrorKind::Db,
        }
    }
}

impl TxError {
    /// Which kind of error it is, in the catalogue.
    pub fn code(&self) -> Code {
        use TxProblem::*;
        match &self.problem {
            Syntax { .. } => Code::TxSyntax,
            UnknownAttribute { .. } => Code::AttributeUnknown,
            WrongType { .. } => Code::TxType,
            NilValue { .. } => Code::TxNil,
            TooLong { .. } => Code::TxTooLong,
            Pred { .. } => Code::TxPredicate,
            NoPredicate { .. } => Code::TxUnknownPredicate,
            EntityPred { .. } => Code::TxEntityPredicate,
            Window { .. } => Code::TxWindow,
            NotUnique { .. } => Code::AttributeNotUnique,
            NoSuchEntity { .. } | NeverWas { .. } => Code::EntityUnknown,
            Unique { .. } | SharedTuple { .. } => Code::TxUnique,
            Upsert { .. } => Code::TxUpsert,
            Cas { .. } => Code::TxCas,
            OnlyValue { .. } => Code::TxOnlyValue,
            TempidIn { .. } => Code::TxTempid,
            Composite { .. } => Code::TxComposite,
            Ensure { .. } => Code::TxRequired,
            Reserved { .. } => Code::TxReserved,
            Instant { .. } | FarInstant { .. } => Code::TxInstant,
            UnknownOperation { .. } => Code::TxUnknownOperation,
            BadId { .. } => Code::TxBadId,
            Unsupported { .. } => Code::TxUnsupported,
            PastView => Code::TxPast,
            Full => Code::TxFull,
            Ambiguous { .. } => Code::TxAmbiguous,
            PurgeAlone { .. } => Code::TxErase,
            Erase(error) => error.code(),
            Schema(error) => error.code(),
            Db(error) => error.code(),
        }
    }

    /// The error with the form at its place in the transaction, if it has none. A transaction that
    /// was never text has no places.
    pub(super) fn in_text(mut self, tx: &Form) -> Self {
        if let (Some(span), None) = (self.span.filter(|span| span.end > 0), &self.form) {
            let at = found_at(tx, span).map(|path| value_of(&self.problem, &path));
            self.form = at.map(|form| shortened(&form.to_string()));
            self.span = at.map_or(Some(span), |form| Some(form.span));
        }
        self
    }
}

/// The way to the outermost form at a place, from the transaction to that form.
fn found_at(tx: &Form, span: Span) -> Option<Vec<&Form>> {
    let holds = |form: &&Form| form.span.start <= span.start && span.end <= form.span.end;
    let mut path = vec![tx];
    while let Some(form) = path.last().filter(|form| form.span != span) {
        path.push(match &form.kind {
            FormKind::Vector(items) | FormKind::List(items) | FormKind::Set(items) => {
                items.iter().find(holds)
            }
            FormKind::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).find(holds),
            FormKind::Tagged(_, inner) => Some(inner.as_ref()).filter(holds),
            FormKind::Value(_) => None,
        }?);
    }
    Some(path)
}

/// The form at fault: of a value that means nothing in a schema, that value and not its attribute.
fn value_of<'a>(problem: &TxProblem, path: &[&'a Form]) -> &'a Form {
    let (found, around) = (path[path.len() - 1], path.iter().rev().nth(1));
    if let TxProblem::Schema(SchemaError::BadValue { value, .. }) = problem {
        let is = |form: &&Form| form.to_string() == *value;
        let in_list = found.as_seq().and_then(|items| items.iter().find(is));
        let beside = around.and_then(|map| map.as_map()).unwrap_or_default();
        let beside = beside.iter().find(|(key, _)| key.span == found.span).map(|(_, value)| value);
        return in_list.or(beside).unwrap_or(found);
    }
    found
}

impl From<TxProblem> for TxError {
    fn from(problem: TxProblem) -> Self {
        Self { problem, span: None, form: None }
    }
}

impl From<DbError> for TxError {
    fn from(error: DbError) -> Self {
        TxProblem::from(error).into()
    }
}

impl From<EraseError> for TxError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Db(error) => error.into(),
            error => TxProblem::Erase(error).into(),
        }
    }
}

impl From<SchemaError> for TxError {
    fn from(error: SchemaError) -> Self {
        TxProblem::from(error).into()
    }
}

impl std::error::Error for TxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

impl fmt::Display for TxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = self.span {
            write!(f, "{span}: ")?;
        }
        write!(f, "{}", self.problem)?;
        self.form.as_ref().map_or(Ok(()), |form| write!(f, "\n  in {form}"))
    }
}

/// At most this many characters of a form go into a message.
const SHOWN: usize = 120;

/// Text as a message shows it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value as a message shows it.
pub(super) fn shown(value: &Value) -> String {
    shortened(&crate::edn::to_string(value))
}

/// The name of an attribute, for messages.
pub(super) fn name(schema: &Schema, a: AttrId) -> Keyword {
    schema.get(a).map_or_else(|| Keyword::new(&a.to_string()), |a| a.ident.clone())
}
