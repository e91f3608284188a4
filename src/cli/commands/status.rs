//! `factfs status`: what is mounted here, how a mount is, or what a database is and where it
//! stands.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs, WhichArgs};
use crate::cli::mounting::mounted::{self, State};
use crate::cli::{open, report};
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_mount::point::{self, Mount};
use serde_json::Value as Json;
use std::path::Path;

/// Show what is mounted here, how a mount is, or what a database is: where, which, how large
///
/// Without an argument all mounts of this machine are listed: their state (ok, dead, silent, or
/// closed to this user), heads, how many seconds ago those were looked at, running queries, open
/// handles. Of one mount all is shown that its .factfs/status.json says.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs status
  factfs status ~/data
  factfs status /srv/inventory
  factfs status s3://team-a/catalog --format json

{DATABASE_HELP}"))]
pub struct Args {
    /// A mount point, or a database: URL, URL#BRANCH, URL@WHEN, or a snapshot folder of a mount
    #[arg(value_name = "MOUNT|DB")]
    place: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Some(place) = args.place else { return mounts(args.format) };
    match mounted::at(Path::new(&place)) {
        Some(mount) => one(&mount, args.format),
        None => database(&DatabaseArgs { database: place, which: args.which }, args.format),
    }
}

const COLUMNS: [&str; 9] =
    ["point", "state", "pid", "heads", "lag", "running", "handles", "read-only", "version"];

fn mounts(format: FormatArgs) -> anyhow::Result<()> {
    let row = |mount: &Mount| {
        let state = mounted::look(mount);
        let status = state.status();
        let field = |name: &str| status.get(name).map_or(Value::Nil, mounted::value);
        let running = status.get("running").and_then(Json::as_array);
        [
            Value::str(&mount.point.to_string_lossy()),
            Value::str(state.name()),
            mount.server.map_or(Value::Nil, report::count),
            Value::str(&mounted::of_stores(&status, "commit")),
            Value::str(&mounted::of_stores(&status, "lag_seconds")),
            running.map_or(Value::Nil, |running| report::count(running.len())),
            field("handles"),
            field("read_only"),
            field("version"),
        ]
    };
    let rows: Vec<_> = point::mounts().iter().map(row).collect();
    Ok(format.output().rows(Layout::relation(COLUMNS), rows)?)
}

fn one(mount: &Mount, format: FormatArgs) -> anyhow::Result<()> {
    let state = mounted::look(mount);
    let status = state.status();
    let fields = status.as_object().cloned().unwrap_or_default();
    let mut properties = vec![
        ("point", Value::str(&mount.point.to_string_lossy())),
        ("state", Value::str(state.name())),
    ];
    if let State::Silent(why) = &state {
        properties.push(("why", Value::str(why)));
    }
    properties.extend(fields.iter().map(|(name, json)| (name.as_str(), mounted::value(json))));
    Ok(format.output().properties(properties)?)
}

fn database(args: &DatabaseArgs, format: FormatArgs) -> anyhow::Result<()> {
    let (database, moment) = open::read(&args.locator()?)?;
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
    Ok(format.output().properties(properties)?)
}
