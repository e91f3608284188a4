//! `factfs verify-result`: makes an answer again from its `.meta`, and compares.

use crate::cli::args::{FormatArgs, locator};
use crate::cli::exit::Problem;
use crate::cli::located::Located;
use crate::cli::open;
use crate::cli::report::count;
use anyhow::Context;
use factfs_core::hash::NodeHash;
use factfs_core::text::Format;
use factfs_core::value::Value;
use factfs_mount::again::{Bytes, Judged, JudgedFile, Verdict, verify};
use factfs_mount::error::Failure;
use factfs_mount::tree::Limits;
use factfs_mount::tree::pins::{Expected, FileRead, Recipe};
use factfs_store::{Kind, shown};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Make an answer again from its .meta, and compare it byte for byte
///
/// A .meta names the query, its inputs, and the commit of each database that was read. The
/// databases are looked for where they were, then in the mounts of this machine; --store says it.
/// A file of rows that was read is needed as it was: it is looked for where it was, then beside the
/// .meta, and compared by its hash; --file says where it is. When the bytes are the same the exit
/// code is 0. When they are not it says which source differs, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cat ~/data/results/low-stock.csv > low-stock.csv
  cat ~/data/results/low-stock.csv.meta > low-stock.csv.meta
  factfs verify-result low-stock.csv.meta
  factfs verify-result low-stock.csv.meta --result low-stock.csv
  factfs verify-result low-stock.csv.meta --store catalog=s3://team-a/catalog --format json

Databases are looked through as a whole only when the bytes differ: every object, every hash, the
log against all else. Exit code 14: the answer is another one, or the file is.")]
pub struct Args {
    /// The .meta of an answer, such as results/low-stock.csv.meta of a mount, or a copy of it
    #[arg(value_name = "FILE.meta")]
    meta: PathBuf,
    /// Where the store is that was mounted as NAME. May be repeated
    #[arg(long, value_name = "NAME=DB", value_parser = pair)]
    store: Vec<(String, String)>,
    /// Where the file of rows is that the query calls $NAME. May be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    file: Vec<(String, String)>,
    /// Compare this file as well: the answer as it was sent
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    #[command(flatten)]
    format: FormatArgs,
}

fn pair(text: &str) -> Result<(String, String), Problem> {
    let pair = text.split_once('=');
    let (name, database) =
        pair.ok_or_else(|| Problem::invalid(format!("`{text}` has no = after a name")))?;
    Ok((name.to_owned(), database.to_owned()))
}

/// How many problems of a source the message has.
const SHOWN: usize = 5;

pub fn run(args: Args) -> anyhow::Result<()> {
    let named = args.meta.display().to_string();
    let text = fs::read_to_string(&args.meta).with_context(|| named.clone())?;
    let mut recipe = Recipe::read(&text).with_context(|| named.clone())?;
    find_files(&mut recipe, &args)?;
    let expected = Expected::read(&text).ok_or_else(|| {
        Problem::invalid(format!("{named}: it does not say how many bytes there were, and which"))
    })?;
    let given = args.store.iter().map(|(name, text)| Ok((name.clone(), locator(text)?)));
    let given: BTreeMap<_, _> = given.collect::<anyhow::Result<_>>()?;
    let mut located = Located::new(given, &recipe.sources)?;
    let limits = Limits {
        time: Duration::from_secs(args.timeout),
        rows: u64::MAX,
        bytes: u64::MAX,
        ..Limits::default()
    };
    let urls = std::cell::RefCell::new(&mut located);
    let verdict =
        verify(&recipe, &expected, limits, &mut |read| urls.borrow_mut().open(read), &mut |read| {
            look(urls.borrow().url(read))
        });
    let sent = match &args.result {
        Some(file) => Some((file, bytes_of(file)?)),
        None => None,
    };
    let sent_is_same = sent.as_ref().map(|(_, sent)| *sent == of_expected(&expected));
    let format = args.format.format;
    let properties = properties(&recipe, &expected, &verdict, &located, sent_is_same, format);
    args.format.output().properties(properties)?;
    if let Some((file, _)) = sent.filter(|_| sent_is_same == Some(false)) {
        let file = file.display();
        let text = format!("{file} is not the answer that {named} is about: its bytes are others");
        return Err(Problem::new(Kind::Corrupt, text).into());
    }
    told(&named, &expected, &verdict)
}

