//! What the text of an entity says of an attribute, in EDN or in JSON.
//!
//! **Invariant:** what a value is shown as says that value, whatever its type. A ref is said in any
//! way in which entities are found: by an id, an ident, or the value of an identity. What is said
//! is read by the type of the attribute; nothing here decides what follows from it.

use crate::error::{Failure, Kind, Result};
use factfs_core::db::Db;
use factfs_core::edn::{self, Form};
use factfs_core::import::{Converter, ImportError, ImportProblem, Target};
use factfs_core::schema::Attribute;
use factfs_core::text::write_json;
use factfs_core::value::{Keyword, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What a text says of an attribute, or of one of its values.
#[derive(Clone)]
pub(super) enum Said {
    Edn(Form),
    Json(Json),
    /// The value of this identity of whom a ref is to.
    Identity(String, Json),
}

/// The values that are said of each attribute.
pub(super) fn values(
    said: &BTreeMap<Keyword, Said>,
    db: &Db,
    converter: &Converter<'_>,
) -> Result<BTreeMap<Keyword, Vec<Said>>> {
    let mut values = BTreeMap::new();
    for (name, said) in said {
        let (ident, said) = named(name, said, converter)?;
        let attribute = converter.attribute(ident.as_str()).map_err(import_error)?;
        let items = items(attribute, &said).into_iter();
        let items = items.map(|said| said.found(db, converter, attribute));
        let items = items.collect::<Result<Vec<_>>>()?;
        if values.insert(ident.clone(), items).is_some() {
            let message = format!("{ident} is said twice");
            return Err(Failure::new(Kind::Invalid, message));
        }
    }
    Ok(values)
}

/// The attribute that a key means: in JSON it may name an identity of whom a ref is to.
fn named(name: &Keyword, said: &Said, converter: &Converter<'_>) -> Result<(Keyword, Said)> {
    if let Said::Json(json) = said
        && converter.schema.attr(name.as_str()).is_none()
        && let Ok(target) = converter.naming.target(name.as_str())
        && let Target::Attribute { ident, via: Some(via) } = target
    {
        return Ok((Keyword::new(&ident), Said::Identity(via, json.clone())));
    }
    Ok((name.clone(), said.clone()))
}

pub(super) fn import_error(problem: ImportProblem) -> Failure {
    ImportError::from(problem).into()
}

impl Said {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Edn(form) => form.to_string(),
            Self::Json(json) | Self::Identity(_, json) => json.to_string(),
        }
    }

    /// It as a transaction says it.
    pub(super) fn form(&self, converter: &Converter<'_>, attribute: &Attribute) -> Result<Form> {
        match self {
            Self::Edn(form) => Ok(form.clone()),
            Self::Json(json) => converter.json(attribute, None, json).map_err(import_error),
            Self::Identity(via, json) => {
                converter.json(attribute, Some(via), json).map_err(import_error)
            }
        }
    }

    /// Whom a ref is to, by his id, if he is said otherwise and there is such a one.
    fn found(self, db: &Db, converter: &Converter<'_>, attribute: &Attribute) -> Result<Self> {
        let is_name = match &self {
            Self::Edn(form) => form.as_seq().is_some(),
            Self::Json(json) => json.is_string(),
            Self::Identity(..) => true,
        };
        if !is_name || !attribute.is_ref() && !matches!(self, Self::Identity(..)) {
            return Ok(self);
        }
        let form = self.form(converter, attribute)?;
        let found = match db.reference(&form.to_value())? {
            Some(reference) => db.entid(&reference)?,
            None => None,
        };
        Ok(Self::Edn(found.map_or(form, |e| converter.value(&Value::Ref(e)))))
    }

    /// Whether a value would be shown like this. An entity may have a name, and be shown by it.
    fn shows(&self, value: &Value, ident: Option<&Keyword>) -> bool {
        let names = ident.map(|ident| Value::Keyword(ident.clone()));
        let mut values = [value].into_iter().chain(&names);
        match self {
            Self::Edn(form) => {
                let said = form.to_value();
                values.any(|value| as_read(value).is_some_and(|value| value == said))
            }
            Self::Json(json) | Self::Identity(_, json) => values.any(|value| {
                let mut written = String::new();
                write_json(value, &mut written);
                serde_json::from_str::<Json>(&written).is_ok_and(|written| written == *json)
            }),
        }
    }
}

/// The value that comes of reading what is shown for one.
fn as_read(value: &Value) -> Option<Value> {
    edn::read_one(&edn::to_string(value)).ok().map(|form| form.to_value())
}

/// The values that are said of an attribute.
fn items(attribute: &Attribute, said: &Said) -> Vec<Said> {
    match said {
        Said::Edn(form) if form.is_nil() => Vec::new(),
        Said::Edn(form) if attribute.many => {
            let is_lookup = |items: &[Form]| attribute.is_ref() && items[0].as_keyword().is_some();
            match form.as_set().or(form.as_seq().filter(|all| all.is_empty() || !is_lookup(all))) {
                Some(items) => items.iter().cloned().map(Said::Edn).collect(),
                None => vec![said.clone()],
            }
        }
        Said::Json(Json::Null) | Said::Identity(_, Json::Null) => Vec::new(),
        Said::Json(Json::Array(items)) if attribute.many => {
            items.iter().cloned().map(Said::Json).collect()
        }
        Said::Identity(via, Json::Array(items)) if attribute.many => {
            items.iter().map(|json| Said::Identity(via.clone(), json.clone())).collect()
        }
        said => vec![said.clone()],
    }
}

/// What is said that no value shows, and the values that nothing said shows.
pub(super) fn unmatched<'v>(
    db: &Db,
    said: &[Said],
    values: &'v [Value],
) -> Result<(Vec<Said>, Vec<&'v Value>)> {
    let mut left = Vec::new();
    for value in values {
        let ident = match value {
            Value::Ref(e) => db.ident(*e)?,
            _ => None,
        };
        left.push((value, ident));
    }
    let mut new = Vec::new();
    for said in said {
        match left.iter().position(|(value, ident)| said.shows(value, ident.as_ref())) {
            Some(at) => drop(left.remove(at)),
            None => new.push(said.clone()),
        }
    }
    Ok((new, left.into_iter().map(|(value, _)| value).collect()))
}
