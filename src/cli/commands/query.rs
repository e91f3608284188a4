//! `factfs query`: runs a query over any number of databases.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs, WhichArgs, locator};
use crate::cli::changes::Changes;
use crate::cli::exit::Problem;
use crate::cli::forms::Source;
use crate::cli::inputs::{Given, Inputs, file_of_rows};
use crate::cli::open;
use crate::cli::output;
use anyhow::Context;
use factfs_core::edn;
use factfs_core::query::{self, CancelToken, Limits, QueryFile, Shape};
use factfs_core::text::{Layout, Shape as TextShape};
use factfs_store::{Database, Error};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Run a query over any number of databases
///
/// The query is a file, the text itself, or - for standard input. A query file may also be a map
/// around a query: {:query … :inputs {?min 10, $old "…"} :rules […]}, also with :args, the inputs
/// in their order, and :limit, :offset, :order-by and :timeout. A database after the query is `$`,
/// or the only one that the query names; --in names the others.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs query '[:find ?n . :where [_ :product/name ?n]]' /srv/catalog
  factfs query low-stock.edn --in catalog=s3://team-a/catalog --in inventory=/srv/inventory
  factfs query low-stock.edn --in catalog=s3://team-a/catalog@2026-06-30 \\
      --in inventory=/srv/inventory@2026-06-30 --format csv
  factfs query '[:find ?i :in $ ?max :where [?i :item/count ?c] [(< ?c ?max)]]' \\
      ~/data/inventory/head --arg '?max=10'
  factfs query '[:find ?e ?old ?new :in $d :where [$d ?e :product/price ?new :changed ?old]]' \\
      --in d=/srv/catalog/diff/7d..main

{DATABASE_HELP}"))]
pub struct Args {
    /// A file, the text of a query, or - for standard input
    #[arg(value_name = "QUERY")]
    query: String,
    /// The database, if there is one: URL, URL#BRANCH, URL@WHEN, or a snapshot folder of a mount
    #[arg(value_name = "DB")]
    database: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
    /// The database that the query calls $NAME; DB/diff/A..B is what changed there, as rows
    /// [e a v change old t instant], and file:PATH a file of rows: .csv, .tsv, .json, .jsonl, .edn.
    /// May be repeated
    #[arg(long = "in", value_name = "NAME=DB", value_parser = pair)]
    inputs: Vec<(String, String)>,
    /// The value of an input, as EDN. May be repeated
    #[arg(long, value_name = "?X=EDN", value_parser = pair)]
    arg: Vec<(String, String)>,
    /// The rules, for `%`: a file of EDN, or EDN itself
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
    /// Read every database that is named without @WHEN as of its commit in a pin: a pin.edn, or the
    /// .meta of an answer
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// Show how the query was run, with the rows of each step, in the place of its answer
    #[arg(long)]
    explain: bool,
    /// At most so many rows of the answer
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Leave out so many rows
    #[arg(long, value_name = "N")]
    offset: Option<u32>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// How many MiB the query may take in memory, about
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    max_memory: u32,
    #[command(flatten)]
    format: FormatArgs,
}

