//! `factfs gc`: deletes what nothing refers to any more.

use crate::cli::args::{FormatArgs, grace, locator};
use crate::cli::exit::Problem;
use crate::cli::progress::Progress;
use crate::cli::{open, report};
use factfs_core::conn::{Collected, Collection, Retention};
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_store::Kind;

/// Delete what no branch, tag or kept moment refers to; everybody goes on meanwhile
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Garbage is found and written down by one run, and deleted by the first run after the time of grace,
so that whoever reads an old head can go on reading it: run it once a day. A run that was
interrupted is finished by the next one. Facts are never lost: the history of every branch and tag
stays.

What to keep (--keep) is `all`, `none`, or parts by rising age, `AGE/EVERY`: of the moments kept at
each flush, up to that age, one in so much time. Without /EVERY all of them; the newest always.

Examples:
  factfs gc /srv/inventory
  factfs gc s3://team-a/catalog --dry-run --format json
  factfs gc /srv/inventory --dry-run --list
  factfs gc /srv/inventory --grace 1h --keep 24h,30d/1d,forever/730h
  factfs gc /srv/inventory --grace 0      (nobody else is reading)")]
pub struct Args {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// Say what would be deleted, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// How long garbage is left alone after it was found: 90s, 15m, 24h, 30d or 0
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = grace)]
    grace: u64,
    /// Which moments to keep for fast time travel: see below
    #[arg(long, value_name = "POLICY", default_value = "24h,30d/1d,forever/730h")]
    keep: Retention,
    /// List each object instead of how many there are
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let locator = locator(&args.database)?;
    if locator.branch.is_some() {
        let text = format!("{locator}: a collection is of the whole database");
        return Err(Problem::new(Kind::Invalid, text).hint("leave out the branch").into());
    }
    let database = open::write(&locator)?;
    let asked = Collection { grace_ms: args.grace, keep: args.keep };
    let (collected, temporaries) = match args.dry_run {
        true => (database.collect_dry(&asked)?, 0),
        false => {
            let progress = Progress::of_objects();
            database.collect(&asked, &mut |objects, what| progress.at(objects, what.to_owned()))?
        }
    };
    match args.list {
        true => list(&collected, args.format),
        false => summary(&collected, temporaries, args.dry_run, args.format),
    }
}

fn list(collected: &Collected, format: FormatArgs) -> anyhow::Result<()> {
    let row = |deleted: bool| {
        move |(name, bytes): &(String, u64)| {
            [Value::str(name), report::count(*bytes), Value::Bool(deleted)]
        }
    };
    let deleted = collected.deleted.iter().map(row(true));
    let rows = deleted.chain(collected.waiting.iter().map(row(false)));
    Ok(format.output().rows(Layout::relation(["object", "bytes", "deleted"]), rows)?)
}

fn summary(
    collected: &Collected,
    temporaries: usize,
    dry_run: bool,
    format: FormatArgs,
) -> anyhow::Result<()> {
    let (deleted, waiting) = (collected.deleted_total(), collected.waiting_total());
    let properties = vec![
        ("dry-run", Value::Bool(dry_run)),
        ("generation", report::count(collected.generation)),
        ("live-objects", report::count(collected.live.objects)),
        ("live-bytes", report::count(collected.live.bytes)),
        ("deleted-objects", report::count(deleted.objects)),
        ("deleted-bytes", report::count(deleted.bytes)),
        ("waiting-objects", report::count(waiting.objects)),
        ("waiting-bytes", report::count(waiting.bytes)),
        ("expired-moments", report::count(collected.expired)),
        ("sparse-packs", report::count(collected.sparse)),
        ("temporaries", report::count(temporaries)),
    ];
    Ok(format.output().properties(properties)?)
}
