//! A row to the forms of a transaction.
//!
//! **Invariant:** a row gives values by column or one map, and a `:db/retract` for each column that
//! says so; forms stand on the line of their row, so an error of the transaction names it. Whether
//! the entity is there is for the caller to look up, many at once.

use super::columns::{Naming, Target};
use super::convert::Converter;
use super::error::{ImportError, ImportProblem};
use super::rows::{Field, Row};
use super::typed::Columns;
use crate::db::{Db, DbError, EntityRef};
use crate::edn::{Form, FormKind};
use crate::id::EntityId;
use crate::schema::{Schema, Unique};
use crate::text::parse_cell;
use crate::transact::{RowColumn, Rows, Statement};
use crate::value::{Tag, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What rows are read by.
pub struct Builder {
    schema: Schema,
    naming: Naming,
    create_refs: bool,
    tempids: bool,
    targets: BTreeMap<Arc<str>, Target>,
    columns: Columns,
}

/// What a row says of its entity.
#[derive(Clone, Debug, Default)]
pub struct Entity {
    /// The facts it states.
    pub said: Option<Statement>,
    /// What it takes back, if the entity is there.
    pub retracts: Vec<Retract>,
}

/// `[:db/retract e a]`, and who is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Retract {
    /// The entity.
    pub entity: EntityRef,
    /// The form.
    pub form: Form,
}

impl Builder {
    /// With this schema and these names; `create_refs`: an identity that names nobody makes a new
    /// entity.
    pub fn new(schema: Schema, naming: Naming, create_refs: bool) -> Self {
        let (targets, columns) = (BTreeMap::new(), Columns::default());
        Self { schema, naming, create_refs, tempids: false, targets, columns }
    }

