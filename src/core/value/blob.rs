//! References to long values, and the order that indexes keep values in.
//!
//! A string, URI or bytes of more than [`LONG_BYTES`] is stored once as a node of its own; a row of
//! an index has a [`Blob`] in its place: the first [`PREFIX_BYTES`], the length, the blake3 of the
//! whole, and where the node is. It is a heap form of 356 bytes:
//!
//! | bytes | |
//! |---|---|
//! | 256 | the first bytes of the value |
//! | 8 | its length in bytes, little endian |
//! | 32 | blake3 of its bytes |
//! | 32 | hash of the node that holds them |
//! | 16, 8, 4 | where that is: pack, offset, stored length, little endian |
//!
//! **Invariant:** the order of indexes ([`ValRef::cmp_in_index`], [`encode_in_index`]) is that of
//! values, but for long values that begin with the same [`PREFIX_BYTES`]: those are ordered by
//! length and hash, after the value that is just these bytes and before all others that are longer
//! and not long. It is the same whether a value is there whole or as a reference, and where the
//! node is means nothing to it.

use super::order::rank;
use super::{Tag, ValRef, key};
use crate::hash::NodeHash;
use std::cmp::Ordering;

/// What is longer, in bytes, is a long value.
pub const LONG_BYTES: usize = 4096;
/// How much of a long value an index holds.
pub const PREFIX_BYTES: usize = 256;
/// The length of the heap form.
const FORM_BYTES: usize = PREFIX_BYTES + 8 + 32 + 32 + 16 + 8 + 4;

/// Where the node of a long value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// blake3 of its stored bytes.
    pub hash: NodeHash,
    /// The pack.
    pub pack: u128,
    /// Where in the pack.
    pub offset: u64,
    /// Stored length in bytes.
    pub len: u32,
}

/// A reference to a long value, as its heap form.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    tag: Tag,
    form: &'a [u8; FORM_BYTES],
}

impl<'a> Blob<'a> {
    /// The reference that a heap form is; `None` if it is none.
    pub fn of_form(tag: Tag, form: &'a [u8]) -> Option<Self> {
        let blob = Self { tag, form: form.try_into().ok()? };
        (tag.is_blob() && blob.value_bytes() > LONG_BYTES as u64).then_some(blob)
    }

    /// Which kind of reference.
    pub fn tag(self) -> Tag {
        self.tag
    }

    /// The heap form.
    pub fn form(self) -> &'a [u8] {
        self.form
    }

    /// The first bytes of the value.
    pub fn prefix(self) -> &'a [u8] {
        &self.form[..PREFIX_BYTES]
    }

    /// The length of the value in bytes.
    pub fn value_bytes(self) -> u64 {
        u64::from_le_bytes(self.array(PREFIX_BYTES))
    }

    /// The blake3 of the value's bytes.
    pub fn digest(self) -> NodeHash {
        NodeHash(self.array(PREFIX_BYTES + 8))
    }

    /// Where the value is.
    pub fn place(self) -> Place {
        let at = PREFIX_BYTES + 40;
        Place {
            hash: NodeHash(self.array(at)),
            pack: u128::from_le_bytes(self.array(at + 32)),
            offset: u64::from_le_bytes(self.array(at + 48)),
            len: u32::from_le_bytes(self.array(at + 56)),
        }
    }

    /// Whether these bytes begin as the value and are as many; their hash is not computed.
    pub fn is_like(self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.value_bytes() && bytes.starts_with(self.prefix())
    }

    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.form[at..at + N]);
        out
    }
}

/// The heap form of a reference to a long value; `None` if the bytes are not long.
pub fn form_of(bytes: &[u8], digest: NodeHash, place: Place) -> Option<Vec<u8>> {
    let prefix = bytes.get(..PREFIX_BYTES).filter(|_| bytes.len() > LONG_BYTES)?;
    let mut form = Vec::with_capacity(FORM_BYTES);
    form.extend_from_slice(prefix);
    form.extend((bytes.len() as u64).to_le_bytes());
    form.extend(digest.0);
    form.extend(place.hash.0);
    form.extend(place.pack.to_le_bytes());
    form.extend(place.offset.to_le_bytes());
    form.extend(place.len.to_le_bytes());
    Some(form)
}

