//! `factfs log`: the transactions of a branch.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs};
use crate::cli::exit::Problem;
use crate::cli::{open, report};
use factfs_core::id::T;
use factfs_core::schema::{Schema, builtin};
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_store::LogEntry;

/// Show the transactions of a branch: when, which commit, how much changed
///
/// The newest come first, unless --from names a beginning. The column `tx` holds what a transaction
/// says about itself, and `:purged N` where N datoms of it were erased for good.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs log /srv/inventory
  factfs log /srv/inventory --limit 5 --datoms
  factfs log s3://team-a/catalog --from 1 --format jsonl

{DATABASE_HELP}"))]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Begin with this t and go on to newer ones
    #[arg(long, value_name = "T")]
    from: Option<u64>,
    /// How many transactions at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Show what changed, a datom a row
    #[arg(long)]
    datoms: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let locator = args.database.locator()?;
    let (database, moment) = open::read(&locator)?;
    let db = moment.db;
    // Of a moment in the past: what came before it.
    let until = locator.at.is_some().then(|| db.basis_t());
    if until.is_some() && args.from.is_some() {
        return Err(Problem::invalid("--from and a moment in the past exclude each other").into());
    }
    let newest_first = args.from.is_none();
    let from = args.from.map(T).or(until);
    let entries = database.log(from, newest_first, args.limit)?;
    let output = args.format.output();
    if args.datoms {
        let rows = entries.iter().flat_map(|entry| datoms(db.schema(), entry));
        return Ok(output.rows(Layout::relation(["t", "e", "a", "v", "added"]), rows)?);
    }
    let columns = ["t", "commit", "instant", "added", "retracted", "tx"];
    let rows = entries.iter().map(|entry| row(db.schema(), entry));
    Ok(output.rows(Layout::relation(columns), rows)?)
}

fn row(schema: &Schema, entry: &LogEntry) -> Vec<Value> {
    let tx = entry.tx.entity();
    let own = |d: &&factfs_core::datom::Datom| d.e == tx && d.added && d.a != builtin::TX_INSTANT;
    let own = entry.datoms.iter().filter(own).map(|d| {
        let name = schema.get(d.a).map(|a| Value::Keyword(a.ident.clone()));
        (name.unwrap_or_else(|| report::count(d.a.0)), d.v.clone())
    });
    let mut own: Vec<(Value, Value)> = own.collect();
    if entry.purged > 0 {
        own.push((Value::keyword("purged"), report::count(entry.purged)));
    }
    let added = entry.datoms.iter().filter(|d| d.added && d.e != tx).count();
    let retracted = entry.datoms.iter().filter(|d| !d.added).count();
    vec![
        report::count(entry.commit.t.0),
        Value::str(&entry.commit.to_string()),
        Value::Inst(entry.instant_ms),
        report::count(added),
        report::count(retracted),
        if own.is_empty() { Value::Nil } else { Value::map(own) },
    ]
}

fn datoms(schema: &Schema, entry: &LogEntry) -> Vec<Vec<Value>> {
    let t = report::count(entry.commit.t.0);
    let row = |datom| {
        let [e, a, v, _, added] = report::datom(schema, datom);
        vec![t.clone(), e, a, v, added]
    };
    entry.datoms.iter().map(row).collect()
}
