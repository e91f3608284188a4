//! Rows whose every column is an attribute of one simple type, and whose every cell is a value of
//! it: most rows of most files.
//!
//! **Invariant:** what is read here is what [`super::convert`] makes forms of, value for value; it
//! is left to that where anything else is said, and where something is wrong.

use super::columns::{Naming, Target};
use super::rows::{Field, Row};
use crate::id::EntityId;
use crate::schema::{Schema, ValueType};
use crate::text::{from_json_as, parse_cell};
use crate::transact::{self, RowColumn};
use crate::value::{Keyword, Tag, Value};
use serde_json::Value as Json;
use std::sync::Arc;

/// What names mean, each looked up once.
#[derive(Debug, Default)]
pub struct Columns {
    known: Vec<(Arc<str>, Meaning)>,
    columns: Arc<Vec<RowColumn>>,
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    Skip,
    EntityId,
    /// A column of plain values of this type.
    Plain {
        column: u32,
        tag: Tag,
        many: bool,
    },
    Other,
}

impl Columns {
    /// All columns of plain values so far.
    pub fn shared(&self) -> Arc<Vec<RowColumn>> {
        self.columns.clone()
    }

    /// What a row says of its entity; `None` if it is not plain. It may say nothing at all.
    pub fn row(&mut self, row: &Row, schema: &Schema, naming: &Naming) -> Option<transact::Row> {
        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
        let facts = Vec::with_capacity(row.fields.len() + 1);
        let (mut said, mut next) = (transact::Row { e: None, line, facts }, 0);
        for (name, field) in &row.fields {
            let at = self.find(name, next, schema, naming);
            next = at + 1;
            match self.known[at].1 {
                Meaning::Skip => {}
                Meaning::EntityId if said.e.is_none() => said.e = Some(entity(field)?),
                Meaning::Plain { column, tag, many } => {
                    values(field, tag, many, |value| said.facts.push((column, value)))?;
                }
                Meaning::EntityId | Meaning::Other => return None,
            }
        }
        Some(said)
    }

    /// Where a name is known; it is looked for from a place on, where it mostly is.
    fn find(&mut self, name: &Arc<str>, from: usize, schema: &Schema, naming: &Naming) -> usize {
        let all = (from..self.known.len()).chain(0..from.min(self.known.len()));
        for at in all {
            let known = &self.known[at].0;
            if Arc::ptr_eq(known, name) || known == name {
                return at;
            }
        }
        let meaning = self.meaning(name, schema, naming);
        self.known.push((name.clone(), meaning));
        self.known.len() - 1
    }

    fn meaning(&mut self, name: &str, schema: &Schema, naming: &Naming) -> Meaning {
        let (ident, via) = match naming.target(name) {
            Ok(Target::Skip) => return Meaning::Skip,
            Ok(Target::EntityId) => return Meaning::EntityId,
            Ok(Target::Attribute { ident, via }) => (ident, via),
            Err(_) => return Meaning::Other,
        };
        let Some(attribute) = schema.attr(&ident).filter(|_| via.is_none()) else {
            return Meaning::Other;
        };
        let tag = match attribute.value_type {
            None | Some(ValueType::Number | ValueType::Tuple) => None,
            Some(of) => of.tag(),
        };
        let Some(tag) = tag.filter(|_| attribute.tuple.is_none()) else { return Meaning::Other };
        let column = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
        let (ident, many) = (Keyword::new(&ident), attribute.many);
        let columns = Arc::make_mut(&mut self.columns);
        columns.push(RowColumn { ident, attribute: attribute.clone() });
        Meaning::Plain { column, tag, many }
    }
}

fn entity(field: &Field) -> Option<EntityId> {
    let value = match field {
        Field::Text(text) => parse_cell(text, Tag::Ref),
        Field::Json(json @ Json::Number(_)) => from_json_as(json, Tag::Ref),
        Field::Json(_) | Field::Retract => return None,
    };
    if let Ok(Value::Ref(e)) = value { Some(e) } else { None }
}

fn values(field: &Field, tag: Tag, many: bool, mut each: impl FnMut(Value)) -> Option<()> {
    match field {
        Field::Text(text) if many && text.starts_with('[') => None,
        Field::Text(text) => plain(parse_cell(text, tag).ok()?, tag).map(each),
        Field::Json(Json::Array(items)) if many && !items.is_empty() => {
            items.iter().try_for_each(|item| json(item, tag).map(&mut each))
        }
        Field::Json(item) => json(item, tag).map(each),
        Field::Retract => None,
    }
}

fn json(item: &Json, tag: Tag) -> Option<Value> {
    match item {
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        item => plain(from_json_as(item, tag).ok()?, tag),
    }
}

/// An ident is no entity id.
fn plain(value: Value, tag: Tag) -> Option<Value> {
    (value.tag() == tag).then_some(value)
}
