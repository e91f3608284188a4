//! Values borrowed from a column: what comparing, seeking and joining work on without allocating.
//!
//! **Invariant:** `ValRef` of a value has the same order, the same equality and the same key bytes
//! as the value.

use super::{BigDec, BigInt, BigRational, Blob, Keyword, Symbol, Uuid, Value, decode};
use crate::id::EntityId;
use std::sync::Arc;

/// The type of a value as one byte, as stored. Numbers are part of the format: never reuse one.
/// Those that end in `Blob` are references to long values, which only leaves of facts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the variant of Value with that name")]
pub enum Tag {
    Nil = 0,
    Bool = 1,
    Long = 2,
    BigInt = 3,
    Ratio = 4,
    BigDec = 5,
    Float = 6,
    Double = 7,
    Ref = 8,
    Char = 9,
    Str = 10,
    Keyword = 11,
    Symbol = 12,
    Inst = 13,
    Uuid = 14,
    Uri = 15,
    Bytes = 16,
    Vector = 17,
    List = 18,
    Set = 19,
    Map = 20,
    Tagged = 21,
    StrBlob = 22,
    UriBlob = 23,
    BytesBlob = 24,
}

impl Tag {
    /// All tags, by their number.
    pub const ALL: [Tag; 25] = {
        use Tag::*;
        [
            Nil, Bool, Long, BigInt, Ratio, BigDec, Float, Double, Ref, Char, Str, Keyword, Symbol,
            Inst, Uuid, Uri, Bytes, Vector, List, Set, Map, Tagged, StrBlob, UriBlob, BytesBlob,
        ]
    };

    /// The tag with this number.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(byte as usize).copied()
    }

    /// Whether a value of this type is text with a sigil or none.
    pub fn is_text(self) -> bool {
        matches!(self, Tag::Str | Tag::Keyword | Tag::Symbol | Tag::Uri)
    }

    /// Whether it is a reference to a long value.
    pub fn is_blob(self) -> bool {
        matches!(self, Tag::StrBlob | Tag::UriBlob | Tag::BytesBlob)
    }

    /// The reference to a long value of this type; `None` where even long ones are kept whole.
    pub fn blob(self) -> Option<Self> {
        match self {
            Tag::Str => Some(Tag::StrBlob),
            Tag::Uri => Some(Tag::UriBlob),
            Tag::Bytes => Some(Tag::BytesBlob),
            _ => None,
        }
    }

    /// The type of the value that this is, or refers to.
    pub fn whole(self) -> Self {
        match self {
            Tag::StrBlob => Tag::Str,
            Tag::UriBlob => Tag::Uri,
            Tag::BytesBlob => Tag::Bytes,
            whole => whole,
        }
    }

    /// Whether a value of this type fits in 64 bits of a column; the others live in its heap.
    pub fn is_inline(self) -> bool {
        use Tag::*;
        matches!(self, Nil | Bool | Long | Float | Double | Ref | Char | Inst)
    }
}

