//! `factfs verify`: looks through a whole database, and repairs what its log can repair.

use crate::cli::args::{FormatArgs, locator};
use crate::cli::exit::Problem;
use crate::cli::open;
use crate::cli::progress::Progress;
use crate::cli::report::count;
use anyhow::Context;
use factfs_core::value::Value;
use factfs_core::verify::{Report, Step};
use factfs_store::{Kind, shown};

/// Look through a whole database: every object, every hash, the log against all else
///
/// All branches and tags. What is wrong is told with the name of the object, and the exit code is
/// 14. Memory grows with the number of tree nodes, not with the facts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs verify /srv/inventory
  factfs verify s3://team-a/catalog --format json
  factfs verify /srv/inventory --repair

--repair makes the trees, the novelty and the counts of damaged branches anew from their logs:
new objects, then one swap of the head. Nothing is deleted, and the log is never changed. A log
or a head that is damaged comes back from a clone only.")]
pub struct Args {
    /// The database: a directory, s3://BUCKET/PREFIX, gs://…, az://…, https://…
    #[arg(value_name = "DB")]
    database: String,
    /// Make anew what the log can make
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// How many problems the message has; the report has all.
const SHOWN: usize = 10;

pub fn run(args: Args) -> anyhow::Result<()> {
    let locator = locator(&args.database)?;
    if locator.branch.is_some() || locator.at.is_some() {
        let text =
            format!("{locator}: a database is looked through with all its branches and tags");
        return Err(Problem::invalid(text).hint("leave out # and @").into());
    }
    let url = &locator.url;
    let named = || shown(url);
    let settings = open::settings();
    let mut report =
        watched(|watch| factfs_store::verify(url, &settings, watch)).with_context(named)?;
    let mut repaired = Vec::new();
    if args.repair && !report.damaged.is_empty() {
        for branch in std::mem::take(&mut report.damaged) {
            watched(|watch| factfs_store::repair(url, &branch, &settings, watch))
                .with_context(|| format!("{}#{branch}", shown(url)))?;
            repaired.push(branch);
        }
        report =
            watched(|watch| factfs_store::verify(url, &settings, watch)).with_context(named)?;
    }
    args.format.output().properties(properties(url, &report, args.repair.then_some(&repaired)))?;
    if report.is_whole() {
        return Ok(());
    }
    let listed: String =
        report.problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect();
    let more = report.problem_count.saturating_sub(SHOWN as u64);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let problems = if report.problem_count == 1 { "problem" } else { "problems" };
    let url = shown(url);
    let text = format!("{url}: {} {problems}:{listed}{more}", report.problem_count);
    let problem = Problem::new(Kind::Corrupt, text);
    let names_lost = |object: &str| object == "refs" || object == "format";
    let hint = match (report.damaged.is_empty(), args.repair) {
        (false, false) => "--repair makes anew what the log can make",
        (true, _) if !report.problems.iter().any(|problem| names_lost(&problem.object)) => {
            "the branches are whole: what is damaged is reached by tags alone"
        }
        _ => "what the log cannot make comes back from a clone",
    };
    Err(problem.hint(hint).into())
}

/// Does something long, and shows how far it is.
fn watched<T>(work: impl FnOnce(&mut (dyn FnMut(Step) + Send)) -> T) -> T {
    let progress = Progress::of_bytes(None);
    work(&mut |step: Step| {
        let of = step.total.map(|total| format!(" of {total}")).unwrap_or_default();
        progress.at(step.bytes, format!("{}: {}{of}", step.name, step.done));
    })
}

fn properties(
    url: &str,
    report: &Report,
    repaired: Option<&Vec<String>>,
) -> Vec<(&'static str, Value)> {
    let texts = |texts: Vec<String>| Value::Vector(texts.iter().map(|x| Value::str(x)).collect());
    let (orphans, orphan_bytes) = report.orphans.unzip();
    let optional = |n: Option<u64>| n.map_or(Value::Nil, count);
    let mut properties = vec![
        ("url", Value::str(&shown(url))),
        ("uuid", report.database.map_or(Value::Nil, Value::Uuid)),
        ("whole", Value::Bool(report.is_whole())),
        ("heads", count(report.heads)),
        ("commits", count(report.commits)),
        ("datoms", count(report.datoms)),
        ("facts", count(report.facts)),
        ("purged-commits", count(report.purged_commits)),
        ("purged-datoms", count(report.purged_datoms)),
        ("nodes", count(report.nodes)),
        ("packs", count(report.packs)),
        ("segments", count(report.segments)),
        ("bytes", count(report.bytes)),
        ("orphans", optional(orphans)),
        ("orphan-bytes", optional(orphan_bytes)),
        ("problem-count", count(report.problem_count)),
        ("problems", texts(report.problems.iter().map(ToString::to_string).collect())),
        ("damaged", texts(report.damaged.clone())),
    ];
    properties.extend(repaired.map(|branches| ("repaired", texts(branches.clone()))));
    properties
}
