//! `factfs transact`: commits transactions, form by form as they arrive.
//!
//! **Invariant:** a report line is printed when its transaction is durable, and before the next
//! form is waited for. What was reported stays, whatever comes after it.

use crate::cli::args::{DATABASE_HELP, DatabaseArgs, FormatArgs, WhichArgs};
use crate::cli::forms::{Forms, Source};
use crate::cli::{open, report};
use anyhow::Context;
use factfs_store::TransactOptions;

/// Commit transactions, form by form as they arrive
///
/// Each form is a transaction: a vector of forms, or one map. One line is printed for each when it
/// is durable. After an error nothing more is read; what was reported stays committed.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  factfs transact /srv/inventory tx.edn
  factfs transact /srv/inventory '[{{:item/sku \"A1\" :item/count 5}}]'
  tail -f changes.edn | factfs transact s3://team-a/catalog - --format json
  factfs transact /srv/inventory tx.edn --tx-id order-4711

{DATABASE_HELP}"))]
pub struct Args {
    /// The database: URL, URL#BRANCH, or the folder of a branch in a mount
    #[arg(value_name = "DB")]
    database: String,
    /// A file of EDN, EDN itself, or - for standard input
    #[arg(value_name = "FILE|TEXT|-")]
    source: String,
    /// The branch, as after `#`
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// An id of yours: what was committed under it before is not committed again. The second form
    /// gets ID.2, the third ID.3
    #[arg(long, value_name = "ID")]
    tx_id: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let which = WhichArgs { branch: args.branch, at: None };
    let database = open::write(&DatabaseArgs { database: args.database, which }.locator()?)?;
    let mut forms = Forms::open(Source::of(&args.source))?;
    let mut lines = args.format.output().lines();
    let mut number = 1;
    while let Some(form) = forms.next_form().with_context(|| committed(number))? {
        let id = args.tx_id.as_ref();
        let tx_id = id.map(|id| if number == 1 { id.clone() } else { format!("{id}.{number}") });
        let report = database
            .transact(&form, &TransactOptions { tx_id })
            .with_context(|| committed(number))?;
        lines.line(report::fields(&report))?;
        number += 1;
    }
    Ok(())
}

/// What to say with an error: how much of the input is in the database.
fn committed(number: usize) -> String {
    match number {
        1 => "nothing was committed".into(),
        2 => "after one transaction that is committed".into(),
        n => format!("after {} transactions that are committed", n - 1),
    }
}
