//! `factfs mount`: shows databases as folders.
//!
//! The command runs itself again as the process that stays, and returns once the mount answers; so
//! its exit code tells. With `--foreground` it is that process.

use crate::cli::args::{DATABASE_HELP, locator};
use crate::cli::exit::Problem;
use crate::cli::open;
use anyhow::Context;
use factfs_core::store::Host;
use factfs_core::text::Format;
use factfs_mount::child::{self, Started};
use factfs_mount::fuse::{Options, Session, Signals};
use factfs_mount::source::{DatabaseSource, Mounted};
use factfs_mount::tree::{Limits, LocalDesk, Parts, Tree};
use factfs_mount::vfs::Vfs;
use factfs_store::{Locator, SystemHost};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Mount databases as folders
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
DIR/README.md says what is mounted and how to query it with cat.

Examples:
  factfs mount ~/data catalog=s3://team-a/catalog inventory=/srv/inventory
  factfs mount ~/audit catalog=s3://team-a/catalog@2026-06-30 --read-only
  factfs mount --foreground --queries ./queries ~/data /srv/inventory
  cat ~/data/README.md
  factfs umount ~/data

{DATABASE_HELP}"))]
pub struct Args {
    /// The folder to mount at; made if it is not there
    #[arg(value_name = "DIR")]
    point: PathBuf,
    /// The databases: NAME=DB is the folder NAME, DB alone is named like the last part of its url
    #[arg(value_name = "NAME=DB", required = true)]
    databases: Vec<String>,
    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    foreground: bool,
    /// Refuse every write
    #[arg(long)]
    read_only: bool,
    /// Let other users of this machine read what is mounted
    #[arg(long)]
    allow_other: bool,
    /// The folder of the mount's own queries [default: $XDG_DATA_HOME/factfs/queries]
    #[arg(long, value_name = "DIR")]
    queries: Option<PathBuf>,
    /// The formats of results that are listed; all formats can be named
    #[arg(long, value_name = "FORMAT,...", value_delimiter = ',', default_value = "csv,json")]
    formats: Vec<String>,
    /// How many seconds a query may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// How many rows a result may have
    #[arg(long, value_name = "ROWS", default_value_t = 10_000_000)]
    max_rows: u64,
    /// How many MiB of results are kept in memory
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    results_cache: usize,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let databases = args.databases.iter().map(|text| named(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some((name, _)) = twice(&databases) {
        let text = format!("two databases are called `{name}`");
        return Err(Problem::invalid(text).hint("name them: NAME=DB").into());
    }
    if !args.foreground && !child::is_serving() {
        return Ok(match child::start_serving()? {
            Started::Ready => ExitCode::SUCCESS,
            Started::Ended(code) => ExitCode::from(code),
        });
    }
    serve(&args, databases)?;
    Ok(ExitCode::SUCCESS)
}

/// Mounts, and stays until it is unmounted.
fn serve(args: &Args, databases: Vec<(String, Locator)>) -> anyhow::Result<()> {
    child::begin_serving();
    let signals = Signals::take()?;
    let options = Options {
        allow_other: args.allow_other,
        is_read_only: args.read_only,
        stores: databases.iter().filter_map(|(_, locator)| local(locator)).collect(),
        ..Options::default()
    };
    let stores = databases.into_iter().map(|(name, locator)| store(name, locator));
    let host = SystemHost;
    let tree = Tree::new(Parts {
        stores: stores.collect::<anyhow::Result<_>>()?,
        desk: desk(args.queries.as_deref()),
        clock: Arc::new(move || host.now_ms()),
        limits: Limits {
            time: Duration::from_secs(args.timeout),
            rows: args.max_rows,
            ..Limits::default()
        },
        formats: formats(&args.formats)?,
        is_read_only: args.read_only,
    });
    let vfs = Arc::new(Vfs::new(Arc::new(tree), args.results_cache << 20)?);
    let session = Session::mount(vfs, &args.point, &options)?;
    let _watchdog = child::start_watchdog(session.mounted())?;
    child::ready()?;
    session.wait(&signals);
    session.unmount(Duration::from_secs(5))?;
    Ok(())
}

fn store(name: String, locator: Locator) -> anyhow::Result<Mounted> {
    let database = open::open(&Locator { at: None, ..locator.clone() })?;
    if let Some(when) = &locator.at {
        database.at(when).with_context(|| locator.to_string())?;
    }
    let source = DatabaseSource::new(database, None)?;
    let mounted = Mounted::new(&name, Arc::new(source));
    Ok(Mounted { branch: locator.branch, at: locator.at, ..mounted })
}

/// `NAME=DB`, or a database that is named like the last part of its url.
fn named(text: &str) -> anyhow::Result<(String, Locator)> {
    let plain = |name: &str| {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inside)
    };
    let (name, url) = match text.split_once('=') {
        Some((name, url)) if !name.contains('/') => (Some(name), url),
        _ => (None, text),
    };
    let locator = locator(url)?;
    let last = locator.url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = name.unwrap_or(last);
    const TAKEN: [&str; 5] = ["queries", "results", "at", "pins", "README.md"];
    if !plain(name) || TAKEN.contains(&name) {
        let text = format!("`{name}` cannot be the name of a folder in the mount");
        let hint = "NAME=DB, where NAME is letters, digits, `-`, `_` and `.`";
        return Err(Problem::invalid(text).hint(hint).into());
    }
    Ok((name.to_owned(), locator))
}

fn twice(databases: &[(String, Locator)]) -> Option<&(String, Locator)> {
    databases.iter().enumerate().find_map(|(number, database)| {
        databases[..number].iter().any(|other| other.0 == database.0).then_some(database)
    })
}

/// The folder that a local database is in.
fn local(locator: &Locator) -> Option<PathBuf> {
    let path = locator.url.strip_prefix("file://").unwrap_or(&locator.url);
    (!path.contains("://") && !path.starts_with("memory:")).then(|| PathBuf::from(path))
}

fn desk(folder: Option<&Path>) -> LocalDesk {
    let home = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let default = || {
        let share = home("XDG_DATA_HOME").or_else(|| Some(home("HOME")?.join(".local/share")))?;
        Some(share.join("factfs/queries"))
    };
    match folder.map(Path::to_owned).or_else(default) {
        Some(folder) => LocalDesk::Folder(folder),
        None => LocalDesk::default(),
    }
}

fn formats(names: &[String]) -> anyhow::Result<Vec<Format>> {
    let format = |name: &String| {
        let known = || Problem::invalid(format!("`{name}` is no format"));
        Format::from_extension(name)
            .ok_or_else(|| known().hint("csv tsv json jsonl edn txt md").into())
    };
    names.iter().map(format).collect()
}