/// The same reference to another place.
pub fn moved(blob: Blob<'_>, place: Place) -> Vec<u8> {
    let mut form = blob.form[..PREFIX_BYTES + 40].to_vec();
    form.extend(place.hash.0);
    form.extend(place.pack.to_le_bytes());
    form.extend(place.offset.to_le_bytes());
    form.extend(place.len.to_le_bytes());
    form
}

/// A long value as an index sees it.
#[derive(Clone, Copy)]
enum Long<'a> {
    Whole(&'a [u8]),
    Blob(Blob<'a>),
}

impl<'a> Long<'a> {
    fn of(value: ValRef<'a>) -> Option<Self> {
        match value {
            ValRef::Blob(blob) => Some(Self::Blob(blob)),
            other => other.long_bytes().map(Self::Whole),
        }
    }

    fn prefix(self) -> &'a [u8] {
        match self {
            Self::Whole(bytes) => &bytes[..bytes.len().min(PREFIX_BYTES)],
            Self::Blob(blob) => blob.prefix(),
        }
    }

    fn len(self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.value_bytes(),
        }
    }

    fn digest(self) -> NodeHash {
        match self {
            Self::Whole(bytes) => NodeHash::of(bytes),
            Self::Blob(blob) => blob.digest(),
        }
    }

    fn cmp(self, other: Self) -> Ordering {
        let seen = || self.prefix().cmp(other.prefix()).then(self.len().cmp(&other.len()));
        match (self, other) {
            // Equal values are told without their hashes.
            (Self::Whole(a), Self::Whole(b)) if a == b => Ordering::Equal,
            _ => seen().then_with(|| self.digest().cmp(&other.digest())),
        }
    }

    /// Against the bytes of a value of the same type that is not long.
    fn cmp_short(self, short: &[u8]) -> Ordering {
        let first = &short[..short.len().min(PREFIX_BYTES)];
        let longer = || if short.len() > PREFIX_BYTES { Ordering::Less } else { Ordering::Greater };
        self.prefix().cmp(first).then_with(longer)
    }
}

impl<'a> ValRef<'a> {
    /// The bytes of a string, a URI or bytes.
    fn plain_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Str(x) | Self::Uri(x) => Some(x.as_bytes()),
            Self::Bytes(x) => Some(x),
            _ => None,
        }
    }

    /// The bytes of a long value that is there whole.
    pub fn long_bytes(self) -> Option<&'a [u8]> {
        self.plain_bytes().filter(|bytes| bytes.len() > LONG_BYTES)
    }

    /// Compares as indexes are ordered. Cost: a hash of a long value, where only that tells.
    pub fn cmp_in_index(self, other: ValRef<'_>) -> Ordering {
        match (self, other) {
            (Self::Str(a), ValRef::Str(b)) if a.len().max(b.len()) <= LONG_BYTES => {
                return a.cmp(b);
            }
            (Self::Str(_) | Self::Uri(_) | Self::Bytes(_) | Self::Blob(_), _) => {}
            _ => return self.cmp(&other),
        }
        let ranks = rank(self.tag()).cmp(&rank(other.tag()));
        ranks.then_with(|| match (Long::of(self), Long::of(other)) {
            (None, None) => self.cmp(&other),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(a), None) => a.cmp_short(other.plain_bytes().unwrap_or_default()),
            (None, Some(b)) => b.cmp_short(self.plain_bytes().unwrap_or_default()).reverse(),
        })
    }
}