    /// In JSON, texts that are no idents name entities of the transaction.
    #[must_use]
    pub fn tempids(self) -> Self {
        Self { tempids: true, ..self }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Goes on with another schema.
    pub(super) fn know(&mut self, schema: Schema) {
        (self.schema, self.columns) = (schema, Columns::default());
    }

    /// Refuses an attribute that cannot find the entity of a row.
    pub fn check_identity(&self, ident: &str) -> Result<(), ImportError> {
        let converter = self.converter(0, None);
        let identity = converter.attribute(ident)?;
        if identity.unique == Some(Unique::Identity) {
            return Ok(());
        }
        Err(ImportProblem::NotIdentity { ident: ident.to_owned() }.into())
    }

    /// What the columns of statements are.
    pub fn columns(&self) -> Arc<Vec<RowColumn>> {
        self.columns.shared()
    }

    /// What a row says.
    pub fn entity(&mut self, row: &Row) -> Result<Entity, ImportError> {
        self.entity_in(row, None)
    }

    /// What a row says, given the database that it is said to.
    pub fn entity_in(&mut self, row: &Row, db: Option<&Db>) -> Result<Entity, ImportError> {
        match self.columns.row(row, &self.schema, &self.naming) {
            Some(said) if said.facts.is_empty() => Ok(Entity::default()),
            Some(said) => Ok(Entity { said: Some(Statement::Row(said)), retracts: Vec::new() }),
            None => self.forms(row, db),
        }
    }

    /// What a row says, as forms.
    pub fn forms(&mut self, row: &Row, db: Option<&Db>) -> Result<Entity, ImportError> {
        for (name, _) in &row.fields {
            if !self.targets.contains_key(name) {
                self.targets.insert(name.clone(), self.naming.target(name)?);
            }
        }
        let is_id = |name: &Arc<str>| self.targets.get(name) == Some(&Target::EntityId);
        let mut converter = self.converter(row.line, None);
        let mut id = None;
        for (name, field) in row.fields.iter().filter(|(name, _)| is_id(name)) {
            let found = entity_id(&converter, field);
            id = found.map_err(|problem| problem.in_column(row.line, name))?;
        }
        let number = id.as_ref().and_then(|id| u64::try_from(id.as_long()?).ok()).map(EntityId);
        converter.present = db.zip(number);
        let mut pairs = Vec::new();
        let mut retracted = Vec::new();
        for (name, field) in &row.fields {
            let Some(Target::Attribute { ident, via }) = self.targets.get(name) else { continue };
            let place = |problem: ImportProblem| problem.in_column(row.line, name);
            if id.is_some() && self.schema.attr(ident).is_some_and(|a| a.is_composite()) {
                // The database keeps it, from its parts.
            } else if *field == Field::Retract {
                converter.attribute(ident).map_err(place)?;
                retracted.push(ident.as_str());
            } else {
                let form = converter.field(ident, via.as_deref(), field).map_err(place)?;
                pairs.push((converter.keyword(ident), form));
            }
        }
        self.said(&converter, id, pairs, &retracted)
    }

    fn said(
        &self,
        converter: &Converter<'_>,
        id: Option<Form>,
        mut pairs: Vec<(Form, Form)>,
        retracted: &[&str],
    ) -> Result<Entity, ImportError> {
        let mut entity = Entity::default();
        // Of what is only made now nothing can be taken back.
        let is_new = id.as_ref().is_some_and(|id| id.as_str().is_some());
        if !retracted.is_empty() && !is_new {
            let who = self.who(converter, id.as_ref(), &pairs);
            let (reference, form) = who.ok_or_else(|| nobody(converter.line, retracted))?;
            let retract = |ident: &&str| {
                let retract = converter.keyword("db/retract");
                let items = vec![retract, form.clone(), converter.keyword(ident)];
                let form = converter.form(FormKind::Vector(items));
                Retract { entity: reference.clone(), form }
            };
            entity.retracts = retracted.iter().map(retract).collect();
        }
        if !pairs.is_empty() {
            pairs.splice(..0, id.map(|id| (converter.keyword("db/id"), id)));
            let map = converter.form(FormKind::Map(pairs));
            entity.said = Some(Statement::Form(map));
        }
        Ok(entity)
    }

    /// The entity of a row that is there already: by its id, or by an identity.
    fn who(
        &self,
        converter: &Converter<'_>,
        id: Option<&Form>,
        pairs: &[(Form, Form)],
    ) -> Option<(EntityRef, Form)> {
        if let Some(id) = id {
            return Some((self.reference(id)?, id.clone()));
        }
        pairs.iter().find_map(|(name, value)| {
            let attribute = self.schema.attr(name.as_keyword()?.as_str())?;
            (attribute.unique == Some(Unique::Identity)).then_some(())?;
            let lookup = vec![name.clone(), value.clone()];
            let reference = EntityRef::Lookup(attribute.id, value.to_value());
            Some((reference, converter.form(FormKind::Vector(lookup))))
        })
    }

    /// Who is there under a name; nobody is under one of the transaction's own.
    fn reference(&self, id: &Form) -> Option<EntityRef> {
        match (&id.kind, id.as_vector()) {
            (_, Some([ident, value])) => {
                let attribute = self.schema.attr(ident.as_keyword()?.as_str())?;
                let value = self.schema.typed(attribute, value.to_value());
                Some(EntityRef::Lookup(attribute.id, value))
            }
            (FormKind::Value(Value::Keyword(ident)), _) => Some(EntityRef::Ident(ident.clone())),
            _ => u64::try_from(id.as_long()?).ok().map(|id| EntityRef::Id(EntityId(id))),
        }
    }

    pub(super) fn converter<'a>(
        &'a self,
        line: u64,
        db: Option<(&'a Db, EntityId)>,
    ) -> Converter<'a> {
        let Self { schema, naming, create_refs, tempids, .. } = self;
        let (create_refs, tempids) = (*create_refs, *tempids);
        Converter { schema, naming, create_refs, tempids, present: db, line }
    }
}

/// What rows say, as a transaction. What an entity takes back that is not there is left out.
pub fn transaction(db: &Db, columns: &[RowColumn], entities: Vec<Entity>) -> Result<Rows, DbError> {
    let retracts = entities.iter().flat_map(|entity| &entity.retracts);
    let who: Vec<_> = retracts.map(|retract| retract.entity.clone()).collect();
    let mut found = if who.is_empty() { vec![] } else { db.entids(&who)? }.into_iter();
    let mut statements = Vec::with_capacity(entities.len());
    for Entity { said, retracts } in entities {
        statements.extend(said);
        for retract in retracts {
            if found.next().flatten().is_some() {
                statements.push(Statement::Form(retract.form));
            }
        }
    }
    Ok(Rows { columns: columns.to_vec(), statements })
}

fn entity_id(converter: &Converter<'_>, field: &Field) -> Result<Option<Form>, ImportProblem> {
    let text = match field {
        Field::Retract => return Ok(None),
        Field::Json(json) if converter.tempids => return converter.reference(json).map(Some),
        Field::Text(text) => text.clone(),
        Field::Json(json) => json.as_str().map_or_else(|| json.to_string(), str::to_owned),
    };
    Ok(Some(converter.value(&parse_cell(&text, Tag::Ref)?)))
}

fn nobody(line: u64, retracted: &[&str]) -> ImportError {
    let idents: Vec<String> = retracted.iter().map(|ident| format!(":{ident}")).collect();
    ImportProblem::Nobody { idents: idents.join(" ") }.on_line(line)
}
