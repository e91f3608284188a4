//! One cell to the form of a value, by the type of its attribute.
//!
//! **Invariant:** a value is what the cell says, exactly, or an error that shows it. Many values
//! are a JSON array; a ref is an id, an `:ident`, an object, or the value of an identity. Where a
//! text can be several values, it is the one that the entity has, if that is written so.

use super::columns::{Naming, Target};
use super::error::ImportProblem;
use super::rows::Field;
use crate::datom::{KeyRange, Order};
use crate::db::Db;
use crate::edn::{Form, FormKind, Span};
use crate::id::{AttrId, EntityId};
use crate::schema::{Attribute, Schema, TupleKind, ValueType};
use crate::text::{from_json, from_json_as, parse_cell, write_cell, write_json};
use crate::value::{Keyword, Tag, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, ImportProblem>;

/// What cells are read by.
pub struct Converter<'a> {
    /// The attributes.
    pub schema: &'a Schema,
    /// What names mean.
    pub naming: &'a Naming,
    /// Whether an identity that names nobody makes a new entity.
    pub create_refs: bool,
    /// Whether a text of JSON that is no ident names an entity of this transaction.
    pub tempids: bool,
    /// The entity that is spoken of, if it is known, and where it is.
    pub present: Option<(&'a Db, EntityId)>,
    /// The line.
    pub line: u64,
}

impl Converter<'_> {
    /// A form that stands on the current line.
    pub fn form(&self, kind: FormKind) -> Form {
        let line = u32::try_from(self.line).unwrap_or(u32::MAX);
        Form { kind, span: Span { line, ..Span::default() } }
    }

    /// `:ident`
    pub fn keyword(&self, ident: &str) -> Form {
        self.form(FormKind::Value(Value::keyword(ident)))
    }

    /// The attribute of this name.
    pub fn attribute(&self, ident: &str) -> Result<&Attribute> {
        self.schema.attr(ident).map(|attribute| attribute.as_ref()).ok_or_else(|| {
            let nearest = self.schema.nearest(ident);
            ImportProblem::UnknownAttribute { ident: ident.to_owned(), nearest }
        })
    }

    /// What a field says of an attribute, for a map of a transaction.
    pub fn field(&self, ident: &str, via: Option<&str>, field: &Field) -> Result<Form> {
        if let (Some(forward), Field::Json(json)) = (Keyword::new(ident).forward(), field)
            && self.schema.attr(ident).is_none()
        {
            return self.reverse(&forward, json);
        }
        let attribute = self.attribute(ident)?;
        let array = match field {
            Field::Text(text) if attribute.many && text.starts_with('[') => {
                serde_json::from_str(text).ok()
            }
            Field::Json(json @ Json::Array(_)) if attribute.many => Some(json.clone()),
            _ => None,
        };
        match (array, field) {
            (Some(Json::Array(items)), _) if !self.is_lookup(attribute, &items) => {
                self.array(attribute, via, &items)
            }
            (_, Field::Text(text)) => {
                self.text(attribute, via, text).map(|f| self.many(attribute, f))
            }
            (_, Field::Json(json)) => {
                self.json(attribute, via, json).map(|f| self.many(attribute, f))
            }
            (_, Field::Retract) => Ok(self.form(FormKind::Value(Value::Nil))),
        }
    }

    /// One of many values is written as a vector of one, so that a lookup ref is not taken for two.
    fn many(&self, attribute: &Attribute, form: Form) -> Form {
        if attribute.many { self.form(FormKind::Vector(vec![form])) } else { form }
    }

    /// The entities that refer to this one.
    fn reverse(&self, forward: &Keyword, json: &Json) -> Result<Form> {
        let attribute = self.attribute(forward.as_str())?;
        match json {
            Json::Array(items) if !self.is_lookup(attribute, items) => {
                self.array(attribute, None, items)
            }
            json => self.json(attribute, None, json),
        }
    }

    /// Many values; what the entity has is read once.
    fn array(&self, attribute: &Attribute, via: Option<&str>, items: &[Json]) -> Result<Form> {
        let there = self.written(attribute, via, in_json)?;
        let items = items.iter().map(|item| self.one(attribute, via, item, &there));
        Ok(self.form(FormKind::Vector(items.collect::<Result<_>>()?)))
    }

    /// Whether an array is one lookup ref, and not two values.
    fn is_lookup(&self, attribute: &Attribute, items: &[Json]) -> bool {
        let [Json::String(ident), _] = items else { return false };
        let named = self.schema.attr(ident.strip_prefix(':').unwrap_or(ident));
        self.tempids && attribute.is_ref() && named.is_some_and(|named| named.unique.is_some())
    }

    fn text(&self, attribute: &Attribute, via: Option<&str>, text: &str) -> Result<Form> {
        if let Some(via) = via {
            let identity = self.identity(attribute, via)?;
            let value = self.text(identity, None, text)?;
            return Ok(self.through(identity, value));
        }
        if let Some(value) = self.written(attribute, None, in_cell)?.get(text) {
            return Ok(self.value(value));
        }
        let value = match attribute.value_type {
            None => Value::str(text),
            Some(ValueType::Number) => number(text)?,
            Some(of) if of.tag() == Some(Tag::Vector) => {
                let json = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
                return self.json(attribute, None, &json);
            }
            Some(of) => parse_cell(text, tag(of))?,
        };
        Ok(self.value(&value))
    }

    /// What a JSON value says of an attribute that has one value.
    pub fn json(&self, attribute: &Attribute, via: Option<&str>, json: &Json) -> Result<Form> {
        self.one(attribute, via, json, &self.written(attribute, via, in_json)?)
    }

    fn one(
        &self,
        attribute: &Attribute,
        via: Option<&str>,
        json: &Json,
        there: &Written,
    ) -> Result<Form> {
        if let Some(via) = via {
            let identity = self.identity(attribute, via)?;
            let value = self.one(identity, None, json, &Written::new())?;
            return Ok(self.through(identity, value));
        }
        if attribute.is_ref() {
            match json {
                Json::Object(entries) => return self.object(entries),
                json if self.tempids => return self.reference(json),
                _ => {}
            }
        }
        if !there.is_empty()
            && let Some(value) = there.get(&json.to_string())
        {
            return Ok(self.value(value));
        }
        let value = match (attribute.value_type, json) {
            (Some(ValueType::Tuple | ValueType::FloatArray | ValueType::DoubleArray), _) => {
                return self.tuple(attribute, json);
            }
            (of, json) => scalar(of, json)?,
        };
        Ok(self.value(&value))
    }

    /// Each part of a tuple or an array by its own type.
    fn tuple(&self, attribute: &Attribute, json: &Json) -> Result<Form> {
        let Json::Array(items) = json else {
            return Err(from_json_as(json, Tag::Vector).err().map_or_else(
                || ImportProblem::NoNumber { text: json.to_string() },
                ImportProblem::Cell,
            ));
        };
        let of_part = |at: usize| match (&attribute.tuple, attribute.value_type) {
            (Some(TupleKind::Composite(parts)), _) => {
                parts.get(at).and_then(|part| self.schema.get(*part)?.value_type)
            }
            (Some(TupleKind::Homogeneous(of)), _) => Some(*of),
            (Some(TupleKind::Heterogeneous(all)), _) => all.get(at).copied(),
            (None, Some(ValueType::FloatArray)) => Some(ValueType::Float),
            (None, Some(ValueType::DoubleArray)) => Some(ValueType::Double),
            // What a tuple is made of, in the schema.
            (None, Some(ValueType::Tuple)) => Some(ValueType::Keyword),
            (None, _) => None,
        };
        let part = |(at, item): (usize, &Json)| Ok(self.value(&scalar(of_part(at), item)?));
        let parts = items.iter().enumerate().map(part).collect::<Result<_>>()?;
        Ok(self.form(FormKind::Vector(parts)))
    }

    /// The values that the entity has, by how they are written: a text has no type of its own, and
    /// where its attribute does not give it one, it says nothing new. None where the attribute
    /// gives it one, or another entity is spoken of.
    fn written(
        &self,
        attribute: &Attribute,
        via: Option<&str>,
        shown: fn(&Value) -> String,
    ) -> Result<Written> {
        let has_type = |of: ValueType| of.tag().is_some_and(|tag| tag != Tag::Vector);
        let has_type = via.is_some() || attribute.value_type.is_some_and(has_type);
        let Some((db, e)) = self.present.filter(|_| !has_type) else { return Ok(Written::new()) };
        let mut written = Written::new();
        for value in values(db, e, attribute.id)? {
            written.entry(shown(&value)).or_insert(value);
        }
        Ok(written)
    }

    /// An object in the place of a ref is the entity itself.
    fn object(&self, entries: &serde_json::Map<String, Json>) -> Result<Form> {
        let mut pairs = Vec::new();
        for (name, json) in entries.iter().filter(|(_, json)| !json.is_null()) {
            match self.naming.target(name)? {
                Target::Skip => {}
                Target::EntityId if self.tempids => {
                    pairs.push((self.keyword("db/id"), self.reference(json)?));
                }
                Target::EntityId => {
                    let value = from_json_as(json, Tag::Long)?;
                    pairs.push((self.keyword("db/id"), self.value(&value)));
                }
                Target::Attribute { ident, via } => {
                    let field = Field::Json(json.clone());
                    let other = Converter { present: None, ..*self };
                    let form = other.field(&ident, via.as_deref(), &field)?;
                    pairs.push((self.keyword(&ident), form));
                }
            }
        }
        Ok(self.form(FormKind::Map(pairs)))
    }

    /// Who is meant: an id, an `:ident`, an identity and its value, or a name of the transaction.
    pub fn reference(&self, json: &Json) -> Result<Form> {
        let nobody = || ImportProblem::NoEntity { shown: shown(json) };
        match json {
            Json::Number(_) => Ok(self.value(&from_json_as(json, Tag::Ref)?)),
            Json::String(text) => match (text.strip_prefix(':'), text.parse::<u64>()) {
                (Some(ident), _) if !ident.is_empty() => Ok(self.keyword(ident)),
                (None, Ok(_)) => Ok(self.value(&parse_cell(text, Tag::Ref)?)),
                (None, Err(_)) if !text.is_empty() => {
                    Ok(self.form(FormKind::Value(Value::str(text))))
                }
                _ => Err(nobody()),
            },
            Json::Array(pair) => match pair.as_slice() {
                [Json::String(ident), value] => {
                    let ident = ident.strip_prefix(':').unwrap_or(ident);
                    let attribute = self.attribute(ident)?;
                    let other = Converter { present: None, ..*self };
                    let value = other.json(attribute, None, value)?;
                    Ok(self.form(FormKind::Vector(vec![self.keyword(ident), value])))
                }
                _ => Err(nobody()),
            },
            _ => Err(nobody()),
        }
    }

    fn identity(&self, attribute: &Attribute, via: &str) -> Result<&Attribute> {
        let identity = self.attribute(via)?;
        let via = || via.to_owned();
        if !attribute.is_ref() {
            let ident = attribute.ident.as_str().to_owned();
            return Err(ImportProblem::NoRef { ident, via: via() });
        }
        if identity.unique.is_none() {
            return Err(ImportProblem::NotUnique { via: via() });
        }
        Ok(identity)
    }

    fn through(&self, identity: &Attribute, value: Form) -> Form {
        let name = self.keyword(identity.ident.as_str());
        self.form(match self.create_refs {
            true => FormKind::Map(vec![(name, value)]),
            false => FormKind::Vector(vec![name, value]),
        })
    }

    /// A value as it would have been typed.
    pub fn value(&self, value: &Value) -> Form {
        let value = match value {
            Value::Ref(id) => Value::Long(i64::try_from(id.0).unwrap_or(i64::MAX)),
            value => value.clone(),
        };
        self.form(Form::from(value).kind)
    }
}