/// Appends the key of a value as indexes are ordered: comparing two of them with `memcmp` is
/// [`ValRef::cmp_in_index`], and none is a prefix of another.
pub fn encode_in_index(value: ValRef<'_>, out: &mut Vec<u8>) {
    let Some(long) = Long::of(value) else { return key::encode(value, out) };
    out.push(key::RANK + rank(value.tag()));
    key::escaped(long.prefix(), out);
    // After the end of a text (0 0), and before whatever goes on.
    out.extend([0, 1]);
    out.extend(long.len().to_be_bytes());
    out.extend(long.digest().0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Column, Value};
    use proptest::prelude::*;

    /// Values around the limits that share what they begin with.
    fn near() -> impl Strategy<Value = Value> {
        let len =
            prop::sample::select(vec![0, 1, 255, 256, 257, 300, 4095, 4096, 4097, 4098, 9000]);
        let odd = prop::sample::select(vec![0, 1, 254, 255, 256, 257, 4090, 4096, 8999]);
        let byte = prop::sample::select(vec![0u8, 1, b'a', 0x7f, 0xff]);
        (len, odd, byte, 0u8..4).prop_map(|(len, odd, byte, kind)| {
            let mut bytes = vec![b'a'; len];
            if let Some(at) = bytes.get_mut(odd) {
                *at = if kind < 3 { byte & 0x7f } else { byte };
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match kind {
                0 | 1 => Value::from(text),
                2 => Value::Uri(text.into()),
                _ => Value::Bytes(bytes.into()),
            }
        })
    }

    fn key_of(value: ValRef<'_>) -> Vec<u8> {
        let mut key = Vec::new();
        encode_in_index(value, &mut key);
        key
    }

    fn referred(value: &Value) -> Option<Vec<u8>> {
        let place = Place { hash: NodeHash::of(b"node"), pack: 7, offset: 1 << 40, len: 99 };
        let bytes = value.as_ref().long_bytes()?;
        form_of(bytes, NodeHash::of(bytes), place)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn whole_or_referred_to_the_order_is_that_of_the_keys(a in near(), b in near()) {
            let (x, y) = (a.as_ref(), b.as_ref());
            let order = x.cmp_in_index(y);
            prop_assert_eq!(y.cmp_in_index(x), order.reverse());
            prop_assert_eq!(order.is_eq(), a == b);
            let (key_x, key_y) = (key_of(x), key_of(y));
            prop_assert_eq!(key_x.cmp(&key_y), order);
            prop_assert!(order.is_eq() || !key_y.starts_with(&key_x));
            if x.long_bytes().is_none() && y.long_bytes().is_none() {
                prop_assert_eq!(order, a.cmp(&b));
            }
            let forms = [referred(&a), referred(&b)];
            let tag = |value: &Value| value.tag().blob();
            let blob = |i: usize, value: &Value| {
                Some(ValRef::Blob(Blob::of_form(tag(value)?, forms[i].as_deref()?)?))
            };
            if let Some(blob) = blob(0, &a) {
                prop_assert_eq!(blob.cmp_in_index(y), order);
                prop_assert_eq!(y.cmp_in_index(blob), order.reverse());
                prop_assert_eq!(&key_of(blob), &key_x);
            }
            if let (Some(x), Some(y)) = (blob(0, &a), blob(1, &b)) {
                prop_assert_eq!(x.cmp_in_index(y), order);
            }
        }

        #[test]
        fn the_order_is_total(a in near(), b in near(), c in near()) {
            let mut three = [&a, &b, &c];
            three.sort_by(|x, y| x.as_ref().cmp_in_index(y.as_ref()));
            let ends = three[0].as_ref().cmp_in_index(three[2].as_ref());
            prop_assert!(ends.is_le());
        }
    }

    #[test]
    fn a_reference_says_what_it_was_made_of() {
        let text = "x".repeat(5000);
        let place = Place { hash: NodeHash::of(b"n"), pack: u128::MAX - 1, offset: 3, len: 4 };
        let form = form_of(text.as_bytes(), NodeHash::of(text.as_bytes()), place).unwrap();
        let blob = Blob::of_form(Tag::StrBlob, &form).unwrap();
        assert_eq!((blob.place(), blob.value_bytes()), (place, 5000));
        assert!(blob.is_like(text.as_bytes()) && !blob.is_like(b"x"));
        let elsewhere = Place { pack: 1, ..place };
        let form = moved(blob, elsewhere);
        let there = Blob::of_form(Tag::StrBlob, &form).unwrap();
        assert_eq!((there.place(), there.digest()), (elsewhere, blob.digest()));
        assert!(Blob::of_form(Tag::Str, &form).is_none());
        assert!(Blob::of_form(Tag::StrBlob, &form[1..]).is_none());
        assert!(form_of(&text.as_bytes()[..4096], NodeHash::of(b""), place).is_none());
        let column: Column = [Value::str(&text)].into_iter().collect();
        assert_eq!(column.get(0).long_bytes().map(<[u8]>::len), Some(5000));
    }
}
