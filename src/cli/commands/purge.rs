//! `factfs purge`: erases facts for good.

use crate::cli::args::{DATABASE_HELP, FormatArgs, grace, locator};
use crate::cli::exit::Problem;
use crate::cli::progress::Progress;
use crate::cli::{entity, open, report};
use anyhow::Context;
use factfs_core::commit::When;
use factfs_core::conn::{Erase, Erased, ErasedHead, Purge};
use factfs_core::db::Db;
use factfs_core::edn;
use factfs_core::id::{AttrId, EntityId};
use factfs_core::value::Value;
use factfs_store::{Database, Error, Kind};
use std::io::{self, IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// Erase facts for good: from branches, tags, history, log and every object
///
/// An entity goes with its parts (:db/isComponent) and with all that refers to it. An attribute
/// goes with the composite tuples that are made of it. Before a moment goes what had ended by then
/// on all branches: what any of them shows as of that moment, or later, stays.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["entity", "attribute", "before"]))]
#[command(after_help = format!("\
Everybody goes on meanwhile. Commits keep their ids; the log says of each `:purged N`, and so does
factfs verify. The objects that held the facts are deleted by the first factfs gc after the time of
grace, or with --now at once. A run that was interrupted is finished by the same command again; an
entity is then best named by its id.

It cannot reach clones and backups, what was exported or mailed, and what the place keeps of
deleted objects: versions of a bucket, snapshots of a file system, free pages of SQL databases.

Examples:
  factfs purge /srv/inventory --entity '[:person/email \"ada@example.com\"]' --dry-run
  factfs purge /srv/inventory --entity 17 --now --yes
  factfs purge s3://team-a/catalog --attribute :person/phone --yes
  factfs purge /srv/inventory --attribute :person/phone --entity 17 --yes
  factfs purge /srv/inventory --before 2024-12-31 --yes

{DATABASE_HELP}"))]
pub struct Args {
    /// The database; a branch of it says where names and moments are looked up
    #[arg(value_name = "DB")]
    database: String,
    /// All about this entity: an id, an :ident or a lookup ref [:attribute value]
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// What this attribute says; with --entity of that one only
    #[arg(long, value_name = "ATTRIBUTE")]
    attribute: Option<String>,
    /// What had ended by then: a t, an age, a time, a tag or a commit
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["entity", "attribute"])]
    before: Option<String>,
    /// Delete what held the facts at once: whoever reads an old head has to begin anew
    #[arg(long, conflicts_with = "grace")]
    now: bool,
    /// How long what held the facts is left to readers: 90s, 15m, 24h, 30d or 0
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = grace)]
    grace: u64,
    /// Say what would be erased, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let locator = locator(&args.database)?;
    if let Some(when) = &locator.at {
        let text = format!("{locator}: facts are erased from all of the database");
        return Err(Problem::invalid(text).hint(format!("leave out @{when}")).into());
    }
    if !args.yes && !args.dry_run && !io::stdin().is_terminal() {
        let text = "nothing was erased: it cannot be undone, and there is nobody to ask";
        let hint = "--dry-run says what would be erased; --yes does it";
        return Err(Problem::invalid(text).hint(hint).into());
    }
    let database = open::write(&locator)?;
    let erase = erase(&args, &database)?;
    let purge = Purge { erase, grace_ms: if args.now { 0 } else { args.grace } };
    if args.dry_run || !args.yes {
        let dry = watched(|watch| database.purge_dry(&purge.erase, watch))?;
        if args.dry_run {
            return print(&dry, &purge.erase, true, args.format);
        }
        if !confirm(&dry)? {
            return Err(Problem::new(Kind::Interrupted, "nothing was erased").into());
        }
    }
    let erased = watched(|watch| database.purge(&purge, watch)).map_err(|error| {
        let may_go_on = [Kind::Unavailable, Kind::Busy, Kind::Timeout, Kind::Full, Kind::Corrupt];
        let is_begun = may_go_on.contains(&error.kind);
        let error = anyhow::Error::from(error);
        match is_begun {
            true => {
                error.context("not all may be erased yet: the same command again does the rest")
            }
            false => error,
        }
    })?;
    print(&erased, &purge.erase, false, args.format)
}

/// What is meant, as it is known on the branch that was named.
fn erase(args: &Args, database: &Database) -> anyhow::Result<Erase> {
    let db = database.db()?;
    if let Some(when) = &args.before {
        return Ok(Erase::Before(instant(database, when)?));
    }
    let entity = args.entity.as_ref().map(|text| entity_of(&db, text)).transpose()?;
    let attribute = args.attribute.as_ref().map(|text| attribute_of(&db, text)).transpose()?;
    match (entity, attribute) {
        (entity, Some(attribute)) => Ok(Erase::Attribute { attribute, entity }),
        (Some(entity), None) => Ok(Erase::Entity(entity)),
        (None, None) => Err(Problem::invalid("what is to be erased?").into()),
    }
}