/// Values by how they are written.
type Written = BTreeMap<String, Value>;

fn in_cell(value: &Value) -> String {
    let mut text = String::new();
    write_cell(value, &mut text);
    text
}

/// As JSON is written that was read: one way for what is equal.
fn in_json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    serde_json::from_str::<Json>(&text).map_or(text, |json| json.to_string())
}

/// The values that an entity has of an attribute.
fn values(db: &Db, e: EntityId, a: AttrId) -> Result<Vec<Value>> {
    let found = db.scan(Order::Eavt, &[KeyRange::prefix(Some(e), Some(a), None)])?;
    Ok(found.iter().flatten().flat_map(|slice| slice.datoms().map(|datom| datom.v)).collect())
}

fn scalar(of: Option<ValueType>, json: &Json) -> Result<Value> {
    Ok(match of {
        None | Some(ValueType::Number) => from_json(json)?,
        Some(of) => from_json_as(json, tag(of))?,
    })
}

fn number(text: &str) -> Result<Value> {
    let types = [Tag::Long, Tag::BigInt, Tag::Double];
    let found = types.into_iter().find_map(|tag| parse_cell(text, tag).ok());
    found.ok_or_else(|| ImportProblem::NoNumber { text: text.to_owned() })
}

/// What a cell of this type is read as.
fn tag(of: ValueType) -> Tag {
    of.tag().unwrap_or(Tag::Long)
}

/// Enough of a text to know it by.
pub(super) fn shown(json: &Json) -> String {
    let text = json.to_string();
    let visible = |c| if crate::edn::is_unsafe(c) { '\u{fffd}' } else { c };
    let cut = text.char_indices().nth(60).map_or(text.len(), |(i, _)| i);
    let more = if cut < text.len() { "…" } else { "" };
    text[..cut].chars().map(visible).collect::<String>() + more
}