fn pair(text: &str) -> Result<(String, String), Problem> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Problem::invalid(format!("`{text}` is not NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The stack of the thread that answers: a query may have many clauses, each in the one before.
const STACK_BYTES: usize = 64 << 20;

pub fn run(args: Args) -> anyhow::Result<()> {
    let thread = std::thread::Builder::new().name("query".to_owned()).stack_size(STACK_BYTES);
    let thread = thread.spawn(move || answer(args)).context("no thread for the query")?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn answer(args: Args) -> anyhow::Result<()> {
    let source = Source::of(&args.query);
    let name = source.name();
    let folder = match &source {
        Source::File(path) => Path::new(path).parent().map(Path::to_owned),
        Source::Text(_) | Source::Stdin => None,
    };
    let in_query = || name.clone();
    let file = QueryFile::read(&source.read()?).map_err(Error::from).with_context(in_query)?;
    let mut query = file.query.clone();
    if let Some(rows) = args.limit {
        query = query.with_limit(rows.into());
    }
    if let Some(rows) = args.offset {
        query = query.with_offset(rows.into());
    }
    let given = given(&args)?;
    let (inputs, databases) = Inputs::new(&given, &file, folder.as_deref()).all(&query.inputs())?;
    let limits = limits(args.timeout, args.max_memory)?;
    let answer = query::run(&query, &inputs, &limits, &CancelToken::default()).map_err(Error::from);
    let answer = answer.with_context(in_query)?;
    for warning in &answer.stats.warnings {
        // The answer is worth more than the warning.
        let _ = writeln!(std::io::stderr(), "factfs: warning: {warning}");
    }
    if args.explain {
        let read: String = databases.iter().map(read).collect();
        return Ok(output::text(&format!("{}{read}", answer.explain))?);
    }
    let shape = match answer.shape {
        Shape::Relation => TextShape::Relation,
        Shape::Collection => TextShape::Collection,
        Shape::Tuple => TextShape::Tuple,
        Shape::Scalar => TextShape::Scalar,
    };
    let layout = Layout { shape, columns: answer.columns, keys: query.row_keys() };
    Ok(args.format.output().rows(layout, &answer.rows)?)
}

/// What a query cost to read, of a store that is not on this machine.
fn read(database: &Database) -> String {
    let (counts, memory) = (database.counts(), database.cache_stats());
    let Some(disk) = database.disk_cache() else { return String::new() };
    let disk = disk.stats();
    format!(
        "{}: {} GETs in {} rounds, {} bytes; memory: {} hits, {} misses; \
         disk: {} hits, {} misses, {} bytes\n",
        database.url(),
        counts.gets + counts.refs,
        counts.rounds,
        counts.bytes_in,
        memory.hits,
        memory.misses,
        disk.hits,
        disk.misses,
        disk.bytes_read
    )
}

fn given(args: &Args) -> anyhow::Result<Given> {
    let mut given = Given::default();
    if let Some(database) = &args.database {
        let named = DatabaseArgs { database: database.clone(), which: args.which.clone() };
        given.databases.insert(String::new(), named.locator()?);
    } else if args.which.branch.is_some() || args.which.at.is_some() {
        let text = "--branch and --at are about the database after the query, and there is none";
        let hint = "in --in write NAME=URL#BRANCH or NAME=URL@WHEN";
        return Err(Problem::invalid(text).hint(hint).into());
    }
    for (name, database) in &args.inputs {
        let name = name.trim_start_matches('$').to_owned();
        let is_new = !(given.databases.contains_key(&name)
            || given.changes.contains_key(&name)
            || given.files.contains_key(&name));
        if let Some(path) = file_of_rows(database, None)? {
            given.files.insert(name.clone(), path);
        } else if let Some(changes) = Changes::read(database)? {
            given.changes.insert(name.clone(), changes);
        } else {
            given.databases.insert(name.clone(), locator(database)?);
        }
        if !is_new {
            return Err(Problem::invalid(format!("${name} is given twice")).into());
        }
    }
    given.values = args.arg.iter().cloned().collect();
    given.pin = match &args.pin {
        Some(file) => Some(open::pin(file)?.0),
        None => None,
    };
    if let Some(rules) = &args.rules {
        let source = Source::of(rules);
        let name = source.name();
        given.rules = Some(edn::read_one(&source.read()?).with_context(|| name)?);
    }
    Ok(given)
}

fn limits(timeout: Option<f64>, max_memory: u32) -> anyhow::Result<Limits> {
    let start = Instant::now();
    let elapsed = move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let timeout_ms = timeout.map(|seconds| (seconds * 1000.0).round());
    if let Some(ms) = timeout_ms.filter(|ms| !(1.0..=1e15).contains(ms)) {
        return Err(Problem::invalid(format!("--timeout: {ms} ms is no time to wait")).into());
    }
    // Between 1 and 10^15: the conversion is exact.
    let timeout_ms = timeout_ms.map(|ms| ms as u64);
    let (memory_bytes, elapsed_ms) = (u64::from(max_memory) << 20, Some(Arc::new(elapsed) as _));
    Ok(Limits { memory_bytes, timeout_ms, elapsed_ms, ..Limits::default() })
}
