//! `factfs tag`: lists, makes and deletes tags, the names of commits.

use crate::cli::args::{DATABASE_HELP, FormatArgs, locator};
use crate::cli::{open, report};
use clap::Subcommand;
use factfs_core::text::Layout;
use factfs_core::value::Value;

/// List, make and delete tags
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs tag list /srv/inventory
  factfs tag create /srv/inventory audit-2026
  factfs tag create /srv/inventory audit-2025 --at 2025-12-31
  factfs query report.edn /srv/inventory@audit-2025

{DATABASE_HELP}"))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the tags
    #[command(after_help = "Examples:\n  factfs tag list /srv/inventory --format json")]
    List {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Name a commit
    #[command(after_help = "Examples:\n  factfs tag create /srv/inventory audit --at 2025-12-31")]
    Create {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The tag: letters, digits and `.`, `_`, `-`
        name: String,
        /// Which moment [default: the head]
        #[arg(long, value_name = "WHEN")]
        at: Option<String>,
    },
    /// Take a name away; the commit stays as long as something else needs it
    #[command(after_help = "Examples:\n  factfs tag delete /srv/inventory audit-2025")]
    Delete {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The tag
        name: String,
    },
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::List { database, format } => list(&database, format),
        Action::Create { database, name, at } => {
            let locator = locator(&database)?;
            let at = at.or(locator.at.clone());
            Ok(open::open(&locator)?.create_tag(&name, at.as_deref())?)
        }
        Action::Delete { database, name } => {
            Ok(open::write(&locator(&database)?)?.delete_tag(&name)?)
        }
    }
}

fn list(database: &str, format: FormatArgs) -> anyhow::Result<()> {
    let tags = open::open(&locator(database)?)?.tags()?;
    let rows = tags.into_iter().map(|tag| {
        [
            Value::str(&tag.name),
            tag.commit.map_or(Value::Nil, |commit| report::count(commit.t.0)),
            report::commit(tag.commit),
            tag.instant_ms.map_or(Value::Nil, Value::Inst),
        ]
    });
    Ok(format.output().rows(Layout::relation(["name", "t", "commit", "instant"]), rows)?)
}
