//! Values: what a fact can say, and what a query can compute.
//!
//! **Invariant:** there is one total order over all values ([`Value::cmp`]), and it agrees with
//! equality, with hashing, with the order-preserving [`key`] bytes, and with the order of every
//! printed result. Ranks: nil, boolean, number, char, string, keyword, symbol, instant, uuid, uri,
//! bytes, vector (tuples), list, set, map, tagged. All numeric types are one rank, compared by
//! exact value, then by type.
//!
//! A [`Value`] owns its parts and is cheap to clone; a [`ValRef`] is the same borrowed from a
//! column of a node. This module reads and prints no text: that is `edn`.

#[cfg(test)]
pub(crate) mod arbitrary;
mod blob;
mod column;
mod heap;
pub mod key;
mod num;
mod order;
mod refs;

pub use blob::{Blob, LONG_BYTES, PREFIX_BYTES, Place, encode_in_index, form_of, moved};
pub use column::{Column, ColumnBuilder};
pub use heap::{DecodeError, MAX_DEPTH, decode, encode};
pub use num::{BigDec, MAX_SCALE, cmp_exact, rational};
pub use refs::{Tag, ValRef};

pub use num_bigint::BigInt;
pub use num_rational::BigRational;
pub use uuid::Uuid;

use crate::id::EntityId;
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A keyword, `:ns/name`; kept without the colon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyword(pub Arc<str>);

/// A symbol, `ns/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub Arc<str>);

macro_rules! name_type {
    ($name:ident, $sigil:literal) => {
        impl $name {
            /// From its text, without a sigil.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// What stands before the first `/`, if it is a separator (`/` alone is a name).
            pub fn namespace(&self) -> Option<&str> {
                split(&self.0).0
            }

            /// What stands after the namespace.
            pub fn name(&self) -> &str {
                split(&self.0).1
            }

            /// The whole text, without a sigil.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Names compare, hash and are looked up as their text.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
name_type!(Keyword, ":");
name_type!(Symbol, "");

impl Keyword {
    /// The attribute that `:ns/_name` is the reverse of, `ns/name`.
    pub fn forward(&self) -> Option<Self> {
        let name = self.name().strip_prefix('_').filter(|name| !name.is_empty())?;
        Some(match self.namespace() {
            Some(ns) => Self::new(&format!("{ns}/{name}")),
            None => Self::new(name),
        })
    }
}

fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((ns, name)) if !ns.is_empty() && !name.is_empty() => (Some(ns), name),
        _ => (None, text),
    }
}

/// A value. Instants are milliseconds since 1970 UTC; sets and maps are sorted and hold no
/// duplicates.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nil`; never stored.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A 64-bit integer.
    Long(i64),
    /// An integer of any size, `1N`.
    BigInt(Arc<BigInt>),
    /// A ratio that is not an integer, `1/2`.
    Ratio(Arc<BigRational>),
    /// A decimal of any size, `1.50M`.
    BigDec(Arc<BigDec>),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// An entity of the database the value came from; prints and compares as its number.
    Ref(EntityId),
    /// A character, `\a`.
    Char(char),
    /// A string.
    Str(Arc<str>),
    /// A keyword.
    Keyword(Keyword),
    /// A symbol.
    Symbol(Symbol),
    /// An instant, milliseconds since 1970 UTC.
    Inst(i64),
    /// A UUID.
    Uuid(Uuid),
    /// A URI.
    Uri(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A vector; stored, it is a tuple.
    Vector(Arc<[Value]>),
    /// A list; never stored.
    List(Arc<[Value]>),
    /// A set, sorted; never stored.
    Set(Arc<[Value]>),
    /// A map, sorted by key; never stored.
    Map(Arc<[(Value, Value)]>),
    /// A tagged form whose tag is not known to the reader; never stored.
    Tagged(Arc<(Symbol, Value)>),
}

impl Value {
    /// A string.
    pub fn str(text: &str) -> Self {
        Self::Str(text.into())
    }

    /// A keyword from its text without the colon.
    pub fn keyword(text: &str) -> Self {
        Self::Keyword(Keyword::new(text))
    }

    /// A set of these: sorted, duplicates gone.
    pub fn set(mut items: Vec<Value>) -> Self {
        items.sort();
        items.dedup();
        Self::Set(items.into())
    }

    /// A map of these, sorted by key; of equal keys the last wins.
    pub fn map(mut entries: Vec<(Value, Value)>) -> Self {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.reverse();
        entries.dedup_by(|later, kept| later.0 == kept.0);
        entries.reverse();
        Self::Map(entries.into())
    }

    /// Clojure's truth: all but `nil` and `false`.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }

    /// Whether it is a number (an entity id is one).
    pub fn is_number(&self) -> bool {
        self.rank() == order::NUMBER
    }

    /// What a map holds under a key. Cost: a binary search.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let Self::Map(entries) = self else { return None };
        entries.binary_search_by(|(k, _)| k.cmp(key)).ok().map(|i| &entries[i].1)
    }

    /// Clojure's `=`: integers of all sizes are one type (`1` = `1N`), and so are entity ids;
    /// floats of both sizes are one; vectors and lists are equal by their items; else as the total
    /// order.
    pub fn equals(&self, other: &Value) -> bool {
        order::equals(self, other)
    }

    /// A name for the type, as in `:db.type/NAME`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Long(_) => "long",
            Self::BigInt(_) => "bigint",
            Self::Ratio(_) => "ratio",
            Self::BigDec(_) => "bigdec",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Ref(_) => "ref",
            Self::Char(_) => "char",
            Self::Str(_) => "string",
            Self::Keyword(_) => "keyword",
            Self::Symbol(_) => "symbol",
            Self::Inst(_) => "instant",
            Self::Uuid(_) => "uuid",
            Self::Uri(_) => "uri",
            Self::Bytes(_) => "bytes",
            Self::Vector(_) => "tuple",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Map(_) => "map",
            Self::Tagged(_) => "tagged",
        }
    }
}

macro_rules! value_from {
    ($($from:ty => |$x:ident| $make:expr),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from($x: $from) -> Self {
                $make
            }
        }
    )*};
}
value_from! {
    bool => |x| Value::Bool(x),
    i64 => |x| Value::Long(x),
    f64 => |x| Value::Double(x),
    &str => |x| Value::Str(x.into()),
    String => |x| Value::Str(x.into()),
    Keyword => |x| Value::Keyword(x),
    Symbol => |x| Value::Symbol(x),
    EntityId => |x| Value::Ref(x),
    BigInt => |x| Value::BigInt(Arc::new(x)),
    Vec<Value> => |x| Value::Vector(x.into()),
}