fn attribute_of(db: &Db, text: &str) -> anyhow::Result<AttrId> {
    Ok(db.attribute(text.strip_prefix(':').unwrap_or(text)).map_err(Error::from)?.id)
}

/// An entity that is there, or was: what was retracted is still to be erased.
fn entity_of(db: &Db, text: &str) -> anyhow::Result<EntityId> {
    let form = edn::read_one(text).with_context(|| format!("entity `{text}`"))?;
    let named = entity::reference(db, &form).with_context(|| format!("entity `{text}`"))?;
    let found = db.entids_ever(&named).map_err(Error::from)?;
    match found[..] {
        [id] => Ok(id),
        [] => {
            let text = format!("there is no entity `{text}`, and there was none");
            let hint = "if an earlier run has begun to erase it, name it by its id";
            Err(Problem::new(Kind::NotFound, text).hint(hint).into())
        }
        _ => {
            let ids: Vec<u64> = found.iter().map(|id| id.0).collect();
            let text = format!("several entities have been `{text}`: {ids:?}");
            Err(Problem::invalid(text).hint("name one by its id").into())
        }
    }
}

/// The instant that is meant: of a time itself, of all else the commit's.
fn instant(database: &Database, when: &str) -> anyhow::Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    if let When::Before(ms) =
        When::parse(when, now_ms).map_err(|e| Problem::invalid(e.to_string()))?
    {
        return Ok((ms - 1).min(now_ms));
    }
    let moment = database.at(when)?;
    moment
        .instant_ms
        .ok_or_else(|| Problem::invalid(format!("{when} is before the first transaction")).into())
}

/// Asks on the terminal.
fn confirm(dry: &Erased) -> anyhow::Result<bool> {
    let mut out = io::stderr();
    writeln!(out, "{} datoms in all would be erased, for good:", dry.datoms)?;
    for head in &dry.heads {
        writeln!(out, "  {} {}: {}", kind(head), head.name, head.datoms)?;
    }
    writeln!(out, "Clones and backups are not reached.")?;
    write!(out, "Erase them? Type yes: ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// Does something long, and shows how far it is.
fn watched<T>(
    work: impl FnOnce(&mut (dyn FnMut(u64, &'static str) + Send)) -> Result<T, Error>,
) -> Result<T, Error> {
    let progress = Progress::of_objects();
    work(&mut |objects, what| progress.at(objects, what.to_owned()))
}

fn kind(head: &ErasedHead) -> &'static str {
    if head.is_tag { "tag" } else { "branch" }
}

fn print(erased: &Erased, erase: &Erase, is_dry: bool, format: FormatArgs) -> anyhow::Result<()> {
    let collected = erased.collected.as_ref();
    let deleted = collected.map(|collected| collected.deleted_total());
    let waiting = collected.map(|collected| collected.waiting_total());
    let of = |is_tag: bool| {
        let heads = erased.heads.iter().filter(|head| head.is_tag == is_tag);
        Value::map(heads.map(|head| (Value::str(&head.name), report::count(head.datoms))).collect())
    };
    let optional = |n: Option<u64>| n.map_or(Value::Nil, report::count);
    let properties = vec![
        ("dry-run", Value::Bool(is_dry)),
        ("erase", Value::str(&words(erase))),
        ("generation", report::count(erased.generation)),
        ("datoms", report::count(erased.datoms)),
        ("branches", of(false)),
        ("tags", of(true)),
        ("moments", report::count(erased.moments)),
        ("segments", report::count(erased.segments)),
        ("packs", report::count(erased.packs)),
        ("deleted-objects", optional(deleted.map(|total| total.objects))),
        ("deleted-bytes", optional(deleted.map(|total| total.bytes))),
        ("waiting-objects", optional(waiting.map(|total| total.objects))),
        ("waiting-bytes", optional(waiting.map(|total| total.bytes))),
        ("not-reached", Value::str("clones, backups, and what the place keeps of deleted objects")),
    ];
    Ok(format.output().properties(properties)?)
}

fn words(erase: &Erase) -> String {
    match erase {
        Erase::Entity(entity) => format!("entity {entity}"),
        Erase::Attribute { attribute, entity: None } => format!("attribute {attribute}"),
        Erase::Attribute { attribute, entity: Some(entity) } => {
            format!("attribute {attribute} of entity {entity}")
        }
        Erase::Fact { entity, attribute, value } => {
            format!("{} of attribute {attribute} of entity {entity}", edn::to_string(value))
        }
        Erase::Several(all) => all.iter().map(words).collect::<Vec<_>>().join(", "),
        Erase::Before(ms) => format!("what had ended by {}", factfs_core::instant::format(*ms)),
    }
}
