//! `factfs mount`: shows databases as folders.
//!
//! The command runs itself again as the process that stays, and returns once the mount answers; so
//! its exit code tells. With `--foreground` it is that process.

use crate::cli::args::DATABASE_HELP;
use crate::cli::exit::{self, Problem};
use crate::cli::mounting::config::{self, Store};
use crate::cli::mounting::flags::OptionArgs;
use crate::cli::mounting::{Config, Source, ended, of_entry, of_stores, stay};
use crate::cli::open;
use factfs_mount::{child, point};
use factfs_store::Kind;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Mount databases as folders
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
DIR/README.md says what is mounted and how to query it with cat. NAME alone is a mount of the config
file, as man factfs.toml describes it; options on the command line count before those in the file.
TIME is seconds, or a number with ms, s, m or h; BYTES a number, or one with K, M, G or T.

Examples:
  factfs mount ~/data catalog=s3://team-a/catalog inventory=/srv/inventory
  factfs mount ~/audit catalog=s3://team-a/catalog@2026-06-30 --read-only
  factfs mount ~/data catalog=s3://team-a/catalog --pin low-stock.csv.meta
  factfs mount --foreground --queries ./queries ~/data /srv/inventory
  factfs mount ~/data /srv/inventory -o ro,time=5s,formats=csv:json:md
  factfs mount team
  factfs mount --all --config /etc/factfs/factfs.toml
  mount -t factfs 'catalog=/srv/catalog;inventory=/srv/inventory' /mnt -o ro
  cat ~/data/README.md
  factfs umount ~/data

{DATABASE_HELP}"))]
pub struct Args {
    /// The folder to mount at, made if it is not there; alone, the name of a mount of the config
    /// file
    #[arg(value_name = "DIR|NAME", required_unless_present = "all", conflicts_with = "all")]
    point: Option<String>,
    /// The databases: NAME=DB is the folder NAME, DB alone is named like the last part of its url
    #[arg(value_name = "NAME=DB")]
    databases: Vec<String>,
    /// Mount all of the config file that are not mounted, but for those with noauto
    #[arg(long, conflicts_with = "foreground")]
    all: bool,
    /// The config file [default: $XDG_CONFIG_HOME/factfs/factfs.toml, /etc/factfs/factfs.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    foreground: bool,
    /// Make a pin known, and keep it: a pin.edn, or the .meta of an answer. May be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pin: Vec<PathBuf>,
    #[command(flatten)]
    options: OptionArgs,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::find(args.config.as_deref(), &open::settings().env)?;
    if args.all {
        return all(config.as_ref(), &args.options);
    }
    let source = Source { config: config.as_ref(), given: &args.options.0 };
    let point = args.point.unwrap_or_default();
    let mut setup = match (args.databases.as_slice(), &config) {
        ([], Some(config)) => of_entry(config.mount(&point)?, source)?,
        ([], None) => return Err(nothing_to_mount(&point)),
        (databases, _) => {
            let stores =
                databases.iter().map(|text| Store::named(text)).collect::<Result<_, _>>()?;
            of_stores(Path::new(&point), stores, source)?
        }
    };
    let pins = args.pin.iter().map(|file| Ok(open::pin(file)?.1));
    setup.pins = pins.collect::<anyhow::Result<_>>()?;
    stay(&setup, args.foreground)
}

fn nothing_to_mount(name: &str) -> anyhow::Error {
    let places = config::places(&open::settings().env);
    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let message = format!("what is to be mounted at `{name}`? No database is named");
    let hint = format!(
        "factfs mount {name} NAME=DB; as the name of a mount it would be in {}, which is not there",
        places.join(" or ")
    );
    Problem::new(Kind::NotFound, message).hint(hint).into()
}

/// Each by a process of its own. One that fails does not keep others from being mounted.
fn all(config: Option<&Config>, options: &OptionArgs) -> anyhow::Result<ExitCode> {
    let Some(config) = config else { return Err(nothing_to_mount("--all")) };
    let source = Source { config: Some(config), given: &options.0 };
    let mut code = ExitCode::SUCCESS;
    for (name, entry) in config.mounts.iter().filter(|(_, entry)| entry.is_auto) {
        let mount = || -> anyhow::Result<ExitCode> {
            let setup = of_entry(entry, source)?;
            let is_there = |at: PathBuf| {
                let ours = point::mounted_at(&at).pop();
                ours.and_then(|mount| mount.server).is_some_and(point::is_running)
            };
            if point::absolute(&setup.point).is_ok_and(is_there) {
                return Ok(ExitCode::SUCCESS);
            }
            let args = std::env::args_os().skip(1).filter(|arg| arg != "--all");
            Ok(ended(child::start_serving_as(args.chain([OsString::from(name)]).collect())?))
        };
        let mounted = mount().map_err(|error| error.context(name.clone()));
        let one = exit::end(mounted);
        if code == ExitCode::SUCCESS {
            code = one;
        }
    }
    Ok(code)
}
