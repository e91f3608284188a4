//! Transactions that are written in JSON.
//!
//! **Invariant:** what is said means what the same forms mean in EDN, with values read by the type
//! of their attribute; null in an object takes back what is there. A transaction is an array of
//! forms or one object; a form is an object, or an array that begins with an operation.

use super::convert::{Converter, shown};
use super::entity::{Builder, Entity, transaction};
use super::error::{ImportError, ImportProblem};
use super::rows::object;
use crate::db::Db;
use crate::edn::{Form, FormKind};
use crate::schema::Schema;
use crate::transact::{Statement, TxOptions, with};
use crate::value::Value;
use serde_json::{Map, Value as Json};

impl Builder {
    /// What a form of a transaction says.
    pub fn json_form(&mut self, db: &Db, json: &Json, number: u64) -> Result<Entity, ImportError> {
        match json {
            Json::Object(_) => {
                let row = object(json.clone(), number, "form")?;
                self.forms(&row, Some(db))
            }
            Json::Array(items) => {
                let form = operation(&self.converter(number, None), items)?;
                Ok(Entity { said: Some(Statement::Form(form)), retracts: Vec::new() })
            }
            other => Err(ImportProblem::NoForm { shown: shown(other) }.into()),
        }
    }

    /// A transaction as it is written.
    pub fn json_transaction(&mut self, db: &Db, json: &Json) -> Result<Form, ImportError> {
        match json {
            Json::Array(items) if !items.first().is_some_and(Json::is_string) => {
                self.all_of(db, items)
            }
            Json::Object(entries) if entries.contains_key("tx-data") => self.beside(db, entries),
            Json::Object(_) => self.all_of(db, std::slice::from_ref(json)),
            other => Err(ImportProblem::NoForm { shown: shown(other) }.into()),
        }
    }

    fn all_of(&mut self, db: &Db, items: &[Json]) -> Result<Form, ImportError> {
        if let Some(schema) = defined(db, self.schema(), items)? {
            self.know(schema);
        }
        let entities = (1..).zip(items).map(|(number, item)| self.json_form(db, item, number));
        let entities = entities.collect::<Result<Vec<_>, _>>()?;
        Ok(transaction(db, &self.columns(), entities)?.into_form())
    }

    /// Forms with facts about the transaction beside them.
    fn beside(&mut self, db: &Db, entries: &Map<String, Json>) -> Result<Form, ImportError> {
        let mut pairs = Vec::new();
        for (name, json) in entries {
            let said = match (name.as_str(), json) {
                ("tx-data", Json::Array(items)) => self.all_of(db, items)?,
                ("tx-meta", Json::Object(_)) => {
                    let row = object(json.clone(), 1, "form")?;
                    match self.forms(&row, Some(db))?.said {
                        Some(Statement::Form(form)) => form,
                        _ => Form::from(Value::Nil),
                    }
                }
                (_, Json::Bool(is)) => Form::from(Value::Bool(*is)),
                (_, other) => return Err(ImportProblem::NoForm { shown: shown(other) }.into()),
            };
            pairs.push((Form::from(Value::keyword(name)), said));
        }
        Ok(Form { kind: FormKind::Map(pairs), span: crate::edn::Span::default() })
    }
}

/// The schema with the attributes that these forms define, if they define some: they may use them.
fn defined(db: &Db, schema: &Schema, items: &[Json]) -> Result<Option<Schema>, ImportError> {
    let is_definition = |json: &&Json| {
        let entries = json.as_object();
        entries.is_some_and(|entries| entries.contains_key("db/ident") && entries.len() > 1)
    };
    let definitions: Vec<Json> = items.iter().filter(is_definition).cloned().collect();
    if definitions.is_empty() {
        return Ok(None);
    }
    let mut builder = Builder::new(schema.clone(), Default::default(), false).tempids();
    let entities = (1..).zip(&definitions).map(|(n, json)| builder.json_form(db, json, n));
    let Ok(entities) = entities.collect::<Result<Vec<_>, _>>() else { return Ok(None) };
    let form = transaction(db, &builder.columns(), entities)?.into_form();
    // What is wrong with them is said when they are transacted.
    let supposed = with(db, &form, &TxOptions::default());
    Ok(supposed.ok().map(|report| report.db_after.schema().clone()))
}

/// `["db/add", e, a, v]` and the like.
fn operation(converter: &Converter<'_>, items: &[Json]) -> Result<Form, ImportError> {
    let no_form = || ImportProblem::NoForm { shown: shown(&Json::Array(items.to_vec())) };
    let [Json::String(name), rest @ ..] = items else { return Err(no_form().into()) };
    let name = name.strip_prefix(':').unwrap_or(name);
    let mut forms = vec![converter.keyword(name)];
    match (name, rest) {
        (
            "db/add"
            | "db/retract"
            | "db/cas"
            | "db.fn/cas"
            | "db/retractAttribute"
            | "db.fn/retractAttribute"
            | "db/purge"
            | "db.purge/attribute",
            [e, Json::String(a), values @ ..],
        ) => {
            let a = a.strip_prefix(':').unwrap_or(a);
            let attribute = converter.attribute(a)?;
            forms.extend([converter.reference(e)?, converter.keyword(a)]);
            for value in values {
                forms.push(match value {
                    Json::Null => converter.form(FormKind::Value(Value::Nil)),
                    value => converter.json(attribute, None, value)?,
                });
            }
        }
        ("db/add" | "db/retract" | "db/cas" | "db/purge", _) => return Err(no_form().into()),
        (_, [e]) => forms.push(converter.reference(e)?),
        _ => return Err(no_form().into()),
    }
    Ok(converter.form(FormKind::Vector(forms)))
}
