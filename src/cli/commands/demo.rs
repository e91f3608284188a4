//! `factfs demo`: makes the databases of two teams, with history, to try things on.
//!
//! **Invariant:** what the databases hold does not depend on the day; only the instants do: they
//! lie around the end of the last quarter, so that "this report, last quarter" has an answer.

use crate::cli::exit::Problem;
use crate::cli::open;
use anyhow::Context;
use factfs_core::conn::CreateOptions;
use factfs_core::{edn, instant};
use factfs_store::{Database, Kind, TransactOptions};
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Make the databases of two teams, with history, to try things on
///
/// A catalog (products, suppliers, prices) and an inventory (items, counts), and queries over both.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs demo ~/factfs-demo
  factfs query ~/factfs-demo/queries/low-stock.edn \\
      --in catalog=~/factfs-demo/catalog --in inventory=~/factfs-demo/inventory")]
pub struct Args {
    /// A directory; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The day to call today: the history ends on it
    #[arg(long, value_name = "DATE")]
    today: Option<String>,
}

const DATABASES: [(&str, &str); 2] = [
    ("catalog", include_str!("../demo/catalog.edn")),
    ("inventory", include_str!("../demo/inventory.edn")),
];

const QUERIES: [(&str, &str); 3] = [
    ("low-stock", include_str!("../demo/low-stock.edn")),
    ("stock-value", include_str!("../demo/stock-value.edn")),
    ("prices", include_str!("../demo/prices.edn")),
];

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub fn run(args: Args) -> anyhow::Result<()> {
    let now = match &args.today {
        Some(text) => instant::parse(text)
            .ok_or_else(|| Problem::invalid(format!("--today: `{text}` is no date")))?,
        None => i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
    };
    let quarter = quarter_start(now)?;
    let queries = args.directory.join("queries");
    let in_queries = || format!("{}", queries.display());
    fs::create_dir_all(&queries).with_context(in_queries)?;
    let mut named = Vec::new();
    for (name, text) in DATABASES {
        let path = args.directory.join(name);
        let options = CreateOptions { name: name.to_owned(), ..CreateOptions::default() };
        let url = path.to_str().ok_or_else(|| Problem::invalid("the path is not Unicode"))?;
        let database = Database::create(url, &options, &open::settings())?;
        for form in edn::read_all(&dated(text, quarter, now))? {
            database.transact(&form, &TransactOptions::default())?;
        }
        named.push(format!("{name}={url}"));
    }
    for (name, text) in QUERIES {
        fs::write(queries.join(format!("{name}.edn")), text).with_context(in_queries)?;
    }
    let last_quarter = &instant::format(quarter - DAY_MS)[..10];
    let directory = args.directory.display();
    crate::cli::output::text(&format!(
        "{directory}: databases catalog and inventory, queries low-stock, stock-value and \
         prices; last quarter ended on {last_quarter}\n\
         mount them:  factfs mount {directory}/mnt {} --queries {directory}/queries\n",
        named.join(" ")
    ))?;
    Ok(())
}

/// The first moment of the quarter that an instant lies in, UTC.
fn quarter_start(ms: i64) -> anyhow::Result<i64> {
    let text = instant::format(ms);
    let month: usize = text.get(5..7).unwrap_or_default().parse()?;
    let start = format!("{}-{:02}-01", &text[..4], (month - 1) / 3 * 3 + 1);
    let problem = || Problem::new(Kind::Unsupported, format!("the clock says {text}"));
    Ok(instant::parse(&start).ok_or_else(problem)?)
}

/// Fills in the instants: `BEFORE-n` is n days before the quarter, `LATER` is in the quarter.
fn dated(text: &str, quarter: i64, now: i64) -> String {
    let mut out = text.replace("LATER", &instant::format(quarter + (now - quarter) / 2));
    for days in [100, 60, 10] {
        let at = instant::format(quarter - days * DAY_MS);
        out = out.replace(&format!("BEFORE-{days}\""), &format!("{at}\""));
    }
    out
}
