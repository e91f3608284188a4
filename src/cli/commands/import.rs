//! `factfs import`: rows of csv, tsv, JSON or EDN into a database, many to a transaction.
//!
//! **Invariant:** a batch is committed whole or not at all, batches are committed in order, and an
//! error says how far it came: everything before it is committed. With `--tx-id` a batch that was
//! committed before is not again.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs, WhichArgs};
use crate::cli::exit::Problem;
use crate::cli::forms::{Forms, Source};
use crate::cli::import::{
    Batch, Builder, Committer, Entity, Item, Naming, Row, Rows, Writer, infer,
};
use crate::cli::open;
use crate::cli::progress::Progress;
use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use factfs_core::edn::Form;
use factfs_core::text::Format;
use factfs_core::transact::Statement;
use std::collections::VecDeque;

/// Import rows of csv, tsv, JSON or EDN
///
/// The header, or the keys of objects, name attributes: `product/sku`. A row with an identity that
/// is there already is added to that entity. Values are read by the type of their attribute; many
/// values are a JSON array. A ref is an id, an `:ident`, an object, or, in a column named
/// `product/supplier.supplier/id`, the value of that identity. An empty cell says nothing; `\N`,
/// and null in JSON, retracts. In EDN a map is an entity, a vector a transaction of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs import /srv/catalog products.csv --schema schema.edn
  factfs import /srv/catalog products.csv --namespace product --identity product/sku --infer
  factfs import /srv/catalog prices.csv --map Artikel=product/sku --map Preis=product/price \\
      --map Bemerkung=
  make-rows | factfs import s3://team-a/catalog - --format jsonl --tx-id nightly-2026-06-30

{DATABASE_HELP}"))]
pub struct Args {
    /// The database: URL, URL#BRANCH, or the folder of a branch in a mount
    #[arg(value_name = "DB")]
    database: String,
    /// A file, or - for standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: String,
    /// The format of the input [default: by the name of the file]
    #[arg(long, short, value_name = "FORMAT", value_parser = input_format())]
    format: Option<Format>,
    /// The format of the report [default: edn]
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["edn", "json"]))]
    report: Option<String>,
    /// The branch, as after `#`
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// The namespace of columns that have none
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,
    /// A column means this attribute; without an attribute it is skipped. May be repeated
    #[arg(long, value_name = "COLUMN=ATTR", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// This column holds entity ids, like `db/id`
    #[arg(long, value_name = "COLUMN")]
    entity_id: Option<String>,
    /// These attributes identify entities: checked, and said in the schema that --infer proposes.
    /// May be repeated
    #[arg(long, value_name = "ATTR")]
    identity: Vec<String>,
    /// Make an entity where an identity in a ref names nobody [default: an error]
    #[arg(long)]
    create_refs: bool,
    /// Transactions to begin with: a file of EDN, or EDN itself
    #[arg(long, value_name = "FILE")]
    schema: Option<String>,
    /// State the attributes that are unknown, as the first rows suggest
    #[arg(long)]
    infer: bool,
    /// How many rows --infer looks at
    #[arg(long, value_name = "N", default_value_t = 1000)]
    infer_rows: usize,
    /// How many rows make a transaction
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = 1..)]
    batch: i64,
    /// Give batches ids that begin like this, so that what is committed is not committed again
    #[arg(long, value_name = "PREFIX")]
    tx_id: Option<String>,
}

fn mapping(text: &str) -> Result<(String, String), Problem> {
    let (column, attribute) = text.rsplit_once('=').ok_or_else(|| {
        Problem::invalid(format!("`{text}` is not COLUMN=ATTRIBUTE, or COLUMN= to skip it"))
    })?;
    Ok((column.to_owned(), attribute.strip_prefix(':').unwrap_or(attribute).to_owned()))
}

