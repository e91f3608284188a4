//! `factfs clone`: copies a database to another place: backup, restore, a replica to read from.

use crate::cli::args::{FormatArgs, locator};
use crate::cli::exit::{self, Problem};
use crate::cli::open;
use crate::cli::progress::Progress;
use crate::cli::report::count;
use factfs_core::clone::Copied;
use factfs_core::value::Value;
use factfs_store::{Copying, Kind};
use std::io::Write;
use std::time::Duration;

/// Copy a database to another place: a backup, or a replica to read from
///
/// Objects are copied as they are, each verified on the way, and only those that are not there yet;
/// heads last. So an interrupted copy is as whole as it was before, and the next one goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs clone s3://team-a/catalog /backup/catalog
  factfs clone s3://team-a/catalog ~/catalog --follow
  factfs clone /backup/catalog /srv/catalog --fork

A copy is a replica: reading it needs nothing of SRC, and nothing is written to it but by clone.
With --fork it is a database of its own instead, with an id of its own and the same commits: to go
on from a backup, or to try things. Objects that SRC no longer has stay in DST.")]
pub struct Args {
    /// The database to copy
    #[arg(value_name = "SRC")]
    source: String,
    /// Where to: an empty place, or an earlier copy
    #[arg(value_name = "DST")]
    target: String,
    /// Go on copying what is new, until interrupted
    #[arg(long, conflicts_with = "fork")]
    follow: bool,
    /// How often to look for what is new, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, requires = "follow")]
    interval: f64,
    /// Make a database of its own, not a replica
    #[arg(long)]
    fork: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (source, target) = (whole(&args.source)?, whole(&args.target)?);
    if !(0.01..=86_400.0).contains(&args.interval) {
        let text = format!("--interval: {} is not between 0.01 and 86400", args.interval);
        return Err(Problem::invalid(text).into());
    }
    let mut copying = Copying::new(&source, &target, args.fork, &open::settings())?;
    let mut lines = args.format.output().lines();
    lines.line(fields(&once(&mut copying)?))?;
    if !args.follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(Duration::from_secs_f64(args.interval));
        match next(&mut copying) {
            Ok(copied) => copied.iter().try_for_each(|copied| lines.line(fields(copied)))?,
            // A network that is away comes back: the replica is whole meanwhile.
            Err(error) if exit::kind(&error) == Kind::Unavailable => {
                let _ = writeln!(std::io::stderr(), "factfs: {error:#}; trying again");
            }
            Err(error) => return Err(error),
        }
    }
}

/// Copies what is new, if anything is.
fn next(copying: &mut Copying) -> anyhow::Result<Option<Copied>> {
    if copying.has_changed()? { once(copying).map(Some) } else { Ok(None) }
}

/// The url of a database, named without a branch or a moment.
fn whole(text: &str) -> anyhow::Result<String> {
    let locator = locator(text)?;
    if locator.branch.is_none() && locator.at.is_none() {
        return Ok(locator.url);
    }
    let text = format!("{locator}: a database is copied with all its branches and tags");
    Err(Problem::invalid(text).hint("leave out # and @").into())
}

fn once(copying: &mut Copying) -> anyhow::Result<Copied> {
    let mut shown: Option<Progress> = None;
    let copied = copying.run(&mut |progress| {
        let bar = shown.get_or_insert_with(|| Progress::of_bytes(Some(progress.total)));
        bar.at(progress.bytes, "copying".to_owned());
    })?;
    Ok(copied)
}

fn fields(copied: &Copied) -> Vec<(&'static str, Value)> {
    vec![
        ("objects", count(copied.objects)),
        ("bytes", count(copied.bytes)),
        ("kept", count(copied.kept)),
        ("refs", count(copied.moved)),
    ]
}
