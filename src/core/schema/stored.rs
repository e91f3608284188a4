//! The schema as bytes: what one schema has that another has not.
//!
//! Layout: flags (1 byte: 1 unknown attributes may be used), then the attributes that are new or
//! changed, then the idents that name another attribute than before (0: none any more). The bytes
//! of a whole schema are its difference to the built-in attributes.
//!
//! An array is stored as the type of its items with a tuple of that type: a pair that nothing else
//! has.
//!
//! **Invariant:** `before.changed_by(after.changes_since(before)) == after`; any bytes give a
//! schema or an error. The numbers of types are part of the format.

use super::{Attribute, Flexibility, Schema, TupleKind, Unique, ValueType};
use crate::codec::{CodecError, Reader, Writer};
use crate::id::{AttrId, EntityId, T};
use crate::value::{Keyword, Tag, Value, decode, encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Types by their stored number, which is one more than their place here.
const TYPES: [ValueType; 16] = [
    ValueType::String,
    ValueType::Long,
    ValueType::Double,
    ValueType::Float,
    ValueType::BigInt,
    ValueType::BigDec,
    ValueType::Boolean,
    ValueType::Keyword,
    ValueType::Symbol,
    ValueType::Uuid,
    ValueType::Instant,
    ValueType::Uri,
    ValueType::Bytes,
    ValueType::Ref,
    ValueType::Tuple,
    ValueType::Number,
];

const MANY: u8 = 1;
const INDEX: u8 = 2;
const COMPONENT: u8 = 4;
const NO_HISTORY: u8 = 8;
const UNIQUE_VALUE: u8 = 16;
const UNIQUE_IDENTITY: u8 = 32;

impl Schema {
    /// What this schema has that `before` has not; `None` if they are equal.
    pub fn changes_since(&self, before: &Schema) -> Option<Vec<u8>> {
        if self == before {
            return None;
        }
        let mut w = Writer::new();
        w.u8(u8::from(self.flexibility == Flexibility::Read));
        let changed = |a: &&Arc<Attribute>| before.get(a.id) != Some(a);
        let attributes: Vec<_> = self.attributes().filter(changed).collect();
        w.varint(attributes.len() as u64);
        attributes.into_iter().for_each(|a| write_attribute(a, &mut w));
        let idents = self.idents_since(before);
        w.varint(idents.len() as u64);
        for (ident, id) in idents {
            w.sized(ident.as_str().as_bytes());
            w.varint(id.0);
        }
        Some(w.finish())
    }

    /// This schema with the changes that bytes hold.
    pub fn changed_by(&self, bytes: &[u8]) -> Result<Schema, CodecError> {
        let mut r = Reader::new(bytes);
        let flags = r.u8()?;
        r.check(flags < 2, "unknown flags of a schema")?;
        let (mut by_id, mut by_ident) =
            (self.by_id.as_ref().clone(), self.by_ident.as_ref().clone());
        for _ in 0..r.count(8)? {
            let attribute = read_attribute(&mut r)?;
            by_id.insert(attribute.id, Arc::new(attribute));
        }
        for _ in 0..r.count(2)? {
            let ident = Keyword::new(read_text(&mut r)?);
            match AttrId(r.varint()?) {
                AttrId(0) => by_ident.remove(&ident),
                id => {
                    r.check(by_id.contains_key(&id), "an ident of no attribute")?;
                    by_ident.insert(ident, id)
                }
            };
        }
        r.finish()?;
        let flexibility = if flags == 1 { Flexibility::Read } else { Flexibility::Write };
        Ok(Self { by_id: Arc::new(by_id), by_ident: Arc::new(by_ident), flexibility })
    }

    fn idents_since(&self, before: &Schema) -> BTreeMap<Keyword, AttrId> {
        let gone = before.by_ident.keys().filter(|k| !self.by_ident.contains_key(*k));
        let mut idents: BTreeMap<_, _> = gone.map(|k| (k.clone(), AttrId(0))).collect();
        let named = self.by_ident.iter().filter(|(k, id)| before.by_ident.get(*k) != Some(*id));
        idents.extend(named.map(|(k, id)| (k.clone(), *id)));
        idents
    }
}

fn write_attribute(a: &Attribute, w: &mut Writer) {
    w.varint(a.id.0);
    w.sized(a.ident.as_str().as_bytes());
    w.varint(a.entity.map_or(0, |e| e.0 + 1));
    let (value_type, tuple) = stored_type(a);
    w.u8(value_type.map_or(0, type_number));
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    w.u8(flag(a.many, MANY)
        | flag(a.index, INDEX)
        | flag(a.component, COMPONENT)
        | flag(a.no_history, NO_HISTORY)
        | flag(a.unique == Some(Unique::Value), UNIQUE_VALUE)
        | flag(a.unique == Some(Unique::Identity), UNIQUE_IDENTITY));
    match &tuple {
        None => w.u8(0),
        Some(TupleKind::Composite(parts)) => {
            w.u8(1);
            w.varint(parts.len() as u64);
            parts.iter().for_each(|id| w.varint(id.0));
        }
        Some(TupleKind::Homogeneous(t)) => {
            w.u8(2);
            w.u8(type_number(*t));
        }
        Some(TupleKind::Heterogeneous(types)) => {
            w.u8(3);
            w.varint(types.len() as u64);
            types.iter().for_each(|t| w.u8(type_number(*t)));
        }
    }
    w.u8(u8::from(a.doc.is_some()));
    if let Some(doc) = &a.doc {
        w.sized(doc.as_bytes());
    }
    w.varint(a.preds.len() as u64);
    for value in &a.preds {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        w.u8(value.tag() as u8);
        w.sized(&bytes);
    }
    w.varint(a.max_length.map_or(0, |n| n.saturating_add(1)));
    w.varint(a.forgotten.0);
}

fn read_attribute(r: &mut Reader<'_>) -> Result<Attribute, CodecError> {
    let id = AttrId(r.varint()?);
    let ident = Keyword::new(read_text(r)?);
    let entity = r.varint()?.checked_sub(1).map(EntityId);
    let value_type = match r.u8()? {
        0 => None,
        number => Some(type_of(number, r)?),
    };
    let flags = r.u8()?;
    let has = |bit| flags & bit != 0;
    let both = has(UNIQUE_VALUE) && has(UNIQUE_IDENTITY);
    r.check(flags < 64 && !both && id.0 != 0, "unknown flags of an attribute")?;
    let unique = match (has(UNIQUE_VALUE), has(UNIQUE_IDENTITY)) {
        (true, _) => Some(Unique::Value),
        (_, true) => Some(Unique::Identity),
        _ => None,
    };
    let (many, index, component) = (has(MANY), has(INDEX), has(COMPONENT));
    let no_history = has(NO_HISTORY);
    let (value_type, tuple) = type_meant(value_type, read_tuple(r)?);
    let doc = match r.u8()? {
        0 => None,
        1 => Some(read_text(r)?.into()),
        _ => return Err(r.error("neither with nor without a doc")),
    };
    let preds = (0..r.count(2)?).map(|_| read_value(r)).collect::<Result<_, _>>()?;
    let max_length = r.varint()?.checked_sub(1);
    let forgotten = T(r.varint()?);
    Ok(Attribute {
        id,
        ident,
        entity,
        value_type,
        many,
        unique,
        index,
        component,
        no_history,
        forgotten,
        tuple,
        doc,
        preds,
        max_length,
    })
}

fn stored_type(a: &Attribute) -> (Option<ValueType>, Option<TupleKind>) {
    let array = |of| (Some(of), Some(TupleKind::Homogeneous(of)));
    match a.value_type {
        Some(ValueType::FloatArray) => array(ValueType::Float),
        Some(ValueType::DoubleArray) => array(ValueType::Double),
        other => (other, a.tuple.clone()),
    }
}

fn type_meant(
    stored: Option<ValueType>,
    tuple: Option<TupleKind>,
) -> (Option<ValueType>, Option<TupleKind>) {
    match (stored, &tuple) {
        (Some(ValueType::Float), Some(_)) => (Some(ValueType::FloatArray), None),
        (Some(ValueType::Double), Some(_)) => (Some(ValueType::DoubleArray), None),
        _ => (stored, tuple),
    }
}

fn read_tuple(r: &mut Reader<'_>) -> Result<Option<TupleKind>, CodecError> {
    Ok(Some(match r.u8()? {
        0 => return Ok(None),
        1 => {
            let parts = (0..r.count(1)?).map(|_| r.varint().map(AttrId));
            TupleKind::Composite(parts.collect::<Result<_, _>>()?)
        }
        2 => {
            let number = r.u8()?;
            TupleKind::Homogeneous(type_of(number, r)?)
        }
        3 => {
            let numbers = (0..r.count(1)?).map(|_| r.u8()).collect::<Result<Vec<_>, _>>()?;
            let types = numbers.into_iter().map(|number| type_of(number, r));
            TupleKind::Heterogeneous(types.collect::<Result<_, _>>()?)
        }
        _ => return Err(r.error("an unknown kind of tuple")),
    }))
}

fn read_value(r: &mut Reader<'_>) -> Result<Value, CodecError> {
    let tag = Tag::from_byte(r.u8()?).ok_or_else(|| r.error("an unknown type of value"))?;
    let bytes = r.sized()?;
    decode(tag, bytes).map_err(|_| r.error("bytes that are no value"))
}

fn read_text<'a>(r: &mut Reader<'a>) -> Result<&'a str, CodecError> {
    let bytes = r.sized()?;
    std::str::from_utf8(bytes).map_err(|_| r.error("text that is not UTF-8"))
}

