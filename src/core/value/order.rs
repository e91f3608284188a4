//! The one total order of values, equality and hashing.
//!
//! **Invariant:** `Ord`, `Eq` and `Hash` of [`Value`] and `Ord` of [`ValRef`] agree with each other
//! and with `key`.

use super::num::{cmp_exact, cmp_f64, cmp_long_f64};
use super::{Tag, ValRef, Value, key};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

pub(super) const NUMBER: u8 = 2;

/// Where a type stands in the order; numbers are one rank.
pub(super) fn rank(tag: Tag) -> u8 {
    match tag {
        Tag::Nil => 0,
        Tag::Bool => 1,
        Tag::Long
        | Tag::BigInt
        | Tag::Ratio
        | Tag::BigDec
        | Tag::Float
        | Tag::Double
        | Tag::Ref => NUMBER,
        Tag::Char => 3,
        Tag::Str | Tag::StrBlob => 4,
        Tag::Keyword => 5,
        Tag::Symbol => 6,
        Tag::Inst => 7,
        Tag::Uuid => 8,
        Tag::Uri | Tag::UriBlob => 9,
        Tag::Bytes | Tag::BytesBlob => 10,
        Tag::Vector => 11,
        Tag::List => 12,
        Tag::Set => 13,
        Tag::Map => 14,
        Tag::Tagged => 15,
    }
}

/// Among numbers of one exact value, which type comes first.
pub(super) fn number_type(tag: Tag) -> u8 {
    match tag {
        Tag::Long => 0,
        Tag::BigInt => 1,
        Tag::Ratio => 2,
        Tag::BigDec => 3,
        Tag::Float => 4,
        Tag::Double => 5,
        _ => 6,
    }
}

impl Value {
    pub(super) fn rank(&self) -> u8 {
        rank(self.tag())
    }
}

impl Ord for ValRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        use ValRef::{Bytes, Char, Double, Inst, Keyword, Long, Ref, Str, Symbol, Uri, Uuid};
        match (*self, *other) {
            (Long(a), Long(b)) | (Inst(a), Inst(b)) => a.cmp(&b),
            (Ref(a), Ref(b)) => a.cmp(&b),
            (Double(a), Double(b)) => cmp_f64(a, b),
            (Long(a), Double(b)) => cmp_long_f64(a, b).then(Ordering::Less),
            (Double(a), Long(b)) => cmp_long_f64(b, a).reverse().then(Ordering::Greater),
            (Str(a), Str(b))
            | (Keyword(a), Keyword(b))
            | (Symbol(a), Symbol(b))
            | (Uri(a), Uri(b)) => a.cmp(b),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Uuid(a), Uuid(b)) => a.cmp(&b),
            (Char(a), Char(b)) => a.cmp(&b),
            (ValRef::Bool(a), ValRef::Bool(b)) => a.cmp(&b),
            (ValRef::Blob(_), _) | (_, ValRef::Blob(_)) => match rank(self.tag()) {
                rank if rank == self::rank(other.tag()) => self.cmp_in_index(*other),
                rank => rank.cmp(&self::rank(other.tag())),
            },
            (a, b) => rank(a.tag()).cmp(&rank(b.tag())).then_with(|| cmp_same_rank(a, b)),
        }
    }
}

/// The slow path: numbers of mixed types, big numbers, collections.
fn cmp_same_rank(a: ValRef<'_>, b: ValRef<'_>) -> Ordering {
    let (x, y);
    let a = if let ValRef::Owned(v) = a {
        v
    } else {
        x = a.to_value();
        &x
    };
    let b = if let ValRef::Owned(v) = b {
        v
    } else {
        y = b.to_value();
        &y
    };
    match (a, b) {
        (Value::Vector(a), Value::Vector(b))
        | (Value::List(a), Value::List(b))
        | (Value::Set(a), Value::Set(b)) => a.cmp(b),
        (Value::Map(a), Value::Map(b)) => a.cmp(b),
        (Value::Tagged(a), Value::Tagged(b)) => a.cmp(b),
        (Value::BigDec(x), Value::BigDec(y)) => cmp_exact(a, b).then(x.scale.cmp(&y.scale)),
        (a, b) if a.is_number() => {
            cmp_exact(a, b).then_with(|| number_type(a.tag()).cmp(&number_type(b.tag())))
        }
        _ => Ordering::Equal,
    }
}

impl PartialOrd for ValRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ValRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ValRef<'_> {}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag().hash(state);
        match self.as_ref() {
            ValRef::Long(x) | ValRef::Inst(x) => x.hash(state),
            ValRef::Ref(x) => x.hash(state),
            ValRef::Str(x) | ValRef::Keyword(x) | ValRef::Symbol(x) | ValRef::Uri(x) => {
                x.hash(state)
            }
            _ => {
                let mut bytes = Vec::new();
                key::encode(self.as_ref(), &mut bytes);
                bytes.hash(state);
            }
        }
    }
}

/// See [`Value::equals`].
pub(super) fn equals(a: &Value, b: &Value) -> bool {
    let items =
        |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equals(a, b));
    let family = |tag| match tag {
        Tag::Long | Tag::BigInt | Tag::Ref => 1,
        Tag::Float | Tag::Double => 2,
        Tag::Ratio => 3,
        Tag::BigDec => 4,
        _ => 0,
    };
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b,
        (Value::Vector(a) | Value::List(a), Value::Vector(b) | Value::List(b)) => items(a, b),
        (Value::Set(a), Value::Set(b)) => {
            a == b || (a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| equals(x, y))))
        }
        (Value::Map(a), Value::Map(b)) => {
            let same =
                |x: &(Value, Value), y: &(Value, Value)| equals(&x.0, &y.0) && equals(&x.1, &y.1);
            a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| same(x, y)))
        }
        (a, b) if a.is_number() && b.is_number() => {
            family(a.tag()) == family(b.tag()) && cmp_exact(a, b) == Ordering::Equal
        }
        (a, b) => a == b,
    }
}