/// Where each file is that was read: as it is said, else where it was, else beside the `.meta`.
fn find_files(recipe: &mut Recipe, args: &Args) -> anyhow::Result<()> {
    let mut given: BTreeMap<&str, &str> =
        args.file.iter().map(|(name, file)| (name.trim_start_matches('$'), &**file)).collect();
    for read in &mut recipe.files {
        if let Some(file) = given.remove(read.symbol.trim_start_matches('$')) {
            let whole = std::path::absolute(file).with_context(|| file.to_owned())?;
            read.path = whole.display().to_string();
            continue;
        }
        let name = Path::new(&read.path).file_name().unwrap_or_default();
        let beside = args.meta.with_file_name(name);
        if !Path::new(&read.path).exists() && beside.exists() {
            let whole = std::path::absolute(&beside).with_context(|| read.path.clone())?;
            read.path = whole.display().to_string();
        }
    }
    match given.keys().next() {
        Some(name) => {
            let known: Vec<&str> = recipe.files.iter().map(|read| &*read.symbol).collect();
            let text = format!("no file was read as ${name}");
            let hint = match known[..] {
                [] => "it was made of databases alone".to_owned(),
                _ => format!("there are: {}", known.join(" ")),
            };
            Err(Problem::new(Kind::NotFound, text).hint(hint).into())
        }
        None => Ok(()),
    }
}

/// All that is wrong with a database.
fn look(url: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(url) = url else { return Ok(Vec::new()) };
    let report = factfs_store::verify(url, &open::settings(), &mut |_| ())?;
    Ok(report.problems.iter().map(ToString::to_string).collect())
}

fn bytes_of(file: &Path) -> anyhow::Result<Bytes> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Bytes { count: bytes.len() as u64, blake3: NodeHash::of(&bytes).to_string() })
}

fn of_expected(expected: &Expected) -> Bytes {
    Bytes { count: expected.bytes, blake3: expected.blake3.clone() }
}

/// The end of the command, by the verdict.
fn told(named: &str, expected: &Expected, verdict: &Verdict) -> anyhow::Result<()> {
    if verdict.is_same {
        return Ok(());
    }
    let differ: Vec<&Judged> =
        verdict.sources.iter().filter(|judged| !judged.differences.is_empty()).collect();
    let files: Vec<_> =
        verdict.files.iter().filter_map(|f| Some((f, f.difference.as_ref()?))).collect();
    let kinds = differ.iter().flat_map(|judged| &judged.differences).map(|found| found.kind());
    let kinds = kinds.chain(files.iter().map(|(_, failure)| failure.kind));
    let kind = kinds.min_by_key(|kind| *kind != Kind::Corrupt).unwrap_or(Kind::Corrupt);
    let lines: String = differ.iter().map(|judged| lines(judged)).collect();
    let lines = lines + &files.iter().map(|(file, why)| file_lines(file, why)).collect::<String>();
    let is_known = !(differ.is_empty() && files.is_empty());
    let (kind, text) = match &verdict.made {
        Ok(_) => (Kind::Corrupt, "the answer that is made again is another one".to_owned()),
        Err(_) if is_known => (kind, "it cannot be made again as it was".to_owned()),
        Err(failure) => (failure.kind, format!("it cannot be made again: {}", failure.message)),
    };
    let problem = Problem::new(kind, format!("{named}: {text}{lines}"));
    let hint = match (&verdict.made, is_known) {
        (Ok(_), false) => whole(&expected.version),
        _ if !files.is_empty() => "--file NAME=FILE says where a file is".to_owned(),
        _ if kind == Kind::NotFound => "--store NAME=DB says where a store is".to_owned(),
        _ => return Err(problem.into()),
    };
    Err(problem.hint(hint).into())
}

/// What is left when no source differs.
fn whole(version: &str) -> String {
    let mut hint = "every source is whole and has its commit".to_owned();
    if version != env!("CARGO_PKG_VERSION") {
        hint += &format!("; it was made by factfs {version}, this is ");
        hint += env!("CARGO_PKG_VERSION");
    }
    hint + ": the bytes that the .meta names are not of this answer"
}

/// What is said of a source that differs.
fn lines(judged: &Judged) -> String {
    let read = &judged.read;
    let commit = read.commit.map_or_else(|| "0".to_owned(), |commit| commit.to_string());
    let mut out = format!("\n  {} ({}, {}, commit {commit}):", read.symbol, read.store, read.uuid);
    for difference in &judged.differences {
        let text = difference.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let more = lines.len().saturating_sub(SHOWN + 1);
        for line in lines.iter().take(SHOWN + 1) {
            out.push_str(&format!("\n    {line}"));
        }
        if more > 0 {
            out.push_str(&format!("\n        and {more} more"));
        }
    }
    out
}