/// A value borrowed from a column, or from a [`Value`].
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each is the variant of Value with that name")]
pub enum ValRef<'a> {
    Nil,
    Bool(bool),
    Long(i64),
    Float(f32),
    Double(f64),
    Ref(EntityId),
    Char(char),
    Inst(i64),
    Uuid(Uuid),
    Str(&'a str),
    Keyword(&'a str),
    Symbol(&'a str),
    Uri(&'a str),
    Bytes(&'a [u8]),
    /// Heap form of a type whose comparison needs it decoded: big numbers and collections.
    Encoded(Tag, &'a [u8]),
    /// A reference to a long value.
    Blob(Blob<'a>),
    /// A big number or a collection that is there as a value.
    Owned(&'a Value),
}

impl<'a> ValRef<'a> {
    /// The type.
    pub fn tag(self) -> Tag {
        match self {
            Self::Nil => Tag::Nil,
            Self::Bool(_) => Tag::Bool,
            Self::Long(_) => Tag::Long,
            Self::Float(_) => Tag::Float,
            Self::Double(_) => Tag::Double,
            Self::Ref(_) => Tag::Ref,
            Self::Char(_) => Tag::Char,
            Self::Inst(_) => Tag::Inst,
            Self::Uuid(_) => Tag::Uuid,
            Self::Str(_) => Tag::Str,
            Self::Keyword(_) => Tag::Keyword,
            Self::Symbol(_) => Tag::Symbol,
            Self::Uri(_) => Tag::Uri,
            Self::Bytes(_) => Tag::Bytes,
            Self::Encoded(tag, _) => tag,
            Self::Blob(blob) => blob.tag(),
            Self::Owned(value) => value.tag(),
        }
    }

    /// The value itself. Cost: an allocation for what is not inline. A heap form that does not
    /// decode is `Nil`: columns check what they hold when they are read from storage. Of a
    /// reference only what is known here can be told: it becomes a tagged form that no attribute
    /// takes. Whoever reads trees fetches the value first.
    pub fn to_value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(x) => Value::Bool(x),
            Self::Long(x) => Value::Long(x),
            Self::Float(x) => Value::Float(x),
            Self::Double(x) => Value::Double(x),
            Self::Ref(x) => Value::Ref(x),
            Self::Char(x) => Value::Char(x),
            Self::Inst(x) => Value::Inst(x),
            Self::Uuid(x) => Value::Uuid(x),
            Self::Str(x) => Value::Str(x.into()),
            Self::Keyword(x) => Value::Keyword(Keyword(x.into())),
            Self::Symbol(x) => Value::Symbol(Symbol(x.into())),
            Self::Uri(x) => Value::Uri(x.into()),
            Self::Bytes(x) => Value::Bytes(x.into()),
            Self::Encoded(tag, bytes) => decode(tag, bytes).unwrap_or(Value::Nil),
            Self::Blob(blob) => unread(blob),
            Self::Owned(value) => value.clone(),
        }
    }

    /// The entity it names, if it is a ref.
    pub fn as_entity(self) -> Option<EntityId> {
        if let Self::Ref(e) = self { Some(e) } else { None }
    }

    /// The text, if it is a string.
    pub fn as_str(self) -> Option<&'a str> {
        if let Self::Str(s) = self { Some(s) } else { None }
    }
}

impl Value {
    /// Borrows it as what a column would give.
    pub fn as_ref(&self) -> ValRef<'_> {
        match self {
            Self::Nil => ValRef::Nil,
            Self::Bool(x) => ValRef::Bool(*x),
            Self::Long(x) => ValRef::Long(*x),
            Self::Float(x) => ValRef::Float(*x),
            Self::Double(x) => ValRef::Double(*x),
            Self::Ref(x) => ValRef::Ref(*x),
            Self::Char(x) => ValRef::Char(*x),
            Self::Inst(x) => ValRef::Inst(*x),
            Self::Uuid(x) => ValRef::Uuid(*x),
            Self::Str(x) => ValRef::Str(x),
            Self::Keyword(x) => ValRef::Keyword(&x.0),
            Self::Symbol(x) => ValRef::Symbol(&x.0),
            Self::Uri(x) => ValRef::Uri(x),
            Self::Bytes(x) => ValRef::Bytes(x),
            _ => ValRef::Owned(self),
        }
    }

    /// The type.
    pub fn tag(&self) -> Tag {
        match self {
            Self::BigInt(_) => Tag::BigInt,
            Self::Ratio(_) => Tag::Ratio,
            Self::BigDec(_) => Tag::BigDec,
            Self::Vector(_) => Tag::Vector,
            Self::List(_) => Tag::List,
            Self::Set(_) => Tag::Set,
            Self::Map(_) => Tag::Map,
            Self::Tagged(_) => Tag::Tagged,
            other => other.as_ref().tag(),
        }
    }
}

impl From<BigRational> for Value {
    /// A ratio, or the integer that it is.
    fn from(x: BigRational) -> Self {
        if x.is_integer() { integer(x.to_integer()) } else { Self::Ratio(Arc::new(x)) }
    }
}

impl From<BigDec> for Value {
    fn from(x: BigDec) -> Self {
        Self::BigDec(Arc::new(x))
    }
}

fn integer(x: BigInt) -> Value {
    i64::try_from(&x).map_or_else(|_| Value::BigInt(Arc::new(x)), Value::Long)
}

/// What is known of a long value without its bytes: its length, and its hash.
fn unread(blob: Blob<'_>) -> Value {
    let known = [
        Value::Long(i64::try_from(blob.value_bytes()).unwrap_or(i64::MAX)),
        Value::str(&blob.digest().to_string()),
    ];
    Value::Tagged(Arc::new((Symbol::new("factfs/unread"), Value::Vector(known.into()))))
}
