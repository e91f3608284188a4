//! `factfs branch`: lists, makes, renames and deletes branches.

use crate::cli::args::{DATABASE_HELP, FormatArgs, locator};
use crate::cli::{open, report};
use clap::Subcommand;
use factfs_core::text::Layout;
use factfs_core::value::Value;

/// List, make, rename and delete branches
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs branch list /srv/inventory
  factfs branch create /srv/inventory what-if
  factfs branch create /srv/inventory what-if --at 2026-06-30
  factfs branch rename /srv/inventory what-if spring
  factfs branch delete /srv/inventory spring

{DATABASE_HELP}"))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the branches
    List {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Make a branch
    Create {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The new branch: letters, digits and `.`, `_`, `-`
        name: String,
        /// Where it begins [default: the head]
        #[arg(long, value_name = "WHEN")]
        at: Option<String>,
    },
    /// Give a branch another name; the default one stays that
    Rename {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The branch
        old: String,
        /// Its new name: letters, digits and `.`, `_`, `-`
        new: String,
    },
    /// Delete a branch; what it alone holds can be collected from then on
    Delete {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The branch
        name: String,
    },
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::List { database, format } => list(&database, format),
        Action::Create { database, name, at } => {
            let locator = locator(&database)?;
            let at = at.or(locator.at.clone());
            Ok(open::open(&locator)?.create_branch(&name, at.as_deref())?)
        }
        Action::Rename { database, old, new } => {
            Ok(open::write(&locator(&database)?)?.rename_branch(&old, &new)?)
        }
        Action::Delete { database, name } => {
            Ok(open::write(&locator(&database)?)?.delete_branch(&name)?)
        }
    }
}

fn list(database: &str, format: FormatArgs) -> anyhow::Result<()> {
    let branches = open::open(&locator(database)?)?.branches()?;
    let rows = branches.into_iter().map(|branch| {
        [
            Value::str(&branch.name),
            branch.commit.map_or(Value::Nil, |commit| report::count(commit.t.0)),
            report::commit(branch.commit),
            Value::Bool(branch.is_default),
        ]
    });
    Ok(format.output().rows(Layout::relation(["name", "t", "commit", "default"]), rows)?)
}