/// What is said of a file that is not there as it was.
fn file_lines(file: &JudgedFile, why: &Failure) -> String {
    let FileRead { symbol, bytes, blake3, .. } = &file.read;
    format!("\n  {symbol} (a file of {bytes} bytes, blake3 {blake3}):\n    {}", why.message)
}

/// What was compared. Where a format has no objects, each source has a row of its own.
fn properties<'a>(
    recipe: &Recipe,
    expected: &Expected,
    verdict: &'a Verdict,
    located: &Located,
    sent_is_same: Option<bool>,
    format: Option<Format>,
) -> Vec<(&'a str, Value)> {
    let made = verdict.made.as_ref().ok();
    let failure = verdict.made.as_ref().err().map(|failure| Value::str(&failure.message));
    let mut properties = vec![
        ("same", Value::Bool(verdict.is_same)),
        ("pin", Value::str(&recipe.pin().id())),
        ("blake3", Value::str(&expected.blake3)),
        ("bytes", count(expected.bytes)),
        ("made-blake3", made.map_or(Value::Nil, |made| Value::str(&made.blake3))),
        ("made-bytes", made.map_or(Value::Nil, |made| count(made.count))),
    ];
    if matches!(format, Some(Format::Json | Format::Jsonl | Format::Edn)) {
        let files = verdict.files.iter().map(file_source);
        let sources = verdict.sources.iter().map(|judged| source(judged, located)).chain(files);
        properties.push(("sources", Value::Vector(sources.collect())));
    } else {
        let row = |judged: &'a Judged| (judged.read.symbol.as_str(), in_a_row(judged, located));
        properties.extend(verdict.sources.iter().map(row));
        let row = |file: &'a JudgedFile| (file.read.symbol.as_str(), file_in_a_row(file));
        properties.extend(verdict.files.iter().map(row));
    }
    properties.extend(sent_is_same.map(|same| ("result-same", Value::Bool(same))));
    properties.extend(failure.map(|message| ("error", message)));
    properties
}

fn source(judged: &Judged, located: &Located) -> Value {
    let read = &judged.read;
    let text = |text: Option<&str>| text.map_or(Value::Nil, Value::str);
    let commit = read.commit.map(|commit| commit.to_string());
    let differs = judged.differences.iter().map(|found| Value::keyword(found.name()));
    let words = judged.differences.iter().map(|found| Value::str(&found.to_string()));
    let fields = [
        ("name", Value::str(&read.symbol)),
        ("store", Value::str(&read.store)),
        ("url", text(located.url(read).map(shown).as_deref())),
        ("uuid", Value::Uuid(read.uuid)),
        ("commit", text(commit.as_deref())),
        ("instant", read.instant_ms.map_or(Value::Nil, Value::Inst)),
        ("differs", Value::Vector(differs.collect())),
        ("why", Value::Vector(words.collect())),
    ];
    Value::map(fields.map(|(name, value)| (Value::keyword(name), value)).into())
}

fn in_a_row(judged: &Judged, located: &Located) -> Value {
    let read = &judged.read;
    let commit = read.commit.map_or_else(|| "0".to_owned(), |commit| commit.to_string());
    let place = located.url(read).map_or_else(|| "nowhere".to_owned(), shown);
    let differs: Vec<&str> = judged.differences.iter().map(|found| found.name()).collect();
    let differs = if differs.is_empty() { "as it was".to_owned() } else { differs.join(" ") };
    Value::str(&format!("{} at {commit} in {place}: {differs}", read.store))
}

fn file_source(judged: &JudgedFile) -> Value {
    let read = &judged.read;
    let differs = judged.difference.iter().map(|_| Value::keyword("file"));
    let words = judged.difference.iter().map(|why| Value::str(&why.message));
    let fields = [
        ("name", Value::str(&read.symbol)),
        ("file", Value::str(&read.path)),
        ("blake3", Value::str(&read.blake3)),
        ("differs", Value::Vector(differs.collect())),
        ("why", Value::Vector(words.collect())),
    ];
    Value::map(fields.map(|(name, value)| (Value::keyword(name), value)).into())
}

fn file_in_a_row(judged: &JudgedFile) -> Value {
    let state = if judged.difference.is_none() { "as it was" } else { "file" };
    Value::str(&format!("{}: {state}", judged.read.path))
}
