//! `factfs merge`: one branch takes in what another came to.

use crate::cli::args::{DATABASE_HELP, FormatArgs, locator};
use crate::cli::exit::Problem;
use crate::cli::{open, report};
use clap::builder::NonEmptyStringValueParser;
use factfs_core::conn::{Conflict, MergeError, MergeOptions, MergePlan};
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_store::Kind;
use std::process::ExitCode;

/// Merge what another branch came to into a branch
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
What changed on FROM since the last commit that both have becomes one transaction on INTO. Where
both changed the same, nothing is written: the conflicts are printed as rows, and the exit code is
that of a change meanwhile.

Examples:
  factfs merge /srv/inventory what-if
  factfs merge /srv/inventory what-if --dry-run
  factfs merge /srv/inventory#what-if main --format json

{DATABASE_HELP}"))]
pub struct Args {
    /// The database and branch that is merged into
    #[arg(value_name = "INTO")]
    into: String,
    /// A branch, a tag or a commit of the same database
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    from: String,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// The client's id of the transaction: with an id that is there already nothing is written
    #[arg(long, value_name = "ID")]
    tx_id: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let locator = locator(&args.into)?;
    let database = open::write(&locator)?;
    if args.dry_run {
        let plan = database.merge_plan(&args.from)?;
        if !plan.conflicts.is_empty() {
            return conflicts(&args, &plan);
        }
        args.format.output().properties(fields(&plan))?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = MergeOptions { tx_id: args.tx_id.clone() };
    let merged = match database.merge(&args.from, &options) {
        Ok(merged) => merged,
        Err(error) => {
            let source = error.source.as_ref().and_then(|e| e.downcast_ref::<MergeError>());
            return match source {
                Some(MergeError::Conflicts(plan)) => conflicts(&args, plan),
                _ => Err(error.into()),
            };
        }
    };
    let mut all = fields(&merged.plan);
    all.extend(merged.report.iter().flat_map(report::fields));
    args.format.output().properties(all)?;
    for warning in database.warnings() {
        eprintln!("factfs: warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the conflicts, and says so in the exit code.
fn conflicts(args: &Args, plan: &MergePlan) -> anyhow::Result<ExitCode> {
    let rows = plan.conflicts.iter().map(Conflict::row);
    args.format.output().rows(Layout::relation(Conflict::COLUMNS), rows)?;
    let number = plan.conflicts.len();
    let conflicts = if number == 1 { "conflict" } else { "conflicts" };
    let text = format!(
        "{number} {conflicts} between {} and {}: nothing was written",
        args.into, args.from
    );
    let hint = "change one side to what both should have, then merge again";
    Err(Problem::new(Kind::Conflict, text).hint(hint).into())
}

fn fields(plan: &MergePlan) -> Vec<(&'static str, Value)> {
    let mapped = plan.mapped.iter().map(|(from, to)| (Value::Ref(*from), Value::Ref(*to)));
    let mapped: Vec<(Value, Value)> = mapped.collect();
    vec![
        ("base", report::commit(plan.base)),
        ("into", report::commit(plan.target)),
        ("from", report::commit(plan.source)),
        ("merged", Value::Bool(plan.already)),
        ("added", report::count(plan.facts.add.len())),
        ("retracted", report::count(plan.facts.retract.len())),
        ("mapped", if mapped.is_empty() { Value::Nil } else { Value::map(mapped) }),
    ]
}
