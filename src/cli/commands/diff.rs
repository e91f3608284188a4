//! `factfs diff`: what changed from one value of a database to another.

use crate::cli::args::{DATABASE_HELP, FormatArgs, locator};
use crate::cli::exit::Problem;
use crate::cli::{entity, open};
use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use factfs_core::db::{Change, ChangeRows, Db, Difference, Foreign};
use factfs_core::edn;
use factfs_core::id::AttrId;
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_mount::when;
use factfs_store::{Database, Error, Kind, Locator};
use std::process::ExitCode;

/// Show what changed from one moment of a database to another
///
/// A row for each fact that was added, or retracted, and for each one-valued attribute that has
/// another value: entity, attribute, value, what happened, the value before, and the transaction
/// that made it so, if TO knows it. The moments may be of different branches, in any order. What
/// both have in common is not read.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs diff /srv/catalog v1
  factfs diff /srv/catalog v1 main --format json
  factfs diff /srv/catalog 7d..main --attribute :product/price
  factfs diff /srv/catalog 2026-05 2026-06 --entity '[:product/sku \"A1\"]'
  factfs diff --exit-code --no-tx /srv/inventory main what-if > what-if.csv

With --exit-code the exit code is 1 where something changed, and 0 where nothing did.

{DATABASE_HELP}"))]
pub struct Args {
    /// The database: URL, or URL#BRANCH for times and numbers of that branch
    #[arg(value_name = "DB")]
    database: String,
    /// From when: t, age, time, tag, branch or commit; or both moments, A..B
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    from: String,
    /// To when [default: the head, or the moment that DB names]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    to: Option<String>,
    /// What changed of one entity: an id, an :ident or a lookup ref
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// What changed of an attribute. May be repeated
    #[arg(long, value_name = ":ATTRIBUTE")]
    attribute: Vec<String>,
    /// Leave out what transactions say about themselves, such as when they were made
    #[arg(long)]
    no_tx: bool,
    /// Say by the exit code whether something changed: 1, or 0 where nothing did
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let locator = locator(&args.database)?;
    let (from, to) = ends(&args, &locator)?;
    let database = open::open(&Locator { at: None, ..locator.clone() })?;
    let at = |when: &str| open::at(&database, when).with_context(|| locator.url.clone());
    let from = at(&from)?.db;
    let to = match to {
        Some(when) => at(&when)?.db,
        None => database.db()?,
    };
    let attributes = attributes(&args, [&from, &to])?;
    let is_asked = |change: &Change| {
        let is_tx = args.no_tx && change.e.as_tx().is_some();
        !is_tx && (attributes.is_empty() || attributes.contains(&change.a))
    };
    let mut rows = ChangeRows::new(&to);
    let changes = difference(&args, &database, [&from, &to])?;
    let made = changes.flat_map(|some| {
        let some = some.map(|some| some.into_iter().filter(is_asked).collect());
        let rows = some.and_then(|some| rows.rows(some, None)).map_err(Error::from);
        let (rows, error) = match rows {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(Err::<Vec<Value>, _>(error.into()))),
        };
        rows.into_iter().map(Ok).chain(error)
    });
    let count = args.format.output().made_rows(Layout::relation(ChangeRows::COLUMNS), made)?;
    let differs = args.exit_code && count > 0;
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Both moments as they are named.
fn ends(args: &Args, locator: &Locator) -> anyhow::Result<(String, Option<String>)> {
    let to = args.to.clone().or(locator.at.clone());
    match when::range(&args.from) {
        None => Ok((args.from.clone(), to)),
        Some((from, to)) if args.to.is_none() => Ok((from.to_owned(), Some(to.to_owned()))),
        Some(_) => {
            let text = format!("`{}` names both moments, and there is another one", args.from);
            Err(Problem::invalid(text).hint("factfs diff DB A B, or DB A..B").into())
        }
    }
}

/// The attributes that are asked for; either side may know them.
fn attributes(args: &Args, [from, to]: [&Db; 2]) -> anyhow::Result<Vec<AttrId>> {
    let named = |text: &String| {
        let ident = text.trim_start_matches(':');
        let found = to.attribute(ident).or_else(|error| from.attribute(ident).map_err(|_| error));
        Ok(found.map_err(Error::from)?.id)
    };
    args.attribute.iter().map(named).collect()
}

fn difference(
    args: &Args,
    database: &Database,
    [from, to]: [&Db; 2],
) -> anyhow::Result<Difference> {
    let Some(text) = &args.entity else { return Ok(database.difference(from, to)?) };
    let form = edn::read_one(text).with_context(|| format!("entity `{text}`"))?;
    for db in [to, from] {
        let reference = match entity::reference(db, &form) {
            Ok(reference) => reference,
            // The other side may know the attribute.
            Err(_) if std::ptr::eq(db, to) && entity::reference(from, &form).is_ok() => continue,
            Err(error) => return Err(error).with_context(|| format!("entity `{text}`")),
        };
        if let Some(e) = db.entid(&reference).map_err(Error::from)? {
            let foreign = |error: Foreign| Problem::invalid(error.to_string());
            return Ok(from.difference_of(to, e).map_err(foreign)?);
        }
    }
    Err(Problem::new(Kind::NotFound, format!("there is no entity `{text}`")).into())
}
