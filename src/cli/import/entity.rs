//! A row to the forms of a transaction.
//!
//! **Invariant:** a row gives values by column or one map, and a `:db/retract` for each column that
//! says so; forms stand on the line of their row, so an error of the transaction names it. Whether
//! the entity is there is for the caller to look up, many at once.

use super::columns::{Naming, Target};
use super::convert::Converter;
use super::rows::{Field, Row};
use super::typed::Columns;
use crate::cli::exit::Problem;
use factfs_core::db::EntityRef;
use factfs_core::edn::{Form, FormKind};
use factfs_core::id::EntityId;
use factfs_core::schema::{Schema, Unique};
use factfs_core::text::parse_cell;
use factfs_core::transact::{RowColumn, Statement};
use factfs_core::value::Tag;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What rows are read by.
pub struct Builder {
    schema: Schema,
    naming: Naming,
    create_refs: bool,
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
        Self { schema, naming, create_refs, targets, columns }
    }

    /// Refuses an attribute that cannot find the entity of a row.
    pub fn check_identity(&self, ident: &str) -> Result<(), Problem> {
        let converter = self.converter(0);
        let identity = converter.attribute(ident)?;
        if identity.unique == Some(Unique::Identity) {
            return Ok(());
        }
        let text = format!(":{ident} does not identify entities");
        let hint = "its schema should say :db/unique :db.unique/identity";
        Err(Problem::invalid(text).hint(hint))
    }

    /// What the columns of statements are.
    pub fn columns(&self) -> Arc<Vec<RowColumn>> {
        self.columns.shared()
    }

    /// What a row says.
    pub fn entity(&mut self, row: &Row) -> Result<Entity, Problem> {
        match self.columns.row(row, &self.schema, &self.naming) {
            Some(said) if said.facts.is_empty() => Ok(Entity::default()),
            Some(said) => Ok(Entity { said: Some(Statement::Row(said)), retracts: Vec::new() }),
            None => self.forms(row),
        }
    }

    /// What a row says, as forms.
    pub(super) fn forms(&mut self, row: &Row) -> Result<Entity, Problem> {
        for (name, _) in &row.fields {
            if !self.targets.contains_key(name) {
                self.targets.insert(name.clone(), self.naming.target(name)?);
            }
        }
        let converter = self.converter(row.line);
        let mut id = None;
        let mut pairs = Vec::new();
        let mut retracted = Vec::new();
        for (name, field) in &row.fields {
            let place = |problem: Problem| in_column(problem, row.line, name);
            match self.targets.get(name) {
                None | Some(Target::Skip) => {}
                Some(Target::EntityId) => id = entity_id(&converter, field).map_err(place)?,
                Some(Target::Attribute { ident, .. }) if *field == Field::Retract => {
                    converter.attribute(ident).map_err(place)?;
                    retracted.push(ident.as_str());
                }
                Some(Target::Attribute { ident, via }) => {
                    let form = converter.field(ident, via.as_deref(), field).map_err(place)?;
                    pairs.push((converter.keyword(ident), form));
                }
            }
        }
        let mut entity = Entity::default();
        if !retracted.is_empty() {
            let who = self.who(&converter, id.as_ref(), &pairs);
            let (reference, form) = who.ok_or_else(|| nobody(row.line, &retracted))?;
            entity.retracts = retracted
                .iter()
                .map(|ident| {
                    let retract = converter.keyword("db/retract");
                    let items = vec![retract, form.clone(), converter.keyword(ident)];
                    let form = converter.form(FormKind::Vector(items));
                    Retract { entity: reference.clone(), form }
                })
                .collect();
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
            let number = u64::try_from(id.as_long()?).ok()?;
            return Some((EntityRef::Id(EntityId(number)), id.clone()));
        }
        pairs.iter().find_map(|(name, value)| {
            let attribute = self.schema.attr(name.as_keyword()?.as_str())?;
            (attribute.unique == Some(Unique::Identity)).then_some(())?;
            let lookup = vec![name.clone(), value.clone()];
            let reference = EntityRef::Lookup(attribute.id, value.to_value());
            Some((reference, converter.form(FormKind::Vector(lookup))))
        })
    }

    fn converter(&self, line: u64) -> Converter<'_> {
        let Self { schema, naming, create_refs, .. } = self;
        Converter { schema, naming, create_refs: *create_refs, line }
    }
}

fn entity_id(converter: &Converter<'_>, field: &Field) -> Result<Option<Form>, Problem> {
    let text = match field {
        Field::Retract => return Ok(None),
        Field::Text(text) => text.clone(),
        Field::Json(json) => json.as_str().map_or_else(|| json.to_string(), str::to_owned),
    };
    let value = parse_cell(&text, Tag::Ref).map_err(|e| Problem::invalid(e.to_string()))?;
    Ok(Some(converter.value(&value)))
}

fn nobody(line: u64, retracted: &[&str]) -> Problem {
    let names: Vec<String> = retracted.iter().map(|ident| format!(":{ident}")).collect();
    let text = format!("line {line}: of which entity is {} to be retracted?", names.join(" "));
    Problem::invalid(text).hint("the row has to name it by db/id or by an identity")
}

fn in_column(problem: Problem, line: u64, name: &str) -> Problem {
    problem.at(&format!("line {line}, column `{name}`"))
}
