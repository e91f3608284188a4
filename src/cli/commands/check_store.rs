//! `factfs check-store`: what a place can be trusted with.

use crate::cli::args::FormatArgs;
use crate::cli::exit::Problem;
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_store::{CheckOptions, Kind, Settings, shown};

/// Find out whether a place keeps what a database needs of it, also under a race of writers
///
/// Everything is written below probe/ in the place, and deleted afterwards: a place that holds a
/// database may be checked. The race shows stores that lose writes; that one lost none proves
/// nothing. The exit code is 15 for a place that must not be written by several.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs check-store s3://team-a/scratch
  factfs check-store /srv/inventory --seconds 10 --writers 8
  factfs check-store postgres://ann@db.example.com/facts --format json")]
pub struct Args {
    /// Where: a directory or a URL, as for `factfs init`
    #[arg(value_name = "URL")]
    url: String,
    /// How long the race takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// How many write at once, each with connections of its own
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: u16,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.url.is_empty() {
        return Err(Problem::invalid("which place? the URL is empty").into());
    }
    if !(0.0..=3600.0).contains(&args.seconds) {
        return Err(Problem::invalid("--seconds is a number from 0 to 3600").into());
    }
    let race_ms = (args.seconds * 1000.0) as u64;
    let options = CheckOptions { writers: args.writers.into(), race_ms, ..CheckOptions::default() };
    let checked = factfs_store::check_place(&args.url, options, &Settings::from_env())?;
    let verdict = match checked.is_safe() {
        true => "any number of writers at once",
        false => "reading alone: do not write here",
    };
    let rows = checked
        .findings
        .iter()
        .map(|one| [Value::str(one.about), Value::Bool(one.held), Value::str(&one.found)]);
    let last =
        [Value::str("it can be trusted with"), Value::Bool(checked.is_safe()), Value::str(verdict)];
    args.format.output().rows(Layout::relation(["check", "held", "found"]), rows.chain([last]))?;
    if checked.is_safe() {
        return Ok(());
    }
    let text = format!("{}: this store cannot be written safely", shown(&args.url));
    Err(Problem::new(Kind::ReadOnly, text).into())
}
