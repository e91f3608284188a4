//! One cell to the form of a value, by the type of its attribute.
//!
//! **Invariant:** a value is what the cell says, exactly, or an error that shows it. Many values
//! are a JSON array; a ref is an id, an `:ident`, an object, or the value of an identity.

use super::columns::{Naming, Target};
use super::rows::Field;
use crate::cli::exit::Problem;
use factfs_core::edn::{Form, FormKind, Span};
use factfs_core::schema::{Attribute, Schema, ValueType};
use factfs_core::text::{CellError, from_json, from_json_as, parse_cell};
use factfs_core::value::{Tag, Value};
use serde_json::Value as Json;

/// What cells are read by.
pub struct Converter<'a> {
    pub schema: &'a Schema,
    pub naming: &'a Naming,
    /// Whether an identity that names nobody makes a new entity.
    pub create_refs: bool,
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
    pub fn attribute(&self, ident: &str) -> Result<&Attribute, Problem> {
        self.schema.attr(ident).map(|attribute| attribute.as_ref()).ok_or_else(|| {
            let problem = Problem::invalid(format!("unknown attribute :{ident}"));
            match self.schema.nearest(ident) {
                Some(nearest) => problem.hint(format!("did you mean :{nearest}?")),
                None => problem.hint("--infer proposes a schema, --schema FILE states one"),
            }
        })
    }

    /// What a field says of an attribute, for a map of a transaction.
    pub fn field(&self, ident: &str, via: Option<&str>, field: &Field) -> Result<Form, Problem> {
        let attribute = self.attribute(ident)?;
        let array = match field {
            Field::Text(text) if attribute.many && text.starts_with('[') => {
                serde_json::from_str(text).ok()
            }
            Field::Json(json @ Json::Array(_)) if attribute.many => Some(json.clone()),
            _ => None,
        };
        match (array, field) {
            (Some(Json::Array(items)), _) => {
                let items = items.iter().map(|item| self.json(attribute, via, item));
                Ok(self.form(FormKind::Vector(items.collect::<Result<_, _>>()?)))
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

    fn text(&self, attribute: &Attribute, via: Option<&str>, text: &str) -> Result<Form, Problem> {
        if let Some(via) = via {
            let identity = self.identity(attribute, via)?;
            let value = self.text(identity, None, text)?;
            return Ok(self.through(identity, value));
        }
        let value = match attribute.value_type {
            None => Value::str(text),
            Some(ValueType::Number) => number(text)?,
            Some(of) => parse_cell(text, tag(of)).map_err(wrong)?,
        };
        Ok(self.value(&value))
    }

    fn json(&self, attribute: &Attribute, via: Option<&str>, json: &Json) -> Result<Form, Problem> {
        if let Some(via) = via {
            let identity = self.identity(attribute, via)?;
            let value = self.json(identity, None, json)?;
            return Ok(self.through(identity, value));
        }
        if let (true, Json::Object(entries)) = (attribute.is_ref(), json) {
            return self.object(entries);
        }
        let value = match attribute.value_type {
            None | Some(ValueType::Number) => from_json(json).map_err(wrong)?,
            Some(of) => from_json_as(json, tag(of)).map_err(wrong)?,
        };
        Ok(self.value(&value))
    }

    /// An object in the place of a ref is the entity itself.
    fn object(&self, entries: &serde_json::Map<String, Json>) -> Result<Form, Problem> {
        let mut pairs = Vec::new();
        for (name, json) in entries.iter().filter(|(_, json)| !json.is_null()) {
            match self.naming.target(name)? {
                Target::Skip => {}
                Target::EntityId => {
                    let value = from_json_as(json, Tag::Long).map_err(wrong)?;
                    pairs.push((self.keyword("db/id"), self.value(&value)));
                }
                Target::Attribute { ident, via } => {
                    let field = Field::Json(json.clone());
                    pairs.push((self.keyword(&ident), self.field(&ident, via.as_deref(), &field)?));
                }
            }
        }
        Ok(self.form(FormKind::Map(pairs)))
    }

    fn identity(&self, attribute: &Attribute, via: &str) -> Result<&Attribute, Problem> {
        let identity = self.attribute(via)?;
        if !attribute.is_ref() {
            let text = format!(":{} is no ref: it has no .{via}", attribute.ident.as_str());
            return Err(Problem::invalid(text));
        }
        if identity.unique.is_none() {
            let text = format!(":{via} does not identify entities: it should be :db/unique");
            return Err(Problem::invalid(text));
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

fn wrong(error: CellError) -> Problem {
    Problem::invalid(error.to_string())
}

fn number(text: &str) -> Result<Value, Problem> {
    let types = [Tag::Long, Tag::BigInt, Tag::Double];
    let found = types.into_iter().find_map(|tag| parse_cell(text, tag).ok());
    found.ok_or_else(|| Problem::invalid(format!("`{text}` is no number")))
}

/// What a cell of this type is read as.
fn tag(of: ValueType) -> Tag {
    of.tag().unwrap_or(Tag::Long)
}
