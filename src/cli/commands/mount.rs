//! `factfs mount`: shows databases as folders.
//!
//! The command runs itself again as the process that stays, and returns once the mount answers; so
//! its exit code tells. With `--foreground` it is that process.

use crate::cli::args::{DATABASE_HELP, locator, place_of};
use crate::cli::exit::Problem;
use crate::cli::open;
use factfs_core::text::Format;
use factfs_mount::child::{self, Started};
use factfs_mount::fuse::Signals;
use factfs_mount::tree::Limits;
use factfs_mount::tree::pins;
use factfs_mount::{Setup, default_queries, serve};
use factfs_store::Locator;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Mount databases as folders
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
DIR/README.md says what is mounted and how to query it with cat.

Examples:
  factfs mount ~/data catalog=s3://team-a/catalog inventory=/srv/inventory
  factfs mount ~/audit catalog=s3://team-a/catalog@2026-06-30 --read-only
  factfs mount ~/data catalog=s3://team-a/catalog --pin low-stock.csv.meta
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
    /// Make a pin known, and keep it: a pin.edn, or the .meta of an answer. May be repeated
    #[arg(long, value_name = "FILE")]
    pin: Vec<PathBuf>,
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
    let setup = setup(&args)?;
    if !args.foreground && !child::is_serving() {
        return Ok(match child::start_serving()? {
            Started::Ready => {
                say_pins(&setup)?;
                ExitCode::SUCCESS
            }
            Started::Ended(code) => ExitCode::from(code),
        });
    }
    child::begin_serving();
    let signals = Signals::take()?;
    let mut said = Ok(());
    let is_over = serve(&setup, &signals, |_| {
        // The command that started this one says it.
        if !child::is_serving() {
            said = say_pins(&setup);
        }
    })?;
    said?;
    if !is_over {
        eprintln!("factfs: files were still open when the mount was left");
    }
    Ok(ExitCode::SUCCESS)
}

/// Where what was pinned is.
fn say_pins(setup: &Setup) -> anyhow::Result<()> {
    for text in &setup.pins {
        println!("{}", setup.point.join(pins::path_of(text)?).display());
    }
    Ok(())
}

fn setup(args: &Args) -> anyhow::Result<Setup> {
    let usual = Setup::new(&args.point, open::settings());
    Ok(Setup {
        stores: args.databases.iter().map(|text| named(text)).collect::<Result<_, _>>()?,
        queries: args.queries.clone().or_else(|| default_queries(&usual.settings)),
        pins: args.pin.iter().map(|file| Ok(open::pin(file)?.1)).collect::<anyhow::Result<_>>()?,
        is_read_only: args.read_only,
        allow_other: args.allow_other,
        limits: Limits {
            time: Duration::from_secs(args.timeout),
            rows: args.max_rows,
            ..usual.limits
        },
        formats: formats(&args.formats)?,
        cache_bytes: args.results_cache << 20,
        ..usual
    })
}

/// `NAME=DB`, or a database that is named like the last part of its url.
fn named(text: &str) -> anyhow::Result<(String, Locator)> {
    if let Some((name, url)) = text.split_once('=')
        && !name.contains('/')
    {
        return Ok((name.to_owned(), locator(url)?));
    }
    let locator = locator(text)?;
    let last = place_of(&locator.url).rsplit(['/', ':']).next().unwrap_or_default();
    Ok((last.to_owned(), locator))
}

fn formats(names: &[String]) -> anyhow::Result<Vec<Format>> {
    let format = |name: &String| {
        let known = || Problem::invalid(format!("`{name}` is no format"));
        Format::from_extension(name)
            .ok_or_else(|| known().hint("csv tsv json jsonl edn txt md").into())
    };
    names.iter().map(format).collect()
}