fn type_number(t: ValueType) -> u8 {
    TYPES.iter().position(|known| *known == t).map_or(0, |i| i as u8 + 1)
}

fn type_of(number: u8, r: &Reader<'_>) -> Result<ValueType, CodecError> {
    let known = usize::from(number).checked_sub(1).and_then(|i| TYPES.get(i)).copied();
    known.ok_or_else(|| r.error("an unknown type of an attribute"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::builtin;

    fn attribute(id: u64, ident: &str) -> Attribute {
        Attribute {
            id: AttrId(id),
            ident: Keyword::new(ident),
            entity: Some(EntityId(7)),
            value_type: Some(ValueType::Tuple),
            many: true,
            unique: Some(Unique::Identity),
            index: true,
            component: false,
            no_history: true,
            forgotten: T(5),
            tuple: Some(TupleKind::Heterogeneous(vec![ValueType::Ref, ValueType::Number])),
            doc: Some("what it is".into()),
            preds: vec![Value::keyword("a/b"), Value::Vector(vec![Value::Long(1)].into())],
            max_length: Some(9),
        }
    }

    fn with(attributes: Vec<Attribute>) -> Schema {
        let mut schema = Schema::default();
        for a in attributes {
            Arc::make_mut(&mut schema.by_ident).insert(a.ident.clone(), a.id);
            Arc::make_mut(&mut schema.by_id).insert(a.id, Arc::new(a));
        }
        schema
    }

    #[test]
    fn changes_round_trip() {
        let (empty, one) = (Schema::default(), with(vec![attribute(1 << 32, "a/b")]));
        let mut two = with(vec![attribute(1 << 32, "a/c"), attribute(9, "x")]);
        two.flexibility = Flexibility::Read;
        assert_eq!(empty.changes_since(&Schema::default()), None);
        for (before, after) in [(&empty, &one), (&one, &two), (&two, &empty), (&empty, &two)] {
            let Some(bytes) = after.changes_since(before) else { panic!("no changes") };
            let again = before.changed_by(&bytes).unwrap();
            assert_eq!(again.by_ident, after.by_ident);
            // Attributes are never forgotten, their idents are.
            assert!(after.attributes().all(|a| again.get(a.id) == Some(a)));
        }
        assert!(one.get(builtin::IDENT).is_some());
    }

    #[test]
    fn arrays_are_stored_with_what_they_are_made_of() {
        for value_type in [ValueType::FloatArray, ValueType::DoubleArray] {
            let value_type = Some(value_type);
            let array = Attribute { value_type, tuple: None, ..attribute(77, "a/b") };
            let after = with(vec![array.clone()]);
            let Some(bytes) = after.changes_since(&Schema::default()) else { panic!("no changes") };
            let again = Schema::default().changed_by(&bytes).unwrap();
            assert_eq!(again.get(array.id).map(|a| a.as_ref()), Some(&array));
        }
    }

    #[test]
    fn any_bytes_are_a_schema_or_an_error() {
        let Some(bytes) = with(vec![attribute(77, "a/b")]).changes_since(&Schema::default()) else {
            panic!("no changes")
        };
        for cut in 0..bytes.len() {
            assert!(Schema::default().changed_by(&bytes[..cut]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = Schema::default().changed_by(&bytes);
        }
    }
}
