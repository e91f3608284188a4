//! `factfs pull`: what is known of entities, as nested maps in the shape of a pattern.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs};
use crate::cli::exit::Problem;
use crate::cli::forms::Source;
use crate::cli::{entity, open};
use anyhow::Context;
use factfs_core::edn::{self, Form};
use factfs_core::id::EntityId;
use factfs_core::pull::{self, PullError};
use factfs_core::text::{Layout, Shape};
use factfs_store::{Error, Kind};
use std::io::Write;

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
    let form = pattern.unquoted();
    let at = |error: PullError| {
        let place = error.place(form).map_or(name.clone(), |span| format!("{name}: {span}"));
        anyhow::Error::from(Error::from(error)).context(place)
    };
    let pattern = pull::parse(&form.to_value()).map_err(at)?;
    let db = open::read(&args.database.locator()?)?.1.db;
    let mut refs = Vec::new();
    for text in &args.entities {
        let form = edn::read_one(text).with_context(|| format!("entity `{text}`"))?;
        refs.push(entity::reference(&db, &form).with_context(|| format!("entity `{text}`"))?);
    }
    let found = db.entids(&refs).map_err(Error::from)?;
    let entities: Vec<EntityId> = (args.entities.iter().zip(found))
        .map(|(text, found)| {
            let problem = || Problem::new(Kind::NotFound, format!("there is no entity `{text}`"));
            found.ok_or_else(problem)
        })
        .collect::<Result<_, _>>()?;
    let unknown = pattern.unknown_attributes(db.schema());
    let place = |form: &Form| format!("{}: ", form.span);
    let told = unknown.told.iter().map(|one| (one.form(form).map(place), one.to_string()));
    for (place, text) in told.chain(unknown.rest().map(|rest| (None, rest))) {
        let place = place.unwrap_or_default();
        // The answer is worth more than the warning.
        let _ = writeln!(std::io::stderr(), "factfs: warning: {name}: {place}{text}");
    }
    let output = args.format.output();
    let values = pull::pull_many(&db, &pattern, &entities).map_err(at)?;
    if let [value] = values.as_slice() {
        return Ok(output.value(value)?);
    }
    let layout = Layout { shape: Shape::Collection, columns: vec!["entity".into()], keys: None };
    Ok(output.rows(layout, values.into_iter().map(|value| [value]))?)
}
