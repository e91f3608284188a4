//! `factfs init`: makes an empty database.

use crate::cli::args::{FormatArgs, place_of};
use crate::cli::exit::Problem;
use crate::cli::forms::{Forms, Source};
use crate::cli::open;
use factfs_core::conn::CreateOptions;
use factfs_core::edn::Form;
use factfs_core::value::Value;
use factfs_store::{Database, Settings, TransactOptions};

/// Make an empty database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs init /srv/inventory
  factfs init s3://team-a/catalog --name catalog
  factfs init /srv/inventory --schema schema.edn")]
pub struct Args {
    /// Where: a directory, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX,
    /// sqlite:///FILE.db/PREFIX, postgres://USER@HOST/DATABASE/PREFIX
    #[arg(value_name = "URL")]
    url: String,
    /// The database's own name, by which queries may call it [default: the last part of the URL]
    #[arg(long)]
    name: Option<String>,
    /// Transactions to begin with: a file of EDN, EDN itself, or - for standard input
    #[arg(long, value_name = "FILE")]
    schema: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    // Read first: a database is not left half made because a file is not there.
    let forms = args.schema.as_deref().map(all).transpose()?.unwrap_or_default();
    if args.url.is_empty() {
        return Err(Problem::invalid("where to? the URL is empty").into());
    }
    let last = place_of(&args.url).rsplit(['/', ':']).next().unwrap_or_default();
    let name = args.name.unwrap_or_else(|| last.to_owned());
    let options = CreateOptions { name, ..CreateOptions::default() };
    let settings = open::settings();
    rehearse(&forms, &options, &settings)?;
    let database = Database::create(&args.url, &options, &settings)?;
    for form in &forms {
        database.transact(form, &TransactOptions::default())?;
    }
    let t = database.cached_db().basis_t().0;
    let report = vec![
        ("url", Value::str(database.url())),
        ("uuid", Value::Uuid(database.uuid())),
        ("name", Value::str(database.name()?)),
        ("t", Value::Long(i64::try_from(t).unwrap_or(i64::MAX))),
    ];
    Ok(args.format.output().lines().line(report)?)
}

/// Commits the first transactions in memory: one that is refused must not leave an empty database,
/// in whose place no other can be made.
fn rehearse(forms: &[Form], options: &CreateOptions, settings: &Settings) -> anyhow::Result<()> {
    if forms.is_empty() {
        return Ok(());
    }
    let database = Database::create("memory:rehearsal", options, settings)?;
    for form in forms {
        database.transact(form, &TransactOptions::default())?;
    }
    Ok(())
}

fn all(argument: &str) -> anyhow::Result<Vec<Form>> {
    let mut forms = Forms::open(Source::of(argument))?;
    let mut out = Vec::new();
    while let Some(form) = forms.next_form()? {
        out.push(form);
    }
    Ok(out)
}
