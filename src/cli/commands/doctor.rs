//! `factfs doctor`: what is wrong with this machine, its mounts and its stores, and what to do.

use crate::cli::args::{FormatArgs, locator};
use crate::cli::doctor::{self, Finding, Grade};
use crate::cli::exit::Problem;
use crate::cli::mounting::{Config, mounted};
use crate::cli::open;
use factfs_core::text::Layout;
use factfs_core::value::Value;
use factfs_mount::point;
use factfs_store::Locator;
use std::path::{Path, PathBuf};

/// Find out what is wrong with this machine, its mounts and its stores, and what to do
///
/// A line for each check: ok, warn or fail, what was found, and what to do. Without an argument all
/// mounts are looked at, with their stores, and the stores of the config file. The exit code is
/// that of the first failure, 0 if there is none.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  factfs doctor
  factfs doctor ~/data
  factfs doctor s3://team-a/catalog --check-store
  factfs doctor --format json")]
pub struct Args {
    /// Mount points, names of mounts of the config file, or databases
    #[arg(value_name = "MOUNT|NAME|DB")]
    places: Vec<String>,
    /// The config file [default: as for factfs mount]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also find out whether the stores keep what writers need of them; below probe/ there
    #[arg(long)]
    check_store: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = open::settings();
    let config = Config::find(args.config.as_deref(), &settings.env);
    let mut findings = doctor::machine();
    findings.push(doctor::config(&config));
    findings.push(doctor::cache(&settings));
    let config = config.ok().flatten();
    let mut stores = Vec::new();
    let of_config = |name: &str| Some(config.as_ref()?.mounts.get(name)?.stores.as_slice());
    if args.places.is_empty() {
        for mount in point::mounts() {
            look(&mount, &mut findings, &mut stores)?;
        }
        let entries = config.iter().flat_map(|config| config.mounts.values());
        stores.extend(entries.flat_map(|entry| &entry.stores).map(|store| store.locator.clone()));
    }
    for place in &args.places {
        match (mounted::at(Path::new(place)), of_config(place)) {
            (Some(mount), _) => look(&mount, &mut findings, &mut stores)?,
            (None, Some(of_mount)) => {
                stores.extend(of_mount.iter().map(|store| store.locator.clone()));
            }
            (None, None) => stores.push(locator(place)?),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for store in stores.iter().filter(|store| seen.insert(store.url.clone())) {
        findings.extend(doctor::store(store, &settings, args.check_store));
    }
    print(&findings, args.format)
}

fn look(
    mount: &point::Mount,
    findings: &mut Vec<Finding>,
    stores: &mut Vec<Locator>,
) -> anyhow::Result<()> {
    let (found, urls) = doctor::mount(mount);
    findings.extend(found);
    for url in urls {
        stores.push(locator(&url)?);
    }
    Ok(())
}

fn print(findings: &[Finding], format: FormatArgs) -> anyhow::Result<()> {
    let row = |one: &Finding| {
        let hint = one.hint.as_deref().map_or(Value::Nil, Value::str);
        [Value::str(&one.check), Value::str(one.grade.name()), Value::str(&one.found), hint]
    };
    let layout = Layout::relation(["check", "state", "found", "hint"]);
    format.output().rows(layout, findings.iter().map(row))?;
    let failed = findings.iter().filter_map(|one| match one.grade {
        Grade::Failure(kind) => Some((kind, &one.check)),
        Grade::Well | Grade::Warning => None,
    });
    let failed: Vec<_> = failed.collect();
    match failed.first() {
        None => Ok(()),
        Some((kind, _)) => {
            let checks: Vec<&str> = failed.iter().map(|(_, check)| check.as_str()).collect();
            let message = format!("{} failed: {}", checks.len(), checks.join(", "));
            Err(Problem::new(*kind, message).into())
        }
    }
}
