//! `factfs status`: what a database is, and where it stands.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs};
use crate::cli::{open, report};
use factfs_core::value::Value;

/// Show what a database is: where, which, how large
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs status /srv/inventory
  factfs status s3://team-a/catalog --format json

{DATABASE_HELP}"))]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (database, moment) = open::read(&args.database.locator()?)?;
    let db = &moment.db;
    // Only of the newest value it is known without counting.
    let counts = db.view().is_now().then(|| db.snapshot().counts.values().sum::<u64>());
    let names = |names: Vec<String>| Value::Vector(names.iter().map(|n| Value::str(n)).collect());
    let branches = database.branches()?.into_iter().map(|branch| branch.name).collect();
    let tags = database.tags()?.into_iter().map(|tag| tag.name).collect();
    let warnings = database.warnings();
    let user = |a: &&std::sync::Arc<factfs_core::schema::Attribute>| a.entity.is_some();
    let mut properties = vec![
        ("url", Value::str(database.url())),
        ("uuid", Value::Uuid(database.uuid())),
        ("name", Value::str(database.name()?)),
        ("branch", Value::str(database.branch()?)),
        ("t", report::count(db.basis_t().0)),
        ("commit", report::commit(moment.commit)),
        ("instant", moment.instant_ms.map_or(Value::Nil, Value::Inst)),
        ("datoms", counts.map_or(Value::Nil, report::count)),
        ("attributes", report::count(db.schema().attributes().filter(user).count())),
        ("branches", names(branches)),
        ("tags", names(tags)),
        ("warnings", names(warnings)),
    ];
    if let Some(disk) = database.disk_cache() {
        properties.push(("cache", Value::str(&disk.root().to_string_lossy())));
        properties.push(("cache-bytes", report::count(disk.limit_bytes())));
    }
    Ok(args.format.output().properties(properties)?)
}