fn input_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["csv", "tsv", "json", "jsonl", "edn"]).try_map(|text| {
        Format::from_extension(&text).ok_or_else(|| Problem::invalid("no such format"))
    })
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let which = WhichArgs { branch: args.branch.clone(), at: None };
    let named = DatabaseArgs { database: args.database.clone(), which };
    let format = format(&args)?;
    let size = std::fs::metadata(&args.file).ok().map(|about| about.len());
    let source = if args.file == "-" { Source::Stdin } else { Source::File(args.file.clone()) };
    let mut rows = Rows::open(source, format)?;
    let database = open::write(&named.locator()?)?;
    let mut writer = Writer::new(database, args.tx_id.clone());
    if let Some(schema) = &args.schema {
        begin_with(&mut writer, schema)?;
    }
    let naming = Naming {
        namespace: args.namespace.clone(),
        renamed: args.map.iter().cloned().collect(),
        entity_id: args.entity_id.clone(),
    };
    let identities: Vec<String> =
        args.identity.iter().map(|i| i.trim_start_matches(':').to_owned()).collect();
    let mut waiting = VecDeque::new();
    if args.infer {
        waiting = infer_schema(&mut writer, &mut rows, &naming, &identities, args.infer_rows)?;
    }
    let schema = writer.database().db()?.schema().clone();
    let mut builder = Builder::new(schema, naming, args.create_refs);
    let check = |identity: &String| builder.check_identity(identity).map_err(Problem::from);
    identities.iter().try_for_each(check)?;
    let progress = Progress::of_bytes(size);
    let committer = Committer::begin(writer)?;
    let limit = usize::try_from(args.batch)?;
    let read = read(&mut rows, waiting, &mut builder, &committer, limit, &progress);
    // What was read before an error is committed, unless that fails: then that came first.
    let (done, written) = committer.end();
    drop(progress);
    written.and(read).with_context(|| done.how_far(rows.name()))?;
    let report = args.report.as_deref().and_then(Format::from_extension);
    Ok(FormatArgs { format: report }.output().lines().line(done.fields())?)
}

/// Reads all rows, and gives them to the committer; ends early if that does not take more.
fn read(
    rows: &mut Rows,
    mut waiting: VecDeque<Item>,
    builder: &mut Builder,
    committer: &Committer,
    limit: usize,
    progress: &Progress,
) -> anyhow::Result<()> {
    let (mut batch, mut before) = (Batch::default(), rows.consumed());
    loop {
        let next = match waiting.pop_front() {
            Some(item) => Some(item),
            None => rows.next_item()?,
        };
        let Some(item) = next else { break };
        let mut goes_on = true;
        match item {
            Item::Row(row) => {
                batch.add(row.line, builder.entity(&row).map_err(Problem::from)?);
            }
            Item::Entity(form) => {
                let line = u64::from(form.span.line);
                let said = Some(Statement::Form(form));
                batch.add(line, Entity { said, retracts: vec![] });
            }
            Item::Transaction(form) => {
                goes_on = committer.batch(std::mem::take(&mut batch)) && committer.form(form);
            }
        }
        batch.columns = builder.columns();
        if batch.entities.len() >= limit {
            batch.bytes = rows.consumed() - before;
            before = rows.consumed();
            goes_on = committer.batch(std::mem::take(&mut batch));
            progress.at(rows.consumed(), format!("{} rows", committer.rows()));
        }
        if !goes_on {
            return Ok(());
        }
    }
    committer.batch(batch);
    Ok(())
}

fn format(args: &Args) -> anyhow::Result<Format> {
    let by_name = || Format::from_extension(args.file.rsplit_once('.')?.1);
    args.format.or_else(by_name).ok_or_else(|| {
        let text = format!("{}: which format is it?", args.file);
        Problem::invalid(text).hint("--format csv, tsv, json, jsonl or edn").into()
    })
}

/// Commits the transactions of `--schema`.
fn begin_with(writer: &mut Writer, argument: &str) -> anyhow::Result<()> {
    let mut forms = Forms::open(Source::of(argument))?;
    while let Some(form) = forms.next_form()? {
        writer.transact(form).with_context(|| "--schema".to_owned())?;
    }
    Ok(())
}

/// States the attributes that the first rows suggest; gives those rows back.
fn infer_schema(
    writer: &mut Writer,
    rows: &mut Rows,
    naming: &Naming,
    identities: &[String],
    limit: usize,
) -> anyhow::Result<VecDeque<Item>> {
    let mut items = VecDeque::new();
    let mut sample: Vec<Row> = Vec::new();
    while items.len() < limit {
        let Some(item) = rows.next_item()? else { break };
        if let Item::Row(row) = &item {
            sample.push(row.clone());
        }
        items.push_back(item);
    }
    let db = writer.database().db()?;
    if let Some(schema) = infer(&sample, naming, db.schema(), identities)? {
        writer.transact(Form::from(schema)).with_context(|| "--infer")?;
    }
    Ok(items)
}
