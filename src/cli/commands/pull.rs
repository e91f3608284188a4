//! `factfs pull`: what is known of entities, as nested maps in the shape of a pattern.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs};
use crate::cli::exit::Problem;
use crate::cli::forms::Source;
use crate::cli::open;
use anyhow::Context;
use factfs_core::db::{Db, EntityRef};
use factfs_core::edn::{self, Form};
use factfs_core::id::EntityId;
use factfs_core::pull;
use factfs_core::text::{Layout, Shape};
use factfs_core::value::Value;
use factfs_store::{Error, Kind};

/// Show what is known of entities, as nested maps in the shape of a pattern
///
/// An entity is an id, an :ident, or a lookup ref: [:product/sku "A1"]. One entity gives a value,
/// several a row each.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs pull /srv/catalog '[*]' '[:product/sku \"A1\"]'
  factfs pull /srv/catalog '[:product/name {{:product/supplier [:supplier/name]}}]' 17 18 19
  factfs pull s3://team-a/catalog@2026-06-30 pattern.edn 17 --format json

{DATABASE_HELP}"))]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The pull pattern: EDN, a file of it, or - for standard input
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Ids, idents or lookup refs
    #[arg(value_name = "ENTITY", required = true)]
    entities: Vec<String>,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let source = Source::of(&args.pattern);
    let name = source.name();
    let pattern = edn::read_one(&source.read()?).with_context(|| name.clone())?;
    let pattern =
        pull::parse(&pattern.unquoted().to_value()).map_err(Error::from).with_context(|| name)?;
    let db = open::read(&args.database.locator()?)?.1.db;
    let mut refs = Vec::new();
    for text in &args.entities {
        let form = edn::read_one(text).with_context(|| format!("entity `{text}`"))?;
        refs.push(reference(&db, &form).with_context(|| format!("entity `{text}`"))?);
    }
    let found = db.entids(&refs).map_err(Error::from)?;
    let entities: Vec<EntityId> = (args.entities.iter().zip(found))
        .map(|(text, found)| {
            let problem = || Problem::new(Kind::NotFound, format!("there is no entity `{text}`"));
            found.ok_or_else(problem)
        })
        .collect::<Result<_, _>>()?;
    let output = args.format.output();
    let values = pull::pull_many(&db, &pattern, &entities).map_err(Error::from)?;
    if let [value] = values.as_slice() {
        return Ok(output.value(value)?);
    }
    let layout = Layout { shape: Shape::Collection, columns: vec!["entity".into()], keys: None };
    Ok(output.rows(layout, values.into_iter().map(|value| [value]))?)
}

fn reference(db: &Db, form: &Form) -> anyhow::Result<EntityRef> {
    if let Some(id) = form.as_long().and_then(|id| u64::try_from(id).ok()) {
        return Ok(EntityRef::Id(EntityId(id)));
    }
    if let Some(ident) = form.as_keyword() {
        return Ok(EntityRef::Ident(ident.clone()));
    }
    if let Some([attribute, value]) = form.as_vector()
        && let Some(ident) = attribute.as_keyword()
    {
        let attribute = db.attribute(ident.as_str()).map_err(Error::from)?;
        if attribute.unique.is_none() {
            let text = format!("{ident} does not identify entities: it should be :db/unique");
            return Err(Problem::invalid(text).into());
        }
        let value = match value.to_value() {
            Value::Long(id) if attribute.is_ref() => {
                u64::try_from(id).map_or(Value::Long(id), |id| Value::Ref(EntityId(id)))
            }
            value => value,
        };
        return Ok(EntityRef::Lookup(attribute.id, value));
    }
    let text = "an id, an :ident or a lookup ref such as [:product/sku \"A1\"] is expected";
    Err(Problem::invalid(text).into())
}
